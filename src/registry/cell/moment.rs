//! The words of a histogram, written by one thread and read by any number of them: what is read is of one moment, always.
//!
//! Before a write changes the sum and a bucket it notes their values (an undo log of one entry) and says which bucket it is about
//! to change. So a reader has three cases:
//!
//! - No write is under way: it takes the words as they are.
//! - A write is under way, and its thread may have lost its processor in the midst of it: the reader takes the noted values in
//!   place of those two, which is the moment before that write. It does not wait.
//! - A write began or ended while it read: it has to read again. Each such failure costs the writer one sample.
//!
//! While [`Words::clear`] is under way, readers take all values as 0, the moment after it. Only [`Words::replace`], for a restore
//! before the first sample, makes readers wait until it has ended.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

// Not from std, so that the model in `model/` can run this very file over other ones.
use super::{AtomicU64, fence};

/// What the state rises by with each write. Below it stands the bucket that is being changed, plus 1; or 0 if none is.
const WRITE: u64 = 1 << 30;

/// Stands in the place of the bucket while all values are being replaced.
const REPLACED: u64 = WRITE - 1;

/// Stands in the place of the bucket while all values are being set to 0.
const CLEARED: u64 = WRITE - 2;

/// Words before the buckets: stamp, state, sum, and the values of sum and bucket that the write under way is to change.
pub(super) const HEAD: usize = 5;

/// The words of one histogram by what they hold.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) stamp: &'a AtomicU64,
    state: &'a AtomicU64,
    sum: &'a AtomicU64,
    noted_sum: &'a AtomicU64,
    noted_weight: &'a AtomicU64,
    buckets: &'a [AtomicU64],
}

/// The words of a histogram with so many buckets, `+Inf` included: all 0.
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
    /// Those that [`empty`] made; `None` for others.
    #[inline(always)]
    pub(super) fn of(words: &'a [AtomicU64]) -> Option<Self> {
        match words {
            [stamp, state, sum, noted_sum, noted_weight, buckets @ ..] => {
                Some(Self { stamp, state, sum, noted_sum, noted_weight, buckets })
            }
            _ => None,
        }
    }

    /// The sum, by itself.
    pub(super) fn sum(self) -> f64 {
        get(self.sum)
    }

    /// The weight of each bucket, by itself.
    pub(super) fn weights(self) -> impl Iterator<Item = f64> + 'a {
        self.buckets.iter().map(get)
    }

    /// Adds to the sum and to one bucket. False, and nothing changed, if one of both would not be finite, or if there is no such
    /// bucket. For the one writer.
    #[inline(always)]
    pub(super) fn add(self, bucket: usize, amount: f64, weight: f64) -> bool {
        let Some(of_bucket) = self.buckets.get(bucket) else { return false };
        let (old_sum, old_weight) = (get(self.sum), get(of_bucket));
        let (sum, new_weight) = (old_sum + amount, old_weight + weight);
        if !sum.is_finite() || !new_weight.is_finite() {
            return false;
        }
        let state = self.state.load(Relaxed);
        // The end of the write before is seen by whoever sees what is noted now.
        fence(Release);
        set(self.noted_sum, old_sum);
        set(self.noted_weight, old_weight);
        self.state.store(state.wrapping_add(bucket as u64 + 1), Release);
        // And this state by whoever sees the new values.
        fence(Release);
        set(self.sum, sum);
        set(of_bucket, new_weight);
        self.state.store(state.wrapping_add(WRITE), Release);
        true
    }

    /// Sets all values to 0. For the one writer.
    pub(super) fn clear(self) {
        self.change_all(CLEARED, 0.0, std::iter::repeat(0.0));
    }

    /// Puts other values in the place of all. For the one writer. Readers wait until it has ended.
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

    /// Reads the weights of all buckets and returns the sum, all of one moment; `None` if the writer began or ended a write
    /// meanwhile, and what is in `weights` then is of no use.
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

    /// A write that stops halfway, where its thread loses its processor: with no new value, a new sum, or a new weight too.
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
