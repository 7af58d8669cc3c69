//! Exponential buckets of both signs and the zero bucket: adding, widening, halving, merging.

use super::buckets::Buckets;
use super::scale::{self, SCHEMA_MIN, coarser, key_of, upper_bound};
use crate::registry::cell::add_weights;

/// Weights by exponential bucket. The merged buckets of several of these equal those of one that saw all values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exponential {
    pub(super) schema: i8,
    /// Values up to this magnitude are in the zero bucket.
    pub(super) zero_threshold: f64,
    pub(super) zero_weight: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
}

impl Exponential {
    pub(super) fn new(schema: i8, zero_threshold: f64) -> Self {
        let schema = schema.clamp(SCHEMA_MIN, scale::SCHEMA_MAX);
        Self { schema, zero_threshold, zero_weight: 0.0, positive: Buckets::default(), negative: Buckets::default() }
    }

    /// Removes all buckets, sets these options, and keeps the memory.
    pub(super) fn clear(&mut self, schema: i8, zero_threshold: f64) {
        self.schema = schema.clamp(SCHEMA_MIN, scale::SCHEMA_MAX);
        (self.zero_threshold, self.zero_weight) = (zero_threshold, 0.0);
        self.positive.clear();
        self.negative.clear();
    }

    /// Adds a value that is not NaN. Returns the growth in bytes.
    #[inline(always)]
    pub(super) fn add(&mut self, value: f64, weight: f64) -> usize {
        if value > self.zero_threshold {
            self.positive.add(key_of(value, self.schema), weight)
        } else if value < -self.zero_threshold {
            self.negative.add(key_of(-value, self.schema), weight)
        } else {
            self.zero_weight = add_weights(self.zero_weight, weight);
            0
        }
    }

    /// The bytes of the buckets.
    pub(super) fn heap_bytes(&self) -> usize {
        self.positive.heap_bytes() + self.negative.heap_bytes()
    }

    /// Halves until the buckets take at most `bytes`. In the coarsest schema, the zero bucket absorbs the buckets nearest to it
    /// instead.
    pub(super) fn shrink(&mut self, bytes: usize) {
        while self.heap_bytes() > bytes && (self.halve() || self.widen(f64::MAX)) {
            self.positive.shrink();
            self.negative.shrink();
        }
    }

    /// The number of populated buckets, without the zero bucket.
    #[inline(always)]
    pub(super) fn populated(&self) -> usize {
        self.positive.len() + self.negative.len()
    }

    /// Changes to the next coarser schema. Returns false if there is none.
    pub(super) fn halve(&mut self) -> bool {
        if self.schema <= SCHEMA_MIN {
            return false;
        }
        self.schema -= 1;
        self.positive.halve();
        self.negative.halve();
        true
    }

    /// Halves until at most `limit` buckets are populated, or the schema is the coarsest.
    pub(super) fn fit(&mut self, limit: usize) {
        while self.populated() > limit && self.halve() {}
    }

    /// Widens the zero bucket by the populated buckets nearest to it, of both signs. Returns false, and changes nothing, if it
    /// would end above `limit`, or no bucket is populated.
    pub(super) fn widen(&mut self, limit: f64) -> bool {
        if self.zero_threshold >= limit {
            return false;
        }
        let keys = [self.positive.first_key(), self.negative.first_key()];
        let Some(key) = keys.into_iter().flatten().min() else { return false };
        let threshold = upper_bound(key, self.schema);
        if threshold > limit {
            return false;
        }
        self.zero_threshold = threshold;
        self.swallow(key);
        true
    }

    /// Adds the content of `other`. The result has the coarser schema and the wider zero bucket. A populated bucket in which the
    /// zero bucket ends is absorbed completely.
    pub(super) fn merge(&mut self, other: &Self) {
        while self.schema > other.schema && self.halve() {}
        let steps = (other.schema - self.schema).unsigned_abs();
        for (of, to) in [(&other.positive, &mut self.positive), (&other.negative, &mut self.negative)] {
            of.iter().for_each(|(key, weight)| _ = to.add(coarser(key, steps), weight));
        }
        self.zero_weight = add_weights(self.zero_weight, other.zero_weight);
        if self.zero_threshold != other.zero_threshold {
            self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
            self.clear_zero();
        }
    }

    /// Absorbs all buckets that begin within the zero bucket.
    fn clear_zero(&mut self) {
        if self.zero_threshold > 0.0 {
            let key = key_of(self.zero_threshold, self.schema);
            if self.positive.has(key) || self.negative.has(key) {
                self.zero_threshold = upper_bound(key, self.schema);
            }
            self.swallow(key);
        }
    }

    fn swallow(&mut self, key: i32) {
        let weight = add_weights(self.positive.take_to(key), self.negative.take_to(key));
        self.zero_weight = add_weights(self.zero_weight, weight);
    }

    /// Adds the weights of classic buckets. The true values are not known: each weight is added at the upper bound of its bucket,
    /// and the weight of `+Inf` right above the last bound.
    pub(super) fn add_classic(&mut self, bounds: &[f64], weights: &[f64]) {
        for (bound, weight) in bounds.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            self.add(*bound, *weight);
        }
        if let Some(beyond) = weights.get(bounds.len()).filter(|weight| **weight > 0.0) {
            self.add(bounds.last().copied().unwrap_or(0.0).next_up(), *beyond);
        }
    }
}
