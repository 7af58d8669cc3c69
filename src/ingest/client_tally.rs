//! client_tally: what clients reported about themselves since the last flush. Only bindings of such names lead here.

use std::sync::Arc;

use crate::ingest::protocol::{Sample, Value};
use crate::source::Source;
use crate::sources::{ClientField, Reported, Sources};
use crate::time::Timestamp;

/// Maximum number of pairs of source and field between two flushes. They are searched one by one, the last first.
const MAX_REPORTED: usize = 64;

/// The reports of one worker.
pub(crate) struct ClientTally {
    sources: Arc<Sources>,
    reported: Vec<Reported>,
}

impl ClientTally {
    pub(crate) fn new(sources: &Arc<Sources>) -> Self {
        Self { sources: Arc::clone(sources), reported: Vec::new() }
    }

    /// Adds a sample of telemetry.
    #[cold]
    #[inline(never)]
    pub(crate) fn add(&mut self, field: ClientField, sample: &Sample<'_>, source: Source, now: Timestamp) {
        let (Value::Number(value) | Value::Signed(value)) = sample.value else { return };
        let Some(amount) = ClientField::amount(value * sample.weight) else { return };
        if let Some(known) = self.reported.iter_mut().rev().find(|known| known.field == field && known.source == source) {
            known.amount = known.amount.saturating_add(amount);
            return;
        }
        if self.reported.len() >= MAX_REPORTED {
            self.flush(now);
        }
        self.reported.push(Reported { source, field, amount });
    }

    /// Adds everything to the shared sums. What was received with it has been added.
    #[inline]
    pub(crate) fn flush(&mut self, now: Timestamp) {
        if !self.reported.is_empty() {
            self.sources.add_reports(&self.reported, now);
            self.reported.clear();
        }
    }
}
