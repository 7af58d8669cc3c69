//! Which limit stopped a new series, how many samples that cost, and who did it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::arrival::Arrival;
use super::example::{VALUE_BYTES, shortened};
use super::label_set::Labels;
use crate::lock::lock;
use crate::options::Overflow;
use crate::registry::cell::{SetCell, SetSnapshot};
use crate::source::Source;
use crate::telemetry::Refusal;
use crate::time::Timestamp;

/// A limit on new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Series in all.
    Series,
    /// Series of the family.
    SeriesPerFamily,
    /// Distinct values of a label in the family.
    ValuesPerLabel,
    /// Distinct label names in the family.
    LabelsPerFamily,
    /// Bytes of all series.
    SeriesBytes,
    /// Families.
    Families,
}

impl Limit {
    /// The value of the label `limit`: the flag's name after `limits.`, with underscores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::SeriesPerFamily => "series_per_family",
            Self::ValuesPerLabel => "values_per_label",
            Self::LabelsPerFamily => "labels_per_family",
            Self::SeriesBytes => "series_bytes",
            Self::Families => "families",
        }
    }

    /// The reason under which a sample is refused that cannot be folded.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Series => Refusal::SeriesLimit,
            Self::SeriesPerFamily => Refusal::FamilySeriesLimit,
            Self::ValuesPerLabel => Refusal::LabelValueLimit,
            Self::LabelsPerFamily => Refusal::FamilyLabelLimit,
            Self::SeriesBytes => Refusal::SeriesBytesLimit,
            Self::Families => Refusal::FamilyLimit,
        }
    }
}

/// A family's limit that was hit, the samples that it folded or refused, and what is known of the culprit.
#[derive(Debug)]
pub struct Limited {
    /// The family; nothing where whole families are kept out.
    pub family: Box<str>,
    /// The limit.
    pub limit: Limit,
    /// The label with too many values, or nothing.
    pub label: Box<str>,
    /// What becomes of samples: folded into another series of the family, or refused.
    pub action: Overflow,
    /// When it was hit for the first time.
    pub first: Timestamp,
    /// Who sent the sample that hit it first.
    pub source: Source,
    samples: AtomicU64,
    culprit: Option<Culprit>,
}

/// What a limit kept out. Memory: up to 16 KiB of the count, and [`EXAMPLES`] texts.
#[derive(Debug, Default)]
struct Culprit {
    examples: Mutex<Vec<Box<str>>>,
    values: SetCell,
}

/// How many of the refused values are kept as examples.
const EXAMPLES: usize = 5;

/// How many hit limits keep a culprit, over all families; the others count their samples only.
const CULPRITS: usize = 128;

/// Hands out the right to keep a culprit.
#[derive(Debug, Default)]
pub(super) struct Culprits(AtomicUsize);

impl Limited {
    /// Hit just now, by a new series of `family`, or by a new family if that is empty.
    pub(super) fn new(family: &str, (limit, label): (Limit, &str), action: Overflow, arrival: &Arrival<'_>, culprits: &Culprits) -> Self {
        let has_room = culprits.0.fetch_update(Relaxed, Relaxed, |kept| (kept < CULPRITS).then_some(kept + 1)).is_ok();
        let (what, now) = (if family.is_empty() { "new families are refused" } else { action.describe() }, arrival.now);
        let (sample, source) = (arrival.example(), arrival.source);
        tracing::warn!(family, limit = limit.as_str(), label, %sample, %source, "a limit is hit: {what}");
        Self {
            family: family.into(),
            limit,
            label: label.into(),
            action,
            first: now,
            source,
            samples: AtomicU64::new(0),
            culprit: has_room.then(Culprit::default),
        }
    }

    /// Counts one sample.
    pub fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples folded or refused so far.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }

    /// Notes what was kept out: the label's value, or all labels where no label is named. Called for new identities only.
    pub(super) fn note(&self, labels: &Labels) {
        self.note_value(labels.iter().find(|(name, _)| *name == &*self.label).map_or(labels.text(), |(_, value)| value));
    }

    /// Notes a name or value that was kept out.
    pub(super) fn note_value(&self, value: &str) {
        let Some(culprit) = &self.culprit else { return };
        culprit.values.insert(value.as_bytes());
        let mut examples = lock(&culprit.examples);
        if examples.len() < EXAMPLES {
            let value = shortened(value, VALUE_BYTES);
            if examples.iter().all(|known| &**known != value) {
                examples.push(value.into());
            }
        }
    }

    /// The first few of the values that were kept out.
    pub fn examples(&self) -> Vec<Box<str>> {
        self.culprit.as_ref().map(|culprit| lock(&culprit.examples).clone()).unwrap_or_default()
    }

    /// How many distinct values of the label, or label sets where no label is named, or names, were kept out so far: exact up to 2,048,
    /// then an estimate. `None` for limits hit after 128 others.
    pub fn distinct(&self) -> Option<f64> {
        let mut all = SetSnapshot::default();
        self.culprit.as_ref()?.values.merge_into(&mut all);
        Some(all.distinct())
    }
}
