//! A family: one name, one type, its series in the order of the page.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::labels::{identity, push_label};
use super::limits::{Limit, Limited, Totals};
use super::series::{CellHandle, Series};
use super::values::LabelValues;
use super::{Admitted, Labels, NotAdmitted, Request, lock};
use crate::Timestamp;
use crate::name::FamilyName;
use crate::options::{Limits, SummaryOptions};
use crate::value::Bounds;

/// The value of every label of an overflow series.
const OVERFLOW_VALUE: &str = "_overflow_";

/// How many combinations of limit and label a family counts one by one; further labels are counted without their name.
const LIMITED: usize = 16;

/// What a series costs beside its label text and its cells: its own fields, places in table and order, allocator.
const SERIES_BYTES: usize = 160;

/// What a family is, with what its cells need.
#[derive(Debug, Clone, PartialEq)]
pub enum FamilyKind {
    /// A sum that never goes down.
    Counter,
    /// A value that is set or changed.
    Gauge,
    /// Classic buckets.
    Histogram {
        /// Ascending, finite.
        bounds: Arc<Bounds>,
    },
    /// Quantiles over a sliding window.
    Summary(SummaryOptions),
    /// A distinct count, shown as a gauge.
    Set,
}

impl FamilyKind {
    /// Whether samples of `other` may be recorded by a family of this kind; buckets and quantiles are the family's own.
    pub fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether it observes values.
    pub fn is_observer(&self) -> bool {
        matches!(self, Self::Histogram { .. } | Self::Summary(_))
    }

    /// Whether a label of this name would spoil the page: one of the format's own, or one that Prometheus keeps for itself.
    pub fn reserves(&self, label: &str) -> bool {
        match self {
            Self::Histogram { .. } if label == "le" => true,
            Self::Summary(_) if label == "quantile" => true,
            _ => label.starts_with("__"),
        }
    }

    /// What one worker's cell takes, reckoned; a summary and a set may grow beyond it.
    fn cell_bytes(&self) -> usize {
        match self {
            Self::Counter | Self::Gauge => 48,
            Self::Histogram { bounds } => 56 + 8 * bounds.len(),
            Self::Summary(options) => 128 + 1024 * options.age_buckets as usize,
            Self::Set => 256,
        }
    }

    /// What its lines have behind the family's name.
    pub fn suffixes(&self) -> &'static [&'static str] {
        match self {
            Self::Histogram { .. } => &["_sum", "_count", "_bucket"],
            Self::Summary(_) => &["_sum", "_count"],
            Self::Counter | Self::Gauge | Self::Set => &[],
        }
    }
}

/// One name, one type, and the series.
pub struct Family {
    name: FamilyName,
    kind: FamilyKind,
    /// The rule that made it, as its pattern is written; empty for none.
    origin: Box<str>,
    /// The newest rules under which a sample was admitted.
    generation: AtomicU64,
    /// Set once it has no series and is on its way out of the registry; nothing is admitted then.
    gone: AtomicBool,
    members: Mutex<Members>,
}

/// What is to be known of a family to save it, at one moment.
pub(super) struct Shape {
    pub(super) series: Arc<Vec<Arc<Series>>>,
    pub(super) overflow: Option<Arc<Series>>,
    pub(super) help: Option<Arc<str>>,
    pub(super) first_names: Vec<String>,
}

#[derive(Default)]
struct Members {
    by_labels: HashTable<Arc<Series>>,
    hasher: RandomState,
    /// In the order of the page once sorted; shared with pages being made.
    ordered: Arc<Vec<Arc<Series>>>,
    is_sorted: bool,
    values: LabelValues,
    help: Option<Arc<str>>,
    overflow: Option<Arc<Series>>,
    limited: Vec<Arc<Limited>>,
}

impl Family {
    pub(super) fn new(request: &Request<'_>) -> Self {
        Self {
            name: request.name.clone(),
            kind: request.kind.clone(),
            origin: request.origin.into(),
            generation: AtomicU64::new(request.generation),
            gone: AtomicBool::new(false),
            members: Mutex::default(),
        }
    }

    /// The name.
    pub fn name(&self) -> &FamilyName {
        &self.name
    }

    /// The kind.
    pub fn kind(&self) -> &FamilyKind {
        &self.kind
    }

    /// The rule that made it, as its pattern is written; empty for none.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// What is to be known to save it.
    pub(super) fn shape(&self) -> Shape {
        let members = lock(&self.members);
        Shape {
            series: Arc::clone(&members.ordered),
            overflow: members.overflow.clone(),
            help: members.help.clone(),
            first_names: members.values.first_names().map(str::to_owned).collect(),
        }
    }

    /// The label names of the overflow series, whichever series is restored first.
    pub(super) fn restore_first_names(&self, names: &[String]) {
        lock(&self.members).values.restore_first_names(names);
    }

    /// The overflow series with the labels that it had.
    pub(super) fn restore_overflow(&self, request: &Request<'_>) -> Result<CellHandle, NotAdmitted> {
        let mut members = lock(&self.members);
        members.help.clone_from(&request.help);
        let series = match members.find(request.labels.text()) {
            Some(series) => series,
            None => {
                let series = Arc::new(Series::new(request.labels.text(), &self.kind));
                members.insert(&series);
                members.overflow = Some(Arc::clone(&series));
                series
            }
        };
        let cell = series.cell(&self.kind, request.worker, (request.ttl_ms, request.now));
        Ok(cell.unwrap_or_else(|| CellHandle::Gauge(Arc::default())))
    }

    /// The help that a rule gave, the newest rules' if there were several.
    pub fn help(&self) -> Option<Arc<str>> {
        lock(&self.members).help.clone()
    }

    /// The series in the order of the page, which is that of their label texts; the overflow series among them.
    ///
    /// Sorted only if series have come since the last call.
    pub fn series(&self) -> Arc<Vec<Arc<Series>>> {
        let mut members = lock(&self.members);
        if !members.is_sorted {
            Arc::make_mut(&mut members.ordered).sort_by(|a, b| a.labels().cmp(b.labels()));
            members.is_sorted = true;
        }
        Arc::clone(&members.ordered)
    }

    pub(super) fn unordered_series(&self) -> Arc<Vec<Arc<Series>>> {
        Arc::clone(&lock(&self.members).ordered)
    }

    /// How many series it has, the overflow series not counted.
    pub fn len(&self) -> usize {
        lock(&self.members).len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limits that it has hit.
    pub fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.members).limited.clone()
    }

    /// Whether nothing is admitted any more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// Whether rules that were replaced made it what it is, and what asks now is their successor: then the family makes room.
    pub(super) fn is_outdated(&self, request: &Request<'_>) -> bool {
        let differs = if request.origin.is_empty() {
            // Without a rule a name's type is the wire's affair; only what observers become can have changed.
            self.kind.is_observer() && request.kind.is_observer() && self.kind != *request.kind
        } else {
            self.kind != *request.kind
        };
        differs && *self.origin == *request.origin && self.generation.load(Relaxed) < request.generation
    }

    /// Ends the family and all its series at once.
    pub(super) fn end(&self, totals: &Totals) {
        let members = lock(&self.members);
        self.gone.store(true, Relaxed);
        members.ordered.iter().for_each(|series| series.retire_now());
        let bytes = members.by_labels.iter().map(|series| self.bytes(series.labels())).sum();
        totals.remove_series(members.len(), bytes);
    }

    /// Finds or admits the series; `None` if the family is gone meanwhile.
    pub(super) fn admit(&self, request: &Request<'_>, limits: &Limits, totals: &Totals) -> Option<Result<Admitted, NotAdmitted>> {
        let mut members = lock(&self.members);
        if self.is_gone() {
            return None;
        }
        if self.generation.fetch_max(request.generation, Relaxed) < request.generation || members.help.is_none() {
            members.help = request.help.clone();
        }
        let (series, folded) = match members.find(request.labels.text()) {
            Some(series) => (series, None),
            None => match members.limit_for(request.labels, limits, totals) {
                None => (members.add(self, request.labels, totals), None),
                Some((limit, label)) => {
                    let limited = members.limited(self, limit, label);
                    if !limited.folds {
                        return Some(Err(NotAdmitted::Limited(limit.refusal(), limited)));
                    }
                    (members.overflow(&self.kind), Some(limited))
                }
            },
        };
        // Under the family's lock, so that expiry cannot take the series out between being found and coming back to life.
        let cell = series.cell(&self.kind, request.worker, (request.ttl_ms, request.now));
        drop(members);
        // A family's series are of its kind, so there is always a cell.
        let cell = cell.unwrap_or_else(|| CellHandle::Gauge(Arc::default()));
        Some(Ok(Admitted { cell, folded }))
    }

    /// Takes out those of `series` that are still retired, and returns them. The last one takes the family with it.
    pub(super) fn take_out(&self, series: &[Arc<Series>], totals: &Totals, now: Timestamp) -> Vec<Arc<Series>> {
        let mut members = lock(&self.members);
        if self.is_gone() {
            return Vec::new();
        }
        let gone: Vec<_> = series.iter().filter(|series| series.stays_retired(now)).map(Arc::clone).collect();
        if gone.is_empty() {
            return gone;
        }
        let before = members.len();
        let mut bytes = 0;
        for series in &gone {
            bytes += members.remove(series, self);
        }
        // Nothing else retires whole series of a family that is not gone, so the mark tells which went.
        Arc::make_mut(&mut members.ordered).retain(|series| !series.is_retired());
        totals.remove_series(before - members.len(), bytes);
        self.gone.store(members.by_labels.is_empty(), Relaxed);
        gone
    }

    fn bytes(&self, labels: &str) -> usize {
        SERIES_BYTES + labels.len() + self.kind.cell_bytes()
    }
}

impl Members {
    fn len(&self) -> usize {
        self.by_labels.len() - usize::from(self.overflow.is_some())
    }

    fn find(&self, labels: &str) -> Option<Arc<Series>> {
        let wanted = identity(labels);
        let hash = self.hasher.hash_one(&wanted);
        self.by_labels.find(hash, |series| identity(series.labels()) == wanted).map(Arc::clone)
    }

    fn insert(&mut self, series: &Arc<Series>) {
        let hasher = &self.hasher;
        let hash = |series: &Arc<Series>| hasher.hash_one(identity(series.labels()));
        self.by_labels.insert_unique(hash(series), Arc::clone(series), hash);
        Arc::make_mut(&mut self.ordered).push(Arc::clone(series));
        self.is_sorted = false;
    }

    /// Takes a series out of the table; returns the bytes that it was reckoned at.
    fn remove(&mut self, series: &Arc<Series>, family: &Family) -> usize {
        let hash = self.hasher.hash_one(identity(series.labels()));
        if let Ok(entry) = self.by_labels.find_entry(hash, |known| Arc::ptr_eq(known, series)) {
            entry.remove();
        }
        if self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series)) {
            self.overflow = None;
            return 0;
        }
        self.values.forget(series.labels());
        family.bytes(series.labels())
    }

    /// The limit that forbids a new series with these labels, and the label where it is one of values.
    fn limit_for<'l>(&self, labels: &'l Labels, limits: &Limits, totals: &Totals) -> Option<(Limit, &'l str)> {
        if let Some(name) = self.values.too_many(labels, limits.values_per_label) {
            return Some((Limit::ValuesPerLabel, name));
        }
        if self.len() >= limits.series_per_family {
            return Some((Limit::SeriesPerFamily, self.values.widest(labels)));
        }
        if let Some(name) = self.values.too_many_names(labels, limits.labels_per_family) {
            return Some((Limit::LabelsPerFamily, name));
        }
        totals.limit(limits).map(|limit| (limit, ""))
    }

    fn add(&mut self, family: &Family, labels: &Labels, totals: &Totals) -> Arc<Series> {
        let series = Arc::new(Series::new(labels.text(), &family.kind));
        self.insert(&series);
        self.values.note(labels);
        totals.add_series(family.bytes(labels.text()));
        series
    }

    /// The overflow series: the label names of the family's first series, each with the stated value.
    fn overflow(&mut self, kind: &FamilyKind) -> Arc<Series> {
        if let Some(series) = &self.overflow {
            return Arc::clone(series);
        }
        let mut text = String::new();
        for name in self.values.first_names() {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(name, OVERFLOW_VALUE, &mut text);
        }
        // A series of the wire may have these very labels, or there are no labels at all; then it is the overflow series.
        if let Some(series) = self.find(&text) {
            return series;
        }
        let series = Arc::new(Series::new(&text, kind));
        self.insert(&series);
        self.overflow = Some(Arc::clone(&series));
        series
    }

    /// The count for this limit and label, made and logged when it is hit for the first time.
    fn limited(&mut self, family: &Family, limit: Limit, label: &str) -> Arc<Limited> {
        let label = if self.limited.len() < LIMITED { label } else { "" };
        if let Some(limited) = self.limited.iter().find(|l| l.limit == limit && &*l.label == label) {
            return Arc::clone(limited);
        }
        let folds = family.kind != FamilyKind::Gauge;
        let what = if folds { "new series are folded into its overflow series" } else { "new series are refused" };
        tracing::warn!(family = family.name.as_str(), limit = limit.as_str(), label, "a family is at a limit; {what}");
        let limited = Limited { family: family.name.as_str().into(), limit, label: label.into(), folds, samples: AtomicU64::new(0) };
        let limited = Arc::new(limited);
        self.limited.push(Arc::clone(&limited));
        limited
    }
}
