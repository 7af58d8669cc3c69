//! Which limit stopped a new series, and how many samples that cost.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::options::Limits;
use crate::telemetry::Refusal;

/// What all families have together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) series: AtomicUsize,
    pub(super) bytes: AtomicUsize,
}

impl Totals {
    pub(super) fn add_series(&self, bytes: usize) {
        self.series.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn remove_series(&self, count: usize, bytes: usize) {
        self.series.fetch_sub(count, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// The limit that forbids one series more. Two workers may pass it at once, each by one series.
    pub(super) fn limit(&self, limits: &Limits) -> Option<Limit> {
        if self.series.load(Relaxed) >= limits.series {
            Some(Limit::Series)
        } else if self.bytes.load(Relaxed) >= limits.series_bytes {
            Some(Limit::SeriesBytes)
        } else {
            None
        }
    }
}

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
        }
    }
}

/// A family's limit that was hit, and the samples that it folded or refused.
#[derive(Debug)]
pub struct Limited {
    /// The family.
    pub family: Box<str>,
    /// The limit.
    pub limit: Limit,
    /// The label with too many values, or nothing.
    pub label: Box<str>,
    /// Whether samples go into the family's overflow series; else they are refused.
    pub folds: bool,
    pub(super) samples: AtomicU64,
}

impl Limited {
    /// Counts one sample.
    pub fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples folded or refused so far.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }
}
