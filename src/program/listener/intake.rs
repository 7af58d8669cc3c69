//! Passes received bytes to a worker, and their lines to the relay if there is one.
//!
//! Must not know the kind of socket that received the bytes.

use std::time::Instant;

use super::peers::Processes;
use super::relay::Relay;
use crate::ingest::pipeline::Datagram;
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::SampleError;
use crate::program::clock;

/// The worker and the optional relay of one receiver.
pub(crate) struct Intake {
    worker: Worker,
    relay: Option<Relay>,
    processes: Option<Processes>,
    /// Whether datagrams were recorded since the last tick.
    is_busy: bool,
}

impl Intake {
    /// An intake for one receiving thread, or for several tasks that share it behind a lock.
    pub(crate) fn new(worker: Worker, relay: Option<Relay>) -> Self {
        Self { worker, relay, processes: None, is_busy: false }
    }

    /// Where a receiver of a Unix socket finds the containers of its senders; `None` if nothing needs them.
    pub(crate) fn with_processes(self, processes: Option<Processes>) -> Self {
        Self { processes, ..self }
    }

    pub(super) fn processes(&self) -> Option<&Processes> {
        self.processes.as_ref()
    }

    /// Relays and records datagrams that were received at `now`. A datagram may contain many lines.
    pub(crate) fn datagrams<'a>(&mut self, datagrams: impl Iterator<Item = Datagram<'a>> + Clone, now: Instant) {
        if let Some(relay) = &mut self.relay {
            datagrams.clone().for_each(|datagram| relay.lines(datagram.bytes, now));
        }
        if self.worker.is_watched() {
            self.worker.ingest_watched(datagrams, clock::at(now));
        } else {
            self.worker.ingest_batch(datagrams, clock::at(now));
        }
        self.is_busy = true;
    }

    /// Rejects and counts a line that was not received completely, and may be empty. Call it before the batch of the line. `whole` says
    /// whether the batch has no other line of its datagram.
    pub(crate) fn reject_line(&mut self, reason: SampleError, line: Datagram<'_>, whole: bool, now: Instant) {
        self.worker.reject_line_from(reason, line.bytes, (line.source, u64::from(whole)), clock::at(now));
    }

    /// Sends lines that have waited too long in the relay, and lets an idle worker free memory.
    pub(crate) fn tick(&mut self, now: Instant) {
        // A busy worker frees memory with each batch.
        if !std::mem::take(&mut self.is_busy) {
            self.worker.tick();
        }
        if let Some(relay) = &mut self.relay {
            relay.tick(now);
        }
    }

    /// Sends all lines in the relay.
    pub(crate) fn finish(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.finish();
        }
    }
}
