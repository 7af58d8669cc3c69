//! The cell of a set: the number of distinct members.
//!
//! Few members are kept as 64-bit hashes; more are counted by HyperLogLog, so that no sender can make a
//! cell grow beyond 16 KiB. The hashes are behind a lock; the estimate is written and read without one. Merged cells equal
//! one cell that saw all members, unless memory was short: then a set estimates earlier, with as many registers as it
//! had bytes for members.

mod saved;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

pub use self::saved::SavedSet;
use super::Stamp;
use super::hll::{HyperLogLog, INDEX_BITS, INDEX_BITS_MIN};
use crate::memory::{Account, Charge};

/// The most members that are counted exactly. One more would need more memory than HyperLogLog, 16 KiB.
pub(super) const EXACT_MAX: usize = 2048;

/// Bytes of members that a set may have even without memory: those of the smallest estimate.
const FLOOR_BYTES: usize = 1 << INDEX_BITS_MIN;

/// The fewest bytes of a set: the cell and [`FLOOR_BYTES`], in several allocations.
pub(in crate::registry) const SET_BYTES: usize = 256;

/// A constant, because the cells of all workers have to hash a member alike in order to merge. A sender that forges colliding
/// members changes only the count of its own set.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x5e70_fd15_71c7_0001);

/// One worker's part of a set. Its worker inserts, and the scrape reads. More threads may insert.
///
/// Memory: up to 2048 members, 8 bytes for each, rounded up to a power of two; beyond that 16 KiB. Inserting a known member
/// allocates nothing, and beyond 2048 members no insertion takes a lock.
// The order of fields matters: a sample of an estimated set needs the first two, and the prefetch loads the beginning of the cell.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SetCell {
    stamp: AtomicU64,
    /// Set under the lock of `exact` when there is no room for a new member. Contains all members of `exact`.
    estimate: OnceLock<HyperLogLog>,
    exact: Mutex<Exact>,
}

/// Members that are counted exactly, and the bytes of all members.
#[derive(Debug, Default)]
struct Exact {
    /// Ascending, distinct, at most [`EXACT_MAX`]. Unused once there is an estimate.
    hashes: Vec<u64>,
    charge: Charge,
}

impl SetCell {
    /// A cell without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), with memory from this account.
    pub(crate) fn within(account: &Arc<Account>) -> Self {
        let exact = Exact { hashes: Vec::new(), charge: Charge::new(account, SET_BYTES) };
        Self { stamp: AtomicU64::new(0), estimate: OnceLock::new(), exact: Mutex::new(exact) }
    }

    /// Adds a member, which may be any bytes, also none.
    pub fn insert(&self, member: &[u8]) {
        let hash = rapidhash_v3_seeded(member, &SECRETS);
        match self.estimate.get() {
            Some(hll) => hll.insert(hash),
            None => self.insert_locked(hash),
        }
    }

    fn insert_locked(&self, hash: u64) {
        let mut exact = self.lock();
        // Another thread may have made the estimate before this one got the lock.
        if let Some(hll) = self.estimate.get() {
            return hll.insert(hash);
        }
        let Err(at) = place(&exact.hashes, hash) else { return };
        if exact.has_room() {
            let before = exact.hashes.capacity();
            exact.hashes.insert(at, hash);
            if exact.hashes.capacity() > before {
                exact.settle();
            }
        } else {
            let hll = estimated(&exact.hashes, exact.registers());
            hll.insert(hash);
            self.publish(hll, &mut exact);
        }
    }

    /// Sets the estimate, which must contain all members of `exact`. The caller holds the lock and has checked that no estimate is
    /// set.
    fn publish(&self, hll: HyperLogLog, exact: &mut MutexGuard<'_, Exact>) {
        let bytes = 1_usize << hll.index_bits();
        if hll.index_bits() < INDEX_BITS {
            exact.charge.note_coarser();
        }
        self.estimate.get_or_init(|| hll);
        // The hashes are freed after the estimate is set, so that readers find all members at any time.
        exact.hashes = Vec::new();
        exact.charge.set(SET_BYTES + bytes - FLOOR_BYTES);
    }

    /// Adds the members of this cell to `out`: all whose insertion has ended, and possibly some whose insertion is in progress.
    pub fn merge_into(&self, out: &mut SetSnapshot) {
        if let Some(hll) = self.estimate.get() {
            return out.members.merge_estimate(hll);
        }
        let exact = self.lock();
        match self.estimate.get() {
            Some(hll) => out.members.merge_estimate(hll),
            None => out.members.merge_exact(&exact.hashes),
        }
    }

    /// Adds the members of a saved set.
    fn merge_from(&self, members: SetMembers) {
        let mut exact = self.lock();
        match (self.estimate.get(), members) {
            (Some(hll), SetMembers::Exact(hashes)) => hashes.iter().for_each(|&hash| hll.insert(hash)),
            (Some(hll), SetMembers::Estimated(other)) => hll.merge_shared(&other),
            (None, mut all) => {
                all.merge_exact(&exact.hashes);
                let is_scarce = exact.charge.is_scarce();
                match all {
                    SetMembers::Exact(hashes) if is_scarce && hashes.len() * size_of::<u64>() > FLOOR_BYTES => {
                        self.publish(estimated(&hashes, INDEX_BITS_MIN), &mut exact);
                    }
                    SetMembers::Exact(hashes) => {
                        exact.hashes = hashes;
                        exact.settle();
                    }
                    SetMembers::Estimated(hll) if is_scarce => self.publish(hll.with_index_bits(INDEX_BITS_MIN), &mut exact),
                    SetMembers::Estimated(hll) => self.publish(hll, &mut exact),
                }
            }
        }
    }

    /// The bytes of the cell.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// The time of the last write, or the tombstone.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    fn lock(&self) -> MutexGuard<'_, Exact> {
        // A thread that panicked here left a set that lacks at most one member.
        self.exact.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exact {
    /// Whether one more member may be counted exactly.
    fn has_room(&self) -> bool {
        let bytes = (self.hashes.len() + 1) * size_of::<u64>();
        let grows = self.hashes.len() == self.hashes.capacity() && bytes > FLOOR_BYTES;
        self.hashes.len() < EXACT_MAX && !(grows && self.charge.is_scarce())
    }

    /// The index bits of an estimate that takes as much memory as the members.
    fn registers(&self) -> u32 {
        (self.hashes.capacity() * size_of::<u64>()).max(FLOOR_BYTES).ilog2().min(INDEX_BITS)
    }

    fn settle(&mut self) {
        let bytes = self.hashes.capacity() * size_of::<u64>();
        self.charge.set(SET_BYTES + bytes.saturating_sub(FLOOR_BYTES));
    }
}

/// The value of a set over all workers. Starts empty; `merge_into` of each cell adds to it.
#[derive(Debug, Clone, Default)]
pub struct SetSnapshot {
    members: SetMembers,
}

impl SetSnapshot {
    /// The number of distinct members, a whole number: exact up to 2048, else an estimate of at least 2049 with a standard error
    /// of 0.8 %. If memory was short, also fewer members are an estimate, with a standard error of up to 9 %.
    pub fn distinct(&self) -> f64 {
        match &self.members {
            SetMembers::Exact(hashes) => hashes.len() as f64,
            SetMembers::Estimated(hll) if hll.index_bits() == INDEX_BITS => hll.estimate().round().max((EXACT_MAX + 1) as f64),
            SetMembers::Estimated(hll) => hll.estimate().round(),
        }
    }

    /// Removes all members, for the next series.
    pub fn clear(&mut self) {
        match &mut self.members {
            SetMembers::Exact(hashes) => hashes.clear(),
            SetMembers::Estimated(_) => self.members = SetMembers::default(),
        }
    }
}

/// The variant depends only on the number of distinct hashes, not on their order or on merging, unless memory was short.
#[derive(Debug, Clone)]
enum SetMembers {
    /// Ascending, distinct, at most [`EXACT_MAX`]. A hash table would grow faster but take twice as much memory.
    Exact(Vec<u64>),
    Estimated(HyperLogLog),
}

impl Default for SetMembers {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

/// The result of a binary search in ascending hashes. They are evenly spread, so the approximate place of a hash is known.
fn place(hashes: &[u64], hash: u64) -> Result<usize, usize> {
    // Of n hashes, 95 % are within the square root of n of the place that even spacing gives.
    let nearby = 1 << ((usize::BITS - hashes.len().leading_zeros()) / 2);
    let guess = (((hash >> 32) * hashes.len() as u64) >> 32) as usize;
    let from = guess.saturating_sub(nearby);
    let near = hashes.get(from..(guess + nearby).min(hashes.len())).unwrap_or_default();
    match (near.first(), near.last()) {
        (Some(first), Some(last)) if *first <= hash && hash <= *last => {
            near.binary_search(&hash).map(|at| from + at).map_err(|at| from + at)
        }
        _ => hashes.binary_search(&hash),
    }
}

impl SetMembers {
    fn merge_exact(&mut self, other: &[u64]) {
        match self {
            Self::Estimated(hll) => other.iter().for_each(|&hash| hll.insert(hash)),
            Self::Exact(hashes) => {
                // The stable sort finds the two ascending runs and merges them in one pass.
                hashes.extend_from_slice(other);
                hashes.sort();
                hashes.dedup();
                if hashes.len() > EXACT_MAX {
                    *self = Self::Estimated(estimated(hashes, INDEX_BITS));
                }
            }
        }
    }

    fn merge_estimate(&mut self, other: &HyperLogLog) {
        match self {
            Self::Estimated(hll) => hll.merge(other),
            Self::Exact(hashes) => {
                let hll = other.clone();
                hashes.iter().for_each(|&hash| hll.insert(hash));
                *self = Self::Estimated(hll);
            }
        }
    }
}

fn estimated(hashes: &[u64], index_bits: u32) -> HyperLogLog {
    let hll = HyperLogLog::new(index_bits);
    hashes.iter().for_each(|&hash| hll.insert(hash));
    hll
}
