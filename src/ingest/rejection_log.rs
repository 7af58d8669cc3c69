//! What a worker rejected: in the log by reason, at a limited rate, with one sample of the input and its sender; and the last input of
//! each reason, for people who ask.

use std::collections::HashMap;

use crate::rejections::{Rejections, SHOWN_BYTES};
use crate::source::Source;
use crate::time::Timestamp;

/// One line of log a reason in this time.
const EVERY_MS: u64 = 10_000;

/// When a reason was last logged, how many rejections were not since, and the last one.
#[derive(Default)]
pub(crate) struct RejectionLog {
    by_reason: HashMap<&'static str, Entry>,
    /// Whether anything was rejected that others do not know yet.
    has_news: bool,
}

struct Entry {
    logged: Timestamp,
    unsaid: u64,
    input: Vec<u8>,
    source: Source,
    at: Timestamp,
    is_news: bool,
}

impl RejectionLog {
    /// Notes a rejection, and logs it unless its reason was logged a short while ago.
    pub(crate) fn rejected(&mut self, reason: &'static str, input: &[u8], source: Source, now: Timestamp) {
        let is_new = !self.by_reason.contains_key(reason);
        let new = || Entry { logged: now, unsaid: 0, input: Vec::with_capacity(SHOWN_BYTES), source, at: now, is_news: true };
        let entry = self.by_reason.entry(reason).or_insert_with(new);
        let input = input.get(..SHOWN_BYTES).unwrap_or(input);
        entry.input.clear();
        entry.input.extend_from_slice(input);
        (entry.source, entry.at, entry.is_news, self.has_news) = (source, now, true, true);
        if !is_new && now.millis_since(entry.logged) < EVERY_MS {
            entry.unsaid += 1;
            return;
        }
        let (input, since_last) = (input.escape_ascii(), entry.unsaid + 1);
        tracing::warn!(reason, %input, %source, since_last, "rejected; further ones of this reason are logged every 10 s at most");
        (entry.logged, entry.unsaid) = (now, 0);
    }

    /// Tells what is new; once a batch.
    #[inline]
    pub(crate) fn flush(&mut self, all: &Rejections) {
        if self.has_news {
            self.tell(all);
        }
    }

    #[cold]
    fn tell(&mut self, all: &Rejections) {
        self.has_news = false;
        let news = self.by_reason.iter_mut().filter(|(_, entry)| entry.is_news);
        for (reason, entry) in news {
            entry.is_news = false;
            all.note(reason, &entry.input, entry.source, entry.at);
        }
    }
}
