//! The kind and the fields behind a value, and why they are rejected.

use memchr::memchr;
use nom::{Err, IResult};

use super::number::whole_number;
use super::tags::dogstatsd_tag_errors;
use super::{Kind, Rejected, SampleError};
use crate::options::Dialect;

/// Kind and fields of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suffix<'a> {
    pub(super) kind: Kind,
    /// Whether a value with a sign sets a gauge, whatever the options say: the kind is `kv`.
    pub(super) is_absolute: bool,
    pub(super) fields: SampleFields<'a>,
}

/// The contents of the fields of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleFields<'a> {
    pub(super) weight: f64,
    pub(super) tags: &'a [u8],
    pub(super) unknown: u32,
}

/// Parses kind and fields, up to the end of the input.
#[inline(always)]
pub(super) fn suffix<'a>(input: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Suffix<'a>, ()> {
    let (rest, kind) = kind(input, dialect)?;
    let (rest, fields) = fields(rest, kind, dialect)?;
    Ok((rest, Suffix { kind, is_absolute: input.first() == Some(&b'k'), fields }))
}

/// Parses the kind, which ends at a `|` or at the end of the input. Does not consume the `|`.
#[inline(always)]
pub(super) fn kind<'a>(input: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Kind, ()> {
    let (kind, rest) = match input {
        [b'c', rest @ ..] => (Kind::Counter, rest),
        [b'g', rest @ ..] => (Kind::Gauge, rest),
        [b'm', b's', rest @ ..] => (Kind::Timer, rest),
        [b'h', rest @ ..] => (Kind::Histogram, rest),
        [b'd', rest @ ..] => (Kind::Distribution, rest),
        [b's', rest @ ..] => (Kind::Set, rest),
        [b'm', rest @ ..] if dialect.meters => (Kind::Counter, rest),
        [b'k', b'v', rest @ ..] if dialect.key_values => (Kind::Gauge, rest),
        _ => return Err(Err::Error(())),
    };
    match rest {
        [] | [b'|', ..] => Ok((rest, kind)),
        _ => Err(Err::Error(())),
    }
}

/// Parses all fields, each with its `|` in front, in any order.
///
/// The fields of the identity are kept as one slice of the line, so that a look-up needs no parsing of tags.
#[inline(always)]
fn fields<'a>(input: &'a [u8], kind: Kind, dialect: &Dialect) -> IResult<&'a [u8], SampleFields<'a>, ()> {
    let mut found = SampleFields { weight: 1.0, tags: &[], unknown: 0 };
    let (mut from, mut has_tags, mut starts_next_sample) = (None, false, false);
    let mut rest = input;
    while let [b'|', after @ ..] = rest {
        let (field, next) = after.split_at(memchr(b'|', after).unwrap_or(after.len()));
        rest = next;
        let identity = match field {
            [] => return Err(Err::Error(())),
            [b'#', ..] => {
                has_tags = true;
                true
            }
            [b'@', rate @ ..] if kind.has_rate() && !dialect.exporter_rules => {
                found.weight = weight(rate).ok_or(Err::Error(()))?;
                false
            }
            [b'@', rate @ ..] => {
                starts_next_sample |= memchr(b':', rate).is_some();
                found.take_rate(rate, kind).ok_or(Err::Error(()))?;
                false
            }
            [b'c', b':', _, ..] => dialect.container_id,
            [b'T', time @ ..] => {
                starts_next_sample |= memchr(b':', time).is_some();
                false
            }
            [b'e', b':', ..] | [b'c', b'a', b'r', b'd', b':', ..] => false,
            _ => {
                starts_next_sample |= field.first() == Some(&b':') || holds_a_value(field, rest, dialect);
                found.unknown += 1;
                false
            }
        };
        if identity {
            let start = *from.get_or_insert(input.len() - after.len());
            debug_assert!(start <= input.len() - rest.len(), "a field ends behind its beginning");
            found.tags = input.get(start..input.len() - rest.len()).unwrap_or_default();
        }
    }
    // A colon in a line without tags may begin the next of several samples.
    if rest.is_empty() && (has_tags || !starts_next_sample) { Ok((rest, found)) } else { Err(Err::Error(())) }
}

/// Whether an unknown field ends with the value of another sample, as in `zz:2|c`: a number before a kind. Fields of newer clients may
/// contain a colon, too.
#[cold]
fn holds_a_value(field: &[u8], rest: &[u8], dialect: &Dialect) -> bool {
    let (mut pieces, after) = (field.rsplit(|b| *b == b':'), rest.strip_prefix(b"|").unwrap_or_default());
    let is_number = pieces.next().is_some_and(|last| last.len() < field.len() && whole_number(last).is_some());
    // Another sample may follow the kind.
    let end = after.iter().position(|b| *b == b':').unwrap_or(after.len());
    is_number && pieces.count() == 1 && kind(after.get(..end).unwrap_or_default(), dialect).is_ok()
}

impl SampleFields<'_> {
    /// Applies a rate under statsd_exporter's rules. A counter is divided by any rate except 0, whatever its size; other kinds
    /// require the range of [`weight`]. A rate of 0, or one that is not a number, is ignored. Gauges and sets ignore the rate under
    /// all rules. `None` rejects the sample.
    #[cold]
    fn take_rate(&mut self, rate: &[u8], kind: Kind) -> Option<()> {
        if !kind.has_rate() {
            return Some(());
        }
        match whole_number(rate).map(|number| number.value) {
            Some(number) if kind == Kind::Counter && number != 0.0 => self.weight /= number,
            Some(number) if number != 0.0 => self.weight = weight(rate)?,
            number => {
                self.unknown += u32::from(number.is_none());
                self.weight = if kind == Kind::Counter { self.weight } else { 1.0 };
            }
        }
        (self.weight.is_finite() && self.weight != 0.0).then_some(())
    }
}

/// The weight of a sample with this rate, which is 1/rate; `None` for a rate outside (0, 1].
#[inline]
fn weight(rate: &[u8]) -> Option<f64> {
    if rate == b"1" {
        return Some(1.0);
    }
    let rate = whole_number(rate)?.value;
    let weight = 1.0 / rate;
    (rate > 0.0 && rate <= 1.0 && weight.is_finite()).then_some(weight)
}

/// Why `value|after` is not a sample. Only for text that is not one.
pub(super) fn why_rejected(value: &[u8], after: &[u8], dialect: &Dialect) -> Rejected {
    let is_set = matches!(kind(after, dialect), Ok((_, Kind::Set)));
    let error = if !is_set && whole_number(value).is_none() || value.is_empty() {
        SampleError::MalformedValue
    } else {
        why_suffix_rejected(after, dialect)
    };
    let tag_errors = if error == SampleError::IllegalEvent { dogstatsd_tag_errors(after, dialect) } else { 0 };
    Rejected { error, tag_errors }
}

/// Why `kind|field|field` does not parse. Only for text that does not.
pub(super) fn why_suffix_rejected(after: &[u8], dialect: &Dialect) -> SampleError {
    let fields = || after.split(|&b| b == b'|').skip(1);
    let kind = kind(after, dialect).ok().map(|(_, kind)| kind);
    let is_bad = |rate: &[u8]| match kind {
        Some(kind) if dialect.exporter_rules || !kind.has_rate() => {
            SampleFields { weight: 1.0, tags: &[], unknown: 0 }.take_rate(rate, kind).is_none()
        }
        kind => (kind.is_some() || !dialect.exporter_rules) && weight(rate).is_none(),
    };
    if fields().any(<[u8]>::is_empty) {
        SampleError::MalformedComponent
    } else if fields().any(|f| f.strip_prefix(b"@").is_some_and(is_bad)) {
        SampleError::InvalidSampleFactor
    } else {
        SampleError::IllegalEvent
    }
}
