//! events: the last DogStatsD events, for reports, and a hook that sees every event.
//!
//! The number of events and their bytes are bounded; the oldest events make room. The core has no clock and no I/O: the hook must not
//! block. Knows neither counters nor sockets.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use crate::ingest::protocol::{self, AlertType, EventField, Priority};
use crate::lock::lock;
use crate::options::Limits;
use crate::source::Source;
use crate::time::Timestamp;

/// Bytes of a title that are kept.
const TITLE_BYTES: usize = 1_024;
/// Bytes of a text that are kept.
const TEXT_BYTES: usize = 8_192;
/// Bytes of a host, an aggregation key or a source type that are kept, and of a tag.
const FIELD_BYTES: usize = 256;
/// Tags that are kept.
const TAGS: usize = 128;

/// A received DogStatsD event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptEvent {
    /// The title: at most 1,024 bytes. Line breaks are not escaped.
    pub title: String,
    /// The text: at most 8,192 bytes. Line breaks are not escaped.
    pub text: String,
    /// `error`, `warning`, `info` or `success`.
    pub alert_type: &'static str,
    /// `normal` or `low`.
    pub priority: &'static str,
    /// The type of its source, if stated: at most 256 bytes, as host and key.
    pub source_type: Option<String>,
    /// The stated host.
    pub host: Option<String>,
    /// The stated key that groups events.
    pub aggregation_key: Option<String>,
    /// The tags as sent: at most 128 of at most 256 bytes.
    pub tags: Vec<String>,
    /// When it happened, as stated by the sender: seconds since the epoch.
    pub stated_seconds: Option<i64>,
    /// When it arrived.
    pub received: Timestamp,
    /// The sender.
    pub source: Source,
    /// Whether a part was longer and is cut.
    pub is_cut: bool,
}

/// The kept events, and how many made room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptEvents {
    /// The events, newest first.
    pub events: Vec<Arc<KeptEvent>>,
    /// The number of kept events, also of those that are not in `events`.
    pub kept: usize,
    /// The bytes of all kept events.
    pub bytes: usize,
    /// Events that were kept before, or were larger than the limit.
    pub evicted: u64,
}

/// Sees each event. It must not block, because a receiving thread calls it.
pub(crate) type EventHook = Box<dyn Fn(&KeptEvent) + Send + Sync>;

/// The last events over all workers.
pub(crate) struct EventLog {
    most_events: usize,
    most_bytes: usize,
    kept: Mutex<Kept>,
    hook: OnceLock<EventHook>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<KeptEvent>>,
    bytes: usize,
    evicted: u64,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EventsChange {
    /// Kept events.
    pub(crate) kept: i64,
    /// Bytes of kept events.
    pub(crate) bytes: i64,
    /// Events that made room.
    pub(crate) evicted: u64,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}

impl EventLog {
    /// An empty log within the limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { most_events: limits.events, most_bytes: limits.event_bytes, kept: Mutex::default(), hook: OnceLock::new() }
    }

    /// Sets the hook. Only the first call has an effect.
    #[cfg(feature = "cli")]
    pub(crate) fn set_hook(&self, hook: EventHook) {
        drop(self.hook.set(hook));
    }

    /// Keeps an event and passes it to the hook.
    pub(crate) fn note(&self, event: &protocol::Event<'_>, source: Source, now: Timestamp) -> EventsChange {
        if self.most_events == 0 && self.hook.get().is_none() {
            return EventsChange::default();
        }
        let event = KeptEvent::of(event, source, now);
        if let Some(hook) = self.hook.get() {
            hook(&event);
        }
        if self.most_events == 0 { EventsChange::default() } else { self.keep(event) }
    }

    fn keep(&self, event: KeptEvent) -> EventsChange {
        let bytes = event.bytes();
        // Dropped after the lock is released.
        let mut gone = Vec::new();
        let mut kept = lock(&self.kept);
        let (count_before, bytes_before) = (kept.events.len(), kept.bytes);
        if bytes <= self.most_bytes {
            kept.bytes += bytes;
            kept.events.push_back(Arc::new(event));
        } else {
            kept.evicted += 1;
        }
        let mut evicted = u64::from(bytes > self.most_bytes);
        while kept.events.len() > self.most_events || kept.bytes > self.most_bytes {
            let Some(oldest) = kept.events.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(oldest.bytes());
            kept.evicted += 1;
            evicted += 1;
            gone.push(oldest);
        }
        let change = |before: usize, after: usize| after as i64 - before as i64;
        EventsChange { kept: change(count_before, kept.events.len()), bytes: change(bytes_before, kept.bytes), evicted }
    }

    /// At most `most` of the kept events, newest first.
    pub(crate) fn newest(&self, most: usize) -> KeptEvents {
        let kept = lock(&self.kept);
        let events = kept.events.iter().rev().take(most).cloned().collect();
        KeptEvents { events, kept: kept.events.len(), bytes: kept.bytes, evicted: kept.evicted }
    }
}

impl KeptEvent {
    /// The event of a line. Invalid UTF-8 is replaced.
    pub(crate) fn of(event: &protocol::Event<'_>, source: Source, received: Timestamp) -> Self {
        let mut cut = Cut::default();
        let mut kept = Self {
            title: cut.unescaped(event.title, TITLE_BYTES),
            text: cut.unescaped(event.text, TEXT_BYTES),
            alert_type: AlertType::default().as_str(),
            priority: Priority::default().as_str(),
            source_type: None,
            host: None,
            aggregation_key: None,
            tags: Vec::new(),
            stated_seconds: None,
            received,
            source,
            is_cut: false,
        };
        for field in event.fields() {
            match field {
                EventField::Time(seconds) => kept.stated_seconds = Some(seconds),
                EventField::Host(host) => kept.host = cut.stated(host),
                EventField::AggregationKey(key) => kept.aggregation_key = cut.stated(key),
                EventField::Priority(priority) => kept.priority = priority.as_str(),
                EventField::SourceType(source_type) => kept.source_type = cut.stated(source_type),
                EventField::AlertType(alert_type) => kept.alert_type = alert_type.as_str(),
                EventField::Tags(tags) => {
                    let mut tags = tags.split(|byte| *byte == b',').filter_map(|tag| cut.stated(tag));
                    kept.tags.extend(tags.by_ref().take(TAGS.saturating_sub(kept.tags.len())));
                    let has_more = tags.next().is_some();
                    cut.happened |= has_more;
                }
                EventField::Origin | EventField::Unknown => {}
            }
        }
        kept.is_cut = cut.happened;
        kept
    }

    /// The bytes in memory.
    fn bytes(&self) -> usize {
        let fields = [&self.source_type, &self.host, &self.aggregation_key];
        let fields: usize = fields.into_iter().flatten().map(String::capacity).sum();
        let tags: usize = self.tags.iter().map(String::capacity).sum();
        let of_tags = tags + self.tags.capacity() * size_of::<String>();
        // The place in the queue and the two counts of the reference.
        size_of::<Self>() + 3 * size_of::<usize>() + self.title.capacity() + self.text.capacity() + fields + of_tags
    }
}

/// Cuts texts, and remembers whether one was longer.
#[derive(Default)]
struct Cut {
    happened: bool,
}

impl Cut {
    /// A text without escapes of line breaks.
    fn unescaped(&mut self, bytes: &[u8], most: usize) -> String {
        self.cut(String::from_utf8_lossy(bytes).replace("\\n", "\n"), most)
    }

    /// A field; `None` if it is empty.
    fn stated(&mut self, bytes: &[u8]) -> Option<String> {
        (!bytes.is_empty()).then(|| self.cut(String::from_utf8_lossy(bytes).into_owned(), FIELD_BYTES))
    }

    fn cut(&mut self, mut text: String, most: usize) -> String {
        self.happened |= text.len() > most;
        let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.shrink_to_fit();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::protocol::{Line, parse_line};
    use crate::options::Dialect;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn note(log: &EventLog, line: &str) -> EventsChange {
        let dialect = Dialect::default();
        let Line::Event(event) = parse_line(line.as_bytes(), &dialect) else { panic!("{line}") };
        log.note(&event, Source::Unixgram, NOW)
    }

    fn log(events: usize, event_bytes: usize) -> EventLog {
        EventLog::new(&Limits { events, event_bytes, ..Limits::default() })
    }

    #[test]
    fn every_part_of_an_event_is_kept() {
        let log = log(10, 1 << 20);
        note(&log, "_e{10,13}:two\\nlines|a|b\\nc:d|e:é|d:-5|h:web|k:key|p:low|s:cron|t:success|#a:b,,c|#d|c:ci|zz|p:high|t:?");
        note(&log, "_e{1,0}:a|");
        let kept = log.newest(10);
        let [second, first] = &kept.events[..] else { panic!("{kept:?}") };
        assert_eq!((&*second.title, &*second.text, second.alert_type, second.priority), ("a", "", "info", "normal"));
        assert_eq!((&*first.title, &*first.text), ("two\nlines", "a|b\nc:d|e:é"));
        assert_eq!((first.alert_type, first.priority, first.stated_seconds), ("success", "low", Some(-5)));
        let fields = [&first.host, &first.aggregation_key, &first.source_type].map(|field| field.as_deref());
        assert_eq!(
            (fields, &first.tags[..], first.is_cut),
            ([Some("web"), Some("key"), Some("cron")], &["a:b", "c", "d"].map(str::to_owned)[..], false)
        );
        assert_eq!((first.received, first.source), (NOW, Source::Unixgram));
    }

    #[test]
    fn the_oldest_events_make_room() {
        let log = log(2, 1 << 20);
        let changes: Vec<_> = (0..4).map(|number| note(&log, &format!("_e{{1,0}}:{number}|"))).collect();
        assert_eq!(changes.iter().map(|change| (change.kept, change.evicted)).collect::<Vec<_>>(), [(1, 0), (1, 0), (0, 1), (0, 1)]);
        let kept = log.newest(9);
        assert_eq!(kept.events.iter().map(|event| &*event.title).collect::<Vec<_>>(), ["3", "2"]);
        assert_eq!((kept.kept, kept.evicted), (2, 2));
        assert_eq!(changes.iter().map(|change| change.bytes).sum::<i64>(), kept.bytes as i64);
        assert_eq!(log.newest(1).events.len(), 1);
    }

    #[test]
    fn bytes_are_bounded_and_long_parts_are_cut() {
        let log = log(1_000, 40_000);
        let (title, text, tags) = ("é".repeat(700), "x".repeat(20_000), format!("{},{}", "k".repeat(300), "a:b,".repeat(200)));
        let line = format!("_e{{{},{}}}:{title}|{text}|#{tags}", title.len(), text.len());
        let mut sums = (0, 0, 0);
        for _ in 0..50 {
            let change = note(&log, &line);
            sums = (sums.0 + change.kept, sums.1 + change.bytes, sums.2 + change.evicted);
            assert!(log.newest(0).bytes <= 40_000);
        }
        let kept = log.newest(100);
        assert_eq!(sums, (kept.kept as i64, kept.bytes as i64, kept.evicted));
        assert!(kept.kept > 1 && kept.kept as u64 + kept.evicted == 50, "{}", kept.kept);
        let event = &kept.events[0];
        assert_eq!((event.title.len(), event.text.len(), event.tags.len(), event.is_cut), (TITLE_BYTES, TEXT_BYTES, TAGS, true));
        // One that is larger than the limit is not kept and evicts none.
        let small = super::tests::log(10, 400);
        assert_eq!(note(&small, "_e{1,0}:a|").kept, 1);
        assert_eq!(note(&small, &line), EventsChange { kept: 0, bytes: 0, evicted: 1 });
    }

    #[test]
    fn without_limits_the_hook_still_sees_events() {
        let (log, seen) = (log(0, 0), Arc::new(Mutex::new(Vec::new())));
        assert_eq!(note(&log, "_e{1,0}:a|"), EventsChange::default());
        #[cfg(feature = "cli")]
        {
            let seen = Arc::clone(&seen);
            log.set_hook(Box::new(move |event| lock(&seen).push(event.title.clone())));
            note(&log, "_e{1,0}:b|");
        }
        assert_eq!(log.newest(5), KeptEvents::default());
        assert!(!cfg!(feature = "cli") || *lock(&seen) == ["b"]);
    }
}
