//! The cell of a summary: count and sum since the start, quantiles over a sliding window.
//!
//! The window consists of steps. Each step has a sketch, and the quantiles are computed from all steps that are not too
//! old. Steps are counted from the epoch, not from the first sample of a cell, so that all workers have the same steps and
//! the merged window equals that of one cell.

mod saved;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::saved::SavedSummary;
use super::sketch::{FLOOR_BYTES, Sketch};
use super::{Stamp, add_finite, add_weights};
use crate::memory::{Account, Charge};
use crate::options::SummaryOptions;
use crate::time::Timestamp;

/// The most steps of a window, because each may have a sketch.
const STEPS_MAX: u64 = 64;

/// One worker's part of a summary. One thread observes, and the scrape reads.
///
/// Memory: a few hundred bytes when new. A step takes 0.5 KiB for up to 32 distinct values, beyond that 8 bytes for each
/// 2 % between the smallest and the largest value, at most 16 KiB for each sign. A sample of an existing bin allocates
/// nothing, and a new step reuses the memory of the step that it replaces. The bytes come from an account. If the budget is
/// exhausted, a sketch that grows becomes coarser. The least memory of all steps is taken in advance.
#[derive(Debug)]
pub struct SummaryCell {
    /// At least 1.
    step_ms: u64,
    /// The number of steps of the window, the current one included. At least 1.
    steps: u64,
    stamp: AtomicU64,
    state: Mutex<SummaryState>,
}

#[derive(Debug)]
struct SummaryState {
    count: f64,
    sum: f64,
    /// The number of the current step, counted from the epoch.
    step: u64,
    current: Sketch,
    /// Earlier steps that had samples, oldest first.
    past: VecDeque<(u64, Sketch)>,
    charge: Charge,
    /// The bytes charged while every sketch takes its least memory.
    base_bytes: usize,
}

impl SummaryCell {
    /// Milliseconds of a step of a cell with these options.
    pub(crate) fn step_ms(options: &SummaryOptions) -> u64 {
        options.max_age_ms.max(1) / steps_of(options)
    }

    /// A cell without observations. `max_age_ms` is divided into `age_buckets` steps, 1 to 64, of at least 1 ms.
    /// The quantiles of `options` are not used here; see [`SummarySnapshot::quantile`].
    pub fn new(options: &SummaryOptions) -> Self {
        Self::within(options, &Account::unlimited())
    }

    /// As [`new`](Self::new), with memory from this account.
    pub(crate) fn within(options: &SummaryOptions, account: &Arc<Account>) -> Self {
        let base_bytes = Self::base_bytes(options);
        let charge = Charge::new(account, base_bytes);
        let (current, past) = (Sketch::default(), VecDeque::new());
        let state = SummaryState { count: 0.0, sum: 0.0, step: 0, current, past, charge, base_bytes };
        Self { step_ms: Self::step_ms(options), steps: steps_of(options), stamp: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// The fewest bytes of a cell, with the least memory of its steps.
    pub(crate) fn base_bytes(options: &SummaryOptions) -> usize {
        size_of::<Self>() + 64 + steps_of(options) as usize * (size_of::<(u64, Sketch)>() + FLOOR_BYTES)
    }

    /// Adds one observation that stands for `weight` of them (1 / rate on the wire).
    ///
    /// Returns false, and changes nothing, if the weight is not a positive number, or if the sum or the count would not be
    /// finite. A `now` before that of an earlier observation counts as the latter.
    #[must_use]
    pub fn observe(&self, value: f64, weight: f64, now: Timestamp) -> bool {
        let mut state = self.lock();
        let (count, sum) = (state.count + weight, state.sum + value * weight);
        if !(value.is_finite() && weight > 0.0 && count.is_finite() && sum.is_finite()) {
            return false;
        }
        (state.count, state.sum) = (count, sum);
        let is_new_step = state.advance(now.as_millis() / self.step_ms, self.steps);
        let grown = state.current.add(value, weight);
        if is_new_step || grown > 0 {
            state.settle(grown);
        }
        true
    }

    /// The time of the last write, or the tombstone.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    /// Adds count and sum since the start, and the observations of the window that ends at `now`, to `out`.
    /// An observation leaves the window at an age between `max_age - max_age / age_buckets` and `max_age`.
    pub fn merge_into(&self, now: Timestamp, out: &mut SummarySnapshot) {
        let step = now.as_millis() / self.step_ms;
        let mut state = self.lock();
        out.count = add_weights(out.count, state.count);
        out.sum = add_finite(out.sum, state.sum);
        let live = |of: u64| step.saturating_sub(of) < self.steps;
        if !live(state.step) {
            // The cell was idle for the whole window, so its memory is freed.
            (state.current, state.past) = Default::default();
            state.settle(0);
            return;
        }
        for (_, sketch) in state.past.iter().filter(|(of, _)| live(*of)) {
            out.window.merge(sketch);
        }
        out.window.merge(&state.current);
    }

    /// The sum of all observations since the start, each times its weight.
    pub fn sum(&self) -> f64 {
        self.lock().sum
    }

    /// The bytes of the cell, with the least memory of its steps.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// Whether the count is not a whole number.
    pub fn has_fraction(&self) -> bool {
        self.lock().count.fract() != 0.0
    }

    /// Whether the window that ends at `now` has a negative observation.
    pub fn has_negative(&self, now: Timestamp) -> bool {
        let step = now.as_millis() / self.step_ms;
        let state = self.lock();
        let live = |of: u64| step.saturating_sub(of) < self.steps;
        let past = state.past.iter().filter(|(of, _)| live(*of)).any(|(_, sketch)| sketch.has_negative());
        past || (live(state.step) && state.current.has_negative())
    }

    fn lock(&self) -> MutexGuard<'_, SummaryState> {
        // A thread that panicked here left values that lack at most one sample.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SummaryState {
    /// Charges the bytes of the sketches after the current one grew by `grown`. If memory is short, that one is coarsened instead.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, grown: usize) {
        if grown > 0 && self.charge.is_scarce() {
            let bytes = self.current.heap_bytes();
            self.current.fit(bytes.saturating_sub(grown));
            if self.current.heap_bytes() < bytes {
                self.charge.note_coarser();
            }
        }
        let beyond = |sketch: &Sketch| sketch.heap_bytes().saturating_sub(FLOOR_BYTES);
        let beyond = beyond(&self.current) + self.past.iter().map(|(_, sketch)| beyond(sketch)).sum::<usize>();
        self.charge.set(self.base_bytes + beyond);
    }

    /// Makes `step` the current step, if it is later. Returns whether it is.
    fn advance(&mut self, step: u64, steps: u64) -> bool {
        if step <= self.step {
            return false;
        }
        let mut spare = Sketch::default();
        let expired = self.past.iter().take_while(|(of, _)| step.saturating_sub(*of) >= steps).count();
        for (_, old) in self.past.drain(..expired) {
            spare = old;
        }
        if !self.current.is_empty() && step - self.step < steps {
            mem::swap(&mut self.current, &mut spare);
            self.past.push_back((self.step, spare));
        }
        self.current.clear();
        self.step = step;
        true
    }
}

fn steps_of(options: &SummaryOptions) -> u64 {
    u64::from(options.age_buckets).clamp(1, STEPS_MAX.min(options.max_age_ms.max(1)))
}

/// The value of a summary over all workers. Starts empty; `merge_into` of each cell adds to it.
#[derive(Debug, Clone, Default)]
pub struct SummarySnapshot {
    /// The weight of all observations since the start.
    pub count: f64,
    /// The sum of all observations since the start, each times its weight.
    pub sum: f64,
    window: Sketch,
}

impl SummarySnapshot {
    /// The quantile of the window by nearest rank: the smallest observed value such that it and all smaller ones have at least
    /// `q` of the weight. Of 1, 2, 3, 4 the median is 2; `q` 0 and 1 are the exact minimum and maximum. Exact while the
    /// window has up to 32 distinct values; else within 1 % of that value, down to 1e-17 of the largest magnitude in the window.
    /// NaN if the window has no observation or `q` is NaN. A `q` outside of 0 to 1 counts as the nearer of both.
    pub fn quantile(&self, q: f64) -> f64 {
        self.window.quantile(q)
    }

    /// Removes all observations and keeps the memory, for the next series.
    pub fn clear(&mut self) {
        (self.count, self.sum) = (0.0, 0.0);
        self.window.clear();
    }
}
