//! The types of metadata and the forms of families.

use super::options::{HistogramForm, WriteOptions, WriteVersion};
use crate::registry::FamilyKind;
use crate::telemetry::SelfKind;

pub(super) const COUNTER: u8 = 1;
pub(super) const GAUGE: u8 = 2;
pub(super) const HISTOGRAM: u8 = 3;
pub(super) const SUMMARY: u8 = 5;

/// The form of a family's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One float: counters, gauges, sets.
    Number,
    /// Floats for buckets, sum and count.
    Classic,
    /// A histogram with exponential buckets.
    Exponential,
    /// A histogram with custom buckets.
    Custom,
    /// Floats for quantiles, sum and count.
    Summary,
}

impl Form {
    pub(super) fn of(kind: &FamilyKind, options: &WriteOptions) -> Self {
        match kind {
            FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => Self::Number,
            FamilyKind::Summary(_) => Self::Summary,
            FamilyKind::Histogram { bounds } => match options.histograms {
                HistogramForm::Native if bounds.native().is_some() && bounds.is_native_wanted() => Self::Exponential,
                HistogramForm::Native => Self::Classic,
                _ => Self::of_classic(options),
            },
        }
    }

    /// The form of histograms that have no native buckets.
    pub(super) fn of_classic(options: &WriteOptions) -> Self {
        match (options.histograms, options.version) {
            (HistogramForm::Nhcb, WriteVersion::V2) => Self::Custom,
            _ => Self::Classic,
        }
    }

    /// Whether samples are histograms and not floats.
    pub(super) fn is_histogram(self) -> bool {
        matches!(self, Self::Exponential | Self::Custom)
    }
}

/// The number of a family's type.
pub(super) fn number_of(kind: &FamilyKind) -> u8 {
    match kind {
        FamilyKind::Counter => COUNTER,
        FamilyKind::Gauge | FamilyKind::Set => GAUGE,
        FamilyKind::Histogram { .. } => HISTOGRAM,
        FamilyKind::Summary(_) => SUMMARY,
    }
}

/// The number of a self-family's type.
pub(super) fn number_of_self(kind: SelfKind) -> u8 {
    match kind {
        SelfKind::Counter => COUNTER,
        SelfKind::Gauge => GAUGE,
        SelfKind::Histogram => HISTOGRAM,
    }
}
