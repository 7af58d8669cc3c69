//! Examples of what was sent, for people: texts of senders, cut to a length that can be kept.

/// How much of a sample is kept.
pub(super) const SAMPLE_BYTES: usize = 160;

/// How much of a label's value, or of another text that a limit kept out, is kept.
pub(super) const VALUE_BYTES: usize = 120;

/// The beginning of a text, cut between characters.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    if text.len() <= bytes { text } else { text.get(..end).unwrap_or_default() }
}
