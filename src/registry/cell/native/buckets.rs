//! Populated buckets of one sign, by key.

use crate::registry::cell::add_weights;

/// The least number of places by which the memory grows.
const ROOM: usize = 4;

/// Weights by key, ascending. Only populated buckets have a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets(Vec<NativeBucket>);

/// Key and weight. The weight is stored in halves, so that both take 12 bytes and not 16.
#[derive(Debug, Clone, Copy, PartialEq)]
struct NativeBucket {
    key: i32,
    weight: [u32; 2],
}

impl NativeBucket {
    fn new(key: i32, weight: f64) -> Self {
        let bits = weight.to_bits();
        Self { key, weight: [bits as u32, (bits >> 32) as u32] }
    }

    #[inline(always)]
    fn weight(&self) -> f64 {
        f64::from_bits(u64::from(self.weight[0]) | u64::from(self.weight[1]) << 32)
    }

    #[inline(always)]
    fn add(&mut self, weight: f64) {
        *self = Self::new(self.key, add_weights(self.weight(), weight));
    }
}

impl Buckets {
    /// The number of populated buckets.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Key and weight of each bucket, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        self.0.iter().map(|bucket| (bucket.key, bucket.weight()))
    }

    /// The key nearest to zero.
    pub(super) fn first_key(&self) -> Option<i32> {
        self.0.first().map(|bucket| bucket.key)
    }

    /// Whether the bucket of this key is populated.
    pub(super) fn has(&self, key: i32) -> bool {
        self.0.binary_search_by_key(&key, |bucket| bucket.key).is_ok()
    }

    /// Adds to a bucket. Only a new one may allocate: room for a few more, or for a quarter more. Returns the growth
    /// in bytes.
    #[inline(always)]
    pub(super) fn add(&mut self, key: i32, weight: f64) -> usize {
        let at = self.place(key);
        match self.0.get_mut(at) {
            Some(bucket) if bucket.key == key => {
                bucket.add(weight);
                0
            }
            _ => self.insert(at, NativeBucket::new(key, weight)),
        }
    }

    /// The bytes of the buckets.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<NativeBucket>()
    }

    /// Frees unused memory.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The place of the bucket of this key, or the place where it would be. Keys are ascending integers, so a bucket is no
    /// further from either end than its key is from the key there. If no bucket in between is empty, only one place is left.
    #[inline(always)]
    fn place(&self, key: i32) -> usize {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return 0 };
        if key <= first.key {
            return 0;
        }
        if key > last.key {
            return self.0.len();
        }
        let to = (key.abs_diff(first.key) as usize).min(self.0.len() - 1);
        let from = (self.0.len() - 1).saturating_sub(last.key.abs_diff(key) as usize);
        from + self.0.get(from..to).map_or(0, |between| between.partition_point(|bucket| bucket.key < key))
    }

    #[cold]
    fn insert(&mut self, at: usize, bucket: NativeBucket) -> usize {
        let before = self.heap_bytes();
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(ROOM.max(self.0.len() / 4));
        }
        self.0.insert(at.min(self.0.len()), bucket);
        self.heap_bytes() - before
    }

    /// Joins buckets that are the same in the next coarser schema.
    pub(super) fn halve(&mut self) {
        self.0.iter_mut().for_each(|bucket| bucket.key = super::scale::coarser(bucket.key, 1));
        self.0.dedup_by(|next, kept| {
            let is_same = next.key == kept.key;
            if is_same {
                kept.add(next.weight());
            }
            is_same
        });
    }

    /// Removes the buckets up to this key, and returns their weight.
    pub(super) fn take_to(&mut self, key: i32) -> f64 {
        let end = self.0.partition_point(|bucket| bucket.key <= key);
        self.0.drain(..end).map(|bucket| bucket.weight()).fold(0.0, add_weights)
    }

    /// Removes all buckets and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_between_any_keys() {
        let lists: [&[i32]; 7] =
            [&[], &[5], &[1, 2, 3], &[1, 3, 4, 9], &[-7, -6, 0, 1, 50, 51, 52], &[i32::MIN, 0, i32::MAX], &[i32::MIN, i32::MAX]];
        for keys in lists {
            let buckets = Buckets(keys.iter().map(|key| NativeBucket::new(*key, 1.0)).collect());
            for key in (-60..60).chain([i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX]) {
                assert_eq!(buckets.place(key), keys.partition_point(|other| *other < key), "{key} in {keys:?}");
            }
        }
    }
}
