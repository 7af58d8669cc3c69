//! Native histograms: exponential buckets that come as values do, beside the classic ones of the same cell.
//!
//! The arithmetic is that of Prometheus' Go client, to the bucket: which schema, which key, when resolution is halved, when the
//! zero bucket widens, when all begins anew. Weights are numbers and not counts, as everywhere here. Knows no page and no wire.

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

/// Bytes of buckets that a cell may have whatever memory there is.
const FLOOR_BYTES: usize = 192;

/// One worker's part of a histogram with native and classic buckets: one thread observes, the scrape reads now and then.
///
/// Memory: about 150 bytes beside the classic cell when new, and 12 bytes for each populated bucket, of which there are
/// `NativeOptions::max_buckets` at most, and one; or 268 where that is less, because there is no coarser schema than -4. A sample
/// that falls into a bucket that is populated allocates nothing. It takes its bytes from an account; where the budget has no more, a
/// cell that grows halves its resolution.
#[derive(Debug)]
pub struct NativeCell {
    bounds: Arc<Bounds>,
    classic: HistogramCell,
    state: Mutex<NativeState>,
}

#[derive(Debug)]
struct NativeState {
    shape: Exponential,
    /// When it was made or last reset, in milliseconds.
    reset_ms: u64,
    /// Whether it was reset at all.
    was_reset: bool,
    /// When it is to be reset, in milliseconds; 0 for not at all.
    due_ms: u64,
    /// Whether a weight was a fraction once. Counts are then shown as floats for good: a histogram that changes between integers and
    /// floats gets a chunk for each change in Prometheus, and ranges over a change are misread by some of its versions.
    has_fractions: bool,
    charge: Charge,
}

impl NativeCell {
    /// Goes on with a classic cell, of which nobody else is the writer from now on: its weights are put into native buckets as
    /// well as their bounds tell. `None` if the family has no native buckets.
    pub fn new(classic: HistogramCell, bounds: &Arc<Bounds>, now: Timestamp) -> Option<Self> {
        Self::within(classic, bounds, (now, &Account::unlimited()))
    }

    /// The same, with memory from this account beside what the classic cell takes.
    pub(crate) fn within(classic: HistogramCell, bounds: &Arc<Bounds>, (now, account): (Timestamp, &Arc<Account>)) -> Option<Self> {
        let options = bounds.native()?;
        let mut shape = Exponential::new(options.schema, options.zero_threshold);
        let has_fractions = seed(&mut shape, &classic, bounds);
        let charge = Charge::new(account, Self::BASE_BYTES);
        let mut state = NativeState { shape, reset_ms: now.as_millis(), was_reset: false, due_ms: 0, has_fractions, charge };
        state.settle(0);
        Some(Self { bounds: Arc::clone(bounds), classic, state: Mutex::new(state) })
    }

    /// Records `value` with `weight`, in classic and native buckets. False, and nothing changed, if the sum would not be finite.
    /// Only the cell's one writer may call it. A reset that was put off is made up for with the first sample after its time.
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

    /// One step towards fewer buckets: all anew if there was no reset for long enough; else a wider zero bucket if it may be so
    /// wide; else half the resolution.
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

    /// Bytes that a cell takes beside the classic one at least.
    const BASE_BYTES: usize = size_of::<Self>() + 32 + FLOOR_BYTES;

    #[cold]
    fn reset(&self, state: &mut NativeState, now: Timestamp) {
        self.classic.reset();
        state.shape.clear(self.options().schema, self.options().zero_threshold);
        (state.reset_ms, state.was_reset, state.due_ms) = (now.as_millis(), true, 0);
    }

    /// What is in [`Bounds`]; the cell was made because it is there.
    #[inline(always)]
    fn options(&self) -> &NativeOptions {
        self.bounds.native().unwrap_or(&NativeOptions::DEFAULT)
    }

    /// Where its parts are, for a prefetch.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> [*const u8; 3] {
        let first = std::ptr::from_ref(self).cast::<u8>();
        [first, first.wrapping_add(64), first.wrapping_add(size_of::<Self>() - 1)]
    }

    /// The bounds of the classic buckets.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Bytes that it takes beside the classic cell.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// The classic buckets, to be read.
    pub fn classic(&self) -> &HistogramCell {
        &self.classic
    }

    /// Adds what the cell holds at one moment to both, which are for the same family.
    pub fn merge_into(&self, classic: &mut HistogramSnapshot, native: &mut NativeSnapshot) {
        let state = self.lock();
        self.classic.merge_into(classic);
        let reset_ms = if state.was_reset { state.reset_ms } else { 0 };
        native.add((&state.shape, state.has_fractions), reset_ms, self.options().max_buckets as usize);
    }

    /// Adds what was saved of a histogram with the same bounds; without native buckets these are told from the classic ones.
    /// `has_fractions` says whether its counts were shown as floats. False, and nothing changed, if no histogram could have held this. Only the cell's one writer may call it.
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
        // A thread that died here left numbers that are at worst one sample short; they are still worth showing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NativeState {
    /// Counts what the buckets take, after they grew by so many bytes. Where memory is short, they do without.
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

/// Adds a part without native buckets of its own to both. What its classic buckets hold is put into native ones at their bounds,
/// so that counts agree; it is where the first sample that makes the cell a native one goes on from.
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

/// Fills `shape` with what a classic cell holds. Says whether there are fractions in it.
fn seed(shape: &mut Exponential, classic: &HistogramCell, bounds: &Bounds) -> bool {
    let mut all = HistogramSnapshot::new(bounds.len());
    classic.merge_into(&mut all);
    shape.add_classic(bounds, &all.buckets);
    if let Some(options) = bounds.native() {
        shape.fit(options.max_buckets as usize);
    }
    has_fraction(&all)
}

/// Whether a weight is no whole number, or so large that none is told from it.
#[inline(always)]
fn is_fraction(weight: f64) -> bool {
    weight as i64 as f64 != weight
}

fn has_fraction(classic: &HistogramSnapshot) -> bool {
    classic.buckets.iter().any(|weight| is_fraction(*weight))
}
