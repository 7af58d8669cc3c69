//! Relays received lines to other StatsD servers, over UDP, TCP or Unix sockets.
//!
//! ```text
//! receiver   feed: filter -> pack lines       one per receiver; never waits
//!   queue    bounded by bytes and by age, one per target; a full queue drops new lines and counts them
//!     sender one thread per target             connects, resolves names again, sends, counts
//! ```
//! So a slow or dead target costs the others nothing, and receiving never waits. Each line counts once for each target: as filtered, too
//! long, lost with a reason, or relayed. Must not change a line.

mod feed;
mod filter;
mod link;
mod queue;
mod sender;
mod target;

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use self::feed::Feed;
pub(crate) use self::feed::Relay;
use self::queue::Queue;
use self::sender::Sender;
pub(crate) use self::target::Endpoint;
pub(crate) use self::target::RelayTarget;
use super::stop::Stop;
use crate::options::Dialect;
use crate::telemetry::{RelayCounters, Telemetry};

/// Options of the relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The other servers. Without any, nothing is relayed.
    pub targets: Vec<RelayTarget>,
    /// Length of a datagram in bytes, at least 1; 1400 fits an Ethernet frame with room for tunnels.
    pub packet_bytes: usize,
    /// Limit of the bytes that wait for one target.
    pub queue_bytes: usize,
    /// How long a line may wait for its target; zero for any time. A line has no time, so a target takes an old one for a new one.
    pub max_age: Duration,
}

/// All targets, with their threads.
pub(crate) struct Relays {
    options: RelayOptions,
    dialect: Dialect,
    lanes: Vec<Lane>,
    threads: Vec<JoinHandle<()>>,
}

/// The way to one target.
struct Lane {
    queue: Arc<Queue>,
    counters: RelayCounters,
}

impl Relays {
    /// Starts a thread for each target. They connect at once, and end after [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn start(options: &RelayOptions, dialect: Dialect, telemetry: &Telemetry, stop: &Arc<Stop>) -> io::Result<Self> {
        let mut relays = Self { options: options.clone(), dialect, lanes: Vec::new(), threads: Vec::new() };
        for (number, target) in options.targets.iter().enumerate() {
            let counters = telemetry.relay(&target.endpoint.to_string());
            let queue = Arc::new(Queue::new(options.queue_bytes, options.max_age, counters.queue_bytes.clone()));
            let sender = Sender::new(target, Arc::clone(&queue), counters.clone(), Arc::clone(stop));
            relays.threads.push(Builder::new().name(format!("relay-{number}")).spawn(move || sender.run())?);
            relays.lanes.push(Lane { queue, counters });
        }
        Ok(relays)
    }

    /// The relay of one receiver; `None` without a target.
    pub(crate) fn relay(&self) -> Option<Relay> {
        let feed = |(target, lane): (&RelayTarget, &Lane)| {
            Feed::new(target, Arc::clone(&lane.queue), lane.counters.clone(), self.options.packet_bytes)
        };
        let feeds: Vec<Feed> = self.options.targets.iter().zip(&self.lanes).map(feed).collect();
        (!feeds.is_empty()).then(|| Relay::new(feeds, self.dialect))
    }

    /// Sends what the queues hold, and ends the threads, at most until `deadline`. Call it when all receivers have ended.
    pub(crate) async fn end(self, deadline: Instant) {
        self.lanes.iter().for_each(|lane| lane.queue.close());
        let join = move || self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        match tokio::time::timeout_at(deadline.into(), tokio::task::spawn_blocking(join)).await {
            Ok(Ok(0)) => {}
            Ok(_) => tracing::error!("a thread of the relay panicked"),
            Err(_) => tracing::error!("the relay has not stopped in time"),
        }
    }
}

#[cfg(test)]
mod tests;
