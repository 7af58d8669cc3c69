//! Tags in a name: finds their style and their place.
//!
//! A delimiter begins tags if `key=` follows it, and brackets contain tags if there is a `=` in them. Other delimiters and brackets
//! belong to the name, so that `a[0].b` and `a[1].b` are different names. Under [`Dialect::exporter_rules`] every delimiter ends the
//! name, as in statsd_exporter.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::options::Dialect;

/// A style of tags in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `name[key=value,key=value]rest`.
    SignalFx,
    /// `name#key=value,key=value`.
    Librato,
    /// `name,key=value,key=value`.
    InfluxDb,
    /// `name;key=value;key=value`.
    Graphite,
}

impl Style {
    /// The style whose tags begin with this byte; `None` if there is none, or if it is disabled.
    fn of_delimiter(byte: u8, dialect: &Dialect) -> Option<Self> {
        match byte {
            b'#' if dialect.librato_tags => Some(Self::Librato),
            b',' if dialect.influxdb_tags => Some(Self::InfluxDb),
            b';' if dialect.graphite_tags => Some(Self::Graphite),
            _ => None,
        }
    }

    /// The byte between two tags.
    pub(super) fn separator(self) -> u8 {
        match self {
            Self::SignalFx | Self::Librato | Self::InfluxDb => b',',
            Self::Graphite => b';',
        }
    }
}

/// The parts of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameParts<'a> {
    /// The text before the tags.
    pub(super) head: &'a [u8],
    /// The text behind a closing bracket, which belongs to the name.
    pub(super) tail: &'a [u8],
    /// The tags, without brackets or the first delimiter.
    pub(super) tags: &'a [u8],
    /// `None` for a name without tags.
    pub(super) style: Option<Style>,
    /// Whether there is an unmatched bracket. The whole text is the name then, and counts as one tag error.
    pub(super) lone_bracket: bool,
}

impl<'a> NameParts<'a> {
    /// Splits a name. Where brackets contain tags or one is unmatched, no other style is tried.
    pub(super) fn of(name: &'a [u8], dialect: &Dialect) -> Self {
        if dialect.exporter_rules {
            return Self::as_exporter(name, dialect);
        }
        let bracketed = if dialect.signalfx_tags { Self::in_brackets(name) } else { None };
        bracketed.or_else(|| Self::delimited(name, dialect)).unwrap_or(Self::whole(name))
    }

    fn whole(head: &'a [u8]) -> Self {
        Self { head, tail: &[], tags: &[], style: None, lone_bracket: false }
    }

    /// Splits a name at its `tags`, which follow a delimiter and, if they are in brackets, end at one.
    fn around(name: &'a [u8], tags: Range<usize>, style: Style) -> Option<Self> {
        let head = name.get(..tags.start.checked_sub(1)?)?;
        // Tags without brackets end with the name and have no tail.
        let tail = name.get(tags.end + 1..).unwrap_or_default();
        Some(Self { tail, tags: name.get(tags)?, style: Some(style), ..Self::whole(head) })
    }

    /// Splits at the first brackets that contain a tag, else at the first empty ones.
    fn in_brackets(name: &'a [u8]) -> Option<Self> {
        let (mut from, mut empty, mut is_lone) = (0, None, false);
        while let Some(at) = memchr2(b'[', b']', name.get(from..)?).map(|at| from + at) {
            from = at + 1;
            if name.get(at) == Some(&b']') {
                is_lone = true;
                continue;
            }
            let Some(len) = memchr(b']', name.get(from..)?) else {
                is_lone = true;
                break;
            };
            let inner = from..from + len;
            if memchr(b'=', name.get(inner.clone())?).is_some() {
                return Self::around(name, inner, Style::SignalFx);
            }
            if len == 0 && empty.is_none() {
                empty = Self::around(name, inner, Style::SignalFx);
            }
            from += len + 1;
        }
        empty.or_else(|| is_lone.then(|| Self { lone_bracket: true, ..Self::whole(name) }))
    }

    /// Splits at the first delimiter that `key=` or the end of the name follows. Empty tags may be between them.
    fn delimited(name: &'a [u8], dialect: &Dialect) -> Option<Self> {
        let is_delimiter = |byte: &u8| Style::of_delimiter(*byte, dialect).is_some();
        if memchr(b'=', name).is_none() && !name.last().is_some_and(is_delimiter) {
            return None;
        }
        let mut at = next_special(name, 0, dialect)?;
        loop {
            let start = at + 1;
            let Some(style) = name.get(at).and_then(|byte| Style::of_delimiter(*byte, dialect)) else {
                at = next_special(name, start, dialect)?;
                continue;
            };
            let rest = name.get(start..)?;
            let blank = rest.iter().take_while(|byte| **byte == style.separator()).count();
            let next = next_special(name, start + blank, dialect);
            if blank == rest.len() || next.is_some_and(|next| name.get(next) == Some(&b'=')) {
                return Self::around(name, start..name.len(), style);
            }
            at = next?;
        }
    }

    /// Splits as statsd_exporter does: at brackets, if there is one, else at the first delimiter, whatever follows it.
    fn as_exporter(name: &'a [u8], dialect: &Dialect) -> Self {
        if dialect.signalfx_tags && memchr2(b'[', b']', name).is_some() {
            let lone = Self { lone_bracket: true, ..Self::whole(name) };
            let open = memchr2(b'[', b']', name).filter(|at| name.get(*at) == Some(&b'['));
            let inner = open.and_then(|open| Some(open + 1..open + 1 + memchr(b']', name.get(open + 1..)?)?));
            return inner.and_then(|inner| Self::around(name, inner, Style::SignalFx)).unwrap_or(lone);
        }
        let mut bytes = name.iter().enumerate();
        let first = bytes.find_map(|(at, byte)| Some((at + 1, Style::of_delimiter(*byte, dialect)?)));
        first.and_then(|(start, style)| Self::around(name, start..name.len(), style)).unwrap_or(Self::whole(name))
    }
}

/// The index of the next delimiter or `=` that is not escaped.
fn next_special(name: &[u8], from: usize, dialect: &Dialect) -> Option<usize> {
    let mut at = from;
    loop {
        let byte = *name.get(at)?;
        if byte == b'=' || Style::of_delimiter(byte, dialect).is_some() {
            return Some(at);
        }
        at += if byte == b'\\' && dialect.influxdb_tags && name.get(at + 1).is_some_and(|byte| is_escapable(*byte)) { 2 } else { 1 };
    }
}

/// Whether InfluxDB escapes this byte with a backslash.
fn is_escapable(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'=' | b'\\')
}

/// The index of the first `wanted` that is not part of an InfluxDB escape.
pub(super) fn find_unescaped(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr2(wanted, b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&wanted) {
            return Some(at);
        }
        at += if bytes.get(at + 1).is_some_and(|byte| is_escapable(*byte)) { 2 } else { 1 };
    }
}

/// The text without InfluxDB escapes: without backslashes before a comma, a space or an equals sign.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(',' | ' ' | '=')) => {}
            ('\\', Some('\\')) => {
                out.push_str("\\\\");
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts<'a>(name: &'a str, dialect: &Dialect) -> (&'a str, &'a str, &'a str, Option<Style>, bool) {
        let NameParts { head, tail, tags, style, lone_bracket } = NameParts::of(name.as_bytes(), dialect);
        let text = |bytes| str::from_utf8(bytes).expect("a part of a text");
        (text(head), text(tail), text(tags), style, lone_bracket)
    }

    #[test]
    fn delimiters_begin_tags_where_a_key_follows() {
        use Style::{Graphite, InfluxDb, Librato, SignalFx};
        for (name, want) in [
            ("a", ("a", "", "", None, false)),
            ("a=b", ("a=b", "", "", None, false)),
            ("a,k=v", ("a", "", "k=v", Some(InfluxDb), false)),
            ("a#k=v#l=w", ("a", "", "k=v#l=w", Some(Librato), false)),
            ("a;k=v,l=w", ("a", "", "k=v,l=w", Some(Graphite), false)),
            ("a,b,k=v", ("a,b", "", "k=v", Some(InfluxDb), false)),
            ("a,b#1;k=v", ("a,b#1", "", "k=v", Some(Graphite), false)),
            ("a#1,k=v", ("a#1", "", "k=v", Some(InfluxDb), false)),
            ("a=b,c", ("a=b,c", "", "", None, false)),
            ("a,,k=v", ("a", "", ",k=v", Some(InfluxDb), false)),
            ("a,=v", ("a", "", "=v", Some(InfluxDb), false)),
            ("a,", ("a", "", "", Some(InfluxDb), false)),
            ("a,b,", ("a,b", "", "", Some(InfluxDb), false)),
            (",k=v", ("", "", "k=v", Some(InfluxDb), false)),
            ("a\\,b=c", ("a\\,b=c", "", "", None, false)),
            ("a\\\\,b=c", ("a\\\\", "", "b=c", Some(InfluxDb), false)),
            ("a,b\\=c", ("a,b\\=c", "", "", None, false)),
            ("a[k=v]b", ("a", "b", "k=v", Some(SignalFx), false)),
            ("a[0][k=v]b", ("a[0]", "b", "k=v", Some(SignalFx), false)),
            ("a[]b", ("a", "b", "", Some(SignalFx), false)),
            ("a[].b[k=v]", ("a[].b", "", "k=v", Some(SignalFx), false)),
            ("a[0]b", ("a[0]b", "", "", None, false)),
            ("a[0],k=v", ("a[0]", "", "k=v", Some(InfluxDb), false)),
            ("a[k=v],l=w", ("a", ",l=w", "k=v", Some(SignalFx), false)),
            ("a[0,k=v]", ("a", "", "0,k=v", Some(SignalFx), false)),
            ("a[k=v", ("a[k=v", "", "", None, true)),
            ("a]b[", ("a]b[", "", "", None, true)),
        ] {
            assert_eq!(parts(name, &Dialect::default()), want, "{name}");
        }
    }

    #[test]
    fn every_delimiter_ends_a_name_in_statsd_exporter() {
        use Style::{InfluxDb, Librato, SignalFx};
        for (name, want) in [
            ("a,b", ("a", "", "b", Some(InfluxDb), false)),
            ("a\\,b=c", ("a\\", "", "b=c", Some(InfluxDb), false)),
            ("a#1,k=v", ("a", "", "1,k=v", Some(Librato), false)),
            ("a[0]b,k=v", ("a", "b,k=v", "0", Some(SignalFx), false)),
            ("a]b[c]", ("a]b[c]", "", "", None, true)),
            ("a;k=v", ("a;k=v", "", "", None, false)),
        ] {
            assert_eq!(parts(name, &Dialect::STATSD_EXPORTER), want, "{name}");
        }
    }

    #[test]
    fn tags_of_a_disabled_style_belong_to_the_name() {
        let name = "a[k=v]#k=v;k=v,k=v";
        let mut dialect = Dialect { signalfx_tags: false, ..Dialect::default() };
        assert_eq!(parts(name, &dialect).0, "a[k=v]");
        dialect.librato_tags = false;
        assert_eq!(parts(name, &dialect).0, "a[k=v]#k=v");
        dialect.graphite_tags = false;
        assert_eq!(parts(name, &dialect).0, "a[k=v]#k=v;k=v");
        dialect.influxdb_tags = false;
        assert_eq!(parts(name, &dialect).0, name);
    }

    #[test]
    fn escapes_are_removed() {
        for (text, want) in [("a", "a"), (r"\,\ \=", ", ="), (r"\\,", r"\\,"), (r"a\", r"a\"), (r"\t\é", r"\t\é"), ("", "")] {
            assert_eq!(unescaped(text), want, "{text}");
        }
        assert_eq!(find_unescaped(r"a\,b,c", b','), Some(4));
        assert_eq!(find_unescaped(r"a\\,b,c", b','), Some(3));
        assert_eq!(find_unescaped(r"\", b','), None);
    }

    proptest! {
        #[test]
        fn nothing_of_a_name_is_lost(name in "[a,;#=\\[\\]\\\\ ]{0,24}") {
            let (head, tail, tags, style, _) = parts(&name, &Dialect::default());
            let delimiters = match style { None => 0, Some(Style::SignalFx) => 2, Some(_) => 1 };
            prop_assert_eq!(head.len() + tail.len() + tags.len() + delimiters, name.len());
            let is_tag = |tags: &str| tags.contains('=') || tags.bytes().all(|byte| b",;".contains(&byte));
            prop_assert!(style.is_none() || is_tag(tags), "{}", tags);
        }
    }
}
