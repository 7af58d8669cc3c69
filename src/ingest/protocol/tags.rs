//! Tags, in the name and in fields: taken apart only when an identity is new.

use super::{Rejected, Sample, SampleError};
use crate::options::Dialect;

/// A name divided by one of the tag styles that stand in the name.
struct NameParts<'a> {
    head: &'a str,
    /// What follows a closing bracket; it belongs to the name.
    tail: &'a str,
    tags: &'a str,
    /// A bracket without its partner: the whole name is kept, and it counts as one error.
    lone_bracket: bool,
}

/// SignalFX first; where it finds a bracket no other style is tried. Then the first `#` (Librato) or `,` (InfluxDB).
fn split_name<'a>(name: &'a str, dialect: &Dialect) -> NameParts<'a> {
    let whole = NameParts { head: name, tail: "", tags: "", lone_bracket: false };
    if dialect.signalfx_tags && name.contains(['[', ']']) {
        let parts = name.split_once('[').filter(|(head, _)| !head.contains(']'));
        return match parts.and_then(|(head, inner)| Some((head, inner.split_once(']')?))) {
            Some((head, (tags, tail))) => NameParts { head, tail, tags, lone_bracket: false },
            None => NameParts { lone_bracket: true, ..whole },
        };
    }
    let ends_name = |c| (c == '#' && dialect.librato_tags) || (c == ',' && dialect.influxdb_tags);
    match name.split_once(ends_name) {
        Some((head, tags)) => NameParts { head, tags, ..whole },
        None => whole,
    }
}

/// How many labels and errors a name's tags hold.
pub(super) struct NameTags {
    pub(super) labels: u32,
    pub(super) errors: u32,
}

pub(super) fn name_tags(name: &str, dialect: &Dialect) -> NameTags {
    let parts = split_name(name, dialect);
    let mut found = NameTags { labels: 0, errors: u32::from(parts.lone_bracket) };
    found.errors += visit(parts.tags, '=', None, &mut |_, _| found.labels += 1);
    found
}

/// Errors in the DogStatsD tags of the fields in `after` (`kind|field|field`).
pub(super) fn dogstatsd_tag_errors(after: &[u8], dialect: &Dialect) -> u32 {
    let Ok(after) = str::from_utf8(after) else { return 0 };
    visit_fields(after.split_once('|').map_or("", |(_, fields)| fields), dialect, &mut |_, _| {})
}

/// Walks `k=v,k=v`; a trailing comma is fine. Returns the number of tags skipped.
///
/// `bare` is the value of a tag without a separator, `None` if such a tag is an error.
fn visit<'a>(tags: &'a str, separator: char, bare: Option<&'a str>, label: &mut impl FnMut(&'a str, &'a str)) -> u32 {
    let mut errors = 0;
    let tags = tags.strip_suffix(',').unwrap_or(tags);
    if tags.is_empty() {
        return 0;
    }
    for tag in tags.split(',') {
        // Each DogStatsD tag may carry a '#' of its own.
        let tag = if separator == ':' { tag.strip_prefix('#').unwrap_or(tag) } else { tag };
        match (tag.split_once(separator), bare) {
            (Some((key, value)), _) if !key.is_empty() && !value.is_empty() => label(key, value),
            (None, Some(value)) if !tag.is_empty() => label(tag, value),
            _ => errors += 1,
        }
    }
    errors
}

/// Walks the fields of an identity: tags and the container's id; others are passed over.
fn visit_fields<'a>(fields: &'a str, dialect: &Dialect, label: &mut impl FnMut(&'a str, &'a str)) -> u32 {
    let bare = dialect.bare_tags.then_some("true");
    let mut errors = 0;
    for field in fields.split('|') {
        if let Some(tags) = field.strip_prefix('#') {
            if dialect.dogstatsd_tags {
                errors += visit(tags, ':', bare, label);
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

/// The identity of a sample, checked to be one. Made when an identity is met for the first time.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    name: &'a str,
    fields: &'a str,
    dialect: Dialect,
}

/// Receives the parts of an identity, in the order of the line.
pub trait TagSink<'a> {
    /// A piece of the name; more than one where tags stood in its middle.
    fn name(&mut self, piece: &'a str);
    /// A tag, as sent. A later one of the same key replaces an earlier one.
    fn tag(&mut self, key: &'a str, value: &'a str);
}

/// How many tags of an identity were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagErrors {
    /// In the name: counted once a line.
    pub name: u32,
    /// In the fields: counted for each sample.
    pub fields: u32,
}

impl<'a> Identity<'a> {
    /// # Errors
    ///
    /// `MalformedLine` if name or tags are not UTF-8, `MixedTaggingStyles` if there are tags both in the name and in a field.
    /// Both reject the whole line.
    pub fn of(sample: &Sample<'a>, dialect: &Dialect) -> Result<Self, Rejected> {
        let (Ok(name), Ok(fields)) = (str::from_utf8(sample.name), str::from_utf8(sample.tags)) else {
            return Err(Rejected { error: SampleError::MalformedLine, tag_errors: 0 });
        };
        let has_tags_field = fields.split('|').any(|field| field.starts_with('#'));
        if has_tags_field {
            let in_name = name_tags(name, dialect);
            if in_name.labels > 0 {
                return Err(Rejected { error: SampleError::MixedTaggingStyles, tag_errors: in_name.errors });
            }
        }
        Ok(Self { name, fields, dialect: *dialect })
    }

    /// Hands the parts to `sink`.
    pub fn visit(&self, sink: &mut impl TagSink<'a>) -> TagErrors {
        let parts = split_name(self.name, &self.dialect);
        sink.name(parts.head);
        sink.name(parts.tail);
        let name = u32::from(parts.lone_bracket) + visit(parts.tags, '=', None, &mut |key, value| sink.tag(key, value));
        let fields = visit_fields(self.fields, &self.dialect, &mut |key, value| sink.tag(key, value));
        TagErrors { name, fields }
    }
}
