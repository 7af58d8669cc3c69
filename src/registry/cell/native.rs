//! Native histograms: exponential buckets, created for the values that are observed, beside the classic buckets of the same cell.
//!
//! Schema, keys, halved resolution, the width of the zero bucket and resets are exactly those of Prometheus' Go client. Weights are
//! floats and not counts, as in all cells.

mod buckets;
#[cfg(test)]
mod corpus_tests;
mod exponential;
mod saved;
mod scale;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::exponential::Exponential;
pub use self::saved::SavedNative;
pub use self::scale::{SCHEMA_MAX, SCHEMA_MIN, ZERO_THRESHOLD, schema_of};
pub use self::snapshot::{NativeSnapshot, Spans};
use super::{Bounds, HistogramCell, HistogramSnapshot};
use crate::memory::{Account, Charge};
use crate::options::NativeOptions;
use crate::time::Timestamp;

/// Bytes of buckets that a cell may have even without memory.
const FLOOR_BYTES: usize = 192;

/// One worker's part of a histogram with native and classic buckets. One thread observes, and the scrape reads.
///
/// Memory: about 150 bytes beside the classic cell when new, and 12 bytes for each populated bucket. The number of buckets is at
/// most `NativeOptions::max_buckets` plus one, but not less than 268, because there is no coarser schema than -4. A sample of a
/// populated bucket allocates nothing. The bytes come from an account. If the budget is exhausted, a cell that grows halves its
/// resolution.
#[derive(Debug)]
pub struct NativeCell {
    bounds: Arc<Bounds>,
    classic: HistogramCell,
    state: Mutex<NativeState>,
}

#[derive(Debug)]
struct NativeState {
    shape: Exponential,
    /// The time of the creation or the last reset, in milliseconds.
    reset_ms: u64,
    /// Whether there was a reset.
    was_reset: bool,
    /// The time of the next reset, in milliseconds; 0 if none is due.
    due_ms: u64,
    /// Whether a weight was ever a fraction. Counts then stay floats: Prometheus starts a chunk for each change between integers
    /// and floats, and some of its versions misread ranges over such a change.
    has_fractions: bool,
    charge: Charge,
}

impl NativeCell {
    /// Takes over a classic cell, which has no other writer from now on. Its weights are put into native buckets by
    /// their bounds. `None` if the family has no native buckets.
    pub fn new(classic: HistogramCell, bounds: &Arc<Bounds>, now: Timestamp) -> Option<Self> {
        Self::within(classic, bounds, (now, &Account::unlimited()))
    }

    /// As [`new`](Self::new), with memory from this account in addition to that of the classic cell.
    pub(crate) fn within(classic: HistogramCell, bounds: &Arc<Bounds>, (now, account): (Timestamp, &Arc<Account>)) -> Option<Self> {
        let options = bounds.native()?;
        let mut shape = Exponential::new(options.schema, options.zero_threshold);
        let has_fractions = seed(&mut shape, &classic, bounds);
        let charge = Charge::new(account, Self::BASE_BYTES);
        let mut state = NativeState { shape, reset_ms: now.as_millis(), was_reset: false, due_ms: 0, has_fractions, charge };
        state.settle(0);
        Some(Self { bounds: Arc::clone(bounds), classic, state: Mutex::new(state) })
    }

    /// Records `value` with `weight`, in classic and native buckets. Returns false, and changes nothing, if the sum would not be
    /// finite. Only the cell's one writer may call this. The first sample after the time of a due reset causes the reset.
    #[inline]
    pub fn observe(&self, value: f64, weight: f64, now: Timestamp) -> bool {
        let mut state = self.lock();
        if state.due_ms > 0 && now.as_millis() >= state.due_ms {
            self.reset(&mut state, now);
        }
        if !self.classic.observe(&self.bounds, value, weight) {
            return false;
        }
        let grown = state.shape.add(value, weight);
        state.has_fractions |= is_fraction(weight);
        if grown > 0 {
            state.settle(grown);
        }
        if state.shape.populated() > self.options().max_buckets as usize {
            self.limit(&mut state, (value, weight), now);
        }
        true
    }

    /// One step towards fewer buckets: a reset, if the last one is long enough ago; else a wider zero bucket, if its limit allows
    /// it; else half the resolution.
    #[cold]
    fn limit(&self, state: &mut NativeState, (value, weight): (f64, f64), now: Timestamp) {
        let reset_after_ms = self.options().min_reset_ms;
        if reset_after_ms > 0 && state.due_ms == 0 {
            if now.as_millis().saturating_sub(state.reset_ms) >= reset_after_ms {
                self.reset(state, now);
                if self.classic.observe(&self.bounds, value, weight) {
                    state.shape.add(value, weight);
                }
                return;
            }
            state.due_ms = state.reset_ms.saturating_add(reset_after_ms);
        }
        if !state.shape.widen(self.options().max_zero_threshold) {
            state.shape.halve();
        }
    }

    /// The fewest bytes of a cell, without the classic one.
    const BASE_BYTES: usize = size_of::<Self>() + 32 + FLOOR_BYTES;

    #[cold]
    fn reset(&self, state: &mut NativeState, now: Timestamp) {
        self.classic.reset();
        state.shape.clear(self.options().schema, self.options().zero_threshold);
        (state.reset_ms, state.was_reset, state.due_ms) = (now.as_millis(), true, 0);
    }

    /// The options in [`Bounds`]. A native cell exists only if there are options.
    #[inline(always)]
    fn options(&self) -> &NativeOptions {
        debug_assert!(self.bounds.native().is_some(), "`within` makes no cell without native options");
        self.bounds.native().unwrap_or(&NativeOptions::DEFAULT)
    }

    /// The addresses of its parts, for a prefetch.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> [*const u8; 3] {
        let first = std::ptr::from_ref(self).cast::<u8>();
        [first, first.wrapping_add(64), first.wrapping_add(size_of::<Self>() - 1)]
    }

    /// The bounds of the classic buckets.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The bytes of the cell, without the classic one.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// The classic buckets.
    pub fn classic(&self) -> &HistogramCell {
        &self.classic
    }

    /// Adds the classic and native buckets of one moment to both snapshots, which are for the same family.
    pub fn merge_into(&self, classic: &mut HistogramSnapshot, native: &mut NativeSnapshot) {
        let state = self.lock();
        self.classic.merge_into(classic);
        let reset_ms = if state.was_reset { state.reset_ms } else { 0 };
        native.add((&state.shape, state.has_fractions), reset_ms, self.options().max_buckets as usize);
    }

    /// Adds a saved histogram with the same bounds. Without native buckets, these are derived from the classic ones.
    /// `has_fractions` says whether its counts were floats. Returns false, and changes nothing, if the saved form is invalid.
    /// Only the cell's one writer may call this.
    #[must_use]
    pub fn absorb(&self, classic: &HistogramSnapshot, native: Option<&SavedNative>, has_fractions: bool) -> bool {
        let mut state = self.lock();
        let shape = match native {
            Some(saved) => saved.restore(classic),
            None => {
                let mut shape = Exponential::new(self.options().schema, self.options().zero_threshold);
                shape.add_classic(&self.bounds, &classic.buckets);
                Some(shape)
            }
        };
        let Some(shape) = shape.filter(|_| self.classic.absorb(classic)) else { return false };
        state.has_fractions |= has_fractions || has_fraction(classic);
        state.shape.merge(&shape);
        state.shape.fit(self.options().max_buckets as usize);
        state.settle(usize::MAX);
        true
    }

    fn lock(&self) -> MutexGuard<'_, NativeState> {
        // A thread that panicked here left values that lack at most one sample.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NativeState {
    /// Charges the bytes of the buckets after they grew by `grown`. If memory is short, they are coarsened instead.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, grown: usize) {
        if grown > 0 && self.charge.is_scarce() {
            let bytes = self.shape.heap_bytes();
            self.shape.shrink(bytes.saturating_sub(grown).max(FLOOR_BYTES));
            if self.shape.heap_bytes() < bytes {
                self.charge.note_coarser();
            }
        }
        let beyond = self.shape.heap_bytes().saturating_sub(FLOOR_BYTES);
        self.charge.set(NativeCell::BASE_BYTES + beyond);
    }
}

/// Adds a part without native buckets to both snapshots. The weights of its classic buckets are put into native buckets at their
/// bounds, so that counts agree. The first sample that makes the cell a native one continues from the same buckets.
pub fn merge_classic(cell: &HistogramCell, bounds: &Bounds, classic: &mut HistogramSnapshot, native: &mut NativeSnapshot) {
    let Some(options) = bounds.native() else { return cell.merge_into(classic) };
    let mut alone = HistogramSnapshot::new(bounds.len());
    cell.merge_into(&mut alone);
    let mut shape = Exponential::new(options.schema, options.zero_threshold);
    shape.add_classic(bounds, &alone.buckets);
    shape.fit(options.max_buckets as usize);
    native.add((&shape, has_fraction(&alone)), 0, options.max_buckets as usize);
    classic.add(&alone);
}

/// Fills `shape` with the weights of a classic cell. Returns whether one of them is a fraction.
fn seed(shape: &mut Exponential, classic: &HistogramCell, bounds: &Bounds) -> bool {
    let mut all = HistogramSnapshot::new(bounds.len());
    classic.merge_into(&mut all);
    shape.add_classic(bounds, &all.buckets);
    if let Some(options) = bounds.native() {
        shape.fit(options.max_buckets as usize);
    }
    has_fraction(&all)
}

/// Whether a weight is not a whole number, or is too large for the check.
#[inline(always)]
fn is_fraction(weight: f64) -> bool {
    weight as i64 as f64 != weight
}

fn has_fraction(classic: &HistogramSnapshot) -> bool {
    classic.buckets.iter().any(|weight| is_fraction(*weight))
}
