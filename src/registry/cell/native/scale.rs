//! The scale of exponential buckets: schema, key and bound.
//!
//! Schema `n`, from -4 to 8, has the base `2^(2^-n)`. The bucket of key `k` has the values above `base^(k-1)`, up to and
//! including `base^k`; negative values are mirrored. Bounds come from a table that is the same on every machine, and not from a
//! logarithm, so that a value on a bound has the same bucket as in Prometheus and its client libraries.

/// The coarsest schema: each bucket is 65,536 times as wide as the previous one.
pub const SCHEMA_MIN: i8 = -4;

/// The finest schema.
pub const SCHEMA_MAX: i8 = 8;

/// The default upper end of the zero bucket: 2^-128, a bound in every schema.
pub const ZERO_THRESHOLD: f64 = f64::from_bits((1023 - 128) << 52);

/// The bounds from 0.5 to 1 in the finest schema. Every second one is a bound in the next coarser schema.
static BOUNDS: [f64; 256] = bounds();

/// The factor between adjacent bounds in the schemas 1 to 8. The first is the double below the root of 2, as in client libraries
/// and Prometheus.
const FACTORS: [f64; 8] = [
    std::f64::consts::SQRT_2.next_down(),
    1.189207115002721,
    1.0905077326652577,
    1.0442737824274138,
    1.0218971486541166,
    1.0108892860517005,
    1.0054299011128027,
    1.0027112750502025,
];

/// The new bounds of a schema are those of the coarser schemas times its factor, each rounded once.
const fn bounds() -> [f64; 256] {
    let mut all = [0.5; 256];
    let mut schema = 1;
    while schema <= 8 {
        let step = 256 >> schema;
        let mut at = step;
        while at < 256 {
            all[at] = all[at - step] * FACTORS[schema - 1];
            at += 2 * step;
        }
        schema += 1;
    }
    all
}

/// The schema whose buckets grow by the largest factor up to `factor`; 1.1 gives 3. `None` for a factor that is not
/// above 1, which means no native buckets.
pub fn schema_of(factor: f64) -> Option<i8> {
    if factor.is_nan() || factor <= 1.0 {
        return None;
    }
    // Finite, because the logarithm of a number above 1 is positive. Infinity gives the coarsest schema.
    let schema = -factor.log2().log2().floor();
    Some(schema.clamp(f64::from(SCHEMA_MIN), f64::from(SCHEMA_MAX)) as i8)
}

/// The key of the bucket of a positive `magnitude`. Infinity is in the bucket after the bucket of the largest number.
#[inline(always)]
pub(super) fn key_of(magnitude: f64, schema: i8) -> i32 {
    let is_infinite = magnitude == f64::INFINITY;
    let (fraction, exponent) = split(if is_infinite { f64::MAX } else { magnitude });
    let key = if schema > 0 {
        ((exponent - 1) << schema) + bounds_below(fraction, schema)
    } else {
        // A power of two is the upper bound of the bucket below it.
        coarser(exponent - i32::from(fraction == 0.5), schema.unsigned_abs())
    };
    key + i32::from(is_infinite)
}

/// The number of bounds of the schema, from 0.5 to 1, that are below `fraction`.
#[inline(always)]
fn bounds_below(fraction: f64, schema: i8) -> i32 {
    let spread = 8 - u32::from(schema.unsigned_abs());
    // A search without branches determines the count from its highest bit down.
    let mut below = 0;
    for bit in (0..schema).rev() {
        let tried = below + (1_usize << bit);
        let bound = bound_at((tried - 1) << spread);
        below = if bound < fraction { tried } else { below };
    }
    let last = bound_at(below << spread);
    below as i32 + i32::from(last < fraction)
}

/// A bound of the finest schema, by its place.
#[inline(always)]
fn bound_at(place: usize) -> f64 {
    debug_assert!(place < BOUNDS.len(), "no bound {place}");
    BOUNDS.get(place).copied().unwrap_or(1.0)
}

/// The upper bound of the bucket of this key. The last finite bucket ends at the largest number, the one after it at infinity.
pub(super) fn upper_bound(key: i32, schema: i8) -> f64 {
    let (fraction, exponent) = if schema < 0 {
        (0.5, (key << schema.unsigned_abs()) + 1)
    } else {
        let at = (key & ((1 << schema) - 1)) as usize;
        (bound_at(at << (8 - schema)), (key >> schema) + 1)
    };
    match exponent {
        1025 if fraction == 0.5 => f64::MAX,
        // Multiplies in two steps, because 2^1024 is not finite and small powers must be rounded only once.
        _ => fraction * power_of_two(exponent / 2) * power_of_two(exponent - exponent / 2),
    }
}

/// The key of the bucket that contains the bucket of `key` in a schema that is coarser by `steps`.
#[inline(always)]
pub(super) fn coarser(key: i32, steps: u8) -> i32 {
    (key + (1 << steps) - 1) >> steps
}

/// The fraction, from 0.5 to 1, and the exponent of two of a positive finite number.
#[inline(always)]
fn split(number: f64) -> (f64, i32) {
    const FRACTION: u64 = (1 << 52) - 1;
    let (bits, below) = if number < f64::MIN_POSITIVE { ((number * power_of_two(64)).to_bits(), 64) } else { (number.to_bits(), 0) };
    let exponent = (bits >> 52) as i32 - 1022 - below;
    (f64::from_bits(bits & FRACTION | 1022 << 52), exponent)
}

/// 2 to a power, which is limited to -1022 to 1023.
#[inline(always)]
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent.clamp(-1022, 1023) + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_factor_chooses_the_schema() {
        let schemas =
            [(1.1, 3), (1.2, 2), (1.005, 8), (1.0027, 8), (1.001, 8), (2.0, 0), (4.0, -1), (17.0, -2), (65536.0, -4), (1e300, -4)];
        for (factor, schema) in schemas {
            assert_eq!(schema_of(factor), Some(schema), "{factor}");
        }
        assert_eq!(schema_of(f64::INFINITY), Some(-4));
        assert_eq!([1.0, 0.0, -3.0, f64::NAN].map(schema_of), [None; 4]);
    }

    #[test]
    fn bounds_are_within_a_unit_in_the_last_places_and_ascend() {
        for (at, bound) in BOUNDS.iter().enumerate() {
            let near = (at as f64 / 256.0 - 1.0).exp2();
            assert!((bound / near - 1.0).abs() < 1e-14, "{at}");
        }
        assert!(BOUNDS.is_sorted_by(|a, b| a < b) && *BOUNDS.last().unwrap() < 1.0);
        assert_eq!(
            [BOUNDS[64], BOUNDS[128], BOUNDS[192]],
            [0.5946035575013605, std::f64::consts::FRAC_1_SQRT_2.next_down(), 0.8408964152537144]
        );
    }

    proptest! {
        #[test]
        fn a_value_is_within_its_bucket(bits in 1_u64..f64::INFINITY.to_bits(), schema in SCHEMA_MIN..=SCHEMA_MAX) {
            let value = f64::from_bits(bits);
            let key = key_of(value, schema);
            prop_assert!(value <= upper_bound(key, schema));
            // Below the smallest numbers bounds round to 0.
            let lower = upper_bound(key - 1, schema);
            prop_assert!(lower < value || lower < 1e-307, "{} is not above {}", value, lower);
            let steps = (schema - SCHEMA_MIN).unsigned_abs();
            prop_assert_eq!(coarser(key, steps), key_of(value, SCHEMA_MIN));
        }

        #[test]
        fn a_bound_is_in_the_bucket_below(power in -900_i32..900, part in 0_i32..256, schema in SCHEMA_MIN..=SCHEMA_MAX) {
            let key = if schema < 0 { power >> -schema } else { (power << schema) + part % (1 << schema) };
            let bound = upper_bound(key, schema);
            prop_assert_eq!(key_of(bound, schema), key);
            prop_assert_eq!(key_of(bound.next_up(), schema), key + 1);
        }
    }

    #[test]
    fn the_ends_of_numbers_have_buckets() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            let last = key_of(f64::MAX, schema);
            assert_eq!(upper_bound(last, schema), f64::MAX, "schema {schema}");
            assert_eq!(key_of(f64::INFINITY, schema), last + 1);
            assert_eq!(upper_bound(last + 1, schema), f64::INFINITY);
            assert!(key_of(f64::from_bits(1), schema) < key_of(f64::MIN_POSITIVE, schema));
        }
    }
}
