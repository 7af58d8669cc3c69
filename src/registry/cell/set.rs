//! The cell of a set: how many distinct members were seen.
//!
//! Members are kept as 64-bit hashes while there are few, and counted by HyperLogLog beyond that, so that no sender can make a
//! cell grow past 16 KiB. The few are behind a lock; the estimate is written and read without one. Merging any cells gives what
//! one cell would hold that had seen everything, unless memory was short: a set then estimates earlier, with as many registers as it
//! had bytes for members. The page is not known here.

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

/// Members that are counted exactly. One more would need more memory than HyperLogLog does, 16 KiB.
pub(super) const EXACT_MAX: usize = 2048;

/// Bytes of members that a set may have whatever memory there is: those of the smallest estimate.
const FLOOR_BYTES: usize = 1 << INDEX_BITS_MIN;

/// Bytes that a set takes at least: itself and [`FLOOR_BYTES`], in pieces.
pub(in crate::registry) const SET_BYTES: usize = 256;

/// A constant, because the cells of all workers must hash a member alike in order to merge. A sender who makes members collide
/// on purpose changes the count of his own set, which he could as well by sending something else.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x5e70_fd15_71c7_0001);

/// One worker's value of one set series: its worker inserts, the scrape reads now and then. More threads may insert as well.
///
/// Memory: 8 bytes a member, rounded up to a power of two, up to 2048 members; from there on 16 KiB. Inserting a known member
/// allocates nothing, and beyond 2048 members no insertion waits for anybody.
// In this order, because a sample of an estimated set needs the first two, and the prefetch asks for where the cell begins.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SetCell {
    stamp: AtomicU64,
    /// There once one member too many was seen. It is put there under the lock of `exact`, with all that this held.
    estimate: OnceLock<HyperLogLog>,
    exact: Mutex<Exact>,
}

/// Members that are counted exactly, and what all members take.
#[derive(Debug, Default)]
struct Exact {
    /// Ascending, distinct, at most [`EXACT_MAX`]. Says nothing any more once there is an estimate.
    hashes: Vec<u64>,
    charge: Charge,
}

impl SetCell {
    /// A cell without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with memory from this account.
    pub(crate) fn within(account: &Arc<Account>) -> Self {
        let exact = Exact { hashes: Vec::new(), charge: Charge::new(account, SET_BYTES) };
        Self { stamp: AtomicU64::new(0), estimate: OnceLock::new(), exact: Mutex::new(exact) }
    }

    /// Adds a member: any bytes, the empty ones too.
    pub fn insert(&self, member: &[u8]) {
        let hash = rapidhash_v3_seeded(member, &SECRETS);
        match self.estimate.get() {
            Some(hll) => hll.insert(hash),
            None => self.insert_locked(hash),
        }
    }

    fn insert_locked(&self, hash: u64) {
        let mut exact = self.lock();
        // Another thread may have had the lock first, and put the estimate there.
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

    /// Makes it an estimate, which holds all members of `exact`; there was none before. The lock is held, which this shows.
    fn publish(&self, hll: HyperLogLog, exact: &mut MutexGuard<'_, Exact>) {
        let bytes = 1_usize << hll.index_bits();
        if hll.index_bits() < INDEX_BITS {
            exact.charge.note_coarser();
        }
        self.estimate.get_or_init(|| hll);
        // Afterwards, so that at no time the members are in neither.
        exact.hashes = Vec::new();
        exact.charge.set(SET_BYTES + bytes - FLOOR_BYTES);
    }

    /// Adds the members of this cell to `out`: all whose insertion has ended, perhaps some of those under way.
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

    /// Adds the members of a set that was kept.
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

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().charge.bytes()
    }

    /// When it was last written, and whether it is retired.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    fn lock(&self) -> MutexGuard<'_, Exact> {
        // A thread that died here left a set that is at worst one member short.
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

    /// The bits of an estimate that takes as much memory as its members do.
    fn registers(&self) -> u32 {
        (self.hashes.capacity() * size_of::<u64>()).max(FLOOR_BYTES).ilog2().min(INDEX_BITS)
    }

    fn settle(&mut self) {
        let bytes = self.hashes.capacity() * size_of::<u64>();
        self.charge.set(SET_BYTES + bytes.saturating_sub(FLOOR_BYTES));
    }
}

/// A set's value at one time, over all workers. Starts empty; each cell's `merge_into` adds to it.
#[derive(Debug, Clone, Default)]
pub struct SetSnapshot {
    members: SetMembers,
}

impl SetSnapshot {
    /// Distinct members, a whole number: exact up to 2048, else an estimate with a standard error of 0.8 %, at least 2049. Where memory
    /// was short, an estimate from fewer members on, with a standard error of up to 9 %.
    pub fn distinct(&self) -> f64 {
        match &self.members {
            SetMembers::Exact(hashes) => hashes.len() as f64,
            SetMembers::Estimated(hll) if hll.index_bits() == INDEX_BITS => hll.estimate().round().max((EXACT_MAX + 1) as f64),
            SetMembers::Estimated(hll) => hll.estimate().round(),
        }
    }

    /// Makes it empty, for the next series.
    pub fn clear(&mut self) {
        match &mut self.members {
            SetMembers::Exact(hashes) => hashes.clear(),
            SetMembers::Estimated(_) => self.members = SetMembers::default(),
        }
    }
}

/// Which of the two it is depends only on how many distinct hashes were seen, never on order or merging, unless memory was short.
#[derive(Debug, Clone)]
enum SetMembers {
    /// Ascending, distinct, at most [`EXACT_MAX`]. A hash table would be faster to grow but twice as large.
    Exact(Vec<u64>),
    Estimated(HyperLogLog),
}

impl Default for SetMembers {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

/// As a binary search does, in ascending hashes: those are evenly spread, so that one's place is known about beforehand.
fn place(hashes: &[u64], hash: u64) -> Result<usize, usize> {
    // Of n, 95 in 100 are within the root of n of where they would be if they were spread exactly.
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
                // Two ascending runs: the stable sort finds and merges them in one pass.
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
