//! DogStatsD events and service checks, with their fields.
//!
//! As in Datadog's Agent, fields come in any order, and a field of an unknown key or with an invalid value is skipped.

use memchr::memchr;

use super::SampleError;
use crate::options::Dialect;

/// A DogStatsD event: `_e{TITLE_BYTES,TEXT_BYTES}:title|text|field|...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The title, with the escape `\n` for a line break. Not empty.
    pub title: &'a [u8],
    /// The text, with the escape `\n` for a line break.
    pub text: &'a [u8],
    fields: Fields<'a>,
}

/// A DogStatsD service check: `_sc|name|status|field|...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCheck<'a> {
    /// The name. Not empty.
    pub name: &'a [u8],
    /// 0 (ok), 1 (warning), 2 (critical) or 3 (unknown).
    pub status: u8,
    fields: Fields<'a>,
}

/// A field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventField<'a> {
    /// `d:`: when it happened, in seconds since the epoch.
    Time(i64),
    /// `h:`.
    Host(&'a [u8]),
    /// `k:`: the key that groups events.
    AggregationKey(&'a [u8]),
    /// `p:`.
    Priority(Priority),
    /// `s:`: the kind of program that sent it.
    SourceType(&'a [u8]),
    /// `t:`.
    AlertType(AlertType),
    /// `#`: the tags, separated by commas.
    Tags(&'a [u8]),
    /// Fields of clients that have no meaning for events: the ids of containers and of the environment, and the cardinality.
    Origin,
    /// A field of an unknown key, or with an invalid value.
    Unknown,
}

/// The priority of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Priority {
    /// `normal`.
    #[default]
    Normal,
    /// `low`.
    Low,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AlertType {
    /// `error`.
    Error,
    /// `warning`.
    Warning,
    /// `info`.
    #[default]
    Info,
    /// `success`.
    Success,
}

impl Priority {
    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl AlertType {
    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Success => "success",
        }
    }
}

impl<'a> Event<'a> {
    /// The fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = EventField<'a>> + use<'a> {
        self.fields.map(|field| match field {
            [b'd', b':', time @ ..] => seconds(time).map_or(EventField::Unknown, EventField::Time),
            [b'h', b':', host @ ..] => EventField::Host(host),
            [b'k', b':', key @ ..] => EventField::AggregationKey(key),
            b"p:normal" => EventField::Priority(Priority::Normal),
            b"p:low" => EventField::Priority(Priority::Low),
            [b's', b':', source_type @ ..] => EventField::SourceType(source_type),
            b"t:error" => EventField::AlertType(AlertType::Error),
            b"t:warning" => EventField::AlertType(AlertType::Warning),
            b"t:info" => EventField::AlertType(AlertType::Info),
            b"t:success" => EventField::AlertType(AlertType::Success),
            [b'#', tags @ ..] => EventField::Tags(tags),
            field if is_origin(field) => EventField::Origin,
            _ => EventField::Unknown,
        })
    }

    /// Writes the identity of the event's sample to `out`: see [`Sample::tags`](super::Sample::tags). Returns the number of unknown fields.
    pub fn write_identity(&self, out: &mut Vec<u8>) -> u32 {
        let (mut alert_type, mut priority, mut source_type, mut unknown) = (AlertType::default(), Priority::default(), &b""[..], 0);
        for field in self.fields() {
            match field {
                EventField::AlertType(stated) => alert_type = stated,
                EventField::Priority(stated) => priority = stated,
                EventField::SourceType(stated) => source_type = stated,
                EventField::Unknown => unknown += 1,
                _ => {}
            }
        }
        out.clear();
        push_label(out, "alert_type", alert_type.as_str().as_bytes());
        push_label(out, "priority", priority.as_str().as_bytes());
        push_label(out, "source_type", source_type);
        unknown
    }
}

impl ServiceCheck<'_> {
    /// As [`Event::write_identity`], for the sample of the service check.
    pub fn write_identity(&self, dialect: &Dialect, out: &mut Vec<u8>) -> u32 {
        let mut unknown = 0;
        out.clear();
        push_label(out, "check", self.name);
        for field in self.fields {
            match field {
                [b'd', b':', time @ ..] if seconds(time).is_some() => {}
                [b'h', b':', host @ ..] => push_label(out, "host", host),
                // Only clients that send the message last are right, but the Agent reads fields behind it, too.
                [b'm', b':', ..] => {}
                [b'#', ..] => push_field(out, field),
                [b'c', b':', _, ..] if dialect.container_id => push_field(out, field),
                field if is_origin(field) => {}
                _ => unknown += 1,
            }
        }
        unknown
    }
}

/// The remaining fields of a line, without the `|` before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields<'a>(Option<&'a [u8]>);

impl<'a> Fields<'a> {
    /// `None` if text without a `|` comes first.
    fn of(rest: &'a [u8]) -> Option<Self> {
        match rest {
            [] => Some(Self(None)),
            [b'|', fields @ ..] => Some(Self(Some(fields))),
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let end = memchr(b'|', rest);
        self.0 = end.and_then(|end| rest.get(end + 1..));
        rest.get(..end.unwrap_or(rest.len()))
    }
}

fn is_origin(field: &[u8]) -> bool {
    [&b"c:"[..], b"e:", b"card:"].iter().any(|key| field.starts_with(key))
}

fn seconds(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn push_label(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    if !value.is_empty() {
        out.push(b'\n');
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(value);
    }
}

fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    out.push(b'\n');
    out.extend_from_slice(field);
}

/// A line without samples of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventOrCheck<'a> {
    Event(Event<'a>),
    ServiceCheck(ServiceCheck<'a>),
}

#[inline(always)]
pub(super) fn is_event_or_check(line: &[u8]) -> bool {
    matches!(line, [b'_', b'e', b'{', ..] | [b'_', b's', b'c', b'|', ..])
}

/// Parses an event or a service check. The fields are parsed later.
pub(super) fn event_or_check<'a>(line: &'a [u8], dialect: &Dialect) -> Result<EventOrCheck<'a>, SampleError> {
    if line.starts_with(b"_e{") {
        return event(line, dialect).map(EventOrCheck::Event).ok_or(SampleError::MalformedEvent);
    }
    service_check(line).map(EventOrCheck::ServiceCheck).ok_or(SampleError::MalformedServiceCheck)
}

fn service_check(line: &[u8]) -> Option<ServiceCheck<'_>> {
    let rest = line.strip_prefix(b"_sc|")?;
    let (name, rest) = rest.split_at_checked(memchr(b'|', rest)?)?;
    let [b'|', status @ b'0'..=b'3', fields @ ..] = rest else { return None };
    let check = ServiceCheck { name, status: status - b'0', fields: Fields::of(fields)? };
    (!name.is_empty()).then_some(check)
}

fn event<'a>(line: &'a [u8], dialect: &Dialect) -> Option<Event<'a>> {
    let frame = line.strip_prefix(b"_e{")?;
    let (lengths, rest) = frame.split_at_checked(memchr(b'}', frame)?)?;
    let (title, text) = str::from_utf8(lengths).ok()?.split_once(',')?;
    let lengths = (title.parse().ok()?, text.parse().ok()?);
    if lengths.0 == 0 {
        return None;
    }
    let body = rest.strip_prefix(b"}:")?;
    let by_bytes = framed(body, lengths, |body, bytes| body.split_at_checked(bytes));
    // Some clients count characters, or UTF-16 units as C# does. Their lengths fit in one way only, unless all characters are ASCII.
    by_bytes
        .or_else(|| if dialect.exporter_rules { None } else { framed(body, lengths, |body, chars| split_at(body, chars, |_| 1)) })
        .or_else(|| if dialect.exporter_rules { None } else { framed(body, lengths, |body, units| split_at(body, units, char::len_utf16)) })
}

/// An event whose title and text end where `split` splits at their lengths.
fn framed<'a>(
    body: &'a [u8],
    lengths: (usize, usize),
    split: impl Fn(&'a [u8], usize) -> Option<(&'a [u8], &'a [u8])>,
) -> Option<Event<'a>> {
    let (title, rest) = split(body, lengths.0)?;
    let (text, rest) = split(rest.strip_prefix(b"|")?, lengths.1)?;
    Some(Event { title, text, fields: Fields::of(rest)? })
}

/// Splits a text behind so many units, where `width` is the number of units of a character.
fn split_at(body: &[u8], units: usize, width: impl Fn(char) -> usize) -> Option<(&[u8], &[u8])> {
    let (mut left, mut bytes) = (units, 0);
    let mut chars = str::from_utf8(body).ok()?.chars();
    while left > 0 {
        let c = chars.next()?;
        left = left.checked_sub(width(c))?;
        bytes += c.len_utf8();
    }
    body.split_at_checked(bytes)
}
