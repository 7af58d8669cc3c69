//! token: splits an expression into tokens.

use std::ops::Range;

use super::reader::Reader;
use super::{class, escape};

/// One piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its bytes in the expression.
    pub(crate) at: Range<usize>,
    /// The meaning of the token.
    pub(crate) what: TokenKind,
}

/// The meaning of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// One character, however it is written.
    Literal(char),
    /// `.`
    Any,
    /// One of several characters, written for the crate `regex`.
    Class(String),
    /// `^` or `\A`.
    Start,
    /// `$` or `\z`.
    End,
    /// `\b` or `\B`, written for the crate.
    Boundary(String),
    /// The start of a group.
    Open(Group),
    /// `)`
    Close,
    /// `|`
    Or,
    /// `(?i)`: flags for what follows, written for the crate; may be empty.
    Flags(String),
    /// `*`, `+`, `?` or `{n,m}`, with the `?` that makes it lazy.
    Repetition {
        /// At least.
        least: u32,
        /// At most; `None` is any number.
        most: Option<u32>,
    },
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// `(...)`, `(?P<name>...)` or `(?<name>...)`.
    Capture(Option<String>),
    /// `(?:...)` or `(?i:...)`, its flags written for the crate.
    Plain(String),
}

/// All tokens of `pattern`. An error is a part of a sentence.
pub(crate) fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    let mut reader = Reader::new(pattern);
    let mut tokens = Vec::new();
    while let Some(c) = reader.next() {
        let start = reader.at() - c.len_utf8();
        let what = match c {
            '\\' if reader.take("Q") => {
                quote(&mut reader, &mut tokens);
                continue;
            }
            '\\' => escaped(&mut reader)?,
            '[' => TokenKind::Class(class::read(&mut reader)?),
            '(' => group(&mut reader)?,
            ')' => TokenKind::Close,
            '|' => TokenKind::Or,
            '.' => TokenKind::Any,
            '^' => TokenKind::Start,
            '$' => TokenKind::End,
            '*' => repetition(&mut reader, 0, None),
            '+' => repetition(&mut reader, 1, None),
            '?' => repetition(&mut reader, 0, Some(1)),
            '{' => match counted(reader.rest()) {
                Some((length, least, most)) => {
                    reader.skip(length);
                    repetition(&mut reader, least, most)
                }
                None => TokenKind::Literal('{'),
            },
            c => TokenKind::Literal(c),
        };
        tokens.push(Token { at: start..reader.at(), what });
    }
    Ok(tokens)
}

/// Reads the rest of an escape after a backslash, except `\Q`.
fn escaped(reader: &mut Reader<'_>) -> Result<TokenKind, String> {
    if let Some(class) = escape::class(reader)? {
        return Ok(TokenKind::Class(class));
    }
    for (letter, what) in [("A", TokenKind::Start), ("z", TokenKind::End)] {
        if reader.take(letter) {
            return Ok(what);
        }
    }
    // The crate's ASCII `\B` also matches between the bytes of one character. The Unicode `\b` and `\B` do not, so they exclude it.
    for (letter, text) in [("b", r"(?-u:\b)"), ("B", r"(?:(?-u:\B)(?:\b|\B))")] {
        if reader.take(letter) {
            return Ok(TokenKind::Boundary(text.to_owned()));
        }
    }
    Ok(match char::from_u32(escape::character(reader)?) {
        Some(c) => TokenKind::Literal(c),
        None => TokenKind::Class(escape::NOTHING.to_owned()),
    })
}

/// Reads quoted text after `\Q`: literal characters up to `\E` or the end.
fn quote(reader: &mut Reader<'_>, tokens: &mut Vec<Token>) {
    let start = reader.at();
    let quoted = reader.until("\\E").unwrap_or_else(|| reader.run(|_| true));
    let literal = |(place, c): (usize, char)| Token { at: start + place..start + place + c.len_utf8(), what: TokenKind::Literal(c) };
    tokens.extend(quoted.char_indices().map(literal));
}

/// Reads the `?` of a lazy repetition, if there is one.
fn repetition(reader: &mut Reader<'_>, least: u32, most: Option<u32>) -> TokenKind {
    reader.take("?");
    TokenKind::Repetition { least, most }
}

/// Parses the rest of a repetition after `{`: `2}`, `2,}` or `2,3}`. Returns its length and numbers; `None` if the `{` is literal text.
fn counted(after: &str) -> Option<(usize, u32, Option<u32>)> {
    let (inside, _) = after.split_once('}')?;
    let (least, most) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((inside.len() + 1, least, most))
}

/// Parses digits without leading zeros. A number that is too large becomes `u32::MAX`.
fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !(digits.len() > 1 && digits.starts_with('0'));
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// Reads the rest of a group's start after `(`.
fn group(reader: &mut Reader<'_>) -> Result<TokenKind, String> {
    if !reader.take("?") {
        return Ok(TokenKind::Open(Group::Capture(None)));
    }
    if let Some(fault) = foreign(reader.rest()) {
        return Err(fault);
    }
    if reader.take("P<") || reader.take("<") {
        let name = reader.until(">").ok_or("the name of a group is not closed by `>`; write `(?P<name>...)`")?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("`{name}` is not a valid group name; write letters, digits and `_`, as in `(?P<name>...)`"));
        }
        return Ok(TokenKind::Open(Group::Capture(Some(name.to_owned()))));
    }
    let written = reader.run(|c| c.is_ascii_alphabetic() || c == '-');
    let flags = flags(written)?;
    match reader.next() {
        Some(':') => Ok(TokenKind::Open(Group::Plain(flags))),
        Some(')') => Ok(TokenKind::Flags(flags)),
        Some(_) => Err(format!("`(?{written}` is not a group of RE2; write `(...)`, `(?:...)` or `(?P<name>...)`")),
        None => Err("a `(?` is not closed by `)`".to_owned()),
    }
}

/// The error for groups that only other regular-expression languages have.
fn foreign(rest: &str) -> Option<String> {
    let starts = |with: &[&str]| with.iter().any(|with| rest.starts_with(with));
    let text = if starts(&["=", "!", "<=", "<!"]) {
        "Go has no look-ahead and no look-behind: write several rules, the most specific one first"
    } else if starts(&["P=", "P>", "&"]) || rest.starts_with(|c: char| c.is_ascii_digit()) || starts(&["R)"]) {
        "a group cannot refer to another one, as in Go"
    } else if starts(&[">", "|", "(", "#", "C)", "+"]) {
        "RE2 has only the groups `(...)`, `(?:...)` and `(?P<name>...)`"
    } else if starts(&["'"]) {
        "the name of a group is written `(?P<name>...)`"
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// Writes flags for the crate `regex`, which accepts each flag once.
fn flags(written: &str) -> Result<String, String> {
    let (on, off) = written.split_once('-').unwrap_or((written, ""));
    if let Some(flag) = written.chars().find(|flag| !matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
        return Err(format!("`(?{written})` has the flag `{flag}`: RE2 has only the flags i, m, s and U"));
    }
    if off.contains('-') || off.is_empty() && written.contains('-') {
        return Err(format!("`(?{written})` has a `-` without a flag after it; write flags such as `(?i-s)`"));
    }
    let mut all = String::new();
    for flag in ['i', 'm', 's', 'U'] {
        if on.contains(flag) && !off.contains(flag) {
            all.push(flag);
        }
    }
    if !off.is_empty() {
        all.push('-');
        all.extend(['i', 'm', 's', 'U'].iter().filter(|flag| off.contains(**flag)));
    }
    Ok(all)
}
