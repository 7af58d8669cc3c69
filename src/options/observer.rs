//! The type of timers, histograms and distributions: histogram or summary.

use super::{Buckets, NativeChoice, Quantiles};

/// The type of timers (`ms`), histograms (`h`) and distributions (`d`) in expositions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Observer {
    /// A histogram.
    Histogram {
        /// Upper bounds of its classic buckets.
        buckets: Buckets,
        /// Native-histogram overrides of [`Options::native`](super::Options::native).
        native: NativeChoice,
    },
    /// A summary over a sliding window.
    Summary(SummaryOptions),
}

impl Observer {
    /// Histograms with these classic buckets, and with the native buckets of [`Options::native`](super::Options::native).
    pub fn histogram(buckets: Buckets) -> Self {
        Self::Histogram { buckets, native: NativeChoice::default() }
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::histogram(Buckets::default())
    }
}

/// Quantiles and window of a summary.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOptions {
    /// The quantiles. Default: 0.5, 0.9 and 0.99.
    pub quantiles: Quantiles,
    /// Length of the sliding window in milliseconds. 0 counts as 1. Default: 600,000, ten minutes.
    pub max_age_ms: u64,
    /// Number of steps in which the window slides. 0 counts as 1, and more than 64 as 64. Default: 5.
    pub age_buckets: u32,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { quantiles: Quantiles::default(), max_age_ms: 600_000, age_buckets: 5 }
    }
}
