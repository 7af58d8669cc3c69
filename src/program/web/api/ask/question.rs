//! What is asked about, and what is known of all names.

use std::collections::HashMap;

use crate::arrivals::ArrivedName;
use crate::program::family_history::Growth;
use crate::program::web::api::live::Live;
use crate::time::Timestamp;

/// A question at a time.
pub(super) struct Question<'a> {
    pub(super) live: &'a Live,
    pub(super) now: Timestamp,
    /// Raw names that arrived.
    pub(super) arrived: Vec<ArrivedName>,
    /// Samples of raw names that no rule matches, as far as they are counted: while there are rules, and of the first 1,000 names.
    pub(super) samples: HashMap<String, u64>,
    /// New series and rates of families.
    pub(super) growth: HashMap<Box<str>, Growth>,
}

impl<'a> Question<'a> {
    /// A question now.
    pub(super) fn new(live: &'a Live) -> Self {
        let now = (live.clock)();
        let usage = live.bridge.rule_use();
        let samples = if usage.rules.is_empty() { HashMap::new() } else { usage.unmapped.into_iter().collect() };
        Self { live, now, arrived: live.bridge.engine().arrivals().all().0, samples, growth: live.history.families().all(now) }
    }

    /// The number of kinds that a raw name arrived with.
    pub(super) fn kinds_of(&self, name: &str) -> usize {
        self.arrived.iter().filter(|known| *known.name == *name).count()
    }

    /// A sentence where the last reload of the mapping files failed: the rules in force are then older than the files.
    pub(super) fn failed_reload(&self) -> &'static str {
        let last = self.live.configuration.files.rules.as_ref().and_then(|record| record.get().last);
        if last.is_some_and(|last| last.error_count > 0) {
            " The last reload of the mapping files failed, so the rules in force are those of before: see the view Configuration."
        } else {
            ""
        }
    }
}
