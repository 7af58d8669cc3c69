//! class: translates `[...]` from Go's syntax to that of the crate `regex`, whose classes have additional operators.

use super::escape::{self, push_character};
use super::reader::Reader;

/// Names between `[:` and `:]`.
const NAMES: [&str; 14] =
    ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

/// Halves of surrogate pairs. They are not characters.
const SURROGATES: (u32, u32) = (0xD800, 0xDFFF);

/// Reads a class after its `[`, up to the `]`. Writes each character as its code point, so that none has a special meaning.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<String, String> {
    let mut out = String::from(if reader.take("^") { "[^" } else { "[" });
    let mut is_first = true;
    while is_first || !reader.take("]") {
        is_first = false;
        if let Some(name) = name(reader)? {
            out.push_str(&name);
        } else if let Some(class) = perl(reader)? {
            out.push_str(&class);
        } else {
            range(reader, &mut out)?;
        }
    }
    // The class has only surrogates. The crate rejects an empty class but accepts one that matches nothing.
    if matches!(out.as_str(), "[" | "[^") {
        out.push_str(escape::NOTHING);
    }
    out.push(']');
    Ok(out)
}

/// `[:alpha:]`, `[:^alpha:]`.
fn name(reader: &mut Reader<'_>) -> Result<Option<String>, String> {
    let Some((inside, _)) = reader.rest().strip_prefix("[:").and_then(|inside| inside.split_once(":]")) else { return Ok(None) };
    let named = inside.strip_prefix('^').unwrap_or(inside);
    if !NAMES.contains(&named) {
        return Err(format!("`[:{inside}:]` is not a class; write one of {}", NAMES.join(", ")));
    }
    let text = format!("[:{inside}:]");
    reader.take(&text);
    Ok(Some(text))
}

fn perl(reader: &mut Reader<'_>) -> Result<Option<String>, String> {
    let is_perl = reader.rest().strip_prefix('\\').is_some_and(|after| after.starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']));
    if is_perl && reader.take("\\") { escape::class(reader) } else { Ok(None) }
}

/// Reads one character, or a range of two characters with `-`. A `-` before the `]` is literal.
fn range(reader: &mut Reader<'_>, out: &mut String) -> Result<(), String> {
    let start = reader.at();
    let low = character(reader)?;
    let is_range = reader.rest().strip_prefix('-').is_some_and(|after| !after.starts_with(']'));
    let high = if is_range && reader.take("-") { character(reader)? } else { low };
    if high < low {
        let written = reader.since(start);
        return Err(format!(
            "the range `{written}` is in the wrong order: its first character comes after its last one; to match `-` itself, write it last, as in `[a-z-]`"
        ));
    }
    let (low, high) = (if is_surrogate(low) { SURROGATES.1 + 1 } else { low }, if is_surrogate(high) { SURROGATES.0 - 1 } else { high });
    if low <= high {
        push_character(low, out);
    }
    if low < high {
        out.push('-');
        push_character(high, out);
    }
    Ok(())
}

fn is_surrogate(number: u32) -> bool {
    (SURROGATES.0..=SURROGATES.1).contains(&number)
}

fn character(reader: &mut Reader<'_>) -> Result<u32, String> {
    match reader.next() {
        None => Err("a class `[` is not closed by `]`; write `\\[` for the character".to_owned()),
        Some('\\') => escape::character(reader),
        Some(c) => Ok(u32::from(c)),
    }
}
