//! Where every listener hands in what it received: lines to the relay, if there is one, and all bytes to a worker.
//!
//! Must not know which kind of socket the bytes came from.

use std::time::Instant;

use super::relay::Relay;
use crate::ingest::pipeline::Datagram;
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::SampleError;
use crate::program::clock;
use crate::source::Source;

/// One receiver's way into the bridge: its worker, and its relay if lines are relayed.
pub(crate) struct Intake {
    worker: Worker,
    relay: Option<Relay>,
    /// Whether anything was recorded since the last tick.
    is_busy: bool,
}

impl Intake {
    /// An intake of its own for one receiving thread, or for several that share it behind a lock.
    pub(crate) fn new(worker: Worker, relay: Option<Relay>) -> Self {
        Self { worker, relay, is_busy: false }
    }

    /// Relays and records what was received at `now`. A datagram may hold many lines.
    pub(crate) fn datagrams<'a>(&mut self, datagrams: impl Iterator<Item = Datagram<'a>> + Clone, now: Instant) {
        if let Some(relay) = &mut self.relay {
            datagrams.clone().for_each(|datagram| relay.lines(datagram.bytes, now));
        }
        self.worker.ingest_batch(datagrams, clock::at(now));
        self.is_busy = true;
    }

    /// Counts a line of which only the beginning is known, if that. To be called before the batch that it came with.
    pub(crate) fn reject_line(&mut self, reason: SampleError, line: &[u8], source: &Source, now: Instant) {
        self.worker.reject_line_from(reason, line, source, clock::at(now));
    }

    /// Sends what the relay has held for too long, and lets the registry know that this receiver writes nothing just now.
    pub(crate) fn tick(&mut self, now: Instant) {
        // A busy worker tells the registry with each batch.
        if !std::mem::take(&mut self.is_busy) {
            self.worker.tick();
        }
        if let Some(relay) = &mut self.relay {
            relay.tick(now);
        }
    }

    /// Sends what the relay still holds.
    pub(crate) fn finish(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.finish();
        }
    }
}
