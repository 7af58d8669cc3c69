//! The common rule of bounds and quantiles: allowed numbers in ascending order, and not too many.

use std::sync::Arc;

/// Why numbers break the rule.
pub(super) enum AscendingError {
    /// This number is not allowed.
    NotAllowed(f64),
    /// This number is not above the one before it.
    NotAscending {
        number: f64,
        after: f64,
    },
    TooMany,
}

/// The numbers, if each is allowed and above the one before it, and there are at most `max`. Stops at the first error, so the iterator may
/// be endless.
pub(super) fn ascending(
    numbers: impl IntoIterator<Item = f64>,
    max: usize,
    is_allowed: impl Fn(f64) -> bool,
) -> Result<Arc<[f64]>, AscendingError> {
    let mut checked = Vec::new();
    for number in numbers {
        if !is_allowed(number) {
            return Err(AscendingError::NotAllowed(number));
        }
        if let Some(after) = checked.last().copied().filter(|last| *last >= number) {
            return Err(AscendingError::NotAscending { number, after });
        }
        if checked.len() == max {
            return Err(AscendingError::TooMany);
        }
        // -0 is 0.
        checked.push(number + 0.0);
    }
    Ok(checked.into())
}
