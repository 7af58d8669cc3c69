//! The stop signal for threads and tasks, with one deadline by which all must have drained their sockets.
//!
//! Must not know the listeners, nor the cause of the stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The stop signal, shared by all listeners.
pub(in crate::program) struct Stop {
    drain: Duration,
    deadline: OnceLock<Instant>,
    is_set: AtomicBool,
    sender: watch::Sender<bool>,
}

impl Stop {
    /// A signal that is not set. `drain` is the time limit for draining.
    pub(in crate::program) fn new(drain: Duration) -> Arc<Self> {
        Arc::new(Self { drain, deadline: OnceLock::new(), is_set: AtomicBool::new(false), sender: watch::Sender::new(false) })
    }

    /// Sets the signal. The time for draining starts.
    pub(in crate::program) fn set(&self) {
        self.deadline();
        self.is_set.store(true, Ordering::Relaxed);
        self.sender.send_replace(true);
    }

    /// Whether the signal is set.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// The deadline for draining, the same for all listeners.
    pub(in crate::program) fn deadline(&self) -> Instant {
        *self.deadline.get_or_init(|| Instant::now() + self.drain)
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline()
    }

    /// A receiver for [`stopped`].
    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }
}

/// Resolves when the signal is set, or its sender is dropped.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stopped| *stopped).await);
}
