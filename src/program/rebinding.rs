//! Detects that the path of a Unix socket was removed or replaced, logs and counts it, and binds the socket again.
//!
//! Without its path, a socket still works for clients that have it open, but no other client can reach it. Must not know what the socket
//! carries.

use std::sync::Arc;
use std::time::Duration;

use crate::program::faults::Faults;
use crate::program::net::OwnedPath;
use crate::program::readiness::Part;
use crate::telemetry::Telemetry;

/// Interval between checks of a path.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The state of one socket's path.
pub(super) struct Rebinding {
    shown: String,
    telemetry: Arc<Telemetry>,
    part: Part,
    faults: Faults,
}

impl Rebinding {
    /// The state of a bound socket. `shown` is its address in messages.
    pub(super) fn new(shown: String, telemetry: Arc<Telemetry>, part: Part) -> Self {
        Self { shown, telemetry, part, faults: Faults::default() }
    }

    /// Checks whether the path still leads to the socket, and binds a new socket if it does not. Call it every [`CHECK_INTERVAL`].
    pub(super) fn check<T>(&mut self, path: &OwnedPath, bind: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let address = &self.shown;
        if path.is_there() {
            if self.part.set_broken(false) {
                tracing::info!(address, "the path of the socket is restored");
                self.telemetry.runtime.socket_paths_restored.increment(1);
            }
            return None;
        }
        if self.part.set_broken(true) {
            tracing::error!(address, "the path of the socket was removed or replaced: clients cannot reach it; binding it again");
            self.telemetry.runtime.socket_paths_lost.increment(1);
            self.faults = Faults::default();
        }
        match bind() {
            Ok(bound) => {
                tracing::warn!(address, "the socket is bound again");
                self.telemetry.runtime.socket_paths_restored.increment(1);
                self.part.set_broken(false);
                Some(bound)
            }
            Err(why) => {
                self.faults.warn(|times| tracing::error!(address, why, times, "the socket cannot be bound again; retrying"));
                None
            }
        }
    }
}
