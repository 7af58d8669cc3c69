//! Which networks may send over UDP and TCP (`--statsd.allow-from`). Must not know a socket.

use std::sync::Mutex;

use metrics::Counter;

use crate::lock::lock;
use crate::program::faults::Faults;
use crate::program::net::AllowedNetwork;
use crate::source::Source;

/// The networks that may send, and the count of what came from others.
pub(super) struct AllowedSenders {
    networks: Vec<AllowedNetwork>,
    rejected: Counter,
    faults: Mutex<Faults>,
}

impl AllowedSenders {
    /// `None` without networks: all may send. `rejected` counts datagrams or connections from other networks.
    pub(super) fn new(networks: &[AllowedNetwork], rejected: Counter) -> Option<Self> {
        (!networks.is_empty()).then(|| Self { networks: networks.to_vec(), rejected, faults: Mutex::default() })
    }

    /// Whether this sender may send. Counts and logs one that may not. A sender without an address may not, except over Unix sockets.
    pub(super) fn allows(&self, source: &Source) -> bool {
        let is_allowed = match source {
            Source::Udp(address) | Source::Tcp(address) => self.networks.iter().any(|network| network.contains(address.ip())),
            Source::Unixgram | Source::UnixgramOf(_) | Source::Unix(_) => true,
            Source::Unknown => false,
        };
        if !is_allowed {
            self.rejected.increment(1);
            lock(&self.faults).warn(|times| tracing::warn!(%source, times, "rejected: not from a network of --statsd.allow-from"));
        }
        is_allowed
    }
}
