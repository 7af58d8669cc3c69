//! Sums that stay finite. Each cell sees to it that its own sums are; those of several cells or buckets may not be, and the largest
//! number is shown for them: an exposition with `+Inf` for a count is rejected as a whole by strict readers.

/// The sum of two weights, which are finite and not negative.
#[inline(always)]
pub(crate) fn add_weights(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // Never NaN, of which `f64::min` would have to think: this is one instruction.
    if sum > f64::MAX { f64::MAX } else { sum }
}

/// The sum of two finite numbers of any sign.
#[inline(always)]
pub(crate) fn add_finite(a: f64, b: f64) -> f64 {
    (a + b).clamp(f64::MIN, f64::MAX)
}
