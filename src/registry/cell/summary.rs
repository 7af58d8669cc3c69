//! The cell of a summary: count and sum for ever, quantiles over a sliding window.
//!
//! The window is cut into steps. Each step has a sketch of its own, and the quantiles are read from all steps that are not too
//! old. Steps are counted from the epoch, not from a cell's first sample, so that the steps of all workers are the same ones and
//! the merged window is that of one cell. What the quantiles are computed from is the sketch's business; page and names are not
//! known here.

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

/// Most steps of a window, whatever the options say: each may hold a sketch.
const STEPS_MAX: u64 = 64;

/// One worker's value of one summary series: one thread observes, the scrape reads now and then.
///
/// Memory: a few hundred bytes when new; for each step 0.5 KiB while it has up to 32 distinct values, then 8 bytes for each
/// 2 % between the smallest and the largest value, at most 16 KiB a sign. A sample that falls into a bin that exists allocates
/// nothing, and a new step takes over the memory of the one that it replaces. It takes its bytes from an account; where the budget has
/// no more, a sketch that grows becomes coarser. What each step needs at least is taken beforehand.
#[derive(Debug)]
pub struct SummaryCell {
    /// At least 1.
    step_ms: u64,
    /// Steps that are read: the current one and those before it. At least 1.
    steps: u64,
    stamp: AtomicU64,
    state: Mutex<SummaryState>,
}

#[derive(Debug)]
struct SummaryState {
    count: f64,
    sum: f64,
    /// Number of the current step, counted from the epoch.
    step: u64,
    current: Sketch,
    /// Earlier steps that had samples, oldest first.
    past: VecDeque<(u64, Sketch)>,
    charge: Charge,
    /// What is charged while no sketch takes more than it needs at least.
    base_bytes: usize,
}

impl SummaryCell {
    /// Milliseconds of a step of the window of a cell with these options.
    pub(crate) fn step_ms(options: &SummaryOptions) -> u64 {
        options.max_age_ms.max(1) / steps_of(options)
    }

    /// A cell without observations. `max_age_ms` is divided into `age_buckets` steps, at least 1 and at most 64, of at least 1 ms;
    /// the quantiles of `options` are not looked at: ask the snapshot for them.
    pub fn new(options: &SummaryOptions) -> Self {
        Self::within(options, &Account::unlimited())
    }

    /// The same, with memory from this account.
    pub(crate) fn within(options: &SummaryOptions, account: &Arc<Account>) -> Self {
        let base_bytes = Self::base_bytes(options);
        let charge = Charge::new(account, base_bytes);
        let (current, past) = (Sketch::default(), VecDeque::new());
        let state = SummaryState { count: 0.0, sum: 0.0, step: 0, current, past, charge, base_bytes };
        Self { step_ms: Self::step_ms(options), steps: steps_of(options), stamp: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Bytes that a cell takes at least, with what its steps will need.
    pub(crate) fn base_bytes(options: &SummaryOptions) -> usize {
        size_of::<Self>() + 64 + steps_of(options) as usize * (size_of::<(u64, Sketch)>() + FLOOR_BYTES)
    }

    /// Adds one observation that stands for `weight` of them (1 / rate on the wire).
    ///
    /// Returns false, and changes nothing, if the weight is not a positive number, or if the sum or the count would not be
    /// finite any more. A `now` before that of an earlier observation counts as that.
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

    /// When it was last written, and whether it is retired.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    /// Adds what this cell holds to `out`: count and sum of all times, and the observations of the window that ends at `now`.
    /// An observation leaves the window when it is between `max_age - max_age / age_buckets` and `max_age` old.
    pub fn merge_into(&self, now: Timestamp, out: &mut SummarySnapshot) {
        let step = now.as_millis() / self.step_ms;
        let mut state = self.lock();
        out.count = add_weights(out.count, state.count);
        out.sum = add_finite(out.sum, state.sum);
        let live = |of: u64| step.saturating_sub(of) < self.steps;
        if !live(state.step) {
            // Idle for the whole window: the memory is worth more than the next sample's time.
            (state.current, state.past) = Default::default();
            state.settle(0);
            return;
        }
        for (_, sketch) in state.past.iter().filter(|(of, _)| live(*of)) {
            out.window.merge(sketch);
        }
        out.window.merge(&state.current);
    }

    /// The sum of all observations ever, each times its weight.
    pub fn sum(&self) -> f64 {
        self.lock().sum
    }

    /// Bytes that it takes, with what its steps will need at least.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// Whether the count is no whole number.
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
        // A thread that died here left numbers that are at worst one sample short; they are still worth showing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SummaryState {
    /// Counts what the sketches take, after the current one grew by so many bytes. Where memory is short, that one does without them.
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

    /// Makes `step` the current one, if it is later than that. Says whether it is.
    fn advance(&mut self, step: u64, steps: u64) -> bool {
        if step <= self.step {
            return false;
        }
        let mut spare = Sketch::default();
        while self.past.front().is_some_and(|(of, _)| step.saturating_sub(*of) >= steps) {
            spare = self.past.pop_front().map(|(_, old)| old).unwrap_or_default();
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

/// A summary's value at one time, over all workers. Starts empty; each cell's `merge_into` adds to it.
#[derive(Debug, Clone, Default)]
pub struct SummarySnapshot {
    /// Weights of all observations ever.
    pub count: f64,
    /// Sum of all observations ever, each times its weight.
    pub sum: f64,
    window: Sketch,
}

impl SummarySnapshot {
    /// The quantile of the window by nearest rank: the smallest observed value such that it and all smaller ones weigh at least
    /// `q` of the whole. Of 1, 2, 3, 4 the median is 2; `q` 0 and 1 are the exact minimum and maximum. Exact while the
    /// window has up to 32 distinct values; else within 1 % of that value, down to 1e-17 of the window's largest magnitude.
    /// NaN if there is no observation within the window or `q` is NaN; a `q` beyond 0 or 1 is taken as that bound.
    pub fn quantile(&self, q: f64) -> f64 {
        self.window.quantile(q)
    }

    /// Makes it empty and keeps its memory, for the next series.
    pub fn clear(&mut self) {
        (self.count, self.sum) = (0.0, 0.0);
        self.window.clear();
    }
}
