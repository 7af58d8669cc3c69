//! The text of one file as a tree in which every value knows where it stands. Knows YAML, but no key of the format.
//!
//! A tree, and not structs that serde fills in, because all mistakes of a file are reported at once, each at its own place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

use super::findings::{At, code};
use super::{scalar, yaml_fault};

/// Bytes of one file that are read at most.
const MOST_BYTES: usize = 16 << 20;

/// Lists and maps within one another.
const MOST_DEPTH: usize = 16;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it is defined: for an alias or a merged key, where the anchor stands.
    pub(crate) at: At,
    /// What it is.
    pub(crate) value: YamlValue,
}

/// A value of YAML.
#[derive(Debug, Clone)]
pub(crate) enum YamlValue {
    /// Nothing, `null` or `~`.
    Null,
    /// Text, as written if it is a number or a boolean, and which of these it is.
    Scalar(String, Plain),
    /// A list.
    List(Vec<Node>),
    /// Keys with their places, and values.
    Map(Vec<(Key, Node)>),
}

/// What an unquoted scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    /// Neither of the others, or quoted.
    Text,
    /// `true`, `yes`, `on` and their opposites.
    Flag(bool),
    /// A number; infinite or none for `.inf` and `.nan`.
    Number(f64),
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Where.
    pub(crate) at: At,
    /// The key.
    pub(crate) name: String,
}

/// Reads a file of one document. An error has its place, its code and its text.
pub(crate) fn parse(text: &str) -> Result<Node, (At, &'static str, String)> {
    if text.len() > MOST_BYTES {
        return Err((At::START, code::YAML, format!("the file has more than {} MiB", MOST_BYTES >> 20)));
    }
    // Nodes (250,000) and bytes (64 MiB), aliases followed, are bounded by default. The format is six levels deep; each level
    // of a file takes stack, so little more is allowed.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MOST_DEPTH, flow_nesting_limit: MOST_DEPTH },
        with_snippet: false,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(node(root, text)),
        Err(error) => Err(explain(&error, text)),
    }
}

/// What the visitor sees: numbers and booleans without their text.
#[derive(Debug)]
enum Raw {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            if key.value.len() > 1024 {
                return Err(A::Error::custom("a key of more than 1024 bytes"));
            }
            map.push((key, entries.next_value()?));
        }
        Ok(Raw::Map(map))
    }
}

/// Puts the text back that numbers and booleans have in the file. The depth is bounded by the parser.
fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let written = |or: String| slice(raw.defined, text).map_or(or, str::to_owned);
    let value = match raw.value {
        Raw::Null => YamlValue::Null,
        Raw::Flag(flag) => YamlValue::Scalar(written(flag.to_string()), Plain::Flag(flag)),
        Raw::Number(number) => {
            let written = written(number.to_string());
            let number = scalar::octal(&written).unwrap_or(number);
            YamlValue::Scalar(written, Plain::Number(number))
        }
        Raw::Text(value) => match slice(raw.defined, text) {
            Some(written) => {
                let (text, number) = scalar::text(value, written);
                YamlValue::Scalar(text, number.map_or(Plain::Text, Plain::Number))
            }
            None => YamlValue::Scalar(value, Plain::Text),
        },
        Raw::List(items) => YamlValue::List(items.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(entries) => YamlValue::Map(
            entries.into_iter().map(|(key, item)| (Key { at: at(key.defined), name: key.value }, node(item, text))).collect(),
        ),
    };
    Node { at: at(raw.defined), value }
}

fn slice(place: Location, text: &str) -> Option<&str> {
    let start = usize::try_from(place.span().byte_offset()?).ok()?;
    let len = usize::try_from(place.span().byte_len()?).ok()?;
    text.get(start..start.checked_add(len)?).map(str::trim)
}

fn at(place: Location) -> At {
    let bounded = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    At { line: bounded(place.line()), column: bounded(place.column()) }
}

/// Turns the parser's error into ours: one line, and the likely reason where one is known.
fn explain(error: &serde_saphyr::Error, file: &str) -> (At, &'static str, String) {
    let place = error.location().map_or(At::START, at);
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error.without_snippet() {
        let key = key.as_deref().unwrap_or("?");
        let instead = match yaml_fault::parent(place, file) {
            Some(parent) => format!(", or write two more spaces before it if it belongs to `{parent}`"),
            None => String::new(),
        };
        return (place, code::DOUBLE_KEY, format!("the key `{key}` stands twice in the same map; keep one of them{instead}"));
    }
    let line = file.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
    if let Some(pattern) = unquoted_star(line) {
        let text = format!("a pattern that starts with `*` needs quotes: write \"{pattern}\" (unquoted, `*` is a YAML alias)");
        return (place, code::UNQUOTED_STAR, text);
    }
    if let serde_saphyr::Error::UnknownAnchor { .. } = error.without_snippet() {
        return (place, code::YAML, "this alias names an anchor that does not stand above it; write the anchor as `&name`".to_owned());
    }
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    let text = text.lines().next().unwrap_or_default();
    // The place is told apart.
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    if let Some((place, text)) = yaml_fault::likely(text, place, file) {
        return (place, code::YAML, text);
    }
    let advice = if text.contains("unknown escape") { "; between double quotes a backslash is an escape: write single quotes" } else { "" };
    (place, code::YAML, format!("not valid YAML: {text}{advice}"))
}

/// The value after `key:` or `-` if it starts with `*`; not after `<<:`, where it is meant as an alias.
fn unquoted_star(line: &str) -> Option<&str> {
    let (before, value) = line.split_once(": ").unwrap_or(("", line.trim_start().trim_start_matches("- ")));
    let value = value.split(" #").next()?.split(", ").next()?.trim();
    // In a map or list on one line its end is not part of the value.
    let value = if before.contains(['{', '[']) { value.trim_end_matches(['}', ']']) } else { value };
    (value.starts_with('*') && !before.trim_end().ends_with("<<")).then_some(value)
}
