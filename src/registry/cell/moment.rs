//! The words of a histogram. One thread writes them, any number of threads read them, and a reader always gets values of one
//! moment.
//!
//! Before a write changes the sum and a bucket, it notes their old values, an undo log of one entry, and the number of the
//! bucket. So a reader has three cases:
//!
//! - No write is in progress: the reader takes the words as they are.
//! - A write is in progress, and its thread may be suspended: the reader takes the noted values in place of the two changed ones,
//!   which is the moment before that write. It does not wait.
//! - A write began or ended during the read: the reader tries again. Each failed try needs another sample of the writer.
//!
//! During [`Words::clear`], readers read all values as 0, as after the clear. Only [`Words::replace`], which a restore calls before
//! the first sample, makes readers wait.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

// From `super` and not from std, so that the model in `model/` can compile this file with loom's.
use super::{AtomicU64, fence};

/// Each write adds this to the state. The lower bits hold the number of the bucket that is being changed plus 1, or 0 if there is
/// none.
const WRITE: u64 = 1 << 30;

/// The lower bits of the state while all values are being replaced.
const REPLACED: u64 = WRITE - 1;

/// The lower bits of the state while all values are being set to 0.
const CLEARED: u64 = WRITE - 2;

/// The words before the buckets: stamp, state, sum, and the noted values of the sum and a bucket.
pub(super) const HEAD: usize = 5;

/// The words of one histogram by name.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) stamp: &'a AtomicU64,
    state: &'a AtomicU64,
    sum: &'a AtomicU64,
    noted_sum: &'a AtomicU64,
    noted_weight: &'a AtomicU64,
    buckets: &'a [AtomicU64],
}

/// The words of an empty histogram with this number of buckets, `+Inf` included.
pub(super) fn empty<W: FromIterator<AtomicU64>>(buckets: usize) -> W {
    debug_assert!((buckets as u64) < CLEARED, "{buckets} buckets have no room in the state");
    (0..HEAD + buckets).map(|_| AtomicU64::new(0)).collect()
}

fn get(word: &AtomicU64) -> f64 {
    f64::from_bits(word.load(Relaxed))
}

fn set(word: &AtomicU64, value: f64) {
    word.store(value.to_bits(), Relaxed);
}

impl<'a> Words<'a> {
    /// The words that [`empty`] made; `None` for a slice that is too short.
    #[inline(always)]
    pub(super) fn of(words: &'a [AtomicU64]) -> Option<Self> {
        match words {
            [stamp, state, sum, noted_sum, noted_weight, buckets @ ..] => {
                Some(Self { stamp, state, sum, noted_sum, noted_weight, buckets })
            }
            _ => {
                debug_assert!(false, "a histogram of {} words", words.len());
                None
            }
        }
    }

    /// The sum alone.
    pub(super) fn sum(self) -> f64 {
        get(self.sum)
    }

    /// The weight of each bucket, not all of one moment.
    pub(super) fn weights(self) -> impl Iterator<Item = f64> + 'a {
        self.buckets.iter().map(get)
    }

    /// Adds to the sum and to one bucket. Returns false, and changes nothing, if one of both would not be finite, or if there is
    /// no such bucket. Only the one writer may call this.
    #[inline(always)]
    pub(super) fn add(self, bucket: usize, amount: f64, weight: f64) -> bool {
        debug_assert!(bucket < self.buckets.len(), "a histogram of {} buckets has no bucket {bucket}", self.buckets.len());
        let Some(of_bucket) = self.buckets.get(bucket) else { return false };
        let (old_sum, old_weight) = (get(self.sum), get(of_bucket));
        let (sum, new_weight) = (old_sum + amount, old_weight + weight);
        if !sum.is_finite() || !new_weight.is_finite() {
            return false;
        }
        let state = self.state.load(Relaxed);
        // A reader that sees a value noted now sees the end of the previous write too.
        fence(Release);
        set(self.noted_sum, old_sum);
        set(self.noted_weight, old_weight);
        self.state.store(state.wrapping_add(bucket as u64 + 1), Release);
        // A reader that sees a new value sees this state too.
        fence(Release);
        set(self.sum, sum);
        set(of_bucket, new_weight);
        self.state.store(state.wrapping_add(WRITE), Release);
        true
    }

    /// Sets all values to 0. Only the one writer may call this.
    pub(super) fn clear(self) {
        self.change_all(CLEARED, 0.0, std::iter::repeat(0.0));
    }

    /// Replaces all values. Only the one writer may call this. Readers wait for its end.
    pub(super) fn replace(self, sum: f64, weights: impl Iterator<Item = f64>) {
        self.change_all(REPLACED, sum, weights);
    }

    fn change_all(self, mark: u64, sum: f64, weights: impl Iterator<Item = f64>) {
        let state = self.state.load(Relaxed);
        self.state.store(state.wrapping_add(mark), Release);
        fence(Release);
        set(self.sum, sum);
        self.buckets.iter().zip(weights).for_each(|(bucket, weight)| set(bucket, weight));
        self.state.store(state.wrapping_add(WRITE), Release);
    }

    /// Reads the weights of all buckets and returns the sum of the same moment. Returns `None` if the writer began or ended a write
    /// during the read; the content of `weights` is undefined then.
    pub(super) fn try_read(self, weights: &mut [f64]) -> Option<f64> {
        let before = self.state.load(Acquire);
        weights.iter_mut().zip(self.buckets).for_each(|(to, from)| *to = get(from));
        let sum = match before % WRITE {
            0 => get(self.sum),
            CLEARED => {
                weights.fill(0.0);
                0.0
            }
            REPLACED => return None,
            changing => {
                *weights.get_mut(changing as usize - 1)? = get(self.noted_weight);
                get(self.noted_sum)
            }
        };
        fence(Acquire);
        (self.state.load(Relaxed) == before).then_some(sum)
    }

    /// A write whose thread is suspended halfway: before any change, after the change of the sum, or after both changes.
    #[cfg(test)]
    pub(super) fn stall(self, bucket: usize, (sum, weight): (f64, f64), changed: usize) {
        set(self.noted_sum, get(self.sum));
        set(self.noted_weight, get(&self.buckets[bucket]));
        self.state.store(self.state.load(Relaxed) + bucket as u64 + 1, Release);
        if changed > 0 {
            set(self.sum, sum);
        }
        if changed > 1 {
            set(&self.buckets[bucket], weight);
        }
    }
}
