//! The kind of a family: its type, with the options of its cells.

use std::sync::Arc;

use crate::options::SummaryOptions;
use crate::registry::cell::Bounds;

/// The kind of a family, with the options of its cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FamilyKind {
    /// A sum that never goes down.
    Counter,
    /// A value that is set or changed.
    Gauge,
    /// Classic buckets, and native ones where its options allow them and a client accepts them.
    Histogram {
        /// Finite bounds in ascending order, and the options of native buckets.
        bounds: Arc<Bounds>,
    },
    /// Quantiles over a sliding window.
    Summary(Arc<SummaryOptions>),
    /// A distinct count. Expositions show it as a gauge.
    Set,
}

impl FamilyKind {
    /// Whether a family of this kind can record samples of `other`. Bounds and quantiles may differ: those of the family apply.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// The name of the kind in self-metrics and reports.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram { .. } => "histogram",
            Self::Summary(_) => "summary",
            Self::Set => "set",
        }
    }

    /// Makes its histograms keep native buckets, if its options allow them.
    pub(super) fn want_native(&self) {
        if let Self::Histogram { bounds } = self {
            bounds.want_native();
        }
    }

    /// Whether it is a histogram or a summary.
    pub(crate) fn is_observer(&self) -> bool {
        matches!(self, Self::Histogram { .. } | Self::Summary(_))
    }

    /// Whether its series are sums, which decrease only when they start again.
    pub(super) fn accumulates(&self) -> bool {
        *self == Self::Counter || self.is_observer()
    }

    /// Whether the exposition format or Prometheus reserves this label name.
    pub(crate) fn reserves(&self, label: &str) -> bool {
        match self {
            Self::Histogram { .. } if label == "le" => true,
            Self::Summary(_) if label == "quantile" => true,
            _ => label.starts_with("__"),
        }
    }

    /// The suffixes of its lines behind the family's name.
    pub(crate) fn suffixes(&self) -> &'static [&'static str] {
        match self {
            Self::Histogram { .. } => &["_sum", "_count", "_bucket"],
            Self::Summary(_) => &["_sum", "_count"],
            Self::Counter | Self::Gauge | Self::Set => &[],
        }
    }
}
