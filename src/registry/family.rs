//! A family: one name, one type, its series in the order of the page.
//!
//! Who admits a series holds the lock of the members, and nobody else for long: pages are put in order under a lock of their
//! own, and expiry takes series out a few at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::budget::Budget;
use super::conflicts::Side;
use super::kind::FamilyKind;
use super::limited::Limited;
use super::members::Members;
use super::order::merge;
use super::report::FamilyReport;
use super::request::{Admitted, NotAdmitted, Request};
use super::series::{Series, bytes_of_one};
use super::values::OVERFLOW_VALUE;
use super::worker_cells::CellHandle;
use crate::lock::lock;
use crate::memory::{Account, Memory};
use crate::name::FamilyName;
use crate::source::Source;
use crate::time::Timestamp;

/// Series taken out while the lock is held once, so that a worker with a new series never waits long.
const TAKE_OUT: usize = 256;

/// What a family costs beside names and series: its own fields, its places in map and index, the allocator.
const FAMILY_BYTES: usize = 800;

/// One name, one type, and the series.
pub(crate) struct Family {
    name: FamilyName,
    kind: FamilyKind,
    /// The rule that made it, as its pattern is written; empty for none.
    origin: Box<str>,
    /// The newest rules under which a sample was admitted.
    generation: AtomicU64,
    /// Set once it has no series and is on its way out of the registry; nothing is admitted then.
    gone: AtomicBool,
    /// The sample that made it, as it was sent, and who sent it.
    first: (Box<str>, Source),
    members: Mutex<Members>,
    /// In the order of the page, shared with pages being made; what came and went since is with the members.
    ordered: Mutex<Arc<Vec<Arc<Series>>>>,
}

/// What is to be known of a family to save it, at one moment.
pub(super) struct FamilySnapshot {
    pub(super) series: Arc<Vec<Arc<Series>>>,
    pub(super) overflow: Option<Arc<Series>>,
    pub(super) help: Option<Arc<str>>,
    pub(super) first_names: Vec<String>,
}

impl Family {
    /// Without series. What its overflow series will take is taken from its account beforehand, so that there is always room for it.
    pub(super) fn new(request: &Request<'_>, memory: &Arc<Memory>) -> Self {
        let name_bytes = request.name.as_str().len();
        let bounds = if let FamilyKind::Histogram { bounds } = request.kind { size_of_val::<[f64]>(bounds) } else { 0 };
        let texts = 3 * name_bytes + request.origin.len() + request.help.as_ref().map_or(0, |help| help.len());
        let overflow: usize = request.labels.iter().map(|(label, _)| label.len() + OVERFLOW_VALUE.len() + 4).sum();
        let bytes = (FAMILY_BYTES + texts + bounds, overflow + bytes_of_one("", request.kind));
        Self {
            name: request.name.clone(),
            kind: request.kind.clone(),
            origin: request.origin.into(),
            generation: AtomicU64::new(request.generation),
            gone: AtomicBool::new(false),
            first: (request.arrival.example().into(), request.arrival.source),
            members: Mutex::new(Members::new(&Account::new(memory), bytes)),
            ordered: Mutex::default(),
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

    /// The rule that made it, as its pattern is written; empty for none.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// What is to be known to save it.
    pub(super) fn snapshot(&self) -> FamilySnapshot {
        let series = self.series();
        let (overflow, first_names) = lock(&self.members).overflow_and_first_names();
        FamilySnapshot { series, overflow, help: self.help(), first_names }
    }

    /// The label names of the overflow series, whichever series is restored first.
    pub(super) fn restore_first_names(&self, names: &[String]) {
        lock(&self.members).restore_first_names(names);
    }

    /// The overflow series with the labels that it had, and its cell.
    pub(super) fn restore_overflow(&self, request: &Request<'_>) -> (CellHandle, Arc<Series>) {
        let mut members = lock(&self.members);
        members.help.clone_from(&request.help);
        let series = members.restore_overflow(&self.kind, request);
        let cell = series.cell(&self.kind, request.worker, (request.ttl_ms, request.arrival.now));
        (cell.unwrap_or_else(|| CellHandle::Gauge(Arc::default())), series)
    }

    /// The help that a rule gave, the newest rules' if there were several.
    pub(crate) fn help(&self) -> Option<Arc<str>> {
        lock(&self.members).help.clone()
    }

    /// The base unit of its values, if a rule says so.
    pub(crate) fn unit(&self) -> Option<&'static str> {
        lock(&self.members).unit
    }

    /// Whether a label name of its series may stand in quotes. False is certain.
    pub(crate) fn may_have_quoted_names(&self) -> bool {
        lock(&self.members).may_have_quoted_names
    }

    /// The sample that made it, as it was sent, and who sent it.
    pub(super) fn first_sample(&self) -> (&str, Source) {
        (&self.first.0, self.first.1)
    }

    /// It as one side of a conflict.
    pub(super) fn side(&self) -> Side {
        let (example, source) = self.first_sample();
        Side { name: self.name.as_str().into(), kind: self.kind.as_str(), example: example.into(), source }
    }

    /// The series in the order of the page, which is that of their label texts; the overflow series among them.
    ///
    /// What came since the last call is sorted, and merged into what was there. Ingest does not wait for it.
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

    /// How many series it has, the overflow series not counted.
    pub(crate) fn len(&self) -> usize {
        lock(&self.members).len()
    }

    /// Whether a page has anything to show of it.
    pub(crate) fn has_lines(&self) -> bool {
        !lock(&self.members).is_empty()
    }

    /// What it has, for people.
    pub(super) fn report(&self) -> FamilyReport {
        let series = self.series();
        lock(&self.members).report((self.name.as_str(), &self.kind), &series)
    }

    /// The limits that it has hit.
    pub(crate) fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.members).limited.clone()
    }

    /// How often a cell of it was made coarser, because memory was short.
    pub(crate) fn coarsened(&self) -> u64 {
        lock(&self.members).account().coarsened()
    }

    /// Whether nothing is admitted any more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// Whether the family's own rule now makes something else of it, so that it is to begin anew.
    pub(super) fn is_outdated(&self, request: &Request<'_>) -> bool {
        let differs = if self.origin.is_empty() {
            // Without a rule the kind is the wire's affair; only what observers become can have changed.
            self.kind.is_observer() && request.kind.is_observer() && self.kind != *request.kind
        } else {
            self.kind != *request.kind
        };
        differs && *self.origin == *request.origin && self.generation.load(Relaxed) < request.generation
    }

    /// Ends the family and all its series at once; returns these. Nothing, if it is gone or up to date by now: another worker
    /// may have come first.
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

    /// Ends one series at once. False if it is not the family's any more.
    pub(super) fn end_series(&self, series: &Arc<Series>, budget: &Budget<'_>) -> bool {
        let mut members = lock(&self.members);
        if series.is_out() {
            return false;
        }
        members.end(series, budget);
        self.gone.store(members.is_empty(), Relaxed);
        true
    }

    /// Finds or admits the series; `None` if the family is gone meanwhile.
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
                // Made for a series that is not to be: a family without any would stay for good.
                self.gone.store(members.is_empty(), Relaxed);
                return Some(Err(NotAdmitted::Limited(limited.limit.refusal(), limited)));
            }
        };
        // Under the family's lock, so that expiry cannot take the series out between being found and coming back to life.
        let cell = series.cell(&self.kind, request.worker, (request.ttl_ms, request.arrival.now));
        drop(members);
        // A family's series are of its kind, so there is always a cell.
        let cell = cell.unwrap_or_else(|| CellHandle::Gauge(Arc::default()));
        Some(Ok(Admitted { cell, series, folded, has_other_help }))
    }

    /// Takes out those of `series` that are still retired, and returns them. The last one takes the family with it.
    pub(super) fn take_out(&self, series: &[Arc<Series>], budget: &Budget<'_>, now: Timestamp) -> Vec<Arc<Series>> {
        let mut gone = Vec::new();
        for some in series.chunks(TAKE_OUT) {
            let mut members = lock(&self.members);
            if self.is_gone() {
                break;
            }
            for series in some.iter().filter(|series| !series.is_out() && series.stays_retired(now)) {
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
