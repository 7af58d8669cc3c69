//! What the registry has for the series of all families, and how much of it is taken.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::grace::GracePeriod;
use super::limited::{Culprits, Limit};
use crate::options::Limits;

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

/// What the registry has for the series of all families, as one family gets to see it.
pub(super) struct Budget<'r> {
    /// With those of the rule that asks.
    pub(super) limits: Limits,
    pub(super) totals: &'r Totals,
    pub(super) grace: &'r GracePeriod,
    pub(super) culprits: &'r Culprits,
}
