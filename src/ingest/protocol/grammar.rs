//! The grammar of a line, in nom, one function a rule.
//!
//! ```text
//! checkout.time:12.5|ms|@0.1|#host:web1,zone:b
//! ^^^^^^^^^^^^^ name, up to the first ':'
//!               ^^^^ value: a finite decimal; a set's is any text
//!                    ^^ kind: c g ms h d s
//!                       ^^^^ field: sample rate
//!                            ^^^^^^^^^^^^^^^^^ field: tags; others are T e: c: card:, in any order
//! ```
//!
//! [`parse_line`] tries the frequent form, one sample, without looking at any byte twice; whatever does not fit goes to a slower
//! path that finds out what it is, or why it is nothing, with statsd_exporter's order of checks and names of reasons.
//! nom is used as measured to be as fast as hand-written code: errors are `()`, delimiters are found by memchr.

use memchr::{memchr, memmem};
use nom::error::ParseError;
use nom::{Err, IResult, Mode, OutputMode, PResult, Parser};

use super::fields::{SampleFields, kind, suffix, why_rejected};
use super::number::{Number, number};
use super::packed::Samples;
use super::tags::name_tags;
use super::{Kind, Rejected, Sample, SampleError, Value};
use crate::options::Dialect;

/// Takes the bytes before a delimiter, at least one, and consumes the delimiter.
struct Until(u8);

impl<'a> Parser<&'a [u8]> for Until {
    type Output = &'a [u8];
    type Error = ();

    #[inline(always)]
    fn process<OM: OutputMode>(&mut self, input: &'a [u8]) -> PResult<OM, &'a [u8], &'a [u8], ()> {
        match memchr(self.0, input).and_then(|at| Some((input.get(..at)?, input.get(at + 1..)?))) {
            Some((taken, rest)) if !taken.is_empty() => Ok((rest, OM::Output::bind(|| taken))),
            _ => Result::Err(Err::Error(OM::Error::bind(|| {
                <() as ParseError<&[u8]>>::from_error_kind(input, nom::error::ErrorKind::TakeUntil)
            }))),
        }
    }
}

/// What a line is.
#[derive(Debug, Clone)]
pub enum Line<'a> {
    /// Nothing, or a lone `\r`.
    Empty,
    /// One sample, by far the most frequent case.
    Sample(Sample<'a>),
    /// Packed values or several samples; each may be rejected on its own.
    Samples(Samples<'a>),
    /// A DogStatsD event.
    Event,
    /// A DogStatsD service check.
    ServiceCheck,
    /// Rejected, as a whole or its only sample.
    Rejected(Rejected),
}

/// Parses one line, given without its newline.
#[inline]
pub fn parse_line<'a>(line: &'a [u8], dialect: &Dialect) -> Line<'a> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match single_sample(line, dialect) {
        Ok((_, sample)) => Line::Sample(sample),
        Err(_) => other_line(line, dialect),
    }
}

/// The frequent form: `name:value|kind` and fields, one sample.
#[inline(always)]
fn single_sample<'a>(line: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Sample<'a>, ()> {
    if is_event_or_check(line) {
        return Err(Err::Error(()));
    }
    let (rest, name) = Until(b':').parse(line)?;
    let (rest, value) = value(rest)?;
    let (rest, suffix) = suffix(rest, dialect)?;
    let value = match (suffix.kind, value) {
        (Kind::Set, RawValue { text, .. }) => Value::Member(text),
        (_, RawValue { number: Some(number), .. }) if number.signed => Value::Signed(number.value),
        (_, RawValue { number: Some(number), .. }) => Value::Number(number.value),
        _ => return Err(Err::Error(())),
    };
    let SampleFields { weight, tags, unknown } = suffix.fields;
    Ok((rest, Sample { name, kind: suffix.kind, value, weight, tags, unknown_fields: unknown, first: true }))
}

struct RawValue<'a> {
    text: &'a [u8],
    number: Option<Number>,
}

/// The value and the `|` after it. A number ends itself; anything else ends at the `|`.
#[inline(always)]
fn value(input: &[u8]) -> IResult<&[u8], RawValue<'_>, ()> {
    if let Ok((rest, number)) = number(input)
        && let [b'|', after @ ..] = rest
    {
        let text = input.get(..input.len() - rest.len()).unwrap_or_default();
        return Ok((after, RawValue { text, number: Some(number) }));
    }
    Until(b'|').map(|text| RawValue { text, number: None }).parse(input)
}

/// Whatever is not one good sample.
#[cold]
#[inline(never)]
fn other_line<'a>(line: &'a [u8], dialect: &Dialect) -> Line<'a> {
    if line.is_empty() {
        return Line::Empty;
    }
    if is_event_or_check(line) {
        return event_or_check(line);
    }
    let whole = |error| Line::Rejected(Rejected { error, tag_errors: 0 });
    let Ok((rest, name)) = Until(b':').parse(line) else { return whole(SampleError::MalformedLine) };
    let (Ok(_), Ok(name_text)) = (str::from_utf8(line), str::from_utf8(name)) else { return whole(SampleError::MalformedLine) };
    let in_name = name_tags(name_text, dialect);
    let rejected = |error| Line::Rejected(Rejected { error, tag_errors: in_name.errors });
    let has_tags_field = memmem::find(rest, b"|#").is_some();
    if has_tags_field && in_name.labels > 0 {
        return rejected(SampleError::MixedTaggingStyles);
    }
    let Some((value, after)) = memchr(b'|', rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) else {
        return rejected(SampleError::NotEnoughParts);
    };
    if memchr(b':', value).is_some() && kind(after).map(|(_, kind)| kind) != Ok(Kind::Set) {
        Line::Samples(Samples::packed((name, in_name.errors), value, after, dialect))
    } else if !has_tags_field && memchr(b':', after).is_some() {
        Line::Samples(Samples::several((name, in_name.errors), rest, dialect))
    } else {
        let mut why = why_rejected(value, after, dialect);
        why.tag_errors += in_name.errors;
        Line::Rejected(why)
    }
}

#[inline(always)]
fn is_event_or_check(line: &[u8]) -> bool {
    matches!(line, [b'_', b'e', b'{', ..] | [b'_', b's', b'c', b'|', ..])
}

/// `_e{TITLE_BYTES,TEXT_BYTES}:title|text|...` or `_sc|name|status|...`; only the frame is looked at.
fn event_or_check(line: &[u8]) -> Line<'_> {
    if line.starts_with(b"_e{") {
        match event(line) {
            Some(()) => Line::Event,
            None => Line::Rejected(Rejected { error: SampleError::MalformedEvent, tag_errors: 0 }),
        }
    } else {
        let mut fields = line.split(|&b| b == b'|').skip(1);
        match (fields.next(), fields.next()) {
            (Some(name), Some([b'0'..=b'3'])) if !name.is_empty() => Line::ServiceCheck,
            _ => Line::Rejected(Rejected { error: SampleError::MalformedServiceCheck, tag_errors: 0 }),
        }
    }
}

fn event(line: &[u8]) -> Option<()> {
    let (rest, lengths) = Until(b'}').parse(line.strip_prefix(b"_e{")?).ok()?;
    let (title, text) = str::from_utf8(lengths).ok()?.split_once(',')?;
    let (title, text): (usize, usize) = (title.parse().ok()?, text.parse().ok()?);
    let body = rest.strip_prefix(b":")?.get(title..)?.strip_prefix(b"|")?.get(text..)?;
    (title > 0 && matches!(body, [] | [b'|', ..])).then_some(())
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
