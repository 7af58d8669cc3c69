//! registry: families and their series; finds or admits the series of a new binding.
//!
//! Asked only on a binding miss, so it may lock and allocate. The families' map is dashmap, read by many workers; no reference
//! into it outlives its statement, and a page is made from the sorted index beside it. Limits and conflicts are settled here, when a
//! series is admitted, so that nothing on the page can hurt another family. Knows no wire and no page format.

pub mod cell;

mod arrival;
mod budget;
mod conflicts;
mod example;
mod exemplars;
mod expiry;
mod families;
mod family;
mod grace;
mod kind;
mod label_set;
mod limited;
mod members;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod native_tests;
mod order;
mod parts;
mod report;
mod request;
mod saved;
mod series;
mod values;
mod worker_cells;
mod workers;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

pub(crate) use self::arrival::Arrival;
use self::budget::{Budget, Totals};
use self::conflicts::Conflicts;
pub use self::conflicts::{Conflict, Reason, Side};
pub(crate) use self::exemplars::{Exemplar, Exemplars};
use self::expiry::Expiry;
use self::families::{Families, lines_collide};
pub(crate) use self::family::Family;
use self::grace::GracePeriod;
pub(crate) use self::kind::FamilyKind;
pub(crate) use self::label_set::{Labels, may_have_quoted_names, push_label, split};
use self::limited::Culprits;
pub use self::limited::{Limit, Limited};
pub use self::report::{Cardinality, Deleted, FamilyReport, LabelReport, Wanted};
pub(crate) use self::request::{Admitted, NotAdmitted, Request};
pub(crate) use self::saved::{RestoreRules, save};
pub use self::saved::{Restored, SavedFamily};
pub(crate) use self::series::Series;
pub(crate) use self::worker_cells::CellHandle;
pub(crate) use self::workers::Membership;
use self::workers::Workers;
// Taken from here by the file that the model in `model/` runs, so that they can be other ones there.
use crate::lock::lock;
use crate::memory::Account;
use crate::name::FamilyName;
use crate::options::{Limits, Overflow};
use crate::time::{Timestamp, WallOffset};

/// All families. One for a bridge.
pub(crate) struct Registry {
    limits: Limits,
    families: Families,
    totals: Totals,
    conflicts: Conflicts,
    /// From which all workers take the memory of their bindings.
    bindings: Arc<Account>,
    workers: Workers,
    expiry: Expiry,
    grace: GracePeriod,
    culprits: Culprits,
    exemplars: Exemplars,
    /// The limits that kept whole families out.
    limited: Mutex<Vec<Arc<Limited>>>,
    /// Rises when series went, so that what was refused for want of room may be asked again.
    changes: AtomicU64,
    /// Whether expositions show counters at 0 first.
    counters_start_at_zero: bool,
    /// Whether histograms are to keep native buckets; only ever goes up.
    is_native_wanted: AtomicBool,
    wall: Arc<WallOffset>,
}

impl Registry {
    /// An empty registry. Series that expired and come back within `grace_ms` go on from their old values.
    pub(crate) fn new(limits: Limits, grace_ms: u64, counters_start_at_zero: bool) -> Self {
        let wall = Arc::<WallOffset>::default();
        let totals = Totals::new(&limits);
        Self {
            limits,
            families: Families::default(),
            conflicts: Conflicts::new(&totals.memory),
            bindings: Account::new(&totals.memory),
            workers: Workers::default(),
            expiry: Expiry::default(),
            grace: GracePeriod::new(grace_ms, &limits, &totals.memory),
            culprits: Culprits::default(),
            exemplars: Exemplars::new(limits.exemplar_series, Arc::clone(&wall), &totals.memory),
            totals,
            limited: Mutex::default(),
            changes: AtomicU64::new(0),
            counters_start_at_zero,
            is_native_wanted: AtomicBool::new(false),
            wall,
        }
    }

    /// How far the wall clock is from the timeline.
    pub(crate) fn wall(&self) -> &WallOffset {
        &self.wall
    }

    /// A place for a new worker.
    pub(crate) fn join(&self) -> Membership {
        self.workers.join()
    }

    /// Gives a worker's place back; the next worker goes on writing its cells.
    pub(crate) fn leave(&self, member: &Membership) {
        self.workers.leave(member);
    }

    /// To be called by a worker between two batches. Returns a number that rises when places came free.
    #[inline]
    pub(crate) fn pass(&self, member: &Membership) -> u64 {
        self.workers.pass(member);
        self.changes.load(Relaxed)
    }

    fn change(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    /// Finds or admits the series that is asked for, and the worker's cell of it.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`], each of which is to be counted.
    pub(crate) fn admit(&self, request: &Request<'_>) -> Result<Admitted, NotAdmitted> {
        let limits = Limits {
            series_per_family: request.limits.series.unwrap_or(self.limits.series_per_family),
            values_per_label: request.limits.values_per_label.unwrap_or(self.limits.values_per_label),
            overflow: request.limits.overflow.unwrap_or(self.limits.overflow),
            ..self.limits
        };
        let budget = self.budget(limits);
        if request.ttl_ms > 0 {
            self.expiry.expect_ttl();
        }
        // A family that goes just now is made anew; that it goes again and again is not to be expected.
        loop {
            let family = match self.families.get(request.name.as_str()) {
                Some(family) if family.is_outdated(request) => {
                    self.end(family.end(request, &budget));
                    if family.is_gone() {
                        self.families.forget(&family);
                    }
                    continue;
                }
                Some(family) => family,
                None => self.create(request, limits.overflow)?,
            };
            if !family.kind().same_type(request.kind) {
                return Err(self.conflict(Reason::Type, request, &family));
            }
            if let Some(result) = family.admit(request, &budget) {
                if let Ok(Admitted { has_other_help: true, .. }) = &result {
                    self.note_other_help(request, &family);
                }
                if family.is_gone() {
                    self.families.forget(&family);
                }
                return result;
            }
            self.families.forget(&family);
        }
    }

    fn budget(&self, limits: Limits) -> Budget<'_> {
        Budget { limits, totals: &self.totals, grace: &self.grace, culprits: &self.culprits }
    }

    fn note_other_help(&self, request: &Request<'_>, family: &Family) {
        let text = |help: Option<Arc<str>>| help.as_deref().unwrap_or_default().to_owned();
        let came = Side::of_arrival(request.name.as_str(), request.kind, &request.arrival);
        let arrival = Arrival { text: &|| text(request.help.clone()), ..request.arrival };
        let kept = || Some(Side { example: text(family.help()).into(), ..family.side() });
        self.conflicts.of(Reason::Help, came, &arrival, kept).count();
    }

    /// A family that there is no room for.
    fn refuse_family(&self, limit: Limit, request: &Request<'_>) -> NotAdmitted {
        let mut all = lock(&self.limited);
        let known = all.iter().find(|known| known.limit == limit).map(Arc::clone);
        let limited = known.unwrap_or_else(|| {
            let new = Arc::new(Limited::new("", (limit, ""), Overflow::Refuse, &request.arrival, &self.culprits));
            all.push(Arc::clone(&new));
            new
        });
        limited.note_value(request.name.as_str());
        NotAdmitted::Limited(limit.refusal(), limited)
    }

    /// Notes what was settled for another reason than a name that is taken.
    pub(crate) fn settle(&self, reason: Reason, name: &str, kind: &FamilyKind, arrival: &Arrival<'_>) -> Arc<Conflict> {
        self.conflicts.of(reason, Side::of_arrival(name, kind, arrival), arrival, || None)
    }

    fn conflict(&self, reason: Reason, request: &Request<'_>, kept: &Family) -> NotAdmitted {
        let came = Side::of_arrival(request.name.as_str(), request.kind, &request.arrival);
        NotAdmitted::Conflict(self.conflicts.of(reason, came, &request.arrival, || Some(kept.side())))
    }

    /// A new family. Where there is no room for its series it is made for its overflow series, if samples of its kind may be folded.
    fn create(&self, request: &Request<'_>, overflow: Overflow) -> Result<Arc<Family>, NotAdmitted> {
        let name = request.name.as_str();
        let may_fold = *request.kind != FamilyKind::Gauge && overflow != Overflow::Refuse;
        self.families.get_or_create(name, |index| {
            if let Some(other) = lines_collide(index, name, request.kind) {
                return Err(self.conflict(Reason::Lines, request, other));
            }
            if index.len() >= self.limits.families {
                return Err(self.refuse_family(Limit::Families, request));
            }
            if let Some(limit) = self.totals.limit(&self.limits, &self.grace).filter(|_| !may_fold || self.totals.memory.is_exhausted()) {
                let limit = if may_fold { Limit::SeriesBytes } else { limit };
                return Err(self.refuse_family(limit, request));
            }
            let family = Arc::new(Family::new(request, &self.totals.memory));
            // Read under the lock under which it is spread, so that no family is missed.
            if self.is_native_wanted.load(Relaxed) {
                family.kind().want_native();
            }
            Ok(family)
        })
    }

    /// From now on histograms keep native buckets beside the classic ones, where their family may: each from its next sample on.
    pub(crate) fn want_native(&self) {
        if !self.is_native_wanted.swap(true, Relaxed) {
            self.families().iter().for_each(|family| family.kind().want_native());
        }
    }

    /// All families, sorted by name.
    pub(crate) fn families(&self) -> Vec<Arc<Family>> {
        self.families.from(None)
    }

    /// Series admitted, overflow series not counted.
    pub(crate) fn series(&self) -> usize {
        self.totals.series.load(Relaxed)
    }

    /// Bytes that the series take, and all that is kept for them: bindings, exemplars, what rests.
    pub(crate) fn series_bytes(&self) -> usize {
        self.totals.memory.used()
    }

    /// From which all workers take the memory of their bindings.
    pub(crate) fn bindings(&self) -> &Arc<Account> {
        &self.bindings
    }

    /// Exemplars of the series that have some.
    pub(crate) fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// The limits it keeps.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Series against their limits, and the `top` families that have the most.
    pub(crate) fn cardinality(&self, top: usize) -> Cardinality {
        let mut all = self.families();
        let families = all.len();
        // Only those that are shown are looked through, and held twice.
        all.sort_by_cached_key(|family| std::cmp::Reverse((!family.limited().is_empty(), family.len())));
        all.truncate(top);
        Cardinality {
            series: self.series(),
            series_limit: self.limits.series,
            series_bytes: self.series_bytes(),
            series_bytes_limit: self.limits.series_bytes,
            families,
            families_limit: self.limits.families,
            resting: self.grace.len(),
            limited: self.limited(),
            top: all.iter().map(|family| family.report()).collect(),
        }
    }

    /// See [`Bridge::delete_series`](crate::bridge::Bridge::delete_series).
    pub(crate) fn delete(&self, wanted: Wanted<'_>, dry_run: bool) -> Deleted {
        let (mut deleted, mut ended) = (Deleted::default(), Vec::new());
        let is_meant = |name: &FamilyName, series: &Series| {
            let labels: Vec<_> = split(series.labels()).collect();
            let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, value.clone())).collect();
            wanted(name.as_str(), &labels)
        };
        // One in its grace period would go on from its old value. Looked for on both sides of the others, because one may come back
        // or expire meanwhile.
        let mut in_grace = if dry_run { Vec::new() } else { self.grace.delete(&is_meant, false) };
        for family in self.families() {
            for series in family.series().iter() {
                if !is_meant(family.name(), series) || !(dry_run || family.end_series(series, &self.budget(self.limits))) {
                    continue;
                }
                deleted.note(family.name().as_str(), series.labels());
                if !dry_run {
                    ended.push(Arc::clone(series));
                }
            }
            if family.is_gone() {
                self.families.forget(&family);
            }
        }
        in_grace.extend(self.grace.delete(&is_meant, dry_run));
        in_grace.iter().for_each(|(name, series)| deleted.note(name.as_str(), series.labels()));
        self.end(ended);
        deleted
    }

    /// What a family of this name is, or was whose series are in their grace period.
    #[cfg(feature = "cli")]
    pub(crate) fn kind_of(&self, name: &str) -> Option<FamilyKind> {
        self.families.get(name).map(|family| family.kind().clone()).or_else(|| self.grace.kind_of(name))
    }

    /// One step of expiry. To be called about once a second; returns how many series went. Each is shown to `gone` once nothing
    /// can be added to it any more.
    pub(crate) fn expire(&self, now: Timestamp, gone: impl FnMut(&Series)) -> usize {
        self.grace.expire(now);
        let count = self.expiry.step((&self.families, &self.workers), &self.budget(self.limits), now, gone);
        if count > 0 {
            self.change();
        }
        count
    }

    /// Sees to it that nobody goes on writing to series that were ended at once.
    fn end(&self, series: Vec<Arc<Series>>) {
        if !series.is_empty() {
            self.expiry.end(series, &self.workers);
            self.change();
        }
    }

    /// The limits that kept whole families out.
    pub(crate) fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.limited).clone()
    }

    /// Expired series whose values are kept for the case that they come back.
    pub(crate) fn in_grace(&self) -> usize {
        self.grace.len()
    }

    /// Notes that a page left `family` out, because under the page's escaping its name is that of `kept`. Counts pages.
    pub(crate) fn note_left_out(&self, family: &Family, kept: &Family, now: Timestamp) {
        let (sample, source) = family.first_sample();
        let arrival = Arrival { text: &|| sample.to_owned(), source, now };
        let came = Side::of_arrival(family.name().as_str(), family.kind(), &arrival);
        self.conflicts.of(Reason::Escaping, came, &arrival, || Some(kept.side())).count();
    }

    /// Conflicts met so far, by name and type, sorted.
    pub(crate) fn conflicts(&self) -> Vec<Arc<Conflict>> {
        self.conflicts.all()
    }
}
