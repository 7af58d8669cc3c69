//! Series and memory of all families together, and their limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::grace::GracePeriod;
use super::limited::{Limit, Offenders};
use crate::memory::Memory;
use crate::options::Limits;

/// At most this many series in their grace period are dropped for one new series.
const DROPPED_FOR_ONE: usize = 16;

/// Totals over all families.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) series: AtomicUsize,
    pub(super) memory: Arc<Memory>,
}

impl Totals {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { series: AtomicUsize::new(0), memory: Memory::new(limits.series_bytes) }
    }

    pub(super) fn add_series(&self) {
        self.series.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_series(&self) {
        self.series.fetch_sub(1, Relaxed);
    }

    /// The limit that forbids one more series. Workers that check at the same time may each exceed it by one series.
    pub(super) fn limit(&self, limits: &Limits, grace: &GracePeriod) -> Option<Limit> {
        if self.series.load(Relaxed) >= limits.series {
            return Some(Limit::Series);
        }
        // A new series is more important than expired ones.
        let mut left = DROPPED_FOR_ONE;
        while self.memory.is_scarce() && left > 0 && grace.drop_oldest() {
            left -= 1;
        }
        self.memory.is_scarce().then_some(Limit::SeriesBytes)
    }
}

/// The totals and limits that one family checks a new series against.
pub(super) struct Budget<'r> {
    /// The limits of the rule, or of the registry if the rule sets none.
    pub(super) limits: Limits,
    pub(super) totals: &'r Totals,
    pub(super) grace: &'r GracePeriod,
    pub(super) offenders: &'r Offenders,
}

impl Budget<'_> {
    /// The limit that forbids one more series.
    pub(super) fn limit(&self) -> Option<Limit> {
        self.totals.limit(&self.limits, self.grace)
    }
}
