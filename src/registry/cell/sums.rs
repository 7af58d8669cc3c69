//! Sums that stay finite. The sums of one cell are finite. An infinite sum of several cells or buckets is replaced by the largest
//! number, because strict readers reject an exposition with a count of `+Inf`.

/// The sum of two weights, which are finite and not negative.
#[inline(always)]
pub(crate) fn add_weights(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // The sum is never NaN, so this is one instruction; `f64::min` has to consider NaN.
    if sum > f64::MAX { f64::MAX } else { sum }
}

/// The sum of two finite numbers of any sign.
#[inline(always)]
pub(crate) fn add_finite(a: f64, b: f64) -> f64 {
    (a + b).clamp(f64::MIN, f64::MAX)
}
