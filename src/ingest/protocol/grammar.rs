//! The grammar of a line, written with nom, one function for each rule.
//!
//! ```text
//! checkout.time:12.5|ms|@0.1|#host:web1,zone:b
//! ^^^^^^^^^^^^^ name, up to a ':': `colons` finds the right one
//!               ^^^^ value: a finite decimal; a set's is any text
//!                    ^^ kind: c g ms h d s m kv
//!                       ^^^^ field: sample rate
//!                            ^^^^^^^^^^^^^^^^^ field: tags; others are T e: c: card:, in any order
//! ```
//!
//! [`parse_line`] tries the most frequent form first, which is one sample, and reads each byte once. Other lines take a slower path, with
//! the checks and reasons of statsd_exporter in its order. Errors are `()` and memchr finds delimiters, which makes nom as fast as
//! hand-written code.

use memchr::{memchr, memmem};
use nom::error::ParseError;
use nom::{Err, IResult, Mode, OutputMode, PResult, Parser};

use super::colons::before_value;
use super::events::{Event, EventOrCheck, ServiceCheck, event_or_check, is_event_or_check};
use super::fields::{SampleFields, kind, suffix, why_rejected};
use super::number::{Number, number};
use super::packed::Samples;
use super::styles::NameParts;
use super::tags::{is_blank, name_tags};
use super::{Kind, Rejected, Sample, SampleError, Value};
use crate::options::{Dialect, PackedValues};

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

/// A parsed line.
#[derive(Debug, Clone)]
pub enum Line<'a> {
    /// The line is empty or blank.
    Empty,
    /// One sample, which is the most frequent case.
    Sample(Sample<'a>),
    /// Packed values or several samples. Each may be rejected separately.
    Samples(Samples<'a>),
    /// A DogStatsD event.
    Event(Event<'a>),
    /// A DogStatsD service check.
    ServiceCheck(ServiceCheck<'a>),
    /// The line or its only sample is rejected.
    Rejected(Rejected),
}

/// Parses one line, given without its newline.
#[inline]
pub fn parse_line<'a>(line: &'a [u8], dialect: &Dialect) -> Line<'a> {
    let line = match line {
        [first, .., last] if *first > b' ' && *last > b' ' => line,
        _ => trimmed(line, dialect),
    };
    match single_sample(line, dialect) {
        Ok((_, sample)) => Line::Sample(sample),
        Err(_) => other_line(line, dialect),
    }
}

/// The line without blanks at its ends, which some clients send. Under statsd_exporter's rules they belong to the line.
#[cold]
#[inline(never)]
fn trimmed<'a>(mut line: &'a [u8], dialect: &Dialect) -> &'a [u8] {
    let is_cut = |byte: &u8| is_blank(char::from(*byte));
    while let [first, rest @ ..] = line
        && is_cut(first)
        && !dialect.exporter_rules
    {
        line = rest;
    }
    // The lengths of an event count blanks, too.
    if dialect.exporter_rules || is_event_or_check(line) {
        return line.strip_suffix(b"\r").unwrap_or(line);
    }
    while let [rest @ .., last] = line
        && is_cut(last)
    {
        line = rest;
    }
    line
}

/// Parses the most frequent form, one sample: `name:value|kind` and fields.
#[inline(always)]
fn single_sample<'a>(line: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Sample<'a>, ()> {
    if is_event_or_check(line) {
        return Err(Err::Error(()));
    }
    let (rest, name) = Until(b':').parse(line)?;
    let (rest, sample) = sample(name, rest, dialect)?;
    match sample.value {
        // `colons` finds where the member begins.
        Value::Member(member) if memchr(b':', member).is_some() => Err(Err::Error(())),
        _ => Ok((rest, sample)),
    }
}

/// Parses one sample of this name: `value|kind` and fields.
#[inline(always)]
fn sample<'a>(name: &'a [u8], input: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Sample<'a>, ()> {
    let (rest, value) = value(input)?;
    let (rest, suffix) = suffix(rest, dialect)?;
    let value = match (suffix.kind, value) {
        (Kind::Set, RawValue { text, .. }) => Value::Member(text),
        (_, RawValue { number: Some(number), .. }) if number.signed && !suffix.is_absolute => Value::Signed(number.value),
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

/// Parses the value and the `|` behind it.
#[inline(always)]
fn value(input: &[u8]) -> IResult<&[u8], RawValue<'_>, ()> {
    if let Ok((rest, number)) = number(input)
        && let [b'|', after @ ..] = rest
    {
        debug_assert!(rest.len() <= input.len(), "the rest is a suffix");
        let text = input.get(..input.len() - rest.len()).unwrap_or_default();
        return Ok((after, RawValue { text, number: Some(number) }));
    }
    Until(b'|').map(|text| RawValue { text, number: None }).parse(input)
}

/// Parses lines that do not have the most frequent form.
#[cold]
#[inline(never)]
fn other_line<'a>(line: &'a [u8], dialect: &Dialect) -> Line<'a> {
    if line.is_empty() {
        return Line::Empty;
    }
    if is_event_or_check(line) {
        return match event_or_check(line, dialect) {
            Ok(EventOrCheck::Event(event)) => Line::Event(event),
            Ok(EventOrCheck::ServiceCheck(check)) => Line::ServiceCheck(check),
            Result::Err(error) => Line::Rejected(Rejected { error, tag_errors: 0 }),
        };
    }
    match name_and_rest(line, dialect) {
        Some((name, rest)) => named_line(line, name, rest, dialect),
        None => Line::Rejected(Rejected { error: SampleError::MalformedLine, tag_errors: 0 }),
    }
}

/// The text before and behind the colon of the value; `None` if there is no colon, or nothing before it.
fn name_and_rest<'a>(line: &'a [u8], dialect: &Dialect) -> Option<(&'a [u8], &'a [u8])> {
    let first = memchr(b':', line)?;
    let pipe = memchr(b'|', line.get(first..)?).map(|at| first + at);
    let colon = match pipe.and_then(|pipe| Some((line.get(..pipe)?, line.get(pipe + 1..)?))) {
        Some((head, after)) => before_value(head, first, kind_of(after, dialect), dialect),
        None => first,
    };
    let (name, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
    (!name.is_empty()).then_some((name, rest))
}

/// Parses a line with this name. `rest` is the text behind the name's colon.
fn named_line<'a>(line: &'a [u8], name: &'a [u8], rest: &'a [u8], dialect: &Dialect) -> Line<'a> {
    let parts = NameParts::of(name, dialect);
    let has_bad_name = [parts.head, parts.tail].into_iter().any(|piece| str::from_utf8(piece).is_err());
    if has_bad_name || dialect.exporter_rules && str::from_utf8(line).is_err() {
        return Line::Rejected(Rejected { error: SampleError::MalformedLine, tag_errors: 0 });
    }
    let in_name = name_tags(&parts, dialect);
    let rejected = |error| Line::Rejected(Rejected { error, tag_errors: in_name.errors });
    let has_tags_field = memmem::find(rest, b"|#").is_some();
    if has_tags_field && in_name.labels > 0 {
        return rejected(SampleError::MixedTaggingStyles);
    }
    let Some((value, after)) = memchr(b'|', rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) else {
        return rejected(SampleError::NotEnoughParts);
    };
    let kind = kind_of(after, dialect);
    if memchr(b':', value).is_some() && kind != Some(Kind::Set) {
        if dialect.packed_values == PackedValues::Observers && !kind.is_some_and(Kind::is_observed) {
            return rejected(SampleError::InvalidExtendedAggregateType);
        }
        // Another sample may follow the kind or one of the fields.
        let has_another = || {
            let kind = memchr(b':', after).and_then(|colon| after.get(..colon)).and_then(|kind| kind_of(kind, dialect));
            kind.is_some() && suffix(after, dialect).is_err()
        };
        if !has_tags_field && dialect.packed_values == PackedValues::All && has_another() {
            return Line::Samples(Samples::several(name, in_name.errors, rest, dialect));
        }
        return Line::Samples(Samples::packed(name, in_name.errors, value, after, dialect));
    }
    if let Ok((_, sample)) = sample(name, rest, dialect) {
        return Line::Sample(sample);
    }
    if !has_tags_field && memchr(b':', after).is_some() {
        return Line::Samples(Samples::several(name, in_name.errors, rest, dialect));
    }
    let mut why = why_rejected(value, after, dialect);
    why.tag_errors += in_name.errors;
    Line::Rejected(why)
}

/// The kind at the beginning of `after`.
fn kind_of(after: &[u8], dialect: &Dialect) -> Option<Kind> {
    kind(after, dialect).ok().map(|(_, kind)| kind)
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
