//! The workers that write cells, and the epoch that each has seen: they tell when no worker can write to an expired series any more.

use std::sync::atomic::Ordering::{Acquire, Release};

// From the parent module and not from std: the model in `model/` runs this file with loom's types.
use super::{Arc, AtomicU64, Mutex, lock};

/// The current epoch, which increases with each round of tombstones, and the epoch that each worker has seen.
#[derive(Default)]
pub(super) struct Workers {
    epoch: AtomicU64,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u32,
    free: Vec<u32>,
    seen: Vec<(u32, Arc<AtomicU64>)>,
}

/// A worker's entry among the writers.
pub(crate) struct Membership {
    id: u32,
    seen: Arc<AtomicU64>,
}

impl Membership {
    /// A small number that no other current worker has.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}

impl Workers {
    pub(super) fn join(&self) -> Membership {
        let mut list = lock(&self.list);
        let id = list.free.pop().unwrap_or_else(|| {
            list.next += 1;
            list.next - 1
        });
        let seen = Arc::new(AtomicU64::new(self.epoch.load(Acquire)));
        list.seen.push((id, Arc::clone(&seen)));
        Membership { id, seen }
    }

    /// Removes a worker. The next one that joins gets its number, and with it its cells.
    pub(super) fn leave(&self, member: &Membership) {
        let mut list = lock(&self.list);
        list.seen.retain(|(id, _)| *id != member.id);
        list.free.push(member.id);
    }

    /// Workers call this between two batches: earlier writes are complete, and later ones see all tombstones that were set before the
    /// epoch that it reads.
    #[inline]
    pub(super) fn pass(&self, member: &Membership) {
        member.seen.store(self.epoch.load(Acquire), Release);
    }

    /// Begins a new epoch, after tombstones were set.
    pub(super) fn begin(&self) -> u64 {
        self.epoch.fetch_add(1, Release) + 1
    }

    /// Whether every worker was between two batches since the epoch began.
    pub(super) fn all_have_seen(&self, epoch: u64) -> bool {
        lock(&self.list).seen.iter().all(|(_, seen)| seen.load(Acquire) >= epoch)
    }
}
