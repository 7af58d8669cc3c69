//! name: names of families and labels that Prometheus accepts. A [`FamilyName`] is always valid. All escaping is here.
//!
//! Under [`NameValidation::Legacy`] names are escaped on arrival, by statsd_exporter's rule: letters, digits and `_` stay; every
//! other character becomes `_`, a run of `-` becomes one `_`; a leading digit gets `_` in front. Under
//! [`NameValidation::Utf8`] names stay as they were sent, and each exposition escapes them as its scraper asks: see [`Escaping`].

mod escaping;
mod prometheus;

use std::fmt;

pub use self::escaping::{Escaping, is_legacy_label, is_legacy_name};
pub use self::prometheus::is_prometheus_name;

/// Which names of families and labels are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameValidation {
    /// Letters, digits and `_`, not starting with a digit. Every version of Prometheus accepts these names. Other names are escaped.
    #[default]
    Legacy,
    /// Any text that is not empty. Prometheus accepts these names from version 3 on.
    Utf8,
}

impl NameValidation {
    /// Appends `raw` as a valid name. Appends nothing for an empty `raw`.
    pub(crate) fn push_name(self, raw: &str, out: &mut String) {
        match self {
            Self::Legacy => escape_into(raw, out),
            Self::Utf8 => out.push_str(raw),
        }
    }

    /// Appends `raw` as a valid label name. Adds the prefix [`RENAMED`] to names that Prometheus reserves: `le`, `quantile` and names
    /// that start with `__`. Returns whether it added the prefix.
    pub(crate) fn push_label(self, raw: &str, out: &mut String) -> bool {
        let start = out.len();
        self.push_name(raw, out);
        let name = out.get(start..).unwrap_or_default();
        let reserved = name == "le" || name == "quantile" || name.starts_with("__");
        if reserved {
            out.insert_str(start, RENAMED);
        }
        reserved
    }
}

/// A metric name: `[a-zA-Z_][a-zA-Z0-9_]*`, or any text that is not empty under [`NameValidation::Utf8`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyName {
    text: Box<str>,
    is_legacy: bool,
}

impl FamilyName {
    /// Makes a valid name from `raw`; `None` if `raw` is empty.
    pub fn new(raw: &str, names: NameValidation) -> Option<Self> {
        let mut text = String::with_capacity(raw.len() + 1);
        names.push_name(raw, &mut text);
        let is_legacy = is_legacy_name(&text);
        if text.is_empty() { None } else { Some(Self { text: text.into_boxed_str(), is_legacy }) }
    }

    /// Makes a name from `raw` under [`NameValidation::Legacy`]; `None` if `raw` is empty.
    pub fn escape(raw: &str) -> Option<Self> {
        Self::new(raw, NameValidation::Legacy)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every version of Prometheus accepts the name, so that no exposition has to escape it.
    pub fn is_legacy(&self) -> bool {
        self.is_legacy
    }
}

impl std::borrow::Borrow<str> for FamilyName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Appends `raw`, escaped to a legal metric or label name. Appends nothing for an empty `raw`.
pub(crate) fn escape_into(raw: &str, out: &mut String) {
    if raw.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.push('_');
    }
    let mut in_dashes = false;
    for c in raw.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
        } else if c != '-' || !in_dashes {
            out.push('_');
        }
        in_dashes = c == '-';
    }
}

/// The prefix of a label that was renamed because its name is reserved.
pub(crate) const RENAMED: &str = "exported_";

/// Appends `text` in quotes, the form in which expositions write names that are not [legacy](is_legacy_name).
pub(crate) fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    escape_value_into(text, out);
    out.push('"');
}

/// Formats a series as expositions without escaping write it: `name{label="value"}` or `{"na.me",label="value"}`. `labels` are already
/// rendered.
pub(crate) fn series_text(name: &str, labels: &str) -> String {
    match (is_legacy_name(name), labels) {
        (true, "") => name.to_owned(),
        (true, labels) => format!("{name}{{{labels}}}"),
        (false, labels) => {
            let mut text = "{".to_owned();
            push_quoted(name, &mut text);
            if !labels.is_empty() {
                text.push(',');
                text.push_str(labels);
            }
            text.push('}');
            text
        }
    }
}

/// Appends a label's value, escaped for the quoted strings of both text formats.
pub(crate) fn escape_value_into(value: &str, out: &mut String) {
    for piece in value.split_inclusive(['\\', '"', '\n']) {
        let escape = |special: char, escaped| piece.strip_suffix(special).map(|plain| (plain, escaped));
        let (plain, escaped) = escape('\\', "\\\\").or_else(|| escape('"', "\\\"")).or_else(|| escape('\n', "\\n")).unwrap_or((piece, ""));
        out.push_str(plain);
        out.push_str(escaped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(raw: &str) -> String {
        let mut out = String::new();
        escape_into(raw, &mut out);
        out
    }

    #[test]
    fn names_are_escaped_as_statsd_exporter_does() {
        for (raw, want) in [
            ("", ""),
            ("foo_bar:9", "foo_bar_9"),
            ("test.web-server.foo.bar", "test_web_server_foo_bar"),
            ("a..b", "a__b"),
            ("a--b", "a_b"),
            ("a---b--", "a_b_"),
            ("a.-b", "a__b"),
            ("-5a", "_5a"),
            ("5a", "_5a"),
            ("é", "_"),
            ("éé", "__"),
            ("__x", "__x"),
        ] {
            assert_eq!(escaped(raw), want, "{raw}");
        }
        assert_eq!(FamilyName::escape(""), None);
        assert_eq!(FamilyName::escape("1.x").expect("legal").as_str(), "_1_x");
    }

    #[test]
    fn reserved_labels_are_renamed_after_escaping() {
        for (raw, want) in [
            ("le", "exported_le"),
            ("quantile", "exported_quantile"),
            ("__name__", "exported___name__"),
            ("..x", "exported___x"),
            ("Le", "Le"),
            ("_x", "_x"),
        ] {
            let mut out = String::from("before ");
            let renamed = NameValidation::Legacy.push_label(raw, &mut out);
            assert_eq!(out, format!("before {want}"));
            assert_eq!(renamed, want.starts_with("exported_"));
        }
    }

    #[test]
    fn utf8_names_stay_except_for_reserved_labels() {
        let name = |raw| FamilyName::new(raw, NameValidation::Utf8);
        assert_eq!(name(""), None);
        for (raw, is_legacy) in [("a.b--c", false), ("1.x", false), ("é\0", false), ("a_b", true), ("a:b", true)] {
            let name = name(raw).expect("a name");
            assert_eq!((name.as_str(), name.is_legacy()), (raw, is_legacy));
        }
        for (raw, want) in [("le", "exported_le"), ("__x.y", "exported___x.y"), ("..x", "..x"), ("l.e", "l.e")] {
            let mut out = String::new();
            assert_eq!(NameValidation::Utf8.push_label(raw, &mut out), out != raw);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn a_series_is_formatted_in_prometheus_syntax() {
        assert_eq!(series_text("a", ""), "a");
        assert_eq!(series_text("a", "b=\"c\""), "a{b=\"c\"}");
        assert_eq!(series_text("a.\"b", ""), "{\"a.\\\"b\"}");
        assert_eq!(series_text("a.b", "b=\"c\""), "{\"a.b\",b=\"c\"}");
    }

    #[test]
    fn only_backslashes_quotes_and_line_feeds_in_values_are_escaped() {
        let mut out = String::new();
        escape_value_into("a\\b\"c\nd\0é\r", &mut out);
        assert_eq!(out, "a\\\\b\\\"c\\nd\0é\r");
    }
}
