//! Limits that new series hit: the number of samples that they folded or rejected, and the offender.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::arrival::Arrival;
use super::example::{VALUE_BYTES, shortened};
use super::label_set::Labels;
use crate::lock::lock;
use crate::options::Overflow;
use crate::registry::cell::{SetCell, SetSnapshot};
use crate::source::Source;
use crate::telemetry::SampleRejection;
use crate::time::Timestamp;

/// A limit on new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Number of series.
    Series,
    /// Number of series of one family.
    SeriesPerFamily,
    /// Number of distinct values of a label in one family.
    ValuesPerLabel,
    /// Number of distinct label names in one family.
    LabelsPerFamily,
    /// Memory of all series.
    SeriesBytes,
    /// Number of families.
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

    /// The reason that samples are rejected under if they cannot be folded.
    pub(crate) const fn rejection(self) -> SampleRejection {
        match self {
            Self::Series => SampleRejection::SeriesLimit,
            Self::SeriesPerFamily => SampleRejection::FamilySeriesLimit,
            Self::ValuesPerLabel => SampleRejection::LabelValueLimit,
            Self::LabelsPerFamily => SampleRejection::FamilyLabelLimit,
            Self::SeriesBytes => SampleRejection::SeriesBytesLimit,
            Self::Families => SampleRejection::FamilyLimit,
        }
    }
}

/// A limit that was hit, with the number of samples that it folded or rejected, and the offender.
#[derive(Debug)]
pub struct Limited {
    /// The family; empty where the limit rejects whole families.
    pub family: Box<str>,
    /// The limit.
    pub limit: Limit,
    /// The label with too many values; empty if the limit is not about one label.
    pub label: Box<str>,
    /// The treatment of the samples: folded into another series of the family, or rejected.
    pub action: Overflow,
    /// Time of the first sample that hit the limit.
    pub first: Timestamp,
    /// The sender of that sample.
    pub source: Source,
    samples: AtomicU64,
    offender: Option<Offender>,
}

/// The values that a limit folded or rejected. Memory: up to 16 KiB for their number, and [`EXAMPLES`] texts.
#[derive(Debug, Default)]
struct Offender {
    examples: Mutex<Vec<Box<str>>>,
    values: SetCell,
}

/// Maximum number of values kept as examples.
const EXAMPLES: usize = 5;

/// Maximum number of offenders over all families. Limits hit later only count their samples.
const MAX_OFFENDERS: usize = 128;

/// The number of offenders over all families.
#[derive(Debug, Default)]
pub(super) struct Offenders(AtomicUsize);

impl Limited {
    /// A limit that a new series of `family` hits now; a new family, if `family` is empty.
    pub(super) fn new(family: &str, limit: Limit, label: &str, action: Overflow, arrival: &Arrival<'_>, offenders: &Offenders) -> Self {
        let has_room = offenders.0.fetch_update(Relaxed, Relaxed, |kept| (kept < MAX_OFFENDERS).then_some(kept + 1)).is_ok();
        let (what, now) = (if family.is_empty() { "new families are rejected" } else { action.describe() }, arrival.now);
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
            offender: has_room.then(Offender::default),
        }
    }

    /// Counts one sample.
    pub(crate) fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples folded or rejected so far.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }

    /// Notes the value of the label, or all labels if the limit is not about one label. Called for new identities only.
    pub(super) fn note(&self, labels: &Labels) {
        self.note_value(labels.iter().find(|(name, _)| *name == &*self.label).map_or(labels.text(), |(_, value)| value));
    }

    /// Notes a name or a value that the limit folded or rejected.
    pub(super) fn note_value(&self, value: &str) {
        let Some(offender) = &self.offender else { return };
        offender.values.insert(value.as_bytes());
        let mut examples = lock(&offender.examples);
        if examples.len() < EXAMPLES {
            let value = shortened(value, VALUE_BYTES);
            if examples.iter().all(|known| &**known != value) {
                examples.push(value.into());
            }
        }
    }

    /// The first few values that the limit folded or rejected.
    pub fn examples(&self) -> Vec<Box<str>> {
        self.offender.as_ref().map(|offender| lock(&offender.examples).clone()).unwrap_or_default()
    }

    /// Number of distinct values, label sets or names that the limit folded or rejected: exact up to 2,048, then an estimate. `None`
    /// for limits hit after 128 others.
    pub fn distinct(&self) -> Option<f64> {
        let mut all = SetSnapshot::default();
        self.offender.as_ref()?.values.merge_into(&mut all);
        Some(all.distinct())
    }
}
