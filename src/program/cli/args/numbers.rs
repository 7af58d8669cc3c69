//! Value parsers for whole numbers within bounds. Must not know the flags that use them.

/// A whole number from `least` to `most`.
pub(super) fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == usize::MAX => Err(format!("expected a whole number of at least {least}")),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

/// A whole number from 1 on.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    within(text, 1, usize::MAX)
}

/// Bytes of a datagram.
pub(super) fn datagram(text: &str) -> Result<usize, String> {
    within(text, 1, 65_535)
}
