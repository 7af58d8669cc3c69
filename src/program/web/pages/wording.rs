//! Rates, ages and cut texts, as pages show them.

use maud::{Markup, html};
use serde_json::Value;

pub(super) use crate::program::wording::{bytes, count, duration, list, number, precise, reloaded_file, sentence, share, short, text};

/// Characters of a text in a table.
const SHOWN_CHARS: usize = 200;

/// The whole number of a JSON value.
pub(super) fn count_of(value: &Value) -> String {
    count(number(value))
}

/// A whole number of things, which `unit` names in the plural: `1 scrape`, `2 scrapes`.
pub(super) fn counted(value: &Value, unit: &str) -> String {
    let unit = if number(value) == 1.0 { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
    format!("{} {unit}", count_of(value))
}

/// A text of the bridge, with what is in backticks as code.
pub(super) fn with_code(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// A rate by second.
pub(super) fn rate(number: f64) -> String {
    format!("{}/s", short(number))
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
    fn one_of_a_thing_is_in_the_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(&count.into(), "scrapes")), ["0 scrapes", "1 scrape", "2 scrapes"]);
    }

    #[test]
    fn backticks_become_code() {
        assert_eq!(with_code("a `b <i>` c").into_string(), "a <code>b &lt;i&gt;</code> c");
        assert_eq!(with_code("a").into_string(), "a");
    }

    #[test]
    fn texts_are_cut_and_encoded() {
        assert_eq!(cut("abc"), "abc");
        assert_eq!(cut(&"é".repeat(201)), format!("{}… (402 bytes)", "é".repeat(200)));
        assert_eq!(percent_encoded("a b&c=é\"<"), "a%20b%26c%3D%C3%A9%22%3C");
    }
}
