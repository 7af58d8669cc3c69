//! Whether the program is ready: it has started, and all its parts work. Must not know the parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The readiness of the program, shared with its parts.
#[derive(Default)]
pub(super) struct Readiness {
    is_started: AtomicBool,
    broken: AtomicUsize,
}

/// One part of the program, such as a socket. A dropped part no longer affects readiness.
pub(super) struct Part {
    readiness: Arc<Readiness>,
    is_broken: bool,
}

impl Readiness {
    /// Sets whether the program has started: all sockets are bound, and lines are received. It is false again at shutdown.
    pub(super) fn set_started(&self, is_started: bool) {
        self.is_started.store(is_started, Ordering::Relaxed);
    }

    /// Whether the program is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.is_started.load(Ordering::Relaxed) && self.broken.load(Ordering::Relaxed) == 0
    }

    /// Adds a part, which works.
    pub(super) fn part(self: &Arc<Self>) -> Part {
        Part { readiness: Arc::clone(self), is_broken: false }
    }
}

impl Part {
    /// Sets whether the part is broken. Returns whether that is a change.
    pub(super) fn set_broken(&mut self, is_broken: bool) -> bool {
        let is_change = self.is_broken != is_broken;
        if is_change {
            self.is_broken = is_broken;
            if is_broken {
                self.readiness.broken.fetch_add(1, Ordering::Relaxed);
            } else {
                self.readiness.broken.fetch_sub(1, Ordering::Relaxed);
            }
        }
        is_change
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set_broken(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_all_parts_work() {
        let readiness = Arc::<Readiness>::default();
        let (mut first, mut second) = (readiness.part(), readiness.part());
        assert!(!readiness.is_ready());
        readiness.set_started(true);
        assert!(readiness.is_ready());
        assert!(first.set_broken(true) && second.set_broken(true) && !second.set_broken(true));
        first.set_broken(false);
        assert!(!readiness.is_ready());
        drop(second);
        assert!(readiness.is_ready());
    }
}
