//! The workers that write cells, and the epoch in which each began its current call. They determine when no worker can write to an
//! expired series any more.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

// From the parent module and not from std: the model in `model/` runs this file with loom's types.
use super::{Arc, AtomicU64, Mutex, lock};

/// The epoch of a worker that is in no call. Epochs count rounds of expiry and never reach this value.
const IDLE: u64 = u64::MAX;

/// The current epoch, which increases with each round of tombstones, and the epoch in which each worker began its current call.
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
        let seen = Arc::new(AtomicU64::new(IDLE));
        list.seen.push((id, Arc::clone(&seen)));
        Membership { id, seen }
    }

    /// Removes a worker. The next worker that joins gets its number, and thereby its cells.
    pub(super) fn leave(&self, member: &Membership) {
        let mut list = lock(&self.list);
        list.seen.retain(|(id, _)| *id != member.id);
        list.free.push(member.id);
    }

    /// A worker calls this at the start of a call: it sees all tombstones that were set before the epoch that it reads.
    ///
    /// The swap orders this call and [`all_have_seen`](Self::all_have_seen). If that method found the worker idle, the swap reads the value
    /// that it wrote, and the worker sees the tombstones set before. Otherwise it finds the worker in a call.
    #[inline]
    pub(super) fn enter(&self, member: &Membership) {
        member.seen.swap(self.epoch.load(Acquire), AcqRel);
    }

    /// A worker calls this at the end of a call: its writes are complete, and it writes nothing before it enters again.
    #[inline]
    pub(super) fn park(&self, member: &Membership) {
        member.seen.store(IDLE, Release);
    }

    /// Begins a new epoch, after tombstones were set.
    pub(super) fn begin(&self) -> u64 {
        self.epoch.fetch_add(1, Release) + 1
    }

    /// Whether no worker is in a call that it began before the epoch.
    pub(super) fn all_have_seen(&self, epoch: u64) -> bool {
        // The exchange writes the value that it found, so that a worker that enters later reads it from here.
        let seen = |seen: &AtomicU64| seen.compare_exchange(IDLE, IDLE, AcqRel, Acquire).unwrap_or_else(|began| began);
        lock(&self.list).seen.iter().all(|(_, word)| seen(word) >= epoch)
    }
}
