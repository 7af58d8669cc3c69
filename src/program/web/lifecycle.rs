//! Readiness, and quit and reload requests. Does not depend on HTTP or signals.

use std::sync::Arc;

use tokio::sync::watch;

use crate::program::load_record::LoadCause;
use crate::program::readiness::Readiness;
use crate::program::reload_requests::{ReloadOutcome, ReloadRequests};

/// The readiness of the program, and the quit and reload requests of clients.
pub(in crate::program) struct Lifecycle {
    readiness: Arc<Readiness>,
    quit: watch::Sender<bool>,
    reloads: Arc<ReloadRequests>,
}

impl Lifecycle {
    /// Not ready, nothing requested. Reload requests are sent through `reloads`.
    pub(super) fn new(reloads: Arc<ReloadRequests>) -> Self {
        Self { readiness: Arc::default(), quit: watch::Sender::new(false), reloads }
    }

    /// The readiness that `/-/ready` reports.
    pub(in crate::program) fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Whether `/-/ready` answers 200.
    pub(in crate::program) fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    /// Requests that the program ends.
    pub(super) fn request_quit(&self) {
        self.quit.send_replace(true);
    }

    /// Requests a reload and waits for its outcome.
    pub(super) async fn reload(&self) -> ReloadOutcome {
        self.reloads.outcome(self.reloads.ask(LoadCause::Api)).await
    }

    /// Waits until a client requests that the program ends; returns immediately if one already did. Any number of tasks may wait.
    pub(in crate::program) async fn quit_requested(&self) {
        let waited = self.quit.subscribe().wait_for(|quit| *quit).await.map(|_| ());
        debug_assert!(waited.is_ok(), "the sender is borrowed from self, so it exists");
    }
}
