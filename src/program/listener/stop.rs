//! The sign to stop, for threads and tasks alike, and the one deadline by which all must have drained their sockets.
//!
//! Must not know who receives, nor why it is to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Shared by whoever stops and whoever is stopped.
pub(in crate::program) struct Stop {
    drain: Duration,
    deadline: OnceLock<Instant>,
    is_set: AtomicBool,
    told: watch::Sender<bool>,
}

impl Stop {
    /// Not set; draining may take this long once it is.
    pub(in crate::program) fn new(drain: Duration) -> Arc<Self> {
        Arc::new(Self { drain, deadline: OnceLock::new(), is_set: AtomicBool::new(false), told: watch::Sender::new(false) })
    }

    /// Stops everything; the time to drain begins.
    pub(in crate::program) fn set(&self) {
        self.deadline();
        self.is_set.store(true, Ordering::Relaxed);
        self.told.send_replace(true);
    }

    /// Whether it is set.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// When draining must have ended, the same for all.
    pub(in crate::program) fn deadline(&self) -> Instant {
        *self.deadline.get_or_init(|| Instant::now() + self.drain)
    }

    /// Whether the time to drain is over.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline()
    }

    /// For [`stopped`].
    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }
}

/// Resolves when it is set, or nobody is left who could set it.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
