//! Tags in the name and in fields. They are parsed only for a new identity.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::styles::{NameParts, Style, find_unescaped, unescaped};
use super::{Rejected, Sample, SampleError};
use crate::name::is_legacy_label;
use crate::options::Dialect;

/// Numbers of labels and errors in the tags of a name.
pub(super) struct NameTags {
    pub(super) labels: u32,
    pub(super) errors: u32,
}

pub(super) fn name_tags(parts: &NameParts<'_>, dialect: &Dialect) -> NameTags {
    let mut found = NameTags { labels: 0, errors: u32::from(parts.lone_bracket) };
    if let Some(style) = parts.style {
        found.errors += visit_named(&String::from_utf8_lossy(parts.tags), style, dialect, &mut |_, _| found.labels += 1);
    }
    found
}

/// Number of errors in the DogStatsD tags of `after` (`kind|field|field`).
pub(super) fn dogstatsd_tag_errors(after: &[u8], dialect: &Dialect) -> u32 {
    let after = String::from_utf8_lossy(after);
    visit_fields(after.split_once('|').map_or("", |(_, fields)| fields), dialect, &mut |_, _| {})
}

/// The tags of a section. A separator at the end is allowed, and blanks at the end are ignored.
struct Tags<'a> {
    rest: Option<&'a str>,
    separator: u8,
    has_escapes: bool,
}

impl<'a> Tags<'a> {
    fn new(section: &'a str, separator: u8, has_escapes: bool, dialect: &Dialect) -> Self {
        let rest = if dialect.exporter_rules { section } else { section.trim_end_matches(is_blank) };
        // An escaped blank belongs to the tag.
        let is_cut = has_escapes && rest.len() < section.len() && rest.ends_with('\\');
        let rest = if is_cut { section.get(..=rest.len()).unwrap_or(rest) } else { rest };
        Self { rest: Some(rest), separator, has_escapes }
    }

    /// The index of the first `wanted` in `text`.
    fn place_of(&self, text: &str, wanted: u8) -> Option<usize> {
        if self.has_escapes { find_unescaped(text, wanted) } else { memchr(wanted, text.as_bytes()) }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take().filter(|rest| !rest.is_empty())?;
        let end = self.place_of(rest, self.separator);
        self.rest = end.and_then(|end| rest.get(end + 1..));
        rest.get(..end.unwrap_or(rest.len()))
    }
}

/// Visits the tags of a name. Returns the number of malformed tags.
fn visit_named(section: &str, style: Style, dialect: &Dialect, label: &mut impl FnMut(&str, &str)) -> u32 {
    let has_escapes = style == Style::InfluxDb && !dialect.exporter_rules;
    let plain = |text| if has_escapes { unescaped(text) } else { text.into() };
    let mut tags = Tags::new(section, style.separator(), has_escapes, dialect);
    let mut errors = 0;
    while let Some(tag) = tags.next() {
        match tags.place_of(tag, b'=').and_then(|at| Some((tag.get(..at)?, tag.get(at + 1..)?))) {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => label(&plain(key), &plain(value)),
            _ => errors += 1,
        }
    }
    errors
}

/// Visits a section of DogStatsD tags. Returns the number of malformed tags.
fn visit_dogstatsd(section: &str, dialect: &Dialect, label: &mut impl FnMut(&str, &str)) -> u32 {
    let mut errors = 0;
    for tag in Tags::new(section, b',', false, dialect) {
        // Some clients send a '#' before each tag.
        let tag = tag.strip_prefix('#').unwrap_or(tag);
        let bytes = tag.as_bytes();
        let end = if dialect.exporter_rules { memchr(b':', bytes) } else { memchr2(b':', b'=', bytes) };
        match end.and_then(|at| Some((tag.get(..at)?, tag.get(at + 1..)?))) {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => label(key, value),
            // The text may be a piece of a value that contains a comma. Such pieces are rarely valid names.
            None if dialect.bare_tags && is_legacy_label(tag) => label(tag, "true"),
            _ => errors += 1,
        }
    }
    errors
}

/// Visits the fields of an identity: tags and the container's id. Ignores other fields.
fn visit_fields(fields: &str, dialect: &Dialect, label: &mut impl FnMut(&str, &str)) -> u32 {
    let mut errors = 0;
    for field in fields.split('|') {
        if let Some(tags) = field.strip_prefix('#') {
            if dialect.dogstatsd_tags {
                errors += visit_dogstatsd(tags, dialect, label);
            }
        } else if let Some(id) = field.strip_prefix("c:")
            && dialect.container_id
            && !id.is_empty()
        {
            label("container_id", id);
        }
    }
    errors
}

/// Visits the identity of an event or a service check: labels and fields, each behind a newline. A tag that has the key of a label is
/// renamed.
fn visit_stated(stated: &str, dialect: &Dialect, sink: &mut impl TagSink) -> u32 {
    let mut errors = 0;
    let labels =
        || stated.split('\n').filter(|part| !part.starts_with('#') && !part.starts_with("c:")).filter_map(|part| part.split_once(':'));
    for field in stated.split('\n').filter(|part| part.starts_with('#') || part.starts_with("c:")) {
        errors += visit_fields(field, dialect, &mut |key, value| {
            if labels().any(|(stated, _)| stated == key) {
                sink.renamed_tag(key, value);
            } else {
                sink.tag(key, value);
            }
        });
    }
    labels().for_each(|(key, value)| sink.tag(key, value));
    errors
}

/// Whether the character is ignored at the ends of lines.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\0')
}

/// The checked identity of a sample. Created when an identity is new.
#[derive(Debug, Clone)]
pub struct Identity<'a> {
    head: Cow<'a, str>,
    /// The text behind a closing bracket.
    tail: &'a str,
    named: Option<(Style, Cow<'a, str>)>,
    has_lone_bracket: bool,
    fields: Cow<'a, str>,
    dialect: Dialect,
}

/// Receives the parts of an identity, in the order of the line.
pub trait TagSink {
    /// A piece of the name. There are several if tags are in the middle of the name.
    fn name(&mut self, piece: &str);
    /// A tag without escapes. It replaces an earlier one of the same key.
    fn tag(&mut self, key: &str, value: &str);
    /// A tag of an event or a service check whose key is the name of one of its labels. The tag gets another name.
    fn renamed_tag(&mut self, key: &str, value: &str);
}

/// Numbers of malformed tags of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagErrors {
    /// In the name; counted once a line.
    pub name: u32,
    /// In the fields; counted for each sample.
    pub fields: u32,
}

impl<'a> Identity<'a> {
    /// The identity of a sample. Invalid UTF-8 in tags is replaced.
    ///
    /// # Errors
    ///
    /// `MalformedLine` if the name is not UTF-8, and under [`Dialect::exporter_rules`] if the tags are not. `MixedTaggingStyles` if there
    /// are tags both in the name and in a field. Both reject the whole line.
    pub fn of(sample: &Sample<'a>, dialect: &Dialect) -> Result<Self, Rejected> {
        let malformed = Rejected { error: SampleError::MalformedLine, tag_errors: 0 };
        let text = |bytes: &'a [u8]| match str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) if dialect.exporter_rules => Err(malformed),
            Err(_) => Ok(String::from_utf8_lossy(bytes)),
        };
        let parts = NameParts::of(sample.name, dialect);
        let (Ok(head), Ok(tail)) = (str::from_utf8(parts.head), str::from_utf8(parts.tail)) else { return Err(malformed) };
        let fields = text(sample.tags)?;
        if parts.style.is_some() && fields.split('|').any(|field| field.starts_with('#')) {
            let in_name = name_tags(&parts, dialect);
            if in_name.labels > 0 {
                return Err(Rejected { error: SampleError::MixedTaggingStyles, tag_errors: in_name.errors });
            }
        }
        let has_escapes = dialect.influxdb_tags && !dialect.exporter_rules && matches!(parts.style, None | Some(Style::InfluxDb));
        Ok(Self {
            head: if has_escapes { unescaped(head) } else { head.into() },
            tail,
            named: parts.style.map(|style| Ok((style, text(parts.tags)?))).transpose()?,
            has_lone_bracket: parts.lone_bracket,
            fields,
            dialect: *dialect,
        })
    }

    /// Calls `sink` with the parts.
    pub fn visit(&self, sink: &mut impl TagSink) -> TagErrors {
        sink.name(&self.head);
        sink.name(self.tail);
        let mut name = u32::from(self.has_lone_bracket);
        if let Some((style, tags)) = &self.named {
            name += visit_named(tags, *style, &self.dialect, &mut |key, value| sink.tag(key, value));
        }
        let fields = match self.fields.strip_prefix('\n') {
            Some(stated) => visit_stated(stated, &self.dialect, sink),
            None => visit_fields(&self.fields, &self.dialect, &mut |key, value| sink.tag(key, value)),
        };
        TagErrors { name, fields }
    }
}
