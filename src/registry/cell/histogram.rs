//! A histogram with classic buckets: weights by upper bound, and a sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use super::{Stamp, add_finite, add_weights};

/// One worker's part of a histogram, in one allocation: stamp, version, sum, and a weight for each bucket, `+Inf` last.
///
/// The version is odd while the writer is at work (a seqlock), so that a reader sees sum and buckets of one moment.
#[derive(Debug, Clone)]
pub struct HistogramCell(Arc<[AtomicU64]>);

/// Stamp, version and sum stand before the buckets.
const BUCKETS: usize = 3;

/// Bounds that are all compared with a value; among more of them its bucket is searched.
const COUNTED_BOUNDS: usize = 16;

/// How often a reader looks again at once, while the writer is at work.
const SPINS: u32 = 64;

/// How often it looks again in all, about a second with the pauses, before it takes what is there.
const READ_TRIES: u32 = SPINS + 1_500;

impl HistogramCell {
    /// An empty histogram with `bounds` finite buckets.
    pub fn new(bounds: usize) -> Self {
        Self((0..BUCKETS + bounds + 1).map(|_| AtomicU64::new(0)).collect())
    }

    /// Records `value` with `weight`. `bounds` are those it was made for. False, and nothing changed, if the sum would not be
    /// finite. Only the cell's one writer may call it.
    #[inline(always)]
    pub fn observe(&self, bounds: &[f64], value: f64, weight: f64) -> bool {
        let bucket = bucket_of(bounds, value);
        let ([_, version, sum, ..], Some(count)) = (&*self.0, self.0.get(BUCKETS + bucket)) else { return false };
        let new_sum = f64::from_bits(sum.load(Ordering::Relaxed)) + value * weight;
        let new_count = f64::from_bits(count.load(Ordering::Relaxed)) + weight;
        if !new_sum.is_finite() || !new_count.is_finite() {
            return false;
        }
        let before = version.load(Ordering::Relaxed);
        version.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        sum.store(new_sum.to_bits(), Ordering::Relaxed);
        count.store(new_count.to_bits(), Ordering::Relaxed);
        version.store(before.wrapping_add(2), Ordering::Release);
        true
    }

    /// Adds what was saved of a histogram with the same bounds. False, and nothing changed, if the number of buckets is another
    /// one, or a sum would not be a number that could have come about. Only the cell's one writer may call it.
    #[must_use]
    pub fn absorb(&self, saved: &HistogramSnapshot) -> bool {
        let [_, version, sum, buckets @ ..] = &*self.0 else { return false };
        let added = |to: &AtomicU64, by: f64| f64::from_bits(to.load(Ordering::Relaxed)) + by;
        let is_good = |(to, by): (&AtomicU64, &f64)| *by >= 0.0 && added(to, *by).is_finite();
        if buckets.len() != saved.buckets.len() || !added(sum, saved.sum).is_finite() || !buckets.iter().zip(&saved.buckets).all(is_good) {
            return false;
        }
        let before = version.load(Ordering::Relaxed);
        version.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        sum.store(added(sum, saved.sum).to_bits(), Ordering::Relaxed);
        for (to, by) in buckets.iter().zip(&saved.buckets) {
            to.store(added(to, *by).to_bits(), Ordering::Relaxed);
        }
        version.store(before.wrapping_add(2), Ordering::Release);
        true
    }

    /// Empties it, for a histogram that begins anew. Only the cell's one writer may call it.
    pub(super) fn reset(&self) {
        let [_, version, cells @ ..] = &*self.0 else { return };
        let before = version.load(Ordering::Relaxed);
        version.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        cells.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        version.store(before.wrapping_add(2), Ordering::Release);
    }

    /// When it was last written, and whether it is retired.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        // The slice is never empty; see `new`.
        static RETIRED: AtomicU64 = AtomicU64::new(u64::MAX);
        Stamp::new(self.0.first().unwrap_or(&RETIRED))
    }

    /// How many finite buckets it has.
    pub(crate) fn bounds(&self) -> usize {
        self.0.len().saturating_sub(BUCKETS + 1)
    }

    /// The sum of value times weight.
    pub fn sum(&self) -> f64 {
        self.0.get(BUCKETS - 1).map_or(0.0, |sum| f64::from_bits(sum.load(Ordering::Relaxed)))
    }

    /// Whether a bucket's weight is no whole number.
    pub(crate) fn has_fraction(&self) -> bool {
        let weights = self.0.iter().skip(BUCKETS).map(|weight| f64::from_bits(weight.load(Ordering::Relaxed)));
        // What is too large for an integer is a whole number.
        weights.into_iter().any(|weight| weight as i64 as f64 != weight && weight < i64::MAX as f64)
    }

    /// Where the cell's first, middle and last bytes are, for a prefetch.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> [*const AtomicU64; 3] {
        let first = self.0.as_ptr();
        [first, first.wrapping_add(self.0.len() / 2), first.wrapping_add(self.0.len() - 1)]
    }

    /// Adds what the cell holds to `into`, which is for the same bounds.
    pub fn merge_into(&self, into: &mut HistogramSnapshot) {
        let [_, version, cells @ ..] = &*self.0 else { return };
        let mut read = [0.0; 64];
        // More than 62 buckets do not fit on the stack; they are rare, and read with a buffer of their own.
        let mut long = Vec::new();
        let read = match read.get_mut(..cells.len()) {
            Some(read) => read,
            None => {
                long.resize(cells.len(), 0.0);
                &mut long[..]
            }
        };
        for attempt in 0..READ_TRIES {
            let before = version.load(Ordering::Acquire);
            read.iter_mut().zip(cells).for_each(|(to, from)| *to = f64::from_bits(from.load(Ordering::Relaxed)));
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && before == version.load(Ordering::Relaxed) {
                break;
            }
            pause(attempt);
        }
        if let Some((sum, buckets)) = read.split_first() {
            into.sum = add_finite(into.sum, *sum);
            into.buckets.iter_mut().zip(buckets).for_each(|(to, from)| *to = add_weights(*to, *from));
        }
    }
}

/// Between two tries to read. A writer that lost its processor in the midst of a write needs milliseconds to get it back.
fn pause(attempt: u32) {
    if attempt >= SPINS {
        std::thread::sleep(Duration::from_micros(u64::from(attempt - SPINS + 1).min(1_000)));
    }
}

/// The first bucket whose bound is not below the value.
#[inline(always)]
fn bucket_of(bounds: &[f64], value: f64) -> usize {
    if bounds.len() > COUNTED_BOUNDS {
        return bounds.partition_point(|bound| *bound < value);
    }
    // No step waits for the one before.
    bounds.iter().map(|bound| usize::from(*bound < value)).sum()
}

/// What all workers hold of one histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSnapshot {
    /// Sum of value times weight.
    pub sum: f64,
    /// Weight by bucket, not cumulative, `+Inf` last.
    pub buckets: Vec<f64>,
}

impl HistogramSnapshot {
    /// Empty, for `bounds` finite buckets.
    pub fn new(bounds: usize) -> Self {
        Self { sum: 0.0, buckets: vec![0.0; bounds + 1] }
    }

    /// Adds what another one holds, which is for the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        self.sum = add_finite(self.sum, other.sum);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(to, from)| *to = add_weights(*to, *from));
    }

    /// The weight of all buckets.
    pub fn weight(&self) -> f64 {
        self.buckets.iter().copied().fold(0.0, add_weights)
    }

    /// Empties it for the next series.
    pub fn clear(&mut self) {
        self.sum = 0.0;
        self.buckets.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let bounds = [1.0, 2.0];
        let cell = HistogramCell::new(2);
        for value in [0.5, 1.0, 1.5, 2.0, 2.5, -7.0] {
            assert!(cell.observe(&bounds, value, 1.0));
        }
        assert!(cell.observe(&bounds, 2.0, 2.5));
        assert!(!cell.observe(&bounds, f64::MAX, 2.0), "a sum that is not finite is refused");
        let mut all = HistogramSnapshot::new(2);
        cell.merge_into(&mut all);
        cell.merge_into(&mut all);
        assert_eq!(all, HistogramSnapshot { sum: 11.0, buckets: vec![6.0, 9.0, 2.0] });
    }

    #[test]
    fn what_was_saved_is_added_and_goes_on() {
        let bounds = [1.0, 2.0];
        let (first, second) = (HistogramCell::new(2), HistogramCell::new(2));
        assert!(first.observe(&bounds, 0.5, 2.5) && first.observe(&bounds, 7.0, 1.0));
        let mut saved = HistogramSnapshot::new(2);
        first.merge_into(&mut saved);
        assert!(second.absorb(&saved) && second.absorb(&saved) && second.observe(&bounds, 1.5, 1.0));
        let mut all = HistogramSnapshot::new(2);
        second.merge_into(&mut all);
        assert_eq!(all, HistogramSnapshot { sum: 18.0, buckets: vec![5.0, 1.0, 2.0] });
        let odd = [(1.0, vec![1.0, 2.0]), (f64::NAN, vec![0.0; 3]), (0.0, vec![0.0, -1.0, 0.0]), (0.0, vec![0.0, 0.0, f64::INFINITY])];
        for (sum, buckets) in odd {
            assert!(!second.absorb(&HistogramSnapshot { sum, buckets }));
        }
        let mut after = HistogramSnapshot::new(2);
        second.merge_into(&mut after);
        assert_eq!(after, all);
    }

    #[test]
    fn many_buckets_are_read_too() {
        let bounds: Vec<f64> = (0..100).map(f64::from).collect();
        let cell = HistogramCell::new(bounds.len());
        assert!(cell.observe(&bounds, 99.0, 1.0));
        let mut all = HistogramSnapshot::new(bounds.len());
        cell.merge_into(&mut all);
        assert_eq!((all.sum, all.buckets[99]), (99.0, 1.0));
    }

    #[test]
    fn a_reader_sees_sum_and_buckets_of_one_moment() {
        let bounds = [1.0];
        let (cell, done) = (HistogramCell::new(1), AtomicBool::new(false));
        std::thread::scope(|s| {
            s.spawn(|| {
                (0..200_000).for_each(|i| assert!(cell.observe(&bounds, if i % 2 == 0 { 1.0 } else { 3.0 }, 1.0)));
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                let mut all = HistogramSnapshot::new(1);
                cell.merge_into(&mut all);
                assert_eq!(all.sum, all.buckets[0] + 3.0 * all.buckets[1]);
            }
        });
    }
}
