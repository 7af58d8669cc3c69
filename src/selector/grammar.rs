//! The text of a selector, in nom, one function a rule.
//!
//! ```text
//! http_requests{code=~"5..",path!='/'}
//! ^^^^^^^^^^^^^ name, or in braces: {"http_requests"}
//!               ^^^^ label, or in quotes
//!                   ^^ sign: = != =~ !~
//!                     ^^^^^ value in "", '' with Go's escapes, or `` without any
//! ```

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::char;
use nom::combinator::opt;
use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Parser};

/// Matchers of a selector, each of which may hold a compiled expression of up to 512 KiB.
pub(super) const MOST_MATCHERS: usize = 10;

/// Why a text is no selector: a sentence that says where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(super) String);

/// A selector as it is written.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// In front of the braces, or alone in quotes within them.
    pub(super) name: Option<String>,
    pub(super) matchers: Vec<MatcherText>,
}

/// A matcher as it is written.
#[derive(Debug)]
pub(super) struct MatcherText {
    pub(super) label: String,
    pub(super) sign: &'static str,
    pub(super) value: String,
}

/// What is wrong, and how many bytes were left there.
#[derive(Debug)]
struct Mistake {
    left: usize,
    what: String,
}

impl ParseError<&str> for Mistake {
    fn from_error_kind(input: &str, _: ErrorKind) -> Self {
        Self { left: input.len(), what: String::new() }
    }

    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a str, T, Mistake>;

/// Ends the reading: nothing else could be meant here.
fn mistake<T>(rest: &str, what: impl Into<String>) -> Parsed<'_, T> {
    Result::Err(Err::Failure(Mistake { left: rest.len(), what: what.into() }))
}

/// Reads all of `text`.
pub(super) fn selector(text: &str) -> Result<Read, SelectorError> {
    let read = whole(text).map(|(_, read)| read);
    read.map_err(|error| {
        let Mistake { left, what } = match error {
            Err::Error(mistake) | Err::Failure(mistake) => mistake,
            Err::Incomplete(_) => Mistake { left: 0, what: String::new() },
        };
        let what = if what.is_empty() { "It is no selector.".to_owned() } else { what };
        let before = text.get(..text.len().saturating_sub(left)).unwrap_or_default();
        SelectorError(format!("At character {}: {what}", before.chars().count() + 1))
    })
}

/// Whether a text is a metric's name that needs no quotes.
pub(super) fn is_name(text: &str) -> bool {
    matches!(name(text), Ok(("", _)))
}

/// Whether a text is a label's name that needs no quotes.
pub(super) fn is_label(text: &str) -> bool {
    matches!(label(text), Ok(("", _)))
}

fn whole(text: &str) -> Parsed<'_, Read> {
    let (rest, _) = space(text)?;
    let (rest, in_front) = opt(name).parse(rest)?;
    let (rest, _) = space(rest)?;
    let (rest, brace) = opt(char('{')).parse(rest)?;
    let in_front = in_front.map(str::to_owned);
    if brace.is_none() {
        return match in_front {
            Some(_) => end(rest, Read { name: in_front, matchers: Vec::new() }),
            None => mistake(rest, "A selector begins with a name or with {, such as requests_total{code=\"500\"}."),
        };
    }
    let (rest, mut read) = inside(rest)?;
    if let (Some(front), Some(quoted)) = (&in_front, &read.name) {
        return mistake(rest, format!("The name must not be set twice: {front:?} or {quoted:?}; write one of them."));
    }
    read.name = read.name.or(in_front);
    let (rest, _) = space(rest)?;
    end(rest, read)
}

fn end(rest: &str, read: Read) -> Parsed<'_, Read> {
    match rest.chars().next() {
        None => Ok((rest, read)),
        Some('[') => mistake(rest, "A selector of series has no range: leave [...] out."),
        Some(c) => mistake(rest, format!("Nothing may follow a selector, but there is {c:?}; several are several parameters match[].")),
    }
}

/// From behind `{` to behind `}`.
fn inside(mut input: &str) -> Parsed<'_, Read> {
    let mut read = Read::default();
    loop {
        let (rest, _) = space(input)?;
        if let (rest, Some(_)) = opt(char('}')).parse(rest)? {
            return Ok((rest, read));
        }
        let (rest, ()) = item(rest, &mut read)?;
        if read.matchers.len() > MOST_MATCHERS {
            return mistake(rest, format!("A selector has at most {MOST_MATCHERS} matchers."));
        }
        let (rest, _) = space(rest)?;
        match alt((char(','), char('}'))).parse(rest) {
            Ok((rest, ',')) => input = rest,
            Ok((rest, _)) => return Ok((rest, read)),
            Result::Err(Err::Error(_)) => return mistake(rest, "Here a comma or } is missing."),
            Result::Err(other) => return Result::Err(other),
        }
    }
}

/// A matcher, or the name in quotes.
fn item<'a>(input: &'a str, read: &mut Read) -> Parsed<'a, ()> {
    let (rest, (key, is_quoted)) = match opt(string).parse(input)? {
        (rest, Some(text)) => (rest, (text, true)),
        (rest, None) => match opt(label).parse(rest)? {
            (rest, Some(text)) => (rest, (text.to_owned(), false)),
            (rest, None) => {
                return mistake(rest, "Here a label's name is missing: letters, digits and _, no digit first, or any text in quotes.");
            }
        },
    };
    let (rest, _) = space(rest)?;
    let (rest, sign) = match opt(sign).parse(rest)? {
        (rest, Some(sign)) => (rest, sign),
        (rest, None) if is_quoted && read.name.is_none() => {
            read.name = Some(key);
            return Ok((rest, ()));
        }
        (rest, None) if is_quoted => return mistake(rest, format!("The name must not be set twice, but here is {key:?}.")),
        (rest, None) => return mistake(rest, format!("After the label {key} one of = != =~ !~ is missing.")),
    };
    let (rest, _) = space(rest)?;
    match opt(string).parse(rest)? {
        (_, Some(_)) if key.is_empty() => mistake(input, "A label's name is not empty."),
        (rest, Some(value)) => {
            read.matchers.push(MatcherText { label: key, sign, value });
            Ok((rest, ()))
        }
        (rest, None) if rest.starts_with('=') => mistake(rest, "It is = and not ==."),
        (rest, None) => mistake(rest, format!("The value of the label {key} must stand in quotes.")),
    }
}

fn space(input: &str) -> Parsed<'_, &str> {
    take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).parse(input)
}

fn name(input: &str) -> Parsed<'_, &str> {
    word(input, |c| c == ':')
}

fn label(input: &str) -> Parsed<'_, &str> {
    word(input, |_| false)
}

/// Letters, digits, `_` and what else is allowed; no digit first.
fn word(input: &str, more: fn(char) -> bool) -> Parsed<'_, &str> {
    if input.starts_with(|c: char| c.is_ascii_digit()) {
        return Result::Err(Err::Error(Mistake::from_error_kind(input, ErrorKind::Alpha)));
    }
    nom::bytes::complete::take_while1(move |c: char| c.is_ascii_alphanumeric() || c == '_' || more(c)).parse(input)
}

fn sign(input: &str) -> Parsed<'_, &'static str> {
    let (rest, found) = alt((tag("=~"), tag("!~"), tag("!="), tag("="))).parse(input)?;
    let same = ["=~", "!~", "!=", "="].into_iter().find(|sign| *sign == found);
    Ok((rest, same.unwrap_or("=")))
}

/// A text in quotes of one of three kinds.
fn string(input: &str) -> Parsed<'_, String> {
    let (rest, quote) = alt((char('"'), char('\''), char('`'))).parse(input)?;
    let mut bytes = Vec::new();
    let mut chars = rest.chars();
    loop {
        let before = chars.as_str();
        match chars.next() {
            None => return mistake(input, format!("The text that begins here is not closed by {quote}.")),
            Some(c) if c == quote => break,
            Some('\n') if quote != '`' => return mistake(before, "A text in quotes ends on its line; write \\n for a new line."),
            Some('\\') if quote != '`' => match escape(&mut chars, quote) {
                Some(Escape::Char(c)) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Some(Escape::Byte(byte)) => bytes.push(byte),
                None => {
                    return mistake(
                        before,
                        "This escape is not known: write \\\\ for a backslash, or take `...`, where nothing is escaped.",
                    );
                }
            },
            Some(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((chars.as_str(), text)),
        Result::Err(_) => mistake(input, "This text is not UTF-8, as all labels are."),
    }
}

/// What an escape stands for.
enum Escape {
    Char(char),
    /// Of a text that is UTF-8 as a whole, perhaps.
    Byte(u8),
}

/// What follows a backslash, as Go has it.
fn escape(chars: &mut std::str::Chars<'_>, quote: char) -> Option<Escape> {
    let c = chars.next()?;
    Some(Escape::Char(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        'x' => return u8::try_from(digits(chars, 2, 16)?).ok().map(Escape::Byte),
        'u' => char::from_u32(digits(chars, 4, 16)?)?,
        'U' => char::from_u32(digits(chars, 8, 16)?)?,
        '0'..='7' => {
            let number = c.to_digit(8)? * 64 + digits(chars, 2, 8)?;
            return u8::try_from(number).ok().map(Escape::Byte);
        }
        c if c == quote => c,
        _ => return None,
    }))
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0_u32, |sum, _| sum.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?))
}
