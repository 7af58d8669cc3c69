//! The cell of a summary: count and sum for ever, quantiles over a sliding window.
//!
//! The window is cut into steps. Each step has a sketch of its own, and the quantiles are read from all steps that are not too
//! old. Steps are counted from the epoch, not from a cell's first sample, so that the steps of all workers are the same ones and
//! the merged window is that of one cell. What the quantiles are computed from is the sketch's business; page and names are not
//! known here.

mod saved;

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
    /// Milliseconds of a step of the window.
    pub(crate) fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// A cell without observations. `max_age_ms` is divided into `age_buckets` steps, at least 1 and at most 64, of at least 1 ms;
    /// the quantiles of `options` are not looked at: ask the snapshot for them.
    pub fn new(options: &SummaryOptions) -> Self {
        Self::within(options, &Account::unlimited())
    }

    /// The same, with memory from this account.
    pub(crate) fn within(options: &SummaryOptions, account: &Arc<Account>) -> Self {
        let max_age_ms = options.max_age_ms.max(1);
        let steps = steps_of(options);
        let base_bytes = Self::base_bytes(options);
        let charge = Charge::new(account, base_bytes);
        let (current, past) = (Sketch::default(), VecDeque::new());
        let state = SummaryState { count: 0.0, sum: 0.0, step: 0, current, past, charge, base_bytes };
        Self { step_ms: max_age_ms / steps, steps, stamp: AtomicU64::new(0), state: Mutex::new(state) }
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
            self.current.fit(self.current.heap_bytes().saturating_sub(grown));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The beginning of a step of two minutes.
    const START_MS: u64 = 1_700_000_040_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(START_MS + seconds * 1000)
    }

    fn ten_minutes() -> SummaryCell {
        SummaryCell::new(&SummaryOptions::default())
    }

    fn snapshot<'a>(cells: impl IntoIterator<Item = &'a SummaryCell>, now: Timestamp) -> SummarySnapshot {
        let mut out = SummarySnapshot::default();
        cells.into_iter().for_each(|cell| cell.merge_into(now, &mut out));
        out
    }

    #[test]
    fn count_sum_and_quantiles_are_weighted() {
        let cell = ten_minutes();
        assert!(cell.observe(1.0, 10.0, at(0)) && cell.observe(5.0, 2.5, at(0)));
        let got = snapshot([&cell], at(1));
        assert_eq!((got.count, got.sum), (12.5, 22.5));
        assert_eq!([0.5, 0.8, 0.81].map(|q| got.quantile(q)), [1.0, 1.0, 5.0]);
    }

    #[test]
    fn a_new_cell_has_no_quantile() {
        let got = snapshot([&ten_minutes()], at(0));
        assert_eq!((got.count, got.sum), (0.0, 0.0));
        assert!(got.quantile(0.5).is_nan());
    }

    #[test]
    fn an_idle_cell_ends_in_nan_and_frees_its_window() {
        let cell = ten_minutes();
        for i in 0..1000 {
            assert!(cell.observe(f64::from(i), 1.0, at(0)));
        }
        assert_eq!(snapshot([&cell], at(479)).quantile(1.0), 999.0);
        let got = snapshot([&cell], at(600));
        assert!(got.quantile(0.5).is_nan());
        assert_eq!((got.count, got.sum), (1000.0, 499_500.0));
        assert_eq!(cell.lock().current.heap_bytes(), 0);
        assert!(cell.observe(3.0, 1.0, at(601)));
        assert_eq!(snapshot([&cell], at(601)).quantile(0.0), 3.0);
    }

    #[test]
    fn the_window_slides_with_ingest_and_reuses_memory() {
        let cell = ten_minutes();
        let memory = || {
            let state = cell.lock();
            state.current.heap_bytes() + state.past.iter().map(|(_, sketch)| sketch.heap_bytes()).sum::<usize>()
        };
        let mut full = 0;
        for second in 0..60_000 {
            assert!(cell.observe((second % 120) as f64 + second as f64 / 60_000.0, 1.0, at(second)));
            match second {
                1200 => full = memory(),
                1201.. => assert_eq!((memory(), cell.lock().past.len()), (full, 4)),
                _ => {}
            }
        }
    }

    #[test]
    fn the_window_holds_the_last_steps_and_nothing_else() {
        let cell = ten_minutes();
        for second in 0..6000 {
            assert!(cell.observe((second % 500 + 1) as f64, 1.0, at(second)));
        }
        // Seconds 5400 to 5999: 1 to 400 once, 401 to 500 twice.
        let got = snapshot([&cell], at(5999));
        for (q, want) in [(0.5, 300.0), (0.75, 425.0)] {
            assert!((got.quantile(q) - want).abs() <= want * 0.0101, "{}", got.quantile(q));
        }
        // Two minutes later the first 120 of them are gone: 401 to 500 and 1 to 20.
        let got = snapshot([&cell], at(6119));
        assert_eq!(got.quantile(0.0), 21.0);
        assert_eq!(got.count, 6000.0);
    }

    #[test]
    fn an_old_maximum_is_forgotten_while_new_samples_come() {
        let cell = ten_minutes();
        assert!(cell.observe(1000.0, 1.0, at(0)));
        for minute in 1..=9 {
            assert!(cell.observe(1.0, 1.0, at(minute * 60)));
        }
        assert_eq!(snapshot([&cell], at(470)).quantile(1.0), 1000.0);
        assert_eq!(snapshot([&cell], at(600)).quantile(1.0), 1.0);
        assert!(cell.observe(2.0, 1.0, at(600)));
        assert_eq!(snapshot([&cell], at(600)).quantile(1.0), 2.0);
    }

    #[test]
    fn a_gap_longer_than_the_window_leaves_nothing_behind() {
        let cell = ten_minutes();
        assert!(cell.observe(1000.0, 1.0, at(0)) && cell.observe(1000.0, 1.0, at(200)) && cell.observe(7.0, 1.0, at(5000)));
        assert_eq!([0.0, 1.0].map(|q| snapshot([&cell], at(5000)).quantile(q)), [7.0, 7.0]);
        assert!(cell.lock().past.is_empty());
    }

    #[test]
    fn a_clock_that_lags_loses_nothing() {
        let cell = ten_minutes();
        assert!(cell.observe(1.0, 1.0, at(3000)) && cell.observe(2.0, 1.0, at(0)));
        assert_eq!([0.5, 1.0].map(|q| snapshot([&cell], at(0)).quantile(q)), [1.0, 2.0]);
    }

    #[test]
    fn odd_options_are_made_usable() {
        for (max_age_ms, age_buckets) in [(0, 0), (1, u32::MAX), (3, 5), (u64::MAX, 1), (u64::MAX, u32::MAX)] {
            let cell = SummaryCell::new(&SummaryOptions { max_age_ms, age_buckets, ..SummaryOptions::default() });
            assert!(cell.step_ms >= 1 && (1..=STEPS_MAX).contains(&cell.steps));
            assert!(cell.observe(1.0, 1.0, Timestamp::from_millis(u64::MAX)));
            assert_eq!(snapshot([&cell], Timestamp::from_millis(u64::MAX)).quantile(0.5), 1.0);
        }
    }

    #[test]
    fn what_would_not_be_finite_is_refused_and_changes_nothing() {
        let cell = ten_minutes();
        assert!(cell.observe(f64::MAX, 1.0, at(0)));
        let odd = [(f64::MAX, 1.0), (1.0, f64::INFINITY), (1e300, 1e300), (f64::NAN, 1.0), (f64::INFINITY, 1.0)];
        for (value, weight) in odd.into_iter().chain([(1.0, f64::NAN), (1.0, 0.0), (1.0, -1.0), (f64::NEG_INFINITY, 1.0)]) {
            assert!(!cell.observe(value, weight, at(900)), "{value} * {weight}");
        }
        let got = snapshot([&cell], at(0));
        assert_eq!((got.count, got.sum, got.quantile(0.5)), (1.0, f64::MAX, f64::MAX));
        let full = ten_minutes();
        assert!(full.observe(0.0, f64::MAX, at(0)) && !full.observe(0.0, f64::MAX, at(0)));
    }

    #[test]
    fn the_sums_of_workers_stay_finite() {
        let cells = [ten_minutes(), ten_minutes()];
        cells.iter().for_each(|cell| assert!(cell.observe(f64::MAX, 1.0, at(0))));
        assert_eq!(snapshot(&cells, at(0)).sum, f64::MAX);
    }

    #[test]
    fn a_cleared_snapshot_is_as_new() {
        let cell = ten_minutes();
        assert!(cell.observe(1.0, 2.0, at(0)));
        let mut out = snapshot([&cell], at(0));
        out.clear();
        assert!(out.quantile(0.5).is_nan());
        cell.merge_into(at(0), &mut out);
        assert_eq!((out.count, out.sum, out.quantile(0.5)), (2.0, 2.0, 1.0));
    }

    #[test]
    fn a_thread_that_died_with_the_lock_does_not_end_the_cell() {
        let cell = ten_minutes();
        std::thread::scope(|scope| {
            let died = scope.spawn(|| {
                let _held = cell.lock();
                std::panic::resume_unwind(Box::new("dies"));
            });
            assert!(died.join().is_err());
        });
        assert!(cell.state.is_poisoned() && cell.observe(1.0, 1.0, at(0)));
        assert_eq!(snapshot([&cell], at(0)).count, 1.0);
    }

    proptest! {
        #[test]
        fn merging_equals_one_cell_that_saw_everything(
            samples in prop::collection::vec((-1000_i32..1000, 1_u32..20, 0_u64..90, 0_usize..4), 1..300),
        ) {
            let (whole, workers) = (ten_minutes(), [(); 4].map(|()| ten_minutes()));
            let mut second = 0;
            for (value, weight, pause, worker) in samples {
                second += pause / 10 * 10;
                let (value, weight) = (f64::from(value) / 8.0, f64::from(weight));
                prop_assert!(whole.observe(value, weight, at(second)) && workers[worker].observe(value, weight, at(second)));
            }
            for later in [0, 100, 300, 590, 600] {
                let (one, all) = (snapshot([&whole], at(second + later)), snapshot(&workers, at(second + later)));
                prop_assert_eq!((one.count, one.sum), (all.count, all.sum));
                for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                    prop_assert_eq!(one.quantile(q).to_bits(), all.quantile(q).to_bits());
                }
            }
        }
    }
}
