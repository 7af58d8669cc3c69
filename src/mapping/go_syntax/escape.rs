//! escape: escapes after a backslash, outside and inside of classes.

use super::reader::Reader;

/// A class that matches nothing, for halves of surrogate pairs, which no text contains.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
const ANYTHING: &str = r"[\x{0}-\x{10FFFF}]";

/// Reads a class such as `\d` or `\pL` if one is next. The result is written for the crate and is also valid inside a class.
pub(super) fn class(reader: &mut Reader<'_>) -> Result<Option<String>, String> {
    const PERL: [(&str, &str); 6] =
        [("d", "[0-9]"), ("D", "[^0-9]"), ("s", r"[\t\n\f\r ]"), ("S", r"[^\t\n\f\r ]"), ("w", "[0-9A-Za-z_]"), ("W", "[^0-9A-Za-z_]")];
    for (letter, text) in PERL {
        if reader.take(letter) {
            return Ok(Some(text.to_owned()));
        }
    }
    let is_negated = reader.rest().starts_with('P');
    if reader.take("p") || reader.take("P") { property(reader, is_negated).map(Some) } else { Ok(None) }
}

/// Reads the property after `\p`: `L`, `{Greek}`, `{^Greek}`.
fn property(reader: &mut Reader<'_>, mut is_negated: bool) -> Result<String, String> {
    let name = if reader.take("{") {
        let name = reader.until("}").ok_or("a `\\p{` is not closed by `}`")?;
        is_negated ^= name.starts_with('^');
        name.strip_prefix('^').unwrap_or(name).to_owned()
    } else {
        reader.next().map(String::from).unwrap_or_default()
    };
    if matches!(name.as_str(), "Cs" | "Surrogate") {
        return Ok(if is_negated { ANYTHING } else { NOTHING }.to_owned());
    }
    let text = format!("\\{}{{{name}}}", if is_negated { 'P' } else { 'p' });
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '));
    if is_name && regex_syntax::parse(&text).is_ok() {
        return Ok(text);
    }
    Err(format!("`{name}` is not a Unicode class; write one such as `\\p{{L}}`, `\\p{{Lu}}` or `\\p{{Greek}}`"))
}

/// Reads an escaped character and returns its code point, which may be half of a surrogate pair.
pub(super) fn character(reader: &mut Reader<'_>) -> Result<u32, String> {
    let c = reader.next().ok_or("it ends with a backslash; write `\\\\` for the character")?;
    Ok(match c {
        'a' => 7,
        'f' => 12,
        't' => 9,
        'n' => 10,
        'r' => 13,
        'v' => 11,
        'x' => hexadecimal(reader)?,
        '0'..='7' => octal(reader, c)?,
        '8' | '9' => return Err(format!("`\\{c}` refers to a group, and there are no backreferences, as in Go")),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err(unknown(c)),
    })
}

/// `\x7f`, `\x{7f}`.
fn hexadecimal(reader: &mut Reader<'_>) -> Result<u32, String> {
    let fault = "`\\x` takes two digits, as in `\\x7f`, or braces, as in `\\x{10FFFF}`";
    let digits = if reader.take("{") {
        reader.until("}").ok_or(fault)?
    } else {
        let two = reader.rest().get(..2).ok_or(fault)?;
        reader.take(two);
        two
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    // Any number of leading zeros is allowed.
    let number = u32::from_str_radix(&format!("0{}", digits.trim_start_matches('0')), 16).ok();
    number.filter(|number| is_number && *number <= u32::from(char::MAX)).ok_or_else(|| fault.to_owned())
}

/// Reads up to three octal digits. A single digit other than 0 would be a back-reference, which is an error.
fn octal(reader: &mut Reader<'_>, first: char) -> Result<u32, String> {
    let mut number = first.to_digit(8).unwrap_or(0);
    for place in 0..2 {
        let Some(digit) = reader.rest().chars().next().and_then(|c| c.to_digit(8)) else {
            if place == 0 && first != '0' {
                return Err(format!("`\\{first}` refers to a group, and there are no backreferences, as in Go"));
            }
            break;
        };
        reader.next();
        number = number * 8 + digit;
    }
    Ok(number)
}

/// The error for a letter that is not an escape in RE2.
fn unknown(c: char) -> String {
    let advice = match c {
        'C' => "RE2 matches no single bytes; write `.` for a character",
        'Z' => "write `\\z`, or `$`, for the end",
        'G' | 'K' => "remove it",
        'h' => "write `[ \\t]`",
        'H' => "write `[^ \\t]`",
        'R' => "write `\\n`; no name has a line end",
        'N' => "write `.`",
        'X' => "write `.` for a character",
        'V' => "write `[^\\v]`",
        'u' | 'U' => "write the number as in `\\x{00e9}`",
        'e' => "write `\\x1b`",
        'E' => "it ends what `\\Q` begins, and there is no `\\Q` before it; remove it",
        'Q' => "a class cannot contain `\\Q..\\E`; write a backslash before each `]`, `^`, `-` and `\\`",
        'b' | 'B' | 'A' | 'z' => "it is not a character, and a class contains only characters; move it out of the `[...]`",
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P' => "a range ends with a character; for a `-` itself put it last, as in `[\\d-]`",
        'c' => "write the number as in `\\x01`",
        'g' | 'k' => "there are no backreferences, as in Go",
        _ => "remove the backslash",
    };
    format!("`\\{c}` is not an escape of RE2 here: {advice}")
}

/// Appends a character, escaped so that it has no special meaning.
pub(super) fn push_character(number: u32, out: &mut String) {
    match char::from_u32(number).filter(char::is_ascii_alphanumeric) {
        Some(c) => out.push(c),
        None => out.push_str(&format!("\\x{{{number:X}}}")),
    }
}
