//! Whether the receive calls of one socket work: errors that go on are logged at times, and make the program not ready.
//!
//! Must not know what kind of socket it is; counting is the caller's.

use std::io;
use std::time::{Duration, Instant};

use crate::program::faults::Faults;
use crate::program::readiness::Part;

/// Errors that go on for so long make the program not ready.
const LASTING: Duration = Duration::from_secs(1);

/// What is known of one socket.
pub(super) struct SocketHealth {
    address: String,
    part: Part,
    faults: Faults,
    /// Since when every call fails.
    failing: Option<Instant>,
}

impl SocketHealth {
    /// Of a socket at this address, which works.
    pub(super) fn new(address: String, part: Part) -> Self {
        Self { address, part, faults: Faults::default(), failing: None }
    }

    /// A receive call worked, whether something came or not.
    pub(super) fn works(&mut self) {
        if self.failing.take().is_some() && self.part.set_broken(false) {
            tracing::info!(address = self.address, "receiving works again");
        }
    }

    /// A receive call failed.
    pub(super) fn failed(&mut self, error: &io::Error) {
        let address = &self.address;
        self.faults.warn(|times| tracing::error!(address, %error, times, "cannot receive, trying again"));
        if self.failing.get_or_insert_with(Instant::now).elapsed() >= LASTING {
            self.part.set_broken(true);
        }
    }
}
