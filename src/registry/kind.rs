//! What a family is: its type, with what its cells need.

use std::sync::Arc;

use crate::options::SummaryOptions;
use crate::registry::cell::Bounds;

/// What a family is, with what its cells need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FamilyKind {
    /// A sum that never goes down.
    Counter,
    /// A value that is set or changed.
    Gauge,
    /// Classic buckets, and native ones where its options and somebody ask for them.
    Histogram {
        /// Ascending, finite; and how native buckets are kept.
        bounds: Arc<Bounds>,
    },
    /// Quantiles over a sliding window.
    Summary(SummaryOptions),
    /// A distinct count, shown as a gauge.
    Set,
}

impl FamilyKind {
    /// Whether samples of `other` may be recorded by a family of this kind; buckets and quantiles are the family's own.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Its name, as own metrics and reports have it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram { .. } => "histogram",
            Self::Summary(_) => "summary",
            Self::Set => "set",
        }
    }

    /// From now on its histograms keep native buckets, if they may.
    pub(super) fn want_native(&self) {
        if let Self::Histogram { bounds } = self {
            bounds.want_native();
        }
    }

    /// Whether it observes values.
    pub(crate) fn is_observer(&self) -> bool {
        matches!(self, Self::Histogram { .. } | Self::Summary(_))
    }

    /// Whether its series add up what was sent, and so never fall but by beginning anew.
    pub(super) fn accumulates(&self) -> bool {
        *self == Self::Counter || self.is_observer()
    }

    /// Whether a label of this name would spoil the page: one of the format's own, or one that Prometheus keeps for itself.
    pub(crate) fn reserves(&self, label: &str) -> bool {
        match self {
            Self::Histogram { .. } if label == "le" => true,
            Self::Summary(_) if label == "quantile" => true,
            _ => label.starts_with("__"),
        }
    }

    /// What its lines have behind the family's name.
    pub(crate) fn suffixes(&self) -> &'static [&'static str] {
        match self {
            Self::Histogram { .. } => &["_sum", "_count", "_bucket"],
            Self::Summary(_) => &["_sum", "_count"],
            Self::Counter | Self::Gauge | Self::Set => &[],
        }
    }
}
