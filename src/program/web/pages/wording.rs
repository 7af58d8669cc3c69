//! Numbers, sizes, ages and cut texts, as pages show them; and reading of JSON values.

use maud::{Markup, html};
use serde_json::Value;

/// Characters of a text in a table.
const SHOWN_CHARS: usize = 200;

/// The text of a JSON string; empty for any other value.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a JSON array; none for any other value.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The number of a JSON value; 0 for any other value.
pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// A whole number with separators: 1,234,567.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number <= -0.5 { format!("-{grouped}") } else { grouped }
}

/// The whole number of a JSON value.
pub(super) fn count_of(value: &Value) -> String {
    count(number(value))
}

/// A whole number of things, which `unit` names in the plural: `1 scrape`, `2 scrapes`.
pub(super) fn counted(value: &Value, unit: &str) -> String {
    let unit = if number(value) == 1.0 { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
    format!("{} {unit}", count_of(value))
}

/// A number with at most three places: 0.25, 12.3, 1,234.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => count(number),
        size if size >= 10.0 => trimmed(format!("{number:.1}")),
        size if size >= 0.01 => trimmed(format!("{number:.2}")),
        _ => "< 0.01".to_owned(),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number as precise as a reader needs: whole, or with three places.
pub(super) fn precise(number: f64) -> String {
    if number.fract() == 0.0 || number.abs() >= 1e9 { count(number) } else { trimmed(format!("{number:.3}")) }
}

/// A sentence: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) || text.is_empty() { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// A text of the bridge, with what is in backticks as code.
pub(super) fn with_code(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// A rate by second.
pub(super) fn rate(number: f64) -> String {
    format!("{}/s", short(number))
}

/// A size: 1.5 MiB.
pub(super) fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (number, 0);
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", short(size), units.get(unit).copied().unwrap_or_default())
}

/// A share of a whole, in percent.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 { "0\u{a0}%".to_owned() } else { format!("{}\u{a0}%", trimmed(format!("{:.1}", part * 100.0 / whole))) }
}

/// A duration: 12 s, 5 min, 3 h, 2 d.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", (s / 60.0).floor()),
        s if s < 172_800.0 => format!("{:.0} h", (s / 3_600.0).floor()),
        s => format!("{:.0} d", (s / 86_400.0).floor()),
    }
}

/// A time in the past: `12 s ago`.
pub(super) fn ago(seconds: f64) -> String {
    if seconds < 1.0 { "now".to_owned() } else { format!("{} ago", duration(seconds)) }
}

/// A text of limited length, with a note of what is cut. Senders choose names and values.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::plain_text::percent_encoded;

    #[test]
    fn numbers_are_short_and_grouped() {
        assert_eq!([0.0, 999.0, 1_234_567.0, -1_000.0].map(count), ["0", "999", "1,234,567", "-1,000"]);
        assert_eq!([0.0, 0.25, 1.0, 12.34, 1_234.5, 0.001].map(short), ["0", "0.25", "1", "12.3", "1,234", "< 0.01"]);
        assert_eq!([0, 1, 2].map(|count| counted(&count.into(), "scrapes")), ["0 scrapes", "1 scrape", "2 scrapes"]);
        assert_eq!([0.0, 1_536.0, 134_217_728.0].map(bytes), ["0 B", "1.5 KiB", "128 MiB"]);
        assert_eq!([5.0, 119.0, 121.0, 7_300.0, 200_000.0].map(duration), ["5 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!((share(1.0, 3.0), share(1.0, 0.0)), ("33.3\u{a0}%".to_owned(), "0\u{a0}%".to_owned()));
    }

    #[test]
    fn backticks_become_code() {
        assert_eq!(with_code("a `b <i>` c").into_string(), "a <code>b &lt;i&gt;</code> c");
        assert_eq!(with_code("a").into_string(), "a");
    }

    #[test]
    fn texts_are_cut_and_encoded() {
        assert_eq!((sentence("the value is"), sentence("Is it?")), ("The value is.".to_owned(), "Is it?".to_owned()));
        assert_eq!([2.0, 411.775_000_000_000_8, 0.1].map(precise), ["2", "411.775", "0.1"]);
        assert_eq!(cut("abc"), "abc");
        assert_eq!(cut(&"é".repeat(201)), format!("{}… (402 bytes)", "é".repeat(200)));
        assert_eq!(percent_encoded("a b&c=é\"<"), "a%20b%26c%3D%C3%A9%22%3C");
    }
}
