//! Examples of what senders sent, for reports: texts truncated to a bounded length.

/// Bytes kept of a sample.
pub(super) const SAMPLE_BYTES: usize = 160;

/// Bytes kept of a label's value or of another text that a limit rejected.
pub(super) const VALUE_BYTES: usize = 120;

/// The text up to `bytes` bytes, cut between characters.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end).0
}
