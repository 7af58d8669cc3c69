//! A histogram with classic buckets: weights by upper bound, and a sum.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::moment::{self, Words};
use super::{Stamp, add_finite, add_weights};

/// One worker's part of a histogram, in one allocation: a head of five words, and a weight for each bucket, `+Inf` last.
///
/// A reader always gets the sum and the buckets of one moment, whatever the writer does meanwhile; see `Words`.
#[derive(Debug, Clone)]
pub struct HistogramCell(Arc<[AtomicU64]>);

/// Up to this many bounds, each is compared with the value; among more, the bucket is found by binary search.
const COUNTED_BOUNDS: usize = 16;

/// Up to this many buckets are read on the stack.
const STACK_BUCKETS: usize = 64;

/// After this many failed reads, the reader yields before each further one.
const SPINS: u32 = 64;

/// After this many failed reads, the reader sleeps before each further one.
const SPINS_AND_YIELDS: u32 = SPINS + 64;

/// The longest sleep between two reads.
const LONGEST_SLEEP: Duration = Duration::from_millis(1);

impl HistogramCell {
    /// An empty histogram with `bounds` finite buckets.
    pub fn new(bounds: usize) -> Self {
        Self(moment::empty(bounds + 1))
    }

    /// Records `value` with `weight`. `bounds` are those that the cell was made for. Returns false, and changes nothing, if the sum
    /// or a weight would not be finite. Only the cell's one writer may call this.
    #[inline(always)]
    pub fn observe(&self, bounds: &[f64], value: f64, weight: f64) -> bool {
        Words::of(&self.0).is_some_and(|words| words.add(bucket_of(bounds, value), value * weight, weight))
    }

    /// Adds a saved histogram with the same bounds. Returns false, and changes nothing, if the number of buckets differs, or if a
    /// weight is negative or a result is not finite. Only the cell's one writer may call this.
    #[must_use]
    pub fn absorb(&self, saved: &HistogramSnapshot) -> bool {
        let Some(words) = Words::of(&self.0) else { return false };
        let sum = words.sum() + saved.sum;
        let weights: Vec<f64> = words.weights().zip(&saved.buckets).map(|(weight, by)| weight + by).collect();
        let is_good = weights.len() == saved.buckets.len() && weights.len() == self.bounds() + 1 && sum.is_finite();
        if !is_good || saved.buckets.iter().any(|by| by.is_nan() || *by < 0.0) || !weights.iter().all(|weight| weight.is_finite()) {
            return false;
        }
        words.replace(sum, weights.into_iter());
        true
    }

    /// Sets the sum and all weights to 0. Only the cell's one writer may call this.
    pub(super) fn reset(&self) {
        if let Some(words) = Words::of(&self.0) {
            words.clear();
        }
    }

    /// The time of the last write, or the tombstone.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        static RETIRED: AtomicU64 = AtomicU64::new(u64::MAX);
        Stamp::new(Words::of(&self.0).map_or(&RETIRED, |words| words.stamp))
    }

    /// The number of finite buckets.
    pub(crate) fn bounds(&self) -> usize {
        self.0.len().saturating_sub(moment::HEAD + 1)
    }

    /// The sum of value times weight.
    pub fn sum(&self) -> f64 {
        Words::of(&self.0).map_or(0.0, Words::sum)
    }

    /// Whether the weight of a bucket is not a whole number.
    pub(crate) fn has_fraction(&self) -> bool {
        // A weight that is too large for an integer is a whole number.
        let is_fraction = |weight: f64| weight as i64 as f64 != weight && weight < i64::MAX as f64;
        Words::of(&self.0).is_some_and(|words| words.weights().any(is_fraction))
    }

    /// The addresses of the cell's first, middle and last word, for a prefetch.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> [*const AtomicU64; 3] {
        let first = self.0.as_ptr();
        [first, first.wrapping_add(self.0.len() / 2), first.wrapping_add(self.0.len() - 1)]
    }

    /// Adds sum and weights of one moment to `into`, which is for the same bounds.
    ///
    /// Blocks only while the writer completes a write to this cell during each attempt to read it: tens of nanoseconds in a batch.
    /// A writer that waits, parses or was preempted does not delay the reader.
    pub fn merge_into(&self, into: &mut HistogramSnapshot) {
        let Some(words) = Words::of(&self.0) else { return };
        let (mut short, mut long) = ([0.0; STACK_BUCKETS], Vec::new());
        let weights = match short.get_mut(..self.bounds() + 1) {
            Some(weights) => weights,
            None => {
                long.resize(self.bounds() + 1, 0.0);
                &mut long[..]
            }
        };
        let mut failed = 0_u32;
        let sum = loop {
            match words.try_read(weights) {
                Some(sum) => break sum,
                None => pause(failed),
            }
            failed = failed.saturating_add(1);
        };
        into.sum = add_finite(into.sum, sum);
        into.buckets.iter_mut().zip(weights).for_each(|(to, from)| *to = add_weights(*to, *from));
    }
}

/// The pause after a failed read.
fn pause(failed: u32) {
    if failed >= SPINS_AND_YIELDS {
        std::thread::sleep(Duration::from_micros((failed - SPINS_AND_YIELDS + 1).into()).min(LONGEST_SLEEP));
    } else if failed >= SPINS {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The first bucket whose bound is not below the value.
#[inline(always)]
fn bucket_of(bounds: &[f64], value: f64) -> usize {
    if bounds.len() > COUNTED_BOUNDS {
        return bounds.partition_point(|bound| *bound < value);
    }
    // The comparisons do not depend on each other, so the processor overlaps them.
    bounds.iter().map(|bound| usize::from(*bound < value)).sum()
}

/// The value of one histogram over all workers.
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

    /// Adds another snapshot with the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        self.sum = add_finite(self.sum, other.sum);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(to, from)| *to = add_weights(*to, *from));
    }

    /// The weight of all buckets.
    pub fn weight(&self) -> f64 {
        self.buckets.iter().copied().fold(0.0, add_weights)
    }

    /// Clears the snapshot for the next series.
    pub fn clear(&mut self) {
        self.sum = 0.0;
        self.buckets.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let bounds = [1.0, 2.0];
        let cell = HistogramCell::new(2);
        for value in [0.5, 1.0, 1.5, 2.0, 2.5, -7.0] {
            assert!(cell.observe(&bounds, value, 1.0));
        }
        assert!(cell.observe(&bounds, 2.0, 2.5));
        assert!(!cell.observe(&bounds, f64::MAX, 2.0), "a sum that is not finite is rejected");
        let mut all = HistogramSnapshot::new(2);
        cell.merge_into(&mut all);
        cell.merge_into(&mut all);
        assert_eq!(all, HistogramSnapshot { sum: 11.0, buckets: vec![6.0, 9.0, 2.0] });
    }

    #[test]
    fn a_saved_histogram_is_added_to_the_cell() {
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

    /// Threads that preempt the writer, so that some of its writes are suspended halfway.
    const BUSY_THREADS: usize = 2;

    #[test]
    fn a_reader_sees_sum_and_buckets_of_one_moment() {
        const BUCKETS: usize = 12;
        let bounds: Vec<f64> = (1..BUCKETS as u32).map(f64::from).collect();
        let (cell, done) = (HistogramCell::new(bounds.len()), AtomicBool::new(false));
        let (mut reads, mut torn) = (0, 0);
        std::thread::scope(|s| {
            for _ in 0..BUSY_THREADS {
                s.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            s.spawn(|| {
                (0..400_000_u32).for_each(|i| assert!(cell.observe(&bounds, f64::from(i % 12 + 1), 1.0)));
                done.store(true, Ordering::Relaxed);
            });
            let mut last = 0.0;
            while !done.load(Ordering::Relaxed) {
                let mut all = HistogramSnapshot::new(bounds.len());
                cell.merge_into(&mut all);
                let sum: f64 = all.buckets.iter().zip(1_u32..).map(|(weight, value)| weight * f64::from(value)).sum();
                torn += usize::from(sum != all.sum || all.weight() < last);
                last = all.weight();
                reads += 1;
            }
        });
        assert!(reads > 0);
        assert_eq!(torn, 0, "of {reads} reads");
    }

    #[test]
    fn a_write_that_stopped_halfway_is_not_seen_and_delays_no_reader() {
        for changed in 0..3 {
            let (bounds, cell) = ([1.0, 2.0], HistogramCell::new(2));
            assert!(cell.observe(&bounds, 0.5, 2.0) && cell.observe(&bounds, 5.0, 1.0));
            let mut before = HistogramSnapshot::new(2);
            cell.merge_into(&mut before);
            Words::of(&cell.0).unwrap().stall(2, (before.sum + 5.0, 2.0), changed);
            let mut halfway = HistogramSnapshot::new(2);
            cell.merge_into(&mut halfway);
            assert_eq!(halfway, before, "with {changed} values changed");
        }
    }
}
