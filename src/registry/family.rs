//! A family: one name, one type, its series in the order of the page, and its limits.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::labels::push_label;
use super::limits::{Limit, Limited, Totals};
use super::series::{CellHandle, Series};
use super::{Admitted, Labels, NotAdmitted, lock};
use crate::name::FamilyName;
use crate::options::{Limits, SummaryOptions};

/// The value of every label of an overflow series.
const OVERFLOW_VALUE: &str = "_overflow_";

/// How many combinations of limit and label a family counts one by one; further labels are counted without their name.
const LIMITED: usize = 16;

/// What a series costs beside its label text and its cells: its own fields, places in table and order, allocator.
const SERIES_BYTES: usize = 160;

/// What a label name of a family costs beside its text.
const LABEL_BYTES: usize = 160;

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
        bounds: Arc<[f64]>,
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

    /// What one worker's cell takes, reckoned; a summary and a set may grow beyond it.
    fn cell_bytes(&self) -> usize {
        match self {
            Self::Counter | Self::Gauge => 32,
            Self::Histogram { bounds } => 48 + 8 * bounds.len(),
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
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    by_labels: HashTable<Arc<Series>>,
    hasher: RandomState,
    /// In the order of the page once sorted; shared with pages being made.
    ordered: Arc<Vec<Arc<Series>>>,
    is_sorted: bool,
    /// The label names of the first series, and what has been seen of each name since.
    values: Vec<LabelValues>,
    overflow: Option<Arc<Series>>,
    limited: Vec<Arc<Limited>>,
}

struct LabelValues {
    name: Box<str>,
    /// Hashes, so that a value costs the same whatever its length. Of rapidhash's two qualities only the better one serves: the
    /// fast one gives one in a hundred short values the hash of another.
    seen: HashSet<u64, RandomState>,
    in_first_series: bool,
}

impl Family {
    pub(super) fn new(name: FamilyName, kind: FamilyKind) -> Self {
        Self { name, kind, members: Mutex::default() }
    }

    /// The name.
    pub fn name(&self) -> &FamilyName {
        &self.name
    }

    /// The kind.
    pub fn kind(&self) -> &FamilyKind {
        &self.kind
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

    /// How many series it has, the overflow series not counted.
    pub fn len(&self) -> usize {
        let members = lock(&self.members);
        members.by_labels.len() - usize::from(members.overflow.is_some())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limits that it has hit.
    pub fn limited(&self) -> Vec<Arc<Limited>> {
        lock(&self.members).limited.clone()
    }

    pub(super) fn admit(&self, labels: &Labels, worker: u32, limits: &Limits, totals: &Totals) -> Result<Admitted, NotAdmitted> {
        let mut members = lock(&self.members);
        let (series, folded) = match members.find(labels.text()) {
            Some(series) => (series, None),
            None => match members.limit_for(labels, limits, totals) {
                None => (members.add(labels, &self.kind, totals), None),
                Some((limit, label)) => {
                    let limited = members.limited(self, limit, label);
                    if !limited.folds {
                        return Err(NotAdmitted::Limited(limit.refusal(), limited));
                    }
                    (members.overflow(&self.kind), Some(limited))
                }
            },
        };
        drop(members);
        // A family's series are of its kind, so there is always a cell.
        let cell = series.cell(&self.kind, worker).unwrap_or_else(|| CellHandle::Gauge(Arc::default()));
        Ok(Admitted { cell, folded })
    }
}

impl Members {
    fn find(&self, labels: &str) -> Option<Arc<Series>> {
        let hash = self.hasher.hash_one(labels);
        self.by_labels.find(hash, |series| series.labels() == labels).map(Arc::clone)
    }

    fn insert(&mut self, series: &Arc<Series>) {
        let hash = self.hasher.hash_one(series.labels());
        let hasher = &self.hasher;
        self.by_labels.insert_unique(hash, Arc::clone(series), |series| hasher.hash_one(series.labels()));
        Arc::make_mut(&mut self.ordered).push(Arc::clone(series));
        self.is_sorted = false;
    }

    /// The limit that forbids a new series with these labels, and the label where it is one of values.
    fn limit_for<'l>(&self, labels: &'l Labels, limits: &Limits, totals: &Totals) -> Option<(Limit, &'l str)> {
        let overflows = |(name, value): &(&'l str, &'l str)| {
            let known = self.values.iter().find(|known| *known.name == **name);
            known.is_some_and(|known| known.seen.len() >= limits.values_per_label && !known.seen.contains(&self.hasher.hash_one(value)))
        };
        let mut new_names = labels.iter().map(|(name, _)| name).filter(|name| self.values.iter().all(|known| *known.name != **name));
        if let Some((name, _)) = labels.iter().find(overflows) {
            return Some((Limit::ValuesPerLabel, name));
        }
        if self.by_labels.len() - usize::from(self.overflow.is_some()) >= limits.series_per_family {
            return Some((Limit::SeriesPerFamily, self.widest_label(labels)));
        }
        match new_names.next() {
            Some(name) if self.values.len() + 1 + new_names.count() > limits.labels_per_family => Some((Limit::LabelsPerFamily, name)),
            _ => totals.limit(limits).map(|limit| (limit, "")),
        }
    }

    /// The label of the refused series that has the most values so far: the likely culprit.
    fn widest_label<'l>(&self, labels: &'l Labels) -> &'l str {
        let count = |name: &str| self.values.iter().find(|known| &*known.name == name).map_or(0, |known| known.seen.len());
        labels.iter().map(|(name, _)| name).max_by_key(|name| count(name)).unwrap_or("")
    }

    fn add(&mut self, labels: &Labels, kind: &FamilyKind, totals: &Totals) -> Arc<Series> {
        let series = Arc::new(Series::new(labels.text(), kind));
        let is_first = self.by_labels.is_empty();
        self.insert(&series);
        let mut bytes = SERIES_BYTES + labels.text().len() + kind.cell_bytes();
        for (name, value) in labels.iter() {
            let hash = self.hasher.hash_one(value);
            match self.values.iter_mut().find(|known| &*known.name == name) {
                Some(known) => {
                    known.seen.insert(hash);
                }
                None => {
                    bytes += LABEL_BYTES + name.len();
                    let seen = HashSet::from_iter([hash]);
                    self.values.push(LabelValues { name: name.into(), seen, in_first_series: is_first });
                }
            }
        }
        totals.add_series(bytes);
        series
    }

    /// The overflow series: the label names of the family's first series, each with the stated value.
    fn overflow(&mut self, kind: &FamilyKind) -> Arc<Series> {
        if let Some(series) = &self.overflow {
            return Arc::clone(series);
        }
        let mut text = String::new();
        for known in self.values.iter().filter(|known| known.in_first_series) {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(&known.name, OVERFLOW_VALUE, &mut text);
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
