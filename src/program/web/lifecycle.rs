//! Whether the program is ready, and whether a client asked it to end or to reload. Knows no HTTP and no signals.

use std::sync::Arc;

use tokio::sync::watch;

use crate::program::readiness::Readiness;
use crate::program::reload_requests::{ReloadOutcome, ReloadRequests};

/// Readiness of the program, and requests to it.
pub(in crate::program) struct Lifecycle {
    readiness: Arc<Readiness>,
    quit: watch::Sender<bool>,
    reloads: Arc<ReloadRequests>,
}

impl Lifecycle {
    /// Not ready, nothing requested. Reloads are asked of whoever answers `reloads`.
    pub(super) fn new(reloads: Arc<ReloadRequests>) -> Self {
        Self { readiness: Arc::default(), quit: watch::Sender::new(false), reloads }
    }

    /// What `/-/ready` answers by, for the parts that it depends on.
    pub(in crate::program) fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Whether `/-/ready` answers 200.
    pub(in crate::program) fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    /// Asks the program to end.
    pub(super) fn request_quit(&self) {
        self.quit.send_replace(true);
    }

    /// Asks the program to reload, and waits until that was tried.
    pub(super) async fn reload(&self) -> ReloadOutcome {
        self.reloads.outcome(self.reloads.ask()).await
    }

    /// Waits until somebody asks the program to end; returns at once if that was before. Any number may wait.
    pub(in crate::program) async fn quit_requested(&self) {
        // An error would mean that the sender is gone, and it is borrowed here.
        let _ = self.quit.subscribe().wait_for(|quit| *quit).await;
    }
}
