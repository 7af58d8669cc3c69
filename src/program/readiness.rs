//! Whether the program is ready: started, and no part of it unable to do its work. Must not know the parts, nor who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Shared by the parts and whoever asks.
#[derive(Default)]
pub(super) struct Readiness {
    is_started: AtomicBool,
    broken: AtomicUsize,
}

/// One part of the program, such as a socket. When it is dropped, nothing is expected of it any more.
pub(super) struct Part {
    readiness: Arc<Readiness>,
    is_broken: bool,
}

impl Readiness {
    /// All sockets are bound and lines are taken; false again at the end.
    pub(super) fn set_started(&self, is_started: bool) {
        self.is_started.store(is_started, Ordering::Relaxed);
    }

    /// Whether everything works.
    pub(super) fn is_ready(&self) -> bool {
        self.is_started.load(Ordering::Relaxed) && self.broken.load(Ordering::Relaxed) == 0
    }

    /// A part that works.
    pub(super) fn part(self: &Arc<Self>) -> Part {
        Part { readiness: Arc::clone(self), is_broken: false }
    }
}

impl Part {
    /// Says whether it works. Whether that is news.
    pub(super) fn set_broken(&mut self, is_broken: bool) -> bool {
        let is_news = self.is_broken != is_broken;
        if is_news {
            self.is_broken = is_broken;
            if is_broken {
                self.readiness.broken.fetch_add(1, Ordering::Relaxed);
            } else {
                self.readiness.broken.fetch_sub(1, Ordering::Relaxed);
            }
        }
        is_news
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
    fn it_is_ready_while_it_runs_and_every_part_works() {
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
