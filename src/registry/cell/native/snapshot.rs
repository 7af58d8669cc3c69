//! The native buckets of one histogram over all workers, and their form in an exposition.

use super::exponential::Exponential;
use super::{NativeOptions, scale};
use crate::registry::cell::add_weights;

/// A gap of up to this many buckets is filled with empty ones. A longer gap ends the span.
const GAP: i64 = 2;

/// The native buckets of one histogram over all workers. Count and sum are those of the classic buckets
/// that were read together with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeSnapshot {
    pub(super) shape: Exponential,
    /// The newest reset of any part in milliseconds; 0 for none.
    pub(super) reset_ms: u64,
    /// The number of parts added since it was empty.
    pub(super) parts: usize,
    /// Whether a weight of any part was ever a fraction.
    pub(super) has_fractions: bool,
}

/// The buckets of one sign as spans of adjacent buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans {
    /// Offset and length of each span. The offset of the first span is its first key; that of a further span is the number of
    /// keys between it and the end of the previous one.
    pub spans: Vec<(i32, u32)>,
    /// The weights of the buckets of all spans in order. Some may be 0.
    pub weights: Vec<f64>,
}

impl NativeSnapshot {
    /// Empty, for a family with these options.
    pub fn new(options: &NativeOptions) -> Self {
        Self { shape: Exponential::new(options.schema, options.zero_threshold), reset_ms: 0, parts: 0, has_fractions: false }
    }

    /// Clears the snapshot for the next series.
    pub fn clear(&mut self, options: &NativeOptions) {
        self.shape.clear(options.schema, options.zero_threshold);
        (self.reset_ms, self.parts, self.has_fractions) = (0, 0, false);
    }

    /// The same buckets without any weight, with counts of the same form.
    #[cfg(feature = "cli")]
    pub(crate) fn without_samples(&self) -> Self {
        let shape = Exponential::new(self.shape.schema, self.shape.zero_threshold);
        Self { shape, reset_ms: 0, parts: 0, has_fractions: !self.is_whole() }
    }

    /// The schema, from -4, the coarsest, to 8.
    pub fn schema(&self) -> i8 {
        self.shape.schema
    }

    /// Values up to this magnitude are in the zero bucket.
    pub fn zero_threshold(&self) -> f64 {
        self.shape.zero_threshold
    }

    /// The weight of the zero bucket.
    pub fn zero_weight(&self) -> f64 {
        self.shape.zero_weight
    }

    /// The weight of all buckets.
    pub fn weight(&self) -> f64 {
        let sides = self.shape.positive.iter().chain(self.shape.negative.iter());
        sides.map(|(_, weight)| weight).fold(self.shape.zero_weight, add_weights)
    }

    /// The time of the last reset, in milliseconds since 1970; `None` if there was none. Resets occur only with
    /// `NativeOptions::min_reset_ms`.
    pub fn reset_ms(&self) -> Option<u64> {
        Some(self.reset_ms).filter(|millis| *millis > 0)
    }

    /// The buckets above the zero bucket: upper bound and weight, ascending.
    pub fn positive(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.shape.positive.iter().map(|(key, weight)| (scale::upper_bound(key, self.shape.schema), weight))
    }

    /// The buckets below the zero bucket, starting at zero: the magnitude of the lower bound and the weight.
    pub fn negative(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.shape.negative.iter().map(|(key, weight)| (scale::upper_bound(key, self.shape.schema), weight))
    }

    /// The buckets above the zero bucket as spans. An empty snapshot whose zero bucket has no width has one
    /// span of length 0, because nothing else marks it as a native histogram.
    pub fn positive_spans(&self) -> Spans {
        let mut all = Spans::of(self.shape.positive.iter());
        let is_nothing = self.shape.populated() == 0 && self.shape.zero_weight == 0.0 && self.shape.zero_threshold == 0.0;
        if is_nothing {
            all.spans.push((0, 0));
        }
        all
    }

    /// The buckets below the zero bucket as spans, starting at zero.
    pub fn negative_spans(&self) -> Spans {
        Spans::of(self.shape.negative.iter())
    }

    /// Whether a weight was ever a fraction. Its counts are floats then.
    pub(crate) fn has_fractions(&self) -> bool {
        self.has_fractions
    }

    /// Whether the counts are integers: all weights have always been whole numbers that a double represents exactly. Once false,
    /// it stays so.
    pub fn is_whole(&self) -> bool {
        if self.has_fractions {
            return false;
        }
        let sides = self.shape.positive.iter().chain(self.shape.negative.iter());
        // A sum below 2^53 is whole too, because each partial sum is.
        sides.map(|(_, weight)| weight).chain([self.shape.zero_weight]).all(|weight| weight.fract() == 0.0) && self.weight() < WHOLE_MAX
    }

    /// Adds one part. From the second part on, halves the buckets to the limit, because only each part alone is within it.
    pub(super) fn add(&mut self, (part, has_fractions): (&Exponential, bool), reset_ms: u64, limit: usize) {
        self.shape.merge(part);
        self.has_fractions |= has_fractions;
        self.reset_ms = self.reset_ms.max(reset_ms);
        self.parts += 1;
        if self.parts > 1 {
            self.shape.fit(limit);
        }
    }
}

/// Doubles represent all whole numbers below this one exactly.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

impl Spans {
    fn of(buckets: impl Iterator<Item = (i32, f64)>) -> Self {
        let mut all = Self::default();
        let mut next = 0_i64;
        for (key, weight) in buckets {
            let gap = i64::from(key) - next;
            if all.spans.is_empty() || gap > GAP {
                all.spans.push((gap as i32, 0));
            } else {
                (0..gap).for_each(|_| all.push(0.0));
            }
            all.push(weight);
            next = i64::from(key) + 1;
        }
        all
    }

    fn push(&mut self, weight: f64) {
        if let Some((_, length)) = self.spans.last_mut() {
            *length += 1;
        }
        self.weights.push(weight);
    }

    /// The difference of each weight to the previous one, starting from 0, for weights that are whole numbers below 2^53.
    pub fn deltas(&self) -> impl Iterator<Item = i64> + '_ {
        let mut before = 0;
        self.weights.iter().map(move |weight| {
            let weight = *weight as i64;
            weight - std::mem::replace(&mut before, weight)
        })
    }
}
