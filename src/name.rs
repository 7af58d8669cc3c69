//! Names that Prometheus accepts, legal by construction: the one place that escapes.
//!
//! The rule is statsd_exporter's: letters, digits and `_` stay; every other character becomes `_`, a run of `-` becomes one
//! `_`; a leading digit gets `_` in front. Knows nothing of where a name comes from.

use std::fmt;

/// A metric name, `[a-zA-Z_][a-zA-Z0-9_]*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyName(Box<str>);

impl FamilyName {
    /// Escapes `raw`; `None` if nothing is left of it.
    pub fn escape(raw: &str) -> Option<Self> {
        let mut text = String::with_capacity(raw.len() + 1);
        escape_into(raw, &mut text);
        if text.is_empty() { None } else { Some(Self(text.into_boxed_str())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for FamilyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

/// What stands in front of a label that was renamed because its name is reserved.
pub(crate) const RENAMED: &str = "exported_";

/// Appends a label's name as [`escape_into`], with [`RENAMED`] in front of what Prometheus keeps for itself: `le`, `quantile`
/// and names that start with `__`. Says whether it did.
pub(crate) fn escape_label_into(raw: &str, out: &mut String) -> bool {
    let start = out.len();
    escape_into(raw, out);
    let name = out.get(start..).unwrap_or_default();
    let reserved = name == "le" || name == "quantile" || name.starts_with("__");
    if reserved {
        out.insert_str(start, RENAMED);
    }
    reserved
}

/// Appends a label's value as both text formats want it between its quotes.
pub(crate) fn escape_value_into(value: &str, out: &mut String) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        out.push_str(match special.as_bytes().first() {
            Some(b'\\') => "\\\\",
            Some(b'"') => "\\\"",
            _ => "\\n",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// How names that older readers do not know are written on a page: what the `escaping` parameter of a scrape's `Accept` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// Every character that is not legal becomes `_`.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, every other character that is not legal `__`.
    Dots,
    /// A name that is not legal gets `U__` in front, its `_` are doubled, and other characters become `_HEX_`.
    Values,
    /// Names stay as they are, quoted where they must be.
    AllowUtf8,
}

impl Escaping {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Underscores, Self::Dots, Self::Values, Self::AllowUtf8];

    /// The scheme of this name, as `Accept` and `Content-Type` have it; `None` for a name that is not known.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// Its name in `Accept` and `Content-Type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
            Self::AllowUtf8 => "allow-utf-8",
        }
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
    fn escaping_schemes_have_names() {
        assert!(Escaping::ALL.iter().all(|scheme| Escaping::parse(scheme.as_str()) == Some(*scheme)));
        assert_eq!((Escaping::parse("utf8"), Escaping::parse("")), (None, None));
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
            let renamed = escape_label_into(raw, &mut out);
            assert_eq!(out, format!("before {want}"));
            assert_eq!(renamed, want.starts_with("exported_"));
        }
    }

    #[test]
    fn values_keep_everything_but_what_would_end_them() {
        let mut out = String::new();
        escape_value_into("a\\b\"c\nd\0é\r", &mut out);
        assert_eq!(out, "a\\\\b\\\"c\\nd\0é\r");
    }
}
