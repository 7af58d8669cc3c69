//! Texts as the screen shows them.

use serde_json::Value;

pub(super) use crate::program::wording::{bytes, count, duration, list, number, precise, reloaded_file, sentence, share, short, text};

/// The texts of an array in one text.
pub(super) fn joined(values: &Value) -> String {
    list(values).map(text).collect::<Vec<_>>().join(", ")
}

/// A time as the API writes it, without the year and the fraction of the second: `11-21 04:03:51`.
pub(super) fn time(text: &str) -> String {
    text.get(5..19).map_or_else(|| text.to_owned(), |part| part.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!((time("2026-11-21T04:03:51.251Z"), time("äö")), ("11-21 04:03:51".to_owned(), "äö".to_owned()));
    }
}
