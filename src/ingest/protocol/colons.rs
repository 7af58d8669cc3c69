//! Finds the colon before the value, if there are several.
//!
//! A name or a tag in it may contain colons (`svc.a:6800b:5|c`, `req,host=10.0.0.1:8080:1|c`), a member of a set, too
//! (`peers:10.0.0.1:8080|s`), and colons separate packed values (`a:1:2:3|ms`).

use memchr::{memchr, memrchr};

use super::Kind;
use super::number::whole_number;
use super::styles::{NameParts, Style};
use crate::options::{Dialect, PackedValues};

/// The index of the colon before the value, or before the first of packed values. `head` is the text before the kind, `first` the index
/// of its first colon.
pub(super) fn before_value(head: &[u8], first: usize, kind: Option<Kind>, dialect: &Dialect) -> usize {
    let last = memrchr(b':', head).unwrap_or(first);
    if last == first || dialect.exporter_rules && dialect.packed_values != PackedValues::Never {
        return first;
    }
    let is_set = kind == Some(Kind::Set);
    // A member of a set may contain any text.
    let parts = |end: usize| head.get(..end).map(|name| (NameParts::of(name, dialect), name));
    let start = match parts(last) {
        Some((NameParts { head, style: Some(Style::SignalFx), tail, .. }, name)) if !is_set || head.len() < first => {
            // The tags end at the bracket.
            let behind = name.len() - tail.len();
            behind + memchr(b':', tail).unwrap_or(tail.len())
        }
        Some((NameParts { style: Some(_), .. }, _)) if !is_set => return last,
        _ if is_set && parts(first).is_some_and(|(parts, _)| parts.style.is_some()) => return last,
        _ => first,
    };
    let are_numbers = || head.get(start + 1..last).is_none_or(|between| between.split(|b| *b == b':').all(is_number));
    if is_set || dialect.packed_values != PackedValues::Never && are_numbers() { start } else { last }
}

fn is_number(text: &[u8]) -> bool {
    whole_number(text).is_some()
}
