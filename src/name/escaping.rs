//! escaping: Prometheus' four escaping schemes for names that Prometheus does not allow before version 3.
//!
//! [`is_legacy_name`] and [`is_legacy_label`] decide whether a name needs escaping. As in Prometheus' own libraries, callers escape only
//! names that need it, under every scheme.

use std::fmt::Write;

/// The scheme that a scraper requests with `escaping=` in its `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// Every character that is not allowed becomes `_`.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, every other character that is not allowed `__`.
    Dots,
    /// The name gets the prefix `U__`, `_` becomes `__`, every other character that is not allowed becomes its code point: `my.name` is `U__my_2e_name`.
    Values,
    /// Names stay as they are. Names that are not legacy names are quoted: `{"my.name"}`.
    AllowUtf8,
}

impl Escaping {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::Underscores, Self::Dots, Self::Values, Self::AllowUtf8];

    /// Returns the scheme with this name in a header; `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == text)
    }

    /// The name of the scheme in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
            Self::AllowUtf8 => "allow-utf-8",
        }
    }

    /// Appends a family's name, escaped by this scheme. Call it only for names that need escaping: `dots` and `values` change others too.
    pub fn push_name(self, name: &str, out: &mut String) {
        self.push(name, |c| c == ':', out);
    }

    /// Appends a label's name, escaped by this scheme. Unlike in a family's name, `:` is not allowed.
    pub fn push_label(self, label: &str, out: &mut String) {
        self.push(label, |_| false, out);
    }

    fn push(self, text: &str, also: fn(char) -> bool, out: &mut String) {
        let is_legal = |at: usize, c: char| is_word(c) && !(at == 0 && c.is_ascii_digit()) || also(c);
        match self {
            Self::AllowUtf8 => out.push_str(text),
            Self::Underscores => out.extend(text.char_indices().map(|(at, c)| if is_legal(at, c) { c } else { '_' })),
            Self::Dots => {
                for (at, c) in text.char_indices() {
                    match c {
                        '_' => out.push_str("__"),
                        '.' => out.push_str("_dot_"),
                        c if is_legal(at, c) => out.push(c),
                        _ => out.push_str("__"),
                    }
                }
            }
            Self::Values => {
                out.push_str("U__");
                for (at, c) in text.char_indices() {
                    match c {
                        '_' => out.push_str("__"),
                        c if is_legal(at, c) => out.push(c),
                        // Writing to a String cannot fail.
                        c => drop(write!(out, "_{:x}_", u32::from(c))),
                    }
                }
            }
        }
    }
}

/// Whether every version of Prometheus accepts `text` as the name of a family: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_name(text: &str) -> bool {
    !text.is_empty() && !starts_with_digit(text) && text.chars().all(|c| is_word(c) || c == ':')
}

/// Whether every version of Prometheus accepts `text` as the name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label(text: &str) -> bool {
    !text.is_empty() && !starts_with_digit(text) && text.chars().all(is_word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(scheme: Escaping, name: &str) -> String {
        let mut out = String::new();
        scheme.push_name(name, &mut out);
        out
    }

    /// Reverses the scheme `values`, as a scraper does.
    fn unescaped(text: &str) -> Option<String> {
        let mut rest = text.strip_prefix("U__")?;
        let mut name = String::new();
        while let Some((before, after)) = rest.split_once('_') {
            name.push_str(before);
            rest = match after.strip_prefix('_') {
                Some(after) => {
                    name.push('_');
                    after
                }
                None => {
                    let (code, after) = after.split_once('_')?;
                    name.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                    after
                }
            };
        }
        name.push_str(rest);
        Some(name)
    }

    #[test]
    fn names_are_escaped_as_in_prometheus() {
        // Columns: name, underscores, dots, and values if the name needs escaping.
        for (name, underscores, dots, values) in [
            ("a", "a", "a", None),
            ("metric_name", "metric_name", "metric__name", None),
            ("a__b", "a__b", "a____b", None),
            ("a:b", "a:b", "a:b", None),
            ("U__a", "U__a", "U____a", None),
            ("my.gauge", "my_gauge", "my_dot_gauge", Some("U__my_2e_gauge")),
            ("a_b.c", "a_b_c", "a__b_dot_c", Some("U__a__b_2e_c")),
            ("1abc", "_abc", "__abc", Some("U___31_abc")),
            ("0", "_", "__", Some("U___30_")),
            ("a b", "a_b", "a__b", Some("U__a_20_b")),
            ("a-b", "a_b", "a__b", Some("U__a_2d_b")),
            ("a\"b", "a_b", "a__b", Some("U__a_22_b")),
            ("é", "_", "__", Some("U___e9_")),
            ("x/y.z", "x_y_z", "x__y_dot_z", Some("U__x_2f_y_2e_z")),
            ("at 😱", "at__", "at____", Some("U__at_20__1f631_")),
            ("日本", "__", "____", Some("U___65e5__672c_")),
        ] {
            assert_eq!(is_legacy_name(name), values.is_none(), "{name}");
            assert_eq!(escaped(Escaping::Underscores, name), underscores);
            assert_eq!(escaped(Escaping::Dots, name), dots);
            assert_eq!(escaped(Escaping::AllowUtf8, name), name);
            if let Some(values) = values {
                assert_eq!(escaped(Escaping::Values, name), values);
                assert_eq!(unescaped(values).as_deref(), Some(name));
            }
        }
        assert!(!is_legacy_name("") && !is_legacy_label("") && !is_legacy_label("a:b") && is_legacy_label("_a9"));
        let mut label = String::new();
        Escaping::Underscores.push_label("a:b", &mut label);
        assert_eq!(label, "a_b");
    }

    #[test]
    fn schemes_are_parsed_from_their_names() {
        for scheme in Escaping::ALL {
            assert_eq!(Escaping::parse(scheme.as_str()), Some(scheme));
        }
        assert_eq!((Escaping::parse("Dots"), Escaping::parse("")), (None, None));
    }

    proptest! {
        #[test]
        fn any_escaped_name_is_legal_and_values_can_be_reversed(name in any::<String>().prop_filter("a name", |name| !name.is_empty())) {
            for scheme in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
                prop_assert!(is_legacy_name(&escaped(scheme, &name)));
                let mut label = String::new();
                scheme.push_label(&name, &mut label);
                prop_assert!(is_legacy_label(&label));
            }
            prop_assert_eq!(unescaped(&escaped(Escaping::Values, &name)), Some(name));
        }
    }
}
