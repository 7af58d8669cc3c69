//! Parses the text of one file into a tree of YAML values with their positions. This module is independent of the keys of the format.
//!
//! A tree is used instead of structs that serde fills in, because all mistakes of a file are reported at once, each with its position.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

use super::findings::{At, code};
use super::{scalar, yaml_fault};

/// The maximum size of a file in bytes.
const MAX_BYTES: usize = 16 << 20;

/// The maximum depth of nested lists and maps.
const MAX_DEPTH: usize = 16;

/// A value and its position.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The position of the definition. For an alias or a merged key, the position of the anchor.
    pub(crate) at: At,
    /// The value.
    pub(crate) value: YamlValue,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub(crate) enum YamlValue {
    /// Nothing, `null` or `~`.
    Null,
    /// A scalar and its type. The text of a number or a boolean is as written.
    Scalar(String, Plain),
    /// A list.
    List(Vec<Node>),
    /// Pairs of key and value.
    Map(Vec<(Key, Node)>),
}

/// The type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    /// A quoted scalar, or one that is neither a boolean nor a number.
    Text,
    /// A boolean: `true`, `yes`, `on`, `false`, `no` or `off`.
    Flag(bool),
    /// A number. It is infinite or NaN for `.inf` and `.nan`.
    Number(f64),
}

/// A key and its position.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The position.
    pub(crate) at: At,
    /// The key.
    pub(crate) name: String,
}

/// Parses a file of one document. An error consists of position, code and text.
pub(crate) fn parse(text: &str) -> Result<Node, (At, &'static str, String)> {
    if text.len() > MAX_BYTES {
        return Err((At::START, code::YAML, format!("the file has more than {} MiB", MAX_BYTES >> 20)));
    }
    // By default the parser limits nodes to 250,000 and bytes to 64 MiB after expanding aliases. The format has six levels. The depth
    // limit is small because each level uses stack.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, flow_nesting_limit: MAX_DEPTH },
        with_snippet: false,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(node(root, text)),
        Err(error) => Err(explain(&error, text)),
    }
}

/// A value as the deserializer passes it to the visitor: numbers and booleans without their text.
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

/// Converts a raw value into a node, and restores the text of numbers and booleans. The parser limits the depth of the recursion.
fn node(raw: Spanned<Raw>, text: &str) -> Node {
    // The parser may omit spans. The canonical text is used instead.
    let written = |canonical: String| slice(raw.defined, text).map_or(canonical, str::to_owned);
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

/// Returns the text at `place`, or `None` if the parser reports no span.
fn slice(place: Location, text: &str) -> Option<&str> {
    let start = usize::try_from(place.span().byte_offset()?).ok()?;
    let end = start.checked_add(usize::try_from(place.span().byte_len()?).ok()?)?;
    debug_assert!(text.get(start..end).is_some(), "a span lies within the text, between characters");
    text.get(start..end).map(str::trim)
}

fn at(place: Location) -> At {
    let bounded = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    At { line: bounded(place.line()), column: bounded(place.column()) }
}

/// Converts an error of the parser into position, code and a text of one line, with the likely cause if it is recognised.
fn explain(error: &serde_saphyr::Error, file: &str) -> (At, &'static str, String) {
    let place = error.location().map_or(At::START, at);
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error.without_snippet() {
        let key = key.as_deref().unwrap_or("?");
        let instead = match yaml_fault::parent(place, file) {
            Some(parent) => format!(", or write two more spaces before it if it belongs to `{parent}`"),
            None => String::new(),
        };
        return (place, code::DOUBLE_KEY, format!("the key `{key}` occurs twice in the same map; keep one of them{instead}"));
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
    // The position is reported separately.
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    if let Some((place, text)) = yaml_fault::diagnose(text, place, file) {
        return (place, code::YAML, text);
    }
    let advice = if text.contains("unknown escape") { "; between double quotes a backslash is an escape: write single quotes" } else { "" };
    (place, code::YAML, format!("not valid YAML: {text}{advice}"))
}

/// Returns the value after `key:` or `-` if it starts with `*`. Values of `<<:` are aliases and are not returned.
fn unquoted_star(line: &str) -> Option<&str> {
    let (before, value) = line.split_once(": ").unwrap_or(("", line.trim_start().trim_start_matches("- ")));
    let value = value.split(" #").next()?.split(", ").next()?.trim();
    // The closing brackets of a one-line map or list are not part of the value.
    let value = if before.contains(['{', '[']) { value.trim_end_matches(['}', ']']) } else { value };
    (value.starts_with('*') && !before.trim_end().ends_with("<<")).then_some(value)
}
