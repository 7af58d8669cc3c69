//! Lines with more than one sample: packed values (`a:1:2:3|ms|#k:v`), several samples (`a:1|c:2|g`), and both (`a:1:2|ms:3|ms`).

use memchr::memchr;

use super::fields::{Suffix, kind, suffix, why_rejected, why_suffix_rejected};
use super::number::whole_number;
use super::{Kind, Rejected, Sample, SampleError, Value};
use crate::options::{Dialect, PackedValues};

/// The samples of one line. Each is valid or rejected separately.
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    name: &'a [u8],
    /// Number of errors in the name's tags, which count for the first sample of the line; `None` behind that.
    name_tag_errors: Option<u32>,
    form: Form<'a>,
    dialect: Dialect,
}

#[derive(Debug, Clone)]
enum Form<'a> {
    /// The remaining values, and their common kind and fields.
    Packed(Option<&'a [u8]>, Result<Suffix<'a>, SampleError>),
    /// The rest of the line.
    Several(Option<&'a [u8]>),
}

impl<'a> Samples<'a> {
    pub(super) fn packed(name: &'a [u8], tag_errors: u32, values: &'a [u8], after: &'a [u8], dialect: &Dialect) -> Self {
        let suffix = suffix(after, dialect).map(|(_, suffix)| suffix).map_err(|_| why_suffix_rejected(after, dialect));
        Self { name, name_tag_errors: Some(tag_errors), form: Form::Packed(Some(values), suffix), dialect: *dialect }
    }

    pub(super) fn several(name: &'a [u8], tag_errors: u32, rest: &'a [u8], dialect: &Dialect) -> Self {
        Self { name, name_tag_errors: Some(tag_errors), form: Form::Several(Some(rest)), dialect: *dialect }
    }

    fn sample(&self, suffix: &Suffix<'a>, text: &'a [u8]) -> Option<Sample<'a>> {
        let value = match whole_number(text) {
            _ if suffix.kind == Kind::Set && !text.is_empty() => Value::Member(text),
            Some(number) if number.signed && !suffix.is_absolute => Value::Signed(number.value),
            Some(number) => Value::Number(number.value),
            None => return None,
        };
        let first = self.name_tag_errors.is_some();
        let (weight, tags) = (suffix.fields.weight, suffix.fields.tags);
        let unknown_fields = if first || matches!(self.form, Form::Several(_)) { suffix.fields.unknown } else { 0 };
        Some(Sample { name: self.name, kind: suffix.kind, value, weight, tags, unknown_fields, first })
    }

    fn next_packed(&self, text: &'a [u8], suffix: &Result<Suffix<'a>, SampleError>) -> Result<Sample<'a>, Rejected> {
        let rejected = |error| Rejected { error, tag_errors: 0 };
        match suffix {
            Ok(suffix) => self.sample(suffix, text).ok_or(rejected(SampleError::MalformedValue)),
            Err(_) if whole_number(text).is_none() => Err(rejected(SampleError::MalformedValue)),
            Err(error) => Err(rejected(*error)),
        }
    }

    /// Parses one of several samples. `ahead` is the text behind the piece.
    fn next_of_several(&self, piece: &'a [u8], ahead: Option<&'a [u8]>) -> Result<Sample<'a>, Rejected> {
        let whole = memchr(b'|', piece).and_then(|at| Some((piece.get(..at)?, piece.get(at + 1..)?)));
        let Some((value, after)) = whole.or_else(|| Some((piece, self.shared_suffix(piece, ahead?)?))) else {
            return Err(Rejected { error: SampleError::MalformedComponent, tag_errors: 0 });
        };
        suffix(after, &self.dialect)
            .ok()
            .and_then(|(_, suffix)| self.sample(&suffix, value))
            .ok_or_else(|| why_rejected(value, after, &self.dialect))
    }
}

impl<'a> Samples<'a> {
    /// Kind and fields of a packed value, which follow the last of the packed values.
    #[cold]
    fn shared_suffix(&self, value: &[u8], ahead: &'a [u8]) -> Option<&'a [u8]> {
        let after = memchr(b'|', ahead).and_then(|at| ahead.get(at + 1..))?;
        let after = after.get(..memchr(b':', after).unwrap_or(after.len()))?;
        let is_packed = self.dialect.packed_values == PackedValues::All && whole_number(value).is_some();
        (is_packed && !matches!(kind(after, &self.dialect), Ok((_, Kind::Set)))).then_some(after)
    }
}

/// Takes the text before the first `:`, and leaves the text behind it, or `None` at the end.
fn take_piece<'a>(rest: &mut Option<&'a [u8]>) -> Option<&'a [u8]> {
    let all = rest.take()?;
    match memchr(b':', all) {
        Some(at) => {
            *rest = all.get(at + 1..);
            all.get(..at)
        }
        None => Some(all),
    }
}

impl<'a> Iterator for Samples<'a> {
    type Item = Result<Sample<'a>, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut item = match &mut self.form {
            Form::Packed(values, suffix) => {
                let suffix = *suffix;
                let text = take_piece(values)?;
                self.next_packed(text, &suffix)
            }
            Form::Several(rest) => {
                let piece = take_piece(rest)?;
                let ahead = *rest;
                self.next_of_several(piece, ahead)
            }
        };
        let name_tag_errors = self.name_tag_errors.take();
        if let Err(rejected) = &mut item {
            rejected.tag_errors += name_tag_errors.unwrap_or(0);
        }
        Some(item)
    }
}
