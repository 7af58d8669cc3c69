//! The series of one family by their labels, and what the limits say of a new one. All of it is behind the family's lock.

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

/// How many combinations of limit and label a family counts one by one; further labels are counted without their name.
const LIMITED: usize = 16;

/// Series with a label that stands for many may be this part of a family's limit, and at least as many as this, beside it.
const DROPPED_PART: usize = 16;

/// How many labels a report names, how many values of each, and in how many series these are looked for.
const REPORTED: (usize, usize, usize) = (10, 5, 1_000);

/// A series, and the limit because of which it takes samples that are not its own.
type SeriesFound = (Arc<Series>, Option<Arc<Limited>>);

/// What a limit that was hit costs, beside names.
const LIMITED_BYTES: usize = 256;

pub(super) struct Members {
    by_labels: HashTable<Arc<Series>>,
    hasher: RandomState,
    /// Series that came since the last page, in no order.
    came: Vec<Arc<Series>>,
    /// Whether some have gone since the last page.
    have_gone: bool,
    values: LabelValues,
    pub(super) help: Option<Arc<str>>,
    /// The base unit of the values, if a rule says so.
    pub(super) unit: Option<&'static str>,
    overflow: Option<Arc<Series>>,
    /// Whether a label name may stand in quotes, of any series that there ever was.
    pub(super) may_have_quoted_names: bool,
    /// Series with a label that stands for many, the overflow series not counted.
    dropped: usize,
    pub(super) limited: Vec<Arc<Limited>>,
    /// What the family takes beside its series: with what is known of label values, and with room for its overflow series.
    charge: Charge,
    base_bytes: usize,
    /// What the overflow series will take.
    reserved_bytes: usize,
}

impl Members {
    /// None, of a family that takes so many bytes itself, and for its overflow series.
    pub(super) fn new(account: &Arc<Account>, (base_bytes, reserved_bytes): (usize, usize)) -> Self {
        Self {
            by_labels: HashTable::new(),
            hasher: RandomState::new(),
            came: Vec::new(),
            have_gone: false,
            values: LabelValues::default(),
            help: None,
            unit: None,
            overflow: None,
            may_have_quoted_names: false,
            dropped: 0,
            limited: Vec::new(),
            charge: Charge::new(account, base_bytes + reserved_bytes),
            base_bytes,
            reserved_bytes,
        }
    }

    /// What the family and its series take.
    pub(super) fn account(&self) -> &Arc<Account> {
        self.charge.account()
    }

    /// Counts what the family takes beside its series.
    fn settle(&mut self) {
        let limited = self.limited.iter().map(|limited| LIMITED_BYTES + limited.family.len() + limited.label.len()).sum::<usize>();
        let reserved = if self.overflow.is_none() { self.reserved_bytes } else { 0 };
        self.charge.set(self.base_bytes + reserved + self.values.bytes() + limited);
    }

    /// How many series, the overflow series not counted.
    pub(super) fn len(&self) -> usize {
        self.by_labels.len() - usize::from(self.overflow.is_some())
    }

    /// Whether there is none, not even an overflow series.
    pub(super) fn is_empty(&self) -> bool {
        self.by_labels.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.by_labels.iter().map(Arc::clone).collect()
    }

    /// What came since the last page, and whether some have gone.
    pub(super) fn changes(&mut self) -> (Vec<Arc<Series>>, bool) {
        (std::mem::take(&mut self.came), std::mem::take(&mut self.have_gone))
    }

    /// The series for these labels: known, new, or, with the limit that it hit, one that takes what is too much.
    ///
    /// # Errors
    ///
    /// The limit that refuses it.
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
        let action = match budget.limits.overflow {
            _ if *kind == FamilyKind::Gauge => Overflow::Refuse,
            // No label explodes, or its name is what is too much.
            Overflow::DropLabel if label.is_empty() || limit == Limit::LabelsPerFamily => Overflow::Fold,
            stated => stated,
        };
        let dropping = if action == Overflow::DropLabel { self.dropping(kind, (request, label), budget) } else { None };
        // Where there is no room for a series without the label either, the sample is folded.
        let action = if action == Overflow::DropLabel && dropping.is_none() { Overflow::Fold } else { action };
        if matches!(limit, Limit::Series | Limit::SeriesBytes) {
            // A family without a series yet: its overflow series has the names of the labels that it would have begun with.
            self.values.begin_with(request.labels);
        }
        let limited = self.limited(request, (limit, label), action, budget);
        limited.note(request.labels);
        match (action, dropping) {
            (Overflow::Refuse, _) => Err(limited),
            (_, Some(series)) => Ok((series, Some(limited))),
            (_, None) => Ok((self.overflow(kind, request), Some(limited))),
        }
    }

    /// Whether a known series is not to be written by this worker, where no memory is left: it would need one cell more.
    fn is_beyond(&self, series: &Arc<Series>, request: &Request<'_>) -> bool {
        let is_overflow = self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series));
        !is_overflow && series.lacks_cell_of(request.worker)
    }

    /// Whether there is one with these labels.
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

    /// The limit that forbids a new series with these labels, and the label where it is one of values.
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

    /// Whether the limit on the family's series forbids one more with these labels. Those with a label that stands for many have
    /// room of their own, so that it does not matter which come first: a restart finds room for all of them again.
    fn is_full(&self, labels: &str, limits: &Limits) -> bool {
        if is_dropped(labels) {
            self.dropped >= (limits.series_per_family / DROPPED_PART).max(DROPPED_PART)
        } else {
            self.len().saturating_sub(self.dropped) >= limits.series_per_family
        }
    }

    /// A new series, or one that comes back with its old value.
    fn add(&mut self, kind: &FamilyKind, labels: &Labels, request: &Request<'_>, budget: &Budget<'_>) -> Arc<Series> {
        let old = budget.grace.take(request.name, kind, labels.text());
        let series = old.unwrap_or_else(|| self.new_series(labels.text(), kind, request));
        self.insert(&series);
        self.values.note(labels);
        self.settle();
        self.dropped += usize::from(is_dropped(labels.text()));
        budget.totals.add_series();
        series
    }

    fn new_series(&self, labels: &str, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        Arc::new(Series::new(labels, kind, (request.created, self.charge.account())))
    }

    /// Takes a series out of the table. Says whether it was the overflow series.
    pub(super) fn remove(&mut self, series: &Arc<Series>, budget: &Budget<'_>) -> bool {
        let hash = self.hasher.hash_one(identity(series.labels()));
        if let Ok(entry) = self.by_labels.find_entry(hash, |known| Arc::ptr_eq(known, series)) {
            entry.remove();
        }
        series.set_out(true);
        self.have_gone = true;
        if self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series)) {
            self.overflow = None;
            self.settle();
            return true;
        }
        self.values.forget(series.labels());
        self.settle();
        budget.totals.remove_series();
        self.dropped = self.dropped.saturating_sub(usize::from(is_dropped(series.labels())));
        false
    }

    /// The series that takes samples of `request` whose label has too many values: its labels, with that one, and any other
    /// that has too many, made one. `None` where there is no room for it.
    fn dropping(&mut self, kind: &FamilyKind, (request, label): (&Request<'_>, &str), budget: &Budget<'_>) -> Option<Arc<Series>> {
        let mut labels = request.labels.with_value(label, OVERFLOW_VALUE);
        while let Some(name) = self.values.too_many(&labels, budget.limits.values_per_label).map(str::to_owned) {
            labels = labels.with_value(&name, OVERFLOW_VALUE);
        }
        if let Some(series) = self.find(labels.text()) {
            return Some(series);
        }
        // With no other label than those, it is the overflow series.
        if identity(labels.text()) == identity(&self.overflow_labels()) {
            return Some(self.overflow(kind, request));
        }
        let limits = &budget.limits;
        let has_room = !self.is_full(labels.text(), limits)
            && self.values.too_many_names(&labels, limits.labels_per_family).is_none()
            && budget.limit().is_none();
        has_room.then(|| self.add(kind, &labels, request, budget))
    }

    /// The overflow series: the label names of the family's first series, each with the stated value.
    fn overflow(&mut self, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        if let Some(series) = &self.overflow {
            return Arc::clone(series);
        }
        let text = self.overflow_labels();
        // A series of the wire may have these very labels, or there are no labels at all; then it is the overflow series.
        if let Some(series) = self.find(&text) {
            return series;
        }
        self.new_overflow(kind, &text, request)
    }

    /// The labels of the overflow series, which there may be or not.
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
        self.settle();
        series
    }

    /// The overflow series, and the label names that it has or would have.
    pub(super) fn overflow_and_first_names(&self) -> (Option<Arc<Series>>, Vec<String>) {
        (self.overflow.clone(), self.values.first_names().map(str::to_owned).collect())
    }

    /// The label names of the overflow series, whichever series is restored first.
    pub(super) fn restore_first_names(&mut self, names: &[String]) {
        self.values.restore_first_names(names);
    }

    /// The overflow series with the labels of `request`.
    pub(super) fn restore_overflow(&mut self, kind: &FamilyKind, request: &Request<'_>) -> Arc<Series> {
        let text = request.labels.text();
        self.find(text).unwrap_or_else(|| self.new_overflow(kind, text, request))
    }

    /// The count for this limit and label, made and logged when it is hit for the first time.
    fn limited(&mut self, request: &Request<'_>, (limit, label): (Limit, &str), action: Overflow, budget: &Budget<'_>) -> Arc<Limited> {
        let known =
            |label: &str| self.limited.iter().find(|l| l.limit == limit && &*l.label == label && l.action == action).map(Arc::clone);
        let label = if known(label).is_some() || self.limited.len() < LIMITED { label } else { "" };
        if let Some(limited) = known(label) {
            return limited;
        }
        let limited = Limited::new(request.name.as_str(), (limit, label), action, &request.arrival, budget.culprits);
        let limited = Arc::new(limited);
        self.limited.push(Arc::clone(&limited));
        self.settle();
        limited
    }

    /// What there is, for people, of the family of this name and kind. `series` are those of the page.
    pub(super) fn report(&self, (family, kind): (&str, &FamilyKind), series: &[Arc<Series>]) -> FamilyReport {
        let (labels, values, looked_at) = REPORTED;
        let mut labels: Vec<_> =
            self.values.widest_first().into_iter().take(labels).map(|(name, values)| LabelReport::new(name, values)).collect();
        for series in series.iter().take(looked_at) {
            for (name, value) in split(series.labels()).filter(|(_, value)| value != OVERFLOW_VALUE) {
                let label = labels.iter_mut().find(|label| label.name == *name && label.examples.len() < values);
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

    /// Ends a series at once, whoever writes to it.
    pub(super) fn end(&mut self, series: &Arc<Series>, budget: &Budget<'_>) {
        self.remove(series, budget);
        series.retire_now();
    }
}

/// Whether one of its labels stands for many.
fn is_dropped(labels: &str) -> bool {
    labels.contains("=\"_overflow_\"")
}
