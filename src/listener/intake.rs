//! Where all listeners hand in what they received.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::relay::Relay;
use crate::protocol::SampleError;
use crate::{Timestamp, Worker};

/// Wall time that never goes back: read once at start, then advanced by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    /// Anchors the clock to the wall time of now.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_millis: u64::try_from(since_epoch.as_millis()).unwrap_or(0) }
    }

    /// The time of now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The time of an instant that was read already.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let elapsed = instant.saturating_duration_since(self.start).as_millis();
        Timestamp::from_millis(self.start_millis.saturating_add(u64::try_from(elapsed).unwrap_or(0)))
    }
}

/// One receiver's way into the bridge: its worker, and its relay if lines are relayed.
pub struct Intake {
    worker: Worker,
    relay: Option<Relay>,
    clock: Clock,
}

impl Intake {
    /// An intake of its own for one receiving thread, or for several that share it behind a lock.
    pub fn new(worker: Worker, relay: Option<Relay>, clock: Clock) -> Self {
        Self { worker, relay, clock }
    }

    /// Relays and records what was received at `now`. A datagram may hold many lines.
    pub fn datagrams<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]> + Clone, now: Instant) {
        if let Some(relay) = &mut self.relay {
            datagrams.clone().for_each(|datagram| relay.lines(datagram, now));
        }
        self.worker.ingest_batch(datagrams, self.clock.at(now));
    }

    /// Counts `count` lines that could not be handed in whole. To be called before the batch that they came with.
    pub fn refuse_lines(&mut self, reason: SampleError, count: usize) {
        (0..count).for_each(|_| self.worker.refuse_line(reason));
    }

    /// Sends what the relay has held for too long.
    pub fn tick(&mut self, now: Instant) {
        if let Some(relay) = &mut self.relay {
            relay.tick(now);
        }
    }

    /// Sends what the relay still holds.
    pub fn finish(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_follows_the_monotonic_one() {
        let clock = Clock::start();
        let instant = Instant::now();
        let later = clock.at(instant + Duration::from_millis(1500));
        assert_eq!(later.millis_since(clock.at(instant)), 1500);
        let known = Timestamp::from_millis(1_700_000_000_000);
        assert!(clock.now() > known, "milliseconds since 1970, not seconds");
    }
}
