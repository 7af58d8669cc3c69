//! What all workers hold of one histogram's native buckets, and the form in which it goes over the wire.

use super::exponential::Exponential;
use super::{NativeOptions, scale};
use crate::registry::cell::add_weights;

/// A gap of so many buckets is bridged by empty ones; a longer one ends the span.
const GAP: i64 = 2;

/// What all workers hold of one histogram's native buckets at one moment. Its count and sum are those of the classic buckets
/// that were read with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeSnapshot {
    pub(super) shape: Exponential,
    /// The newest reset of any part in milliseconds; 0 for none.
    pub(super) reset_ms: u64,
    /// How many parts were added since it was empty.
    pub(super) parts: usize,
    /// Whether a weight of any part was a fraction once.
    pub(super) has_fractions: bool,
}

/// The buckets of one sign as spans of neighbours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans {
    /// Offset and length of each span. The offset of the first is its first key, that of a further one how many keys lie between
    /// it and the end of the one before.
    pub spans: Vec<(i32, u32)>,
    /// Weights of the buckets of all spans, one after the other; some may be 0.
    pub weights: Vec<f64>,
}

impl NativeSnapshot {
    /// Empty, for a family with these options.
    pub fn new(options: &NativeOptions) -> Self {
        Self { shape: Exponential::new(options.schema, options.zero_threshold), reset_ms: 0, parts: 0, has_fractions: false }
    }

    /// Empties it for the next series.
    pub fn clear(&mut self, options: &NativeOptions) {
        self.shape.clear(options.schema, options.zero_threshold);
        (self.reset_ms, self.parts, self.has_fractions) = (0, 0, false);
    }

    /// From -4, the coarsest, to 8.
    pub fn schema(&self) -> i8 {
        self.shape.schema
    }

    /// Values up to here, of either sign, are in the zero bucket.
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

    /// When counting began anew for want of buckets, in milliseconds since 1970; `None` if it did not. Only with
    /// `NativeOptions::min_reset_ms`.
    pub fn reset_ms(&self) -> Option<u64> {
        Some(self.reset_ms).filter(|millis| *millis > 0)
    }

    /// The buckets above the zero bucket: upper bound and weight, ascending.
    pub fn positive(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.shape.positive.iter().map(|(key, weight)| (scale::upper_bound(key, self.shape.schema), weight))
    }

    /// The buckets below the zero bucket: the magnitude of the lower bound and the weight, from the zero bucket on.
    pub fn negative(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.shape.negative.iter().map(|(key, weight)| (scale::upper_bound(key, self.shape.schema), weight))
    }

    /// The buckets above the zero bucket as spans. A snapshot that holds nothing at all and whose zero bucket has no width has one
    /// span of no length: without it nothing would say that it is a native histogram.
    pub fn positive_spans(&self) -> Spans {
        let mut all = Spans::of(self.shape.positive.iter());
        let is_nothing = self.shape.populated() == 0 && self.shape.zero_weight == 0.0 && self.shape.zero_threshold == 0.0;
        if is_nothing {
            all.spans.push((0, 0));
        }
        all
    }

    /// The buckets below the zero bucket as spans, from the zero bucket on.
    pub fn negative_spans(&self) -> Spans {
        Spans::of(self.shape.negative.iter())
    }

    /// Whether a weight was a fraction once; whatever they are now, its counts are shown as floats.
    pub(crate) fn has_fractions(&self) -> bool {
        self.has_fractions
    }

    /// Whether integers may stand for the weights: all have always been whole numbers, and a double holds them exactly. Once false,
    /// it stays so.
    pub fn is_whole(&self) -> bool {
        if self.has_fractions {
            return false;
        }
        let sides = self.shape.positive.iter().chain(self.shape.negative.iter());
        // The sum of them is whole too, if it is below 2^53: then each step to it was.
        sides.map(|(_, weight)| weight).chain([self.shape.zero_weight]).all(|weight| weight.fract() == 0.0) && self.weight() < WHOLE_MAX
    }

    /// Adds one part, and keeps to the limit of buckets once there are several: each alone does.
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

/// Whole numbers below it are exact in a double.
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

    /// Each weight less the one before it, beginning at 0; for weights that are whole numbers below 2^53.
    pub fn deltas(&self) -> impl Iterator<Item = i64> + '_ {
        let mut before = 0;
        self.weights.iter().map(move |weight| {
            let weight = *weight as i64;
            weight - std::mem::replace(&mut before, weight)
        })
    }
}
