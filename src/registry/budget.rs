//! What the registry has for the series of all families, and how much of it is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::grace::GracePeriod;
use super::limited::{Culprits, Limit};
use crate::memory::Memory;
use crate::options::Limits;

/// Resting series that are forgotten at most for one that is new.
const FORGOTTEN_FOR_ONE: usize = 16;

/// What all families have together.
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

    /// The limit that forbids one series more. Two workers may pass it at once, each by one series.
    pub(super) fn limit(&self, limits: &Limits, grace: &GracePeriod) -> Option<Limit> {
        if self.series.load(Relaxed) >= limits.series {
            return Some(Limit::Series);
        }
        // Who comes is worth more than who went.
        let mut left = FORGOTTEN_FOR_ONE;
        while self.memory.is_scarce() && left > 0 && grace.forget_oldest() {
            left -= 1;
        }
        self.memory.is_scarce().then_some(Limit::SeriesBytes)
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

impl Budget<'_> {
    /// The limit that forbids one series more.
    pub(super) fn limit(&self) -> Option<Limit> {
        self.totals.limit(&self.limits, self.grace)
    }
}
