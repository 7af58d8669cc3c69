//! Whether the program is ready, and whether a client asked it to end or to reload. Knows no HTTP and no signals.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

/// Readiness of the program, and requests to it.
pub(in crate::program) struct Lifecycle {
    ready: AtomicBool,
    quit: watch::Sender<bool>,
    reload: Notify,
}

impl Lifecycle {
    /// Not ready, nothing requested.
    pub(super) fn new() -> Self {
        Self { ready: AtomicBool::new(false), quit: watch::Sender::new(false), reload: Notify::new() }
    }

    /// Sets what `/-/ready` answers: true while all sockets are bound and lines are taken.
    pub(in crate::program) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Whether `/-/ready` answers 200.
    pub(in crate::program) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Asks the program to end.
    pub(super) fn request_quit(&self) {
        self.quit.send_replace(true);
    }

    /// Asks the program to reload; requests that nobody has seen yet count as one.
    pub(super) fn request_reload(&self) {
        self.reload.notify_one();
    }

    /// Waits until somebody asks the program to end; returns at once if that was before. Any number may wait.
    pub(in crate::program) async fn quit_requested(&self) {
        // An error would mean that the sender is gone, and it is borrowed here.
        let _ = self.quit.subscribe().wait_for(|quit| *quit).await;
    }

    /// Waits until somebody asks for a reload. Several requests since the last call count as one. For one waiter.
    pub(in crate::program) async fn reload_requested(&self) {
        self.reload.notified().await;
    }
}
