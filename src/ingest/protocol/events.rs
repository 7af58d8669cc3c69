//! DogStatsD events and service checks. The bridge recognises and counts them, and discards them.

use memchr::memchr;

use super::SampleError;

/// A line without samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventOrCheck {
    Event,
    ServiceCheck,
}

#[inline(always)]
pub(super) fn is_event_or_check(line: &[u8]) -> bool {
    matches!(line, [b'_', b'e', b'{', ..] | [b'_', b's', b'c', b'|', ..])
}

/// Parses `_e{TITLE_BYTES,TEXT_BYTES}:title|text|...` or `_sc|name|status|...`. Ignores further fields.
pub(super) fn event_or_check(line: &[u8]) -> Result<EventOrCheck, SampleError> {
    if line.starts_with(b"_e{") {
        return event(line).map(|()| EventOrCheck::Event).ok_or(SampleError::MalformedEvent);
    }
    let mut fields = line.split(|&b| b == b'|').skip(1);
    match (fields.next(), fields.next()) {
        (Some(name), Some([b'0'..=b'3'])) if !name.is_empty() => Ok(EventOrCheck::ServiceCheck),
        _ => Err(SampleError::MalformedServiceCheck),
    }
}

fn event(line: &[u8]) -> Option<()> {
    let frame = line.strip_prefix(b"_e{")?;
    let (lengths, rest) = frame.split_at_checked(memchr(b'}', frame)?)?;
    let (title, text) = str::from_utf8(lengths).ok()?.split_once(',')?;
    let (title, text): (usize, usize) = (title.parse().ok()?, text.parse().ok()?);
    let body = rest.strip_prefix(b"}:")?.get(title..)?.strip_prefix(b"|")?.get(text..)?;
    (title > 0 && matches!(body, [] | [b'|', ..])).then_some(())
}
