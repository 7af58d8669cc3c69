//! What follows a value: the kind, and fields in any order; and why it is none.

use memchr::memchr;
use nom::{Err, IResult};

use super::number::whole_number;
use super::tags::dogstatsd_tag_errors;
use super::{Kind, Rejected, SampleError};
use crate::options::Dialect;

/// What follows the value: kind and fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suffix<'a> {
    pub(super) kind: Kind,
    pub(super) fields: SampleFields<'a>,
}

/// What the fields of a sample say.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleFields<'a> {
    pub(super) weight: f64,
    pub(super) tags: &'a [u8],
    pub(super) unknown: u32,
}

/// Kind and fields, up to the end of the input.
#[inline(always)]
pub(super) fn suffix<'a>(input: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], Suffix<'a>, ()> {
    let (rest, kind) = kind(input)?;
    let (rest, fields) = fields(rest, dialect)?;
    Ok((rest, Suffix { kind, fields }))
}

/// The kind, which ends at a `|` or at the end of the input; neither is consumed.
#[inline(always)]
pub(super) fn kind(input: &[u8]) -> IResult<&[u8], Kind, ()> {
    let (kind, rest) = match input {
        [b'c', rest @ ..] => (Kind::Counter, rest),
        [b'g', rest @ ..] => (Kind::Gauge, rest),
        [b'm', b's', rest @ ..] => (Kind::Timer, rest),
        [b'h', rest @ ..] => (Kind::Histogram, rest),
        [b'd', rest @ ..] => (Kind::Distribution, rest),
        [b's', rest @ ..] => (Kind::Set, rest),
        _ => return Err(Err::Error(())),
    };
    match rest {
        [] | [b'|', ..] => Ok((rest, kind)),
        _ => Err(Err::Error(())),
    }
}

/// All fields, each with its `|` in front, in any order.
///
/// What belongs to the identity is kept as one stretch of the line, so that it can be looked up without being taken apart.
#[inline(always)]
fn fields<'a>(input: &'a [u8], dialect: &Dialect) -> IResult<&'a [u8], SampleFields<'a>, ()> {
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
            [b'@', rate @ ..] => {
                found.weight = weight(rate).ok_or(Err::Error(()))?;
                false
            }
            [b'c', b':', _, ..] => dialect.container_id,
            [b'T', ..] | [b'e', b':', ..] | [b'c', b'a', b'r', b'd', b':', ..] => false,
            _ => {
                starts_next_sample |= field.first() == Some(&b':');
                found.unknown += 1;
                false
            }
        };
        if identity {
            let start = *from.get_or_insert(input.len() - after.len());
            found.tags = input.get(start..input.len() - rest.len()).unwrap_or_default();
        }
    }
    // No field begins with a colon; without tags it is where the next of several samples begins.
    if rest.is_empty() && (has_tags || !starts_next_sample) { Ok((rest, found)) } else { Err(Err::Error(())) }
}

/// How many samples one sample of this rate stands for; `None` for a rate outside (0, 1].
#[inline]
fn weight(rate: &[u8]) -> Option<f64> {
    if rate == b"1" {
        return Some(1.0);
    }
    let rate = whole_number(rate)?.value;
    let weight = 1.0 / rate;
    (rate > 0.0 && rate <= 1.0 && weight.is_finite()).then_some(weight)
}

/// Why `value|after` is no sample; asked only where it is none.
pub(super) fn why_rejected(value: &[u8], after: &[u8], dialect: &Dialect) -> Rejected {
    let is_set = matches!(kind(after), Ok((_, Kind::Set)));
    let error =
        if !is_set && whole_number(value).is_none() || value.is_empty() { SampleError::MalformedValue } else { why_suffix_rejected(after) };
    let tag_errors = if error == SampleError::IllegalEvent { dogstatsd_tag_errors(after, dialect) } else { 0 };
    Rejected { error, tag_errors }
}

/// Why `kind|field|field` is none, whatever the value; asked only where it is none.
pub(super) fn why_suffix_rejected(after: &[u8]) -> SampleError {
    let fields = || after.split(|&b| b == b'|').skip(1);
    if fields().any(<[u8]>::is_empty) {
        SampleError::MalformedComponent
    } else if fields().any(|f| f.strip_prefix(b"@").is_some_and(|rate| weight(rate).is_none())) {
        SampleError::InvalidSampleFactor
    } else {
        SampleError::IllegalEvent
    }
}
