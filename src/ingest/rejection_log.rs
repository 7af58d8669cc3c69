//! The log of refused input: by reason, at a limited rate, with one sample of the input.

use std::collections::HashMap;

use crate::time::Timestamp;

/// One line of log a reason in this time.
const EVERY_MS: u64 = 10_000;

/// How much of the input is shown.
const SHOWN_BYTES: usize = 160;

/// When a reason was last logged, and how many refusals were not since.
#[derive(Default)]
pub(crate) struct RefusalLog {
    by_reason: HashMap<&'static str, Entry>,
}

struct Entry {
    logged: Timestamp,
    unsaid: u64,
}

impl RefusalLog {
    /// Notes a refusal, and logs it unless its reason was logged a short while ago.
    pub(crate) fn refused(&mut self, reason: &'static str, input: &[u8], now: Timestamp) {
        let is_new = !self.by_reason.contains_key(reason);
        let entry = self.by_reason.entry(reason).or_insert(Entry { logged: now, unsaid: 0 });
        if !is_new && now.millis_since(entry.logged) < EVERY_MS {
            entry.unsaid += 1;
            return;
        }
        let input = input.get(..SHOWN_BYTES).unwrap_or(input).escape_ascii();
        tracing::warn!(reason, %input, since_last = entry.unsaid + 1, "refused; further ones of this reason are logged every 10 s at most");
        *entry = Entry { logged: now, unsaid: 0 };
    }
}
