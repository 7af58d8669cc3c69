//! The saved form of native buckets: plain numbers.

use super::exponential::Exponential;
use super::snapshot::NativeSnapshot;
use super::{SCHEMA_MAX, SCHEMA_MIN};
use crate::registry::cell::{HistogramSnapshot, add_weights};

/// Maximum number of restored buckets of one sign: more than any limit, or the coarsest schema, allows.
const BUCKETS_MAX: usize = 4_096;

/// The saved native buckets of one histogram, over all workers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedNative {
    /// The schema, from -4 to 8.
    pub schema: i8,
    /// Values up to this magnitude are in the zero bucket.
    pub zero_threshold: f64,
    /// The weight of the zero bucket.
    pub zero_weight: f64,
    /// Key and weight of the populated buckets above zero, ascending.
    pub positive: Vec<(i32, f64)>,
    /// Key and weight of the populated buckets below zero, from zero on.
    pub negative: Vec<(i32, f64)>,
}

impl NativeSnapshot {
    /// The saved form.
    pub fn save(&self) -> SavedNative {
        let shape = &self.shape;
        SavedNative {
            schema: shape.schema,
            zero_threshold: shape.zero_threshold,
            zero_weight: shape.zero_weight,
            positive: shape.positive.iter().collect(),
            negative: shape.negative.iter().collect(),
        }
    }
}

impl SavedNative {
    /// The restored buckets; `None` if they are invalid beside these classic buckets.
    pub(super) fn restore(&self, classic: &HistogramSnapshot) -> Option<Exponential> {
        let is_weight = |weight: f64| weight >= 0.0 && weight.is_finite();
        let is_good = |side: &[(i32, f64)]| {
            let keys = side.iter().all(|(key, weight)| is_weight(*weight) && (KEY_MIN..=KEY_MAX).contains(key));
            keys && side.len() <= BUCKETS_MAX && side.is_sorted_by(|a, b| a.0 < b.0)
        };
        let is_head_good =
            (SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) && is_weight(self.zero_threshold) && is_weight(self.zero_weight);
        if !is_head_good || !is_good(&self.positive) || !is_good(&self.negative) {
            return None;
        }
        let mut shape = Exponential::new(self.schema, self.zero_threshold);
        shape.zero_weight = self.zero_weight;
        self.positive.iter().for_each(|(key, weight)| _ = shape.positive.add(*key, *weight));
        self.negative.iter().for_each(|(key, weight)| _ = shape.negative.add(*key, *weight));
        let native = self.positive.iter().chain(&self.negative).fold(self.zero_weight, |all, (_, weight)| add_weights(all, *weight));
        let all = classic.weight();
        // Sums of fractions differ by the order of rounding.
        (native == all || (native - all).abs() <= 1e-6 * all).then_some(shape)
    }
}

/// The approximate keys of the smallest number and of infinity in the finest schema.
const KEY_MIN: i32 = -1_100 << SCHEMA_MAX;
const KEY_MAX: i32 = 1_025 << SCHEMA_MAX;
