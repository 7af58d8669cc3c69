//! The grammar of a selector, written with nom, one function for each rule.
//!
//! ```text
//! http_requests{code=~"5..",path!='/'}
//! ^^^^^^^^^^^^^ name, or in braces: {"http_requests"}
//!               ^^^^ label, or in quotes
//!                   ^^ operator: = != =~ !~
//!                     ^^^^^ value in "", '' with Go's escapes, or `` without any
//! ```

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::char;
use nom::combinator::{opt, value};
use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Parser};

/// Maximum number of matchers. Each may have a compiled expression of up to 512 KiB.
pub(super) const MAX_MATCHERS: usize = 10;

/// Why a text is not a selector: a sentence with the place of the mistake and a correct form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(super) String);

/// The text of a selector.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The name in front of the braces, or in quotes within them.
    pub(super) name: Option<String>,
    pub(super) matchers: Vec<MatcherText>,
}

/// The text of a matcher.
#[derive(Debug)]
pub(super) struct MatcherText {
    pub(super) label: String,
    pub(super) operator: Operator,
    pub(super) value: String,
}

/// The operator of a matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
}

impl Operator {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

/// A mistake, and the number of bytes from there to the end.
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

/// Ends parsing with an error that no alternative replaces.
fn mistake<T>(rest: &str, what: impl Into<String>) -> Parsed<'_, T> {
    Result::Err(Err::Failure(Mistake { left: rest.len(), what: what.into() }))
}

/// Parses all of `text`.
pub(super) fn selector(text: &str) -> Result<Read, SelectorError> {
    let read = whole(text).map(|(_, read)| read);
    read.map_err(|error| {
        let Mistake { left, what } = match error {
            Err::Error(mistake) | Err::Failure(mistake) => mistake,
            Err::Incomplete(_) => {
                debug_assert!(false, "the parsers are complete");
                Mistake { left: 0, what: String::new() }
            }
        };
        let what = if what.is_empty() { "This is not a selector.".to_owned() } else { what };
        // All parsers return a suffix of the text.
        debug_assert!(left <= text.len() && text.is_char_boundary(text.len() - left));
        let before = text.char_indices().take_while(|(at, _)| text.len() - at > left).count();
        SelectorError(format!("At character {}: {what}", before + 1))
    })
}

/// Whether a text is a metric name that needs no quotes.
pub(super) fn is_name(text: &str) -> bool {
    matches!(name(text), Ok(("", _)))
}

/// Whether a text is a label name that needs no quotes.
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
        Some('[') => mistake(rest, "A series selector has no range: leave [...] out."),
        Some(c) => mistake(rest, format!("Nothing may follow a selector, but {c:?} does. Write each selector in a parameter match[].")),
    }
}

/// Parses the matchers and the closing brace.
fn inside(mut input: &str) -> Parsed<'_, Read> {
    let mut read = Read::default();
    loop {
        let (rest, _) = space(input)?;
        if let (rest, Some(_)) = opt(char('}')).parse(rest)? {
            return Ok((rest, read));
        }
        let (rest, ()) = item(rest, &mut read)?;
        if read.matchers.len() > MAX_MATCHERS {
            return mistake(rest, format!("A selector has at most {MAX_MATCHERS} matchers."));
        }
        let (rest, _) = space(rest)?;
        match alt((char(','), char('}'))).parse(rest) {
            Ok((rest, ',')) => input = rest,
            Ok((rest, _)) => return Ok((rest, read)),
            Result::Err(Err::Error(_)) => return mistake(rest, "A comma or } is missing here."),
            Result::Err(other) => return Result::Err(other),
        }
    }
}

/// Parses a matcher, or the name in quotes.
fn item<'a>(input: &'a str, read: &mut Read) -> Parsed<'a, ()> {
    let (rest, (key, is_quoted)) = match opt(string).parse(input)? {
        (rest, Some(text)) => (rest, (text, true)),
        (rest, None) => match opt(label).parse(rest)? {
            (rest, Some(text)) => (rest, (text.to_owned(), false)),
            (rest, None) => {
                return mistake(
                    rest,
                    "A label name is missing here. It has letters, digits and _, and does not begin with a digit, or is a text in quotes.",
                );
            }
        },
    };
    let (rest, _) = space(rest)?;
    let (rest, operator) = match opt(operator).parse(rest)? {
        (rest, Some(operator)) => (rest, operator),
        (rest, None) if is_quoted && read.name.is_none() => {
            read.name = Some(key);
            return Ok((rest, ()));
        }
        (rest, None) if is_quoted => return mistake(rest, format!("The name must not be set twice: {key:?} sets it again.")),
        (rest, None) => return mistake(rest, format!("One of = != =~ !~ is missing after the label {key}.")),
    };
    let (rest, _) = space(rest)?;
    match opt(string).parse(rest)? {
        (_, Some(_)) if key.is_empty() => mistake(input, "A label name must not be empty."),
        (rest, Some(value)) => {
            read.matchers.push(MatcherText { label: key, operator, value });
            Ok((rest, ()))
        }
        (rest, None) if rest.starts_with('=') => mistake(rest, "Write = instead of ==."),
        (rest, None) => mistake(rest, format!("The value of the label {key} must be in quotes.")),
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

/// Parses letters, digits, `_` and characters that `more` allows. The first one is not a digit.
fn word(input: &str, more: fn(char) -> bool) -> Parsed<'_, &str> {
    if input.starts_with(|c: char| c.is_ascii_digit()) {
        return Result::Err(Err::Error(Mistake::from_error_kind(input, ErrorKind::Alpha)));
    }
    nom::bytes::complete::take_while1(move |c: char| c.is_ascii_alphanumeric() || c == '_' || more(c)).parse(input)
}

fn operator(input: &str) -> Parsed<'_, Operator> {
    use Operator::{Equal, Matches, MatchesNot, NotEqual};
    // `=~` before `=`.
    let parser = |operator: Operator| value(operator, tag(operator.as_str()));
    alt((parser(Matches), parser(MatchesNot), parser(NotEqual), parser(Equal))).parse(input)
}

/// Parses a text in quotes of one of three kinds.
fn string(input: &str) -> Parsed<'_, String> {
    let (rest, quote) = alt((char('"'), char('\''), char('`'))).parse(input)?;
    let mut bytes = Vec::new();
    let mut chars = rest.chars();
    loop {
        let before = chars.as_str();
        match chars.next() {
            None => return mistake(input, format!("The text that begins here has no closing {quote}.")),
            Some(c) if c == quote => break,
            Some('\n') if quote != '`' => return mistake(before, "A text in quotes must end on its line. Write \\n for a new line."),
            Some('\\') if quote != '`' => match escape(&mut chars, quote) {
                Some(Escape::Char(c)) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Some(Escape::Byte(byte)) => bytes.push(byte),
                None => {
                    return mistake(
                        before,
                        "This escape is unknown. Write \\\\ for a backslash, or write the text in `...`, which has no escapes.",
                    );
                }
            },
            Some(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((chars.as_str(), text)),
        Result::Err(_) => mistake(input, "This text is not UTF-8."),
    }
}

/// The meaning of an escape.
enum Escape {
    Char(char),
    /// A byte of the UTF-8 encoding.
    Byte(u8),
}

/// Parses the text behind a backslash, with Go's escapes.
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
