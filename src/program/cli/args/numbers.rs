//! Value parsers for whole numbers within bounds. Must not know the flags that use them.

/// Parses a whole number from `min` to `max`.
pub(super) fn within(text: &str, min: usize, max: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ if max == usize::MAX => Err(format!("expected a whole number of at least {min}")),
        _ => Err(format!("expected a whole number from {min} to {max}")),
    }
}

/// Parses a whole number of at least 1.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    within(text, 1, usize::MAX)
}

/// Parses the length of a datagram in bytes.
pub(super) fn datagram(text: &str) -> Result<usize, String> {
    within(text, 1, 65_535)
}
