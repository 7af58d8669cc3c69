//! The path of a Unix socket that was removed, or replaced, while the program runs: noticed, said, counted, and bound again.
//!
//! A socket whose path is gone goes on for those who have it open, and nobody else ever reaches it. Must not know what the socket
//! carries.

use std::sync::Arc;
use std::time::Duration;

use crate::program::faults::Faults;
use crate::program::net::OwnedPath;
use crate::program::readiness::Part;
use crate::telemetry::Telemetry;

/// How often a path is looked at.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(2);

/// What is known of one socket's path.
pub(super) struct Rebinding {
    shown: String,
    telemetry: Arc<Telemetry>,
    part: Part,
    faults: Faults,
}

impl Rebinding {
    /// Of a socket that a person knows by this address, and that is bound.
    pub(super) fn new(shown: String, telemetry: Arc<Telemetry>, part: Part) -> Self {
        Self { shown, telemetry, part, faults: Faults::default() }
    }

    /// Looks whether the path still leads to the socket; binds another one if it does not. To be called every [`CHECK_EVERY`].
    pub(super) fn check<T>(&mut self, path: &OwnedPath, bind: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let address = &self.shown;
        if path.is_there() {
            if self.part.set_broken(false) {
                tracing::info!(address, "the path of the socket is back");
                self.telemetry.runtime.socket_paths_restored.increment(1);
            }
            return None;
        }
        if self.part.set_broken(true) {
            tracing::error!(address, "the path of the socket was removed or replaced: nobody reaches it; binding it again");
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
                self.faults.warn(|times| tracing::error!(address, why, times, "the socket cannot be bound again; trying on"));
                None
            }
        }
    }
}
