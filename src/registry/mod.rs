//! registry: families and their series. Finds or admits the series of a new binding.
//!
//! Workers call it on a binding miss only, so it may lock and allocate. The map of families is a dashmap that many workers read. No
//! reference into it outlives its statement, and expositions use a separate sorted index. Limits and conflicts are checked when a
//! series is admitted, so that one family cannot make the exposition of another invalid. Knows neither the wire nor exposition
//! formats.

pub mod cell;

mod admission;
mod arrival;
mod budget;
mod conflicts;
mod example;
mod exemplars;
mod expired_names;
mod expiry;
mod families;
mod family;
mod grace;
mod kind;
mod label_set;
mod limited;
#[cfg(feature = "cli")]
mod look;
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
mod set_times;
mod values;
mod worker_cells;
mod workers;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

pub(crate) use self::arrival::Arrival;
use self::budget::{Budget, Totals};
use self::conflicts::Conflicts;
pub(crate) use self::conflicts::Reserved;
pub use self::conflicts::{Conflict, Reason, Side};
pub(crate) use self::exemplars::{Exemplar, Exemplars};
use self::expiry::Expiry;
use self::families::Families;
pub(crate) use self::family::Family;
use self::grace::GracePeriod;
pub(crate) use self::kind::FamilyKind;
#[cfg(feature = "cli")]
pub(crate) use self::label_set::identity;
pub(crate) use self::label_set::{Labels, may_have_quoted_names, push_label, split};
use self::limited::Offenders;
pub use self::limited::{Limit, Limited};
#[cfg(feature = "cli")]
pub(crate) use self::look::ShownValue;
pub use self::report::{Cardinality, Deleted, FamilyReport, LabelReport, Wanted};
pub(crate) use self::request::{Admitted, NotAdmitted, Request};
pub(crate) use self::saved::{RestoreRules, save};
pub use self::saved::{Restored, SavedFamily};
pub(crate) use self::series::Series;
#[cfg(feature = "cli")]
pub(crate) use self::set_times::SET_TIME_SUFFIX;
pub(crate) use self::worker_cells::WorkerCell;
pub(crate) use self::workers::Membership;
use self::workers::Workers;
// `workers.rs` imports these from here. The model in `model/` runs that file and puts loom's types in their place.
use crate::lock::lock;
use crate::memory::Account;
use crate::name::{FamilyName, NameValidation};
use crate::options::Limits;
use crate::time::{Timestamp, WallOffset};

/// All families. One for a bridge.
pub(crate) struct Registry {
    limits: Limits,
    families: Families,
    totals: Totals,
    conflicts: Conflicts,
    /// Memory of the bindings of all workers.
    bindings: Arc<Account>,
    workers: Workers,
    expiry: Expiry,
    grace: GracePeriod,
    offenders: Offenders,
    exemplars: Exemplars,
    /// Limits that rejected whole families.
    limited: Mutex<Vec<Arc<Limited>>>,
    /// Increases when series are removed. Workers then retry what a limit rejected.
    changes: AtomicU64,
    /// Whether expositions show new counters at 0 first.
    counters_start_at_zero: bool,
    /// How names of families with the times at which gauges were set are checked; `None` if expositions do not show these families.
    set_times: Option<NameValidation>,
    /// Whether histograms keep native buckets. Never becomes false again.
    is_native_wanted: AtomicBool,
    wall: Arc<WallOffset>,
}

impl Registry {
    /// An empty registry. An expired series that returns within `grace_ms` continues from its old value.
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
            offenders: Offenders::default(),
            exemplars: Exemplars::new(limits.exemplar_series, Arc::clone(&wall), &totals.memory),
            totals,
            limited: Mutex::default(),
            changes: AtomicU64::new(0),
            counters_start_at_zero,
            set_times: None,
            is_native_wanted: AtomicBool::new(false),
            wall,
        }
    }

    /// Shows with each gauge a family with the times at which it was set. `names` are those of the bridge.
    pub(crate) fn with_set_times(mut self, names: NameValidation) -> Self {
        self.set_times = Some(names);
        self
    }

    /// The offset of the wall clock from the timeline.
    pub(crate) fn wall(&self) -> &WallOffset {
        &self.wall
    }

    /// Registers a new worker.
    pub(crate) fn join(&self) -> Membership {
        self.workers.join()
    }

    /// Releases a worker's number. The next worker reuses the number and its cells.
    pub(crate) fn leave(&self, member: &Membership) {
        self.workers.leave(member);
    }

    /// A worker calls this before it writes. The returned number increases when series were removed.
    #[inline]
    pub(crate) fn enter(&self, member: &Membership) -> u64 {
        self.workers.enter(member);
        self.changes.load(Relaxed)
    }

    /// A worker calls this after its writes. It delays no expiry until it enters again.
    #[inline]
    pub(crate) fn park(&self, member: &Membership) {
        self.workers.park(member);
    }

    fn change(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    fn budget(&self, limits: Limits) -> Budget<'_> {
        Budget { limits, totals: &self.totals, grace: &self.grace, offenders: &self.offenders }
    }

    /// Makes histograms keep native buckets beside the classic ones if their family allows it, each from its next sample on.
    pub(crate) fn want_native(&self) {
        if !self.is_native_wanted.swap(true, Relaxed) {
            self.families().iter().for_each(|family| family.kind().want_native());
        }
    }

    /// All families, sorted by name.
    pub(crate) fn families(&self) -> Vec<Arc<Family>> {
        self.families.from(None)
    }

    /// The families that an exposition shows, sorted by name: all families, and those with the times at which gauges were set.
    pub(crate) fn exposed_families(&self) -> Vec<Arc<Family>> {
        let mut families = self.families();
        if let Some(names) = self.set_times {
            let times: Vec<_> = families.iter().filter_map(|family| family.set_times(names, &self.wall)).collect();
            families.extend(times);
            families.sort_by(|a, b| a.name().as_str().cmp(b.name().as_str()));
        }
        families
    }

    /// Number of families.
    #[cfg(feature = "cli")]
    pub(crate) fn family_count(&self) -> usize {
        self.families.len()
    }

    /// Whether there is a series with this name and these labels.
    pub(crate) fn has_series(&self, name: &str, labels: &str) -> bool {
        self.families.get(name).is_some_and(|family| family.has(labels))
    }

    /// Number of series, without overflow series.
    pub(crate) fn series(&self) -> usize {
        self.totals.series.load(Relaxed)
    }

    /// Bytes of all series and of what belongs to them: bindings, exemplars, series in their grace period.
    pub(crate) fn series_bytes(&self) -> usize {
        self.totals.memory.used()
    }

    /// The account that the bindings of all workers are charged to.
    pub(crate) fn bindings(&self) -> &Arc<Account> {
        &self.bindings
    }

    /// The exemplars of all series.
    pub(crate) fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Numbers of series with their limits, and the `top` families with the most series.
    pub(crate) fn cardinality(&self, top: usize) -> Cardinality {
        let mut all = self.families();
        let families = all.len();
        // Reports are expensive, so only the families that are returned get one.
        all.sort_by_cached_key(|family| std::cmp::Reverse((!family.limited().is_empty(), family.len())));
        all.truncate(top);
        Cardinality {
            series: self.series(),
            series_limit: self.limits.series,
            series_bytes: self.series_bytes(),
            series_bytes_limit: self.limits.series_bytes,
            families,
            families_limit: self.limits.families,
            in_grace: self.grace.len(),
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
        // A series in its grace period would otherwise return with its old value. The grace period is searched before and after the
        // families, because a series may return or expire in between.
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
        in_grace.iter().for_each(|kept| deleted.note(kept.name.as_str(), kept.series.labels()));
        self.end(ended);
        deleted
    }

    /// The kind of the family of this name, or of its series in their grace period.
    #[cfg(feature = "cli")]
    pub(crate) fn kind_of(&self, name: &str) -> Option<FamilyKind> {
        self.families.get(name).map(|family| family.kind().clone()).or_else(|| self.grace.kind_of(name))
    }

    /// One step of expiry. Call it about once a second. Returns the number of removed series. Calls `gone` with each of them once
    /// no worker can write to it.
    pub(crate) fn expire(&self, now: Timestamp, gone: impl FnMut(&Series)) -> usize {
        self.grace.expire(now);
        let count = self.expiry.step(&self.families, &self.workers, &self.budget(self.limits), now, gone);
        if count > 0 {
            self.change();
        }
        count
    }

    /// Makes sure that no worker keeps writing to series that were removed without waiting for their ttl.
    fn end(&self, series: Vec<Arc<Series>>) {
        if !series.is_empty() {
            self.expiry.end(series, &self.workers);
            self.change();
        }
    }

    /// Limits that rejected whole families.
    pub(crate) fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.limited).clone()
    }

    /// Number of series in their grace period.
    pub(crate) fn in_grace(&self) -> usize {
        self.grace.len()
    }

    /// Counts an exposition that left `family` out, because its escaping gives `family` the name of `kept`.
    pub(crate) fn note_left_out(&self, family: &Family, kept: &Family, now: Timestamp) {
        let (sample, source) = family.first_sample();
        let arrival = Arrival { text: &|| sample.to_owned(), source, now };
        let came = Side::of_arrival(family.name().as_str(), family.kind(), &arrival);
        self.conflicts.of(Reason::Escaping, came, &arrival, || Some(kept.side())).count();
    }

    /// All conflicts so far, sorted by name and type.
    pub(crate) fn conflicts(&self) -> Vec<Arc<Conflict>> {
        self.conflicts.all()
    }
}
