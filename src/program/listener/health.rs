//! Whether the receive calls of a socket work. Repeated errors are logged at intervals, and lasting ones make the program not ready.
//!
//! Must not know the kind of the socket. The caller counts errors.

use std::io;
use std::time::{Duration, Instant};

use crate::program::faults::Faults;
use crate::program::readiness::Part;

/// Errors that last this long make the program not ready.
const LASTING: Duration = Duration::from_secs(1);

/// The state of one socket.
pub(super) struct SocketHealth {
    address: String,
    part: Part,
    faults: Faults,
    /// When the first of the current failures occurred.
    failing: Option<Instant>,
}

impl SocketHealth {
    /// The state of a working socket at this address.
    pub(super) fn new(address: String, part: Part) -> Self {
        Self { address, part, faults: Faults::default(), failing: None }
    }

    /// The address of the socket, for messages.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Records a successful receive call, with or without data.
    pub(super) fn works(&mut self) {
        if self.failing.take().is_some() && self.part.set_broken(false) {
            tracing::info!(address = self.address, "receiving works again");
        }
    }

    /// Records a failed receive call.
    pub(super) fn failed(&mut self, error: &io::Error) {
        let address = &self.address;
        self.faults.warn(|times| tracing::error!(address, %error, times, "cannot receive, retrying"));
        if self.failing.get_or_insert_with(Instant::now).elapsed() >= LASTING {
            self.part.set_broken(true);
        }
    }
}
