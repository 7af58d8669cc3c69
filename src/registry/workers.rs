//! Who writes cells, and how far each writer has come: what tells that a retired series is not being written any more.

use std::sync::atomic::Ordering::{Acquire, Release};

// Not from std, so that the model in `model/` can run this very file over other ones.
use super::{Arc, AtomicU64, Mutex, lock};

/// The registry's side: an epoch that rises with each round of retiring, and what each worker has seen of it.
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

/// A worker's place among the writers.
pub(crate) struct Membership {
    id: u32,
    seen: Arc<AtomicU64>,
}

impl Membership {
    /// A number that no other living worker has, and small.
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

    /// The next worker goes on writing the cells of the one that leaves.
    pub(super) fn leave(&self, member: &Membership) {
        let mut list = lock(&self.list);
        list.seen.retain(|(id, _)| *id != member.id);
        list.free.push(member.id);
    }

    /// To be called by a worker between two batches: what it wrote before is done, and from now on it sees all marks that were
    /// set before the epoch that it read.
    #[inline]
    pub(super) fn pass(&self, member: &Membership) {
        member.seen.store(self.epoch.load(Acquire), Release);
    }

    /// Begins a new epoch, after marks were set.
    pub(super) fn begin(&self) -> u64 {
        self.epoch.fetch_add(1, Release) + 1
    }

    /// Whether every worker has passed between two batches since the epoch began.
    pub(super) fn all_have_seen(&self, epoch: u64) -> bool {
        lock(&self.list).seen.iter().all(|(_, seen)| seen.load(Acquire) >= epoch)
    }
}
