//! The series of one family by their labels, and the limits on new ones. The family's lock protects all of it.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::budget::Budget;
use super::example::{VALUE_BYTES, shortened};
use super::kind::FamilyKind;
use super::label_set::{Labels, identity, may_have_quoted_names, push_label, split};
use super::limited::{Limit, Limited};
use super::report::{FamilyReport, LabelReport};
use super::request::Request;
use super::series::Series;
use super::values::{LabelValues, OVERFLOW_VALUE};
use crate::memory::{Account, Charge};
use crate::options::{Limits, Overflow};

/// Maximum number of combinations of limit and label that a family counts separately. Further labels are counted without their name.
const LIMITED: usize = 16;

/// Series with an overflow value do not count for the family's limit. They have a separate limit: the family's limit divided by
/// this number, and at least this number of series.
const OVERFLOW_VALUE_PART: usize = 16;

/// Labels in a report.
const REPORTED_LABELS: usize = 10;

/// Values of each label in a report.
const REPORTED_VALUES: usize = 5;

/// Series that a report searches for values.
const REPORTED_SERIES: usize = 1_000;

/// A series, and the limit that made it receive samples of other series.
type SeriesFound = (Arc<Series>, Option<Arc<Limited>>);

/// Memory of a limit that was hit, without names.
const LIMITED_BYTES: usize = 256;

pub(super) struct Members {
    by_labels: HashTable<Arc<Series>>,
    hasher: RandomState,
    /// Series added since the last exposition, in any order.
    came: Vec<Arc<Series>>,
    /// Series that were made since the family began, without the overflow series.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    made: u64,
    /// Whether series were removed since the last exposition.
    have_gone: bool,
    values: LabelValues,
    pub(super) help: Option<Arc<str>>,
    /// The base unit of the values, if a rule states one.
    pub(super) unit: Option<&'static str>,
    overflow: Option<Arc<Series>>,
    /// Whether a current or earlier series may have a quoted label name.
    pub(super) may_have_quoted_names: bool,
    /// Number of series with an overflow value, without the overflow series.
    with_overflow_value: usize,
    pub(super) limited: Vec<Arc<Limited>>,
    /// Memory of the family without its series: with its label values, and with room for its overflow series.
    charge: Charge,
    base_bytes: usize,
    /// Memory that the overflow series will need.
    reserved_bytes: usize,
}

impl Members {
    /// No series. `base_bytes` is the memory of the family itself, `reserved_bytes` that of its overflow series.
    pub(super) fn new(account: &Arc<Account>, base_bytes: usize, reserved_bytes: usize) -> Self {
        Self {
            by_labels: HashTable::new(),
            hasher: RandomState::new(),
            came: Vec::new(),
            made: 0,
            have_gone: false,
            values: LabelValues::default(),
            help: None,
            unit: None,
            overflow: None,
            may_have_quoted_names: false,
            with_overflow_value: 0,
            limited: Vec::new(),
            charge: Charge::new(account, base_bytes + reserved_bytes),
            base_bytes,
            reserved_bytes,
        }
    }

    /// The account of the family and its series.
    pub(super) fn account(&self) -> &Arc<Account> {
        self.charge.account()
    }

    /// Charges the memory of the family without its series.
    fn update_charge(&mut self) {
        let limited = self.limited.iter().map(|limited| LIMITED_BYTES + limited.family.len() + limited.label.len()).sum::<usize>();
        let reserved = if self.overflow.is_none() { self.reserved_bytes } else { 0 };
        self.charge.set(self.base_bytes + reserved + self.values.bytes() + limited);
    }

    /// Number of series, without the overflow series.
    pub(super) fn len(&self) -> usize {
        self.by_labels.len() - usize::from(self.overflow.is_some())
    }

    /// Series that were made since the family began, also those that have ended.
    #[cfg(feature = "cli")]
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Whether there is no series, not even an overflow series.
    pub(super) fn is_empty(&self) -> bool {
        self.by_labels.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.by_labels.iter().map(Arc::clone).collect()
    }

    /// Series added since the last call, and whether series were removed.
    pub(super) fn changes(&mut self) -> (Vec<Arc<Series>>, bool) {
        (std::mem::take(&mut self.came), std::mem::take(&mut self.have_gone))
    }

    /// The series for these labels, found or added; at a limit, the series that takes its samples, with that limit.
    ///
    /// # Errors
    ///
    /// The limit that rejects the series.
    pub(super) fn find_or_add(
        &mut self,
        kind: &FamilyKind,
        request: &Request<'_>,
        budget: &Budget<'_>,
    ) -> Result<SeriesFound, Arc<Limited>> {
        let found = self.find(request.labels.text());
        if let Some(series) = found.filter(|series| !(budget.totals.memory.is_exhausted() && self.is_beyond(series, request))) {
            return Ok((series, None));
        }
        let Some((limit, label)) = self.limit_for(request.labels, budget) else {
            return Ok((self.add(kind, request.labels, request, budget), None));
        };
        let stated = match budget.limits.overflow {
            _ if *kind == FamilyKind::Gauge => Overflow::Reject,
            // No label has too many values, or there are too many names.
            Overflow::DropLabel if label.is_empty() || limit == Limit::LabelsPerFamily => Overflow::Fold,
            stated => stated,
        };
        let without_label = if stated == Overflow::DropLabel { self.without_label(kind, request, label, budget) } else { None };
        // If there is no room for a series without the label either, the sample is folded.
        let action = if stated == Overflow::DropLabel && without_label.is_none() { Overflow::Fold } else { stated };
        if matches!(limit, Limit::Series | Limit::SeriesBytes) {
            // In a family without series the overflow series gets the label names that the first series would have had.
            self.values.begin_with(request.labels);
        }
        let limited = self.limited(request, limit, label, action, budget);
        limited.note(request.labels);
        match (action, without_label) {
            (Overflow::Reject, _) => Err(limited),
            (_, Some(series)) => Ok((series, Some(limited))),
            (_, None) => Ok((self.overflow(kind, request), Some(limited))),
        }
    }

    /// Whether this worker would need a new cell of a known series. Without memory the sample is folded instead.
    fn is_beyond(&self, series: &Arc<Series>, request: &Request<'_>) -> bool {
        let is_overflow = self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series));
        !is_overflow && series.lacks_cell_of(request.worker)
    }

    /// Whether there is a series with these labels.
    pub(super) fn has(&self, labels: &str) -> bool {
        self.find(labels).is_some()
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
        self.came.push(Arc::clone(series));
        self.may_have_quoted_names |= may_have_quoted_names(series.labels());
        series.set_out(false);
    }

    /// The limit that forbids a new series with these labels, and the label with too many values; empty if the limit is not about one.
    fn limit_for<'l>(&self, labels: &'l Labels, budget: &Budget<'_>) -> Option<(Limit, &'l str)> {
        let limits = &budget.limits;
        if let Some(name) = self.values.too_many(labels, limits.values_per_label) {
            return Some((Limit::ValuesPerLabel, name));
        }
        if self.is_full(labels.text(), limits) {
            return Some((Limit::SeriesPerFamily, self.values.widest(labels)));
        }
        if let Some(name) = self.values.too_many_names(labels, limits.labels_per_family) {
            return Some((Limit::LabelsPerFamily, name));
        }
        budget.limit().map(|limit| (limit, ""))
    }

    /// Whether the limit on the family's series forbids one more with these labels. Series with an overflow value have a separate
    /// limit, so that the order in which series are added does not matter, and a restart restores all of them.
    fn is_full(&self, labels: &str, limits: &Limits) -> bool {
        if has_overflow_value(labels) {
            self.with_overflow_value >= (limits.series_per_family / OVERFLOW_VALUE_PART).max(OVERFLOW_VALUE_PART)
        } else {
            self.len().saturating_sub(self.with_overflow_value) >= limits.series_per_family
        }
    }

    /// Adds a series: a new one, or one that returns within its grace period.
    fn add(&mut self, kind: &FamilyKind, labels: &Labels, request: &Request<'_>, budget: &Budget<'_>) -> Arc<Series> {
        let series = match budget.grace.take(request.name, kind, labels.text()) {
            Some(returning) => {
                returning.share_options_of(kind);
                // Adds the labels of the series, which `remove` removes. The sample can have other labels of empty value.
                self.values.note_text(returning.labels());
                returning
            }
            None => {
                self.values.note(labels);
                self.made += 1;
                self.new_series(labels.text(), kind, request)
            }
        };
        self.insert(&series);
        self.update_charge();
        self.with_overflow_value += usize::from(has_overflow_value(series.labels()));
        budget.totals.add_series();
        series
    }

    fn new_series(&self, labels: &str, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        Arc::new(Series::new(labels, kind, request.created, self.charge.account()))
    }

    /// Removes a series from the table. Returns whether it was the overflow series.
    pub(super) fn remove(&mut self, series: &Arc<Series>, budget: &Budget<'_>) -> bool {
        let hash = self.hasher.hash_one(identity(series.labels()));
        match self.by_labels.find_entry(hash, |known| Arc::ptr_eq(known, series)) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => debug_assert!(false, "a series that is not the family's"),
        }
        series.set_out(true);
        self.have_gone = true;
        if self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series)) {
            self.overflow = None;
            self.update_charge();
            return true;
        }
        self.values.forget(series.labels());
        self.update_charge();
        budget.totals.remove_series();
        let with_overflow_value = usize::from(has_overflow_value(series.labels()));
        debug_assert!(self.with_overflow_value >= with_overflow_value);
        self.with_overflow_value = self.with_overflow_value.saturating_sub(with_overflow_value);
        false
    }

    /// The series that takes samples of `request` because `label` has too many values: its labels, with the overflow value in `label`
    /// and in all others with too many values. `None` where there is no room for it.
    fn without_label(&mut self, kind: &FamilyKind, request: &Request<'_>, label: &str, budget: &Budget<'_>) -> Option<Arc<Series>> {
        let mut labels = request.labels.with_value(label, OVERFLOW_VALUE);
        while let Some(name) = self.values.too_many(&labels, budget.limits.values_per_label).map(str::to_owned) {
            labels = labels.with_value(&name, OVERFLOW_VALUE);
        }
        if let Some(series) = self.find(labels.text()) {
            return Some(series);
        }
        // If no label has another value, it is the overflow series.
        if identity(labels.text()) == identity(&self.overflow_labels()) {
            return Some(self.overflow(kind, request));
        }
        let limits = &budget.limits;
        let has_room = !self.is_full(labels.text(), limits)
            && self.values.too_many_names(&labels, limits.labels_per_family).is_none()
            && budget.limit().is_none();
        has_room.then(|| self.add(kind, &labels, request, budget))
    }

    /// The overflow series: the label names of the family's first series, each with the overflow value.
    fn overflow(&mut self, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        if let Some(series) = &self.overflow {
            return Arc::clone(series);
        }
        let text = self.overflow_labels();
        // A series with these labels is the overflow series, too: a sample may have them, or the first series may have no labels.
        if let Some(series) = self.find(&text) {
            return series;
        }
        self.new_overflow(kind, &text, request)
    }

    /// The labels of the overflow series, whether it exists or not.
    fn overflow_labels(&self) -> String {
        let mut text = String::new();
        for name in self.values.first_names() {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(name, OVERFLOW_VALUE, &mut text);
        }
        text
    }

    fn new_overflow(&mut self, kind: &FamilyKind, labels: &str, request: &Request<'_>) -> Arc<Series> {
        let series = self.new_series(labels, kind, request);
        self.insert(&series);
        self.overflow = Some(Arc::clone(&series));
        self.update_charge();
        series
    }

    /// The overflow series, if it exists, and its label names.
    pub(super) fn overflow_and_first_names(&self) -> (Option<Arc<Series>>, Vec<String>) {
        (self.overflow.clone(), self.values.first_names().map(str::to_owned).collect())
    }

    /// Sets the label names of the overflow series. They do not depend on the series that is restored first.
    pub(super) fn restore_first_names(&mut self, names: &[String]) {
        self.values.restore_first_names(names);
    }

    /// Restores the overflow series with the labels of `request`.
    pub(super) fn restore_overflow(&mut self, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        let text = request.labels.text();
        self.find(text).unwrap_or_else(|| self.new_overflow(kind, text, request))
    }

    /// The entry of this limit and label. Created and logged when the limit is hit for the first time.
    fn limited(&mut self, request: &Request<'_>, limit: Limit, label: &str, action: Overflow, budget: &Budget<'_>) -> Arc<Limited> {
        let known =
            |label: &str| self.limited.iter().find(|l| l.limit == limit && &*l.label == label && l.action == action).map(Arc::clone);
        let label = if known(label).is_some() || self.limited.len() < LIMITED { label } else { "" };
        if let Some(limited) = known(label) {
            return limited;
        }
        let limited = Arc::new(Limited::new(request.name.as_str(), limit, label, action, &request.arrival, budget.offenders));
        self.limited.push(Arc::clone(&limited));
        self.update_charge();
        limited
    }

    /// The names of all labels, those with the most values first.
    #[cfg(feature = "cli")]
    pub(super) fn label_names(&self) -> Vec<String> {
        self.values.widest_first().into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// The report of the family of this name and kind. `series` are all its series in the order of the exposition.
    pub(super) fn report(&self, family: &str, kind: &FamilyKind, series: &[Arc<Series>]) -> FamilyReport {
        let widest = self.values.widest_first().into_iter().take(REPORTED_LABELS);
        let mut labels: Vec<_> = widest.map(|(name, values)| LabelReport::new(name, values)).collect();
        let lacks_examples = |label: &LabelReport| label.examples.len() < REPORTED_VALUES.min(label.values);
        for series in series.iter().take(REPORTED_SERIES) {
            if !labels.iter().any(lacks_examples) {
                break;
            }
            for (name, value) in split(series.labels()).filter(|(_, value)| value != OVERFLOW_VALUE) {
                let label = labels.iter_mut().find(|label| label.name == *name && label.examples.len() < REPORTED_VALUES);
                let value = shortened(&value, VALUE_BYTES);
                if let Some(label) = label.filter(|label| label.examples.iter().all(|known| known != value)) {
                    label.examples.push(value.to_owned());
                }
            }
        }
        FamilyReport {
            name: family.to_owned(),
            kind: kind.as_str(),
            series: self.len(),
            bytes: self.charge.account().used(),
            labels,
            limited: self.limited.clone(),
        }
    }

    /// Removes a series without waiting for its ttl, also while workers write to it.
    pub(super) fn end(&mut self, series: &Arc<Series>, budget: &Budget<'_>) {
        self.remove(series, budget);
        series.expire_now();
    }
}

/// Whether one of the labels has the overflow value.
fn has_overflow_value(labels: &str) -> bool {
    labels.contains("=\"_overflow_\"")
}
