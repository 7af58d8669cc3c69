//! Lines of the summary, and its numbers.

use serde_json::Value;

use crate::program::top::plain::Plain;

/// Adds a line. Names and samples come from untrusted senders.
pub(super) fn add(lines: &mut Vec<Plain>, line: &str) {
    lines.push(Plain::new(line.trim_end()));
}

pub(super) fn head(text: &str, lines: &mut Vec<Plain>) {
    add(lines, "");
    add(lines, text);
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Formats with thousands separators: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn bytes(number: u64) -> String {
    match number {
        0..10_240 => format!("{number} B"),
        10_240..10_485_760 => format!("{:.1} KiB", number as f64 / 1024.0),
        _ => format!("{:.1} MiB", number as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_scaled() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 10_240, 10_485_760].map(bytes), ["0 B", "10.0 KiB", "10.0 MiB"]);
    }
}
