//! A family: one name, one type, and its series in the order of the exposition.
//!
//! Admission holds the lock of the members. Nothing else holds it for long: expositions sort the series under a separate lock, and
//! expiry removes a few series at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use super::budget::Budget;
use super::conflicts::Side;
use super::kind::FamilyKind;
use super::limited::Limited;
use super::members::Members;
use super::order::merge;
use super::report::FamilyReport;
use super::request::{Admitted, NotAdmitted, Request};
use super::series::{Series, bytes_of_one};
use super::set_times::{self, SET_TIME_SUFFIX};
use super::values::OVERFLOW_VALUE;
use super::worker_cells::WorkerCell;
use crate::lock::lock;
use crate::memory::{Account, Memory};
use crate::name::{FamilyName, NameValidation};
use crate::source::Source;
use crate::time::{Timestamp, WallOffset};

/// Series removed under one hold of the lock, so that a worker with a new series never waits long.
const REMOVED_TOGETHER: usize = 256;

/// Memory of a family without names and series: its fields, its places in map and index, overhead of the allocator.
const FAMILY_BYTES: usize = 800;

/// One name, one type, and the series.
pub(crate) struct Family {
    name: FamilyName,
    kind: FamilyKind,
    /// The pattern of the rule that created it; empty for none.
    origin: Box<str>,
    /// The newest generation of rules that admitted a sample.
    generation: AtomicU64,
    /// Set when the last series was removed. The family admits nothing then, and the registry removes it.
    gone: AtomicBool,
    /// The sample that created it.
    first: FirstSample,
    members: Mutex<Members>,
    /// The series in the order of the exposition, shared with expositions in progress. Members keep what was added and removed since.
    ordered: Mutex<Arc<Vec<Arc<Series>>>>,
    /// The family with the times at which its series were set, once an exposition has asked for it.
    set_times: OnceLock<Arc<Family>>,
}

/// The sample that created a family, as it was sent, and its sender.
struct FirstSample {
    text: Box<str>,
    source: Source,
}

/// The parts of a family that are saved, at one moment.
pub(super) struct FamilySnapshot {
    pub(super) series: Arc<Vec<Arc<Series>>>,
    pub(super) overflow: Option<Arc<Series>>,
    pub(super) help: Option<Arc<str>>,
    pub(super) first_names: Vec<String>,
}

impl Family {
    /// A family without series. The memory of its overflow series is charged in advance, so that there is always room for it.
    pub(super) fn new(request: &Request<'_>, memory: &Arc<Memory>) -> Self {
        let name_bytes = request.name.as_str().len();
        let bounds = if let FamilyKind::Histogram { bounds } = request.kind { size_of_val::<[f64]>(bounds) } else { 0 };
        let texts = 3 * name_bytes + request.origin.len() + request.help.as_ref().map_or(0, |help| help.len());
        let overflow: usize = request.labels.iter().map(|(label, _)| label.len() + OVERFLOW_VALUE.len() + 4).sum();
        let (base_bytes, reserved_bytes) = (FAMILY_BYTES + texts + bounds, overflow + bytes_of_one("", request.kind));
        Self {
            name: request.name.clone(),
            kind: request.kind.clone(),
            origin: request.origin.into(),
            generation: AtomicU64::new(request.generation),
            gone: AtomicBool::new(false),
            first: FirstSample { text: request.arrival.example().into(), source: request.arrival.source },
            members: Mutex::new(Members::new(&Account::new(memory), base_bytes, reserved_bytes)),
            ordered: Mutex::default(),
            set_times: OnceLock::new(),
        }
    }

    /// The family with the times at which the series of this gauge were set; `None` for other kinds. Its series are those of now.
    pub(super) fn set_times(&self, names: NameValidation, wall: &Arc<WallOffset>) -> Option<Arc<Self>> {
        if self.kind != FamilyKind::Gauge {
            return None;
        }
        let name = FamilyName::new(&format!("{}{SET_TIME_SUFFIX}", self.name), names)?;
        let times = self.set_times.get_or_init(|| Arc::new(self.new_set_times(name)));
        let gauges = self.series();
        let (account, may_have_quoted_names) = {
            let members = lock(&self.members);
            (Arc::clone(members.account()), members.may_have_quoted_names)
        };
        let mut ordered = lock(&times.ordered);
        if let Some(series) = set_times::series_of(&gauges, &ordered, (wall, &account)) {
            *ordered = Arc::new(series);
            lock(&times.members).may_have_quoted_names = may_have_quoted_names;
        }
        drop(ordered);
        Some(Arc::clone(times))
    }

    fn new_set_times(&self, name: FamilyName) -> Self {
        let account = Arc::clone(lock(&self.members).account());
        let bytes = FAMILY_BYTES + 3 * name.as_str().len();
        let mut members = Members::new(&account, bytes, 0);
        (members.help, members.unit) = (Some(set_times::help(self.name.as_str())), Some("seconds"));
        Self {
            name,
            kind: FamilyKind::Gauge,
            origin: "".into(),
            generation: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            first: FirstSample { text: self.first.text.clone(), source: self.first.source },
            members: Mutex::new(members),
            ordered: Mutex::default(),
            set_times: OnceLock::new(),
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> &FamilyName {
        &self.name
    }

    /// The kind.
    pub(crate) fn kind(&self) -> &FamilyKind {
        &self.kind
    }

    /// The pattern of the rule that created it; empty for none.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The parts that are saved.
    pub(super) fn snapshot(&self) -> FamilySnapshot {
        let series = self.series();
        let (overflow, first_names) = lock(&self.members).overflow_and_first_names();
        FamilySnapshot { series, overflow, help: self.help(), first_names }
    }

    /// Sets the label names of the overflow series. They do not depend on the series that is restored first.
    pub(super) fn restore_first_names(&self, names: &[String]) {
        lock(&self.members).restore_first_names(names);
    }

    /// Restores the overflow series with the labels that it had. Returns it with its cell.
    pub(super) fn restore_overflow(&self, request: &Request<'_>) -> (WorkerCell, Arc<Series>) {
        let mut members = lock(&self.members);
        members.help.clone_from(&request.help);
        let series = members.restore_overflow(&self.kind, request);
        (series.cell(request.worker, request.ttl_ms, request.arrival.now), series)
    }

    /// The help of the newest rules that state one.
    pub(crate) fn help(&self) -> Option<Arc<str>> {
        lock(&self.members).help.clone()
    }

    /// The base unit of its values, if a rule states one.
    pub(crate) fn unit(&self) -> Option<&'static str> {
        lock(&self.members).unit
    }

    /// Whether a label name of its series may be quoted. False is certain, true is not.
    pub(crate) fn may_have_quoted_names(&self) -> bool {
        lock(&self.members).may_have_quoted_names
    }

    /// The sample that created it, as it was sent, and its sender.
    pub(super) fn first_sample(&self) -> (&str, Source) {
        (&self.first.text, self.first.source)
    }

    /// The family as one side of a conflict.
    pub(super) fn side(&self) -> Side {
        let (example, source) = self.first_sample();
        Side { name: self.name.as_str().into(), kind: self.kind.as_str(), example: example.into(), source }
    }

    /// The series in the order of the exposition, by their label texts, with the overflow series.
    ///
    /// Series added since the last call are sorted and merged into the others. Ingest does not wait for that.
    pub(crate) fn series(&self) -> Arc<Vec<Arc<Series>>> {
        let mut ordered = lock(&self.ordered);
        let (came, have_gone) = lock(&self.members).changes();
        if have_gone {
            Arc::make_mut(&mut ordered).retain(|series| !series.is_out());
        }
        if !came.is_empty() {
            merge(Arc::make_mut(&mut ordered), came.into_iter().filter(|series| !series.is_out()).collect());
        }
        Arc::clone(&ordered)
    }

    /// Whether it has a series with these labels.
    pub(super) fn has(&self, labels: &str) -> bool {
        lock(&self.members).has(labels)
    }

    /// Number of series, without the overflow series.
    pub(crate) fn len(&self) -> usize {
        lock(&self.members).len()
    }

    /// Number of series, and of those that were made since the family began, both without the overflow series.
    #[cfg(feature = "cli")]
    pub(crate) fn len_and_made(&self) -> (usize, u64) {
        let members = lock(&self.members);
        (members.len(), members.made())
    }

    /// Memory of the family and its series in bytes, as the limit counts it.
    #[cfg(feature = "cli")]
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.members).account().used()
    }

    /// The names of its labels.
    #[cfg(feature = "cli")]
    pub(crate) fn label_names(&self) -> Vec<String> {
        lock(&self.members).label_names()
    }

    /// Whether expositions show lines of the family.
    pub(crate) fn has_lines(&self) -> bool {
        // The series of set times are only in the order.
        !lock(&self.members).is_empty() || !lock(&self.ordered).is_empty()
    }

    /// The family's entry in a cardinality report.
    pub(super) fn report(&self) -> FamilyReport {
        let series = self.series();
        lock(&self.members).report(self.name.as_str(), &self.kind, &series)
    }

    /// The limits that it hit.
    pub(crate) fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.members).limited.clone()
    }

    /// How often one of its cells was made coarser because memory was short.
    pub(crate) fn coarsened(&self) -> u64 {
        lock(&self.members).account().coarsened()
    }

    /// Whether the last series was removed. Such a family admits nothing.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// Whether the rule that created the family now requests another kind, so that the family must start again.
    pub(super) fn is_outdated(&self, request: &Request<'_>) -> bool {
        let differs = if self.origin.is_empty() {
            // Without a rule the wire determines the kind. Only the options of histograms and summaries can have changed.
            self.kind.is_observer() && request.kind.is_observer() && self.kind != *request.kind
        } else {
            self.kind != *request.kind
        };
        differs && *self.origin == *request.origin && self.generation.load(Relaxed) < request.generation
    }

    /// Removes the family and all its series. Returns the series; none if another worker removed or replaced the family first.
    pub(super) fn end(&self, request: &Request<'_>, budget: &Budget<'_>) -> Vec<Arc<Series>> {
        let mut members = lock(&self.members);
        if self.is_gone() || !self.is_outdated(request) {
            return Vec::new();
        }
        self.gone.store(true, Relaxed);
        let all = members.all();
        all.iter().for_each(|series| members.end(series, budget));
        all
    }

    /// Removes one series without waiting for its ttl. False if it was removed before.
    pub(super) fn end_series(&self, series: &Arc<Series>, budget: &Budget<'_>) -> bool {
        let mut members = lock(&self.members);
        if series.is_out() {
            return false;
        }
        members.end(series, budget);
        self.gone.store(members.is_empty(), Relaxed);
        true
    }

    /// Finds or admits the series. `None` if the family is gone.
    pub(super) fn admit(&self, request: &Request<'_>, budget: &Budget<'_>) -> Option<Result<Admitted, NotAdmitted>> {
        let mut members = lock(&self.members);
        if self.is_gone() {
            return None;
        }
        if self.generation.fetch_max(request.generation, Relaxed) < request.generation || members.help.is_none() {
            members.help = request.help.clone();
        }
        members.unit = request.unit.or(members.unit);
        let has_other_help = request.help.is_some() && members.help != request.help;
        let (series, folded) = match members.find_or_add(&self.kind, request, budget) {
            Ok(found) => found,
            Err(limited) => {
                // The family may have been created for this series. A family without series would never expire.
                self.gone.store(members.is_empty(), Relaxed);
                return Some(Err(NotAdmitted::Limited(limited)));
            }
        };
        // Under the family's lock, so that expiry cannot remove the series before `cell` removes its tombstone.
        let cell = series.cell(request.worker, request.ttl_ms, request.arrival.now);
        drop(members);
        Some(Ok(Admitted { cell, series, folded, has_other_help }))
    }

    /// Removes those of `series` that still have their tombstones, and returns them. Without series the family is gone.
    pub(super) fn remove_expired(&self, series: &[Arc<Series>], budget: &Budget<'_>, now: Timestamp) -> Vec<Arc<Series>> {
        let mut gone = Vec::new();
        for some in series.chunks(REMOVED_TOGETHER) {
            let mut members = lock(&self.members);
            if self.is_gone() {
                break;
            }
            for series in some.iter().filter(|series| !series.is_out() && series.stays_expired(now)) {
                if !members.remove(series, budget) {
                    budget.grace.put(&self.name, &self.kind, series, now);
                }
                gone.push(Arc::clone(series));
            }
            self.gone.store(members.is_empty(), Relaxed);
        }
        gone
    }
}
