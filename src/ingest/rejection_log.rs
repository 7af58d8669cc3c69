//! Logs a worker's rejections by reason at a limited rate, with an example of the input and its sender; and publishes the last input of
//! each reason for reports. Counts rejections by source.

use std::collections::HashMap;

use crate::ingest::sender_tally::SenderRejections;
use crate::rejections::{Rejections, SHOWN_BYTES};
use crate::source::Source;
use crate::time::Timestamp;

/// Minimum time between two log messages of one reason.
const EVERY_MS: u64 = 10_000;

/// The last rejection of each reason.
pub(crate) struct RejectionLog {
    by_reason: HashMap<&'static str, Entry>,
    /// Whether there are rejections since the last [`flush`](Self::flush).
    is_unpublished: bool,
    /// The rejections by source and reason.
    by_source: SenderRejections,
}

struct Entry {
    /// Time of the last log message.
    logged: Timestamp,
    /// Rejections since then.
    unlogged: u64,
    /// The last rejection.
    input: Vec<u8>,
    source: Source,
    at: Timestamp,
    is_unpublished: bool,
}

impl RejectionLog {
    pub(crate) fn new(by_source: SenderRejections) -> Self {
        Self { by_reason: HashMap::new(), is_unpublished: false, by_source }
    }

    /// The rejections by source and reason.
    pub(crate) fn by_source(&mut self) -> &mut SenderRejections {
        &mut self.by_source
    }

    /// As [`rejected`](Self::rejected), for a sample that was counted and turned out to be a rejected line.
    pub(crate) fn line_rejected(&mut self, reason: &'static str, input: &[u8], source: Source, now: Timestamp) {
        self.by_source.rejected((reason, 1), input, source, 1, now);
        self.log((reason, 1), input, source, now);
    }

    /// Notes a rejection, and logs it unless its reason was logged within the last 10 s.
    pub(crate) fn rejected(&mut self, reason: &'static str, input: &[u8], source: Source, now: Timestamp) {
        self.by_source.rejected((reason, 1), input, source, 0, now);
        self.log((reason, 1), input, source, now);
    }

    /// As [`rejected`](Self::rejected), for `lines` of a datagram together.
    pub(crate) fn lines_rejected(&mut self, reason: &'static str, lines: u64, input: &[u8], source: Source, now: Timestamp) {
        self.by_source.rejected((reason, lines), input, source, 0, now);
        self.log((reason, lines), input, source, now);
    }

    fn log(&mut self, (reason, count): (&'static str, u64), input: &[u8], source: Source, now: Timestamp) {
        let is_new = !self.by_reason.contains_key(reason);
        let new = || Entry { logged: now, unlogged: 0, input: Vec::with_capacity(SHOWN_BYTES), source, at: now, is_unpublished: true };
        let entry = self.by_reason.entry(reason).or_insert_with(new);
        let input = input.get(..SHOWN_BYTES).unwrap_or(input);
        entry.input.clear();
        entry.input.extend_from_slice(input);
        (entry.source, entry.at, entry.is_unpublished, self.is_unpublished) = (source, now, true, true);
        if !is_new && now.millis_since(entry.logged) < EVERY_MS {
            entry.unlogged += count;
            return;
        }
        let (input, since_last) = (input.escape_ascii(), entry.unlogged + count);
        tracing::warn!(reason, %input, %source, since_last, "rejected; each reason is logged at most once in 10 s");
        (entry.logged, entry.unlogged) = (now, 0);
    }

    /// Publishes the rejections since the last call. Called once a batch.
    #[inline]
    pub(crate) fn flush(&mut self, all: &Rejections) {
        if self.is_unpublished {
            self.publish(all);
        }
    }

    #[cold]
    fn publish(&mut self, all: &Rejections) {
        self.is_unpublished = false;
        let unpublished = self.by_reason.iter_mut().filter(|(_, entry)| entry.is_unpublished);
        for (reason, entry) in unpublished {
            entry.is_unpublished = false;
            all.note(reason, &entry.input, entry.source, entry.at);
        }
    }
}
