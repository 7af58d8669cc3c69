//! The cell of a set: how many distinct members were seen.
//!
//! Members are kept as 64-bit hashes while there are few, and counted by HyperLogLog beyond that, so that no sender can make a
//! cell grow past 16 KiB. Merging any cells gives what one cell would hold that had seen everything. The page is not known here.

mod saved;

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

pub use self::saved::SavedSet;
use super::Stamp;
use super::hll::HyperLogLog;

/// Members that are counted exactly. One more would need more memory than HyperLogLog does, 16 KiB.
pub(super) const EXACT_MAX: usize = 2048;

/// A constant, because the cells of all workers must hash a member alike in order to merge. A sender who makes members collide
/// on purpose changes the count of his own set, which he could as well by sending something else.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x5e70_fd15_71c7_0001);

/// One worker's value of one set series: one thread inserts, the scrape reads now and then.
///
/// Memory: 8 bytes a member, rounded up to a power of two, up to 2048 members; from there on 16 KiB. Inserting a known member
/// allocates nothing.
#[derive(Debug, Default)]
pub struct SetCell {
    stamp: AtomicU64,
    members: Mutex<Members>,
}

impl SetCell {
    /// A cell without members; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member: any bytes, the empty ones too.
    pub fn insert(&self, member: &[u8]) {
        let hash = rapidhash_v3_seeded(member, &SECRETS);
        self.lock().insert(hash);
    }

    /// Adds the members of this cell to `out`.
    pub fn merge_into(&self, out: &mut SetSnapshot) {
        out.members.merge(&self.lock());
    }

    /// When it was last written, and whether it is retired.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // A thread that died here left a set that is at worst one member short.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A set's value at one time, over all workers. Starts empty; each cell's `merge_into` adds to it.
#[derive(Debug, Clone, Default)]
pub struct SetSnapshot {
    members: Members,
}

impl SetSnapshot {
    /// Distinct members, a whole number: exact up to 2048, else an estimate with a standard error of 0.8 %, at least 2049.
    pub fn distinct(&self) -> f64 {
        match &self.members {
            Members::Exact(hashes) => hashes.len() as f64,
            Members::Estimated(hll) => hll.estimate().round().max((EXACT_MAX + 1) as f64),
        }
    }

    /// Makes it empty, for the next series.
    pub fn clear(&mut self) {
        match &mut self.members {
            Members::Exact(hashes) => hashes.clear(),
            Members::Estimated(_) => self.members = Members::default(),
        }
    }
}

/// Which of the two it is depends only on how many distinct hashes were seen, never on order or merging.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Members {
    /// Ascending, distinct, at most [`EXACT_MAX`]. A hash table would be faster to grow but twice as large.
    Exact(Vec<u64>),
    Estimated(HyperLogLog),
}

impl Default for Members {
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

impl Members {
    fn insert(&mut self, hash: u64) {
        match self {
            Self::Estimated(hll) => hll.insert(hash),
            Self::Exact(hashes) => {
                let Err(at) = place(hashes, hash) else { return };
                if hashes.len() < EXACT_MAX {
                    hashes.insert(at, hash);
                } else {
                    let mut hll = estimated(hashes);
                    hll.insert(hash);
                    *self = Self::Estimated(hll);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Estimated(hll), Self::Estimated(other)) => hll.merge(other),
            (Self::Estimated(hll), Self::Exact(other)) => other.iter().for_each(|&hash| hll.insert(hash)),
            (Self::Exact(hashes), Self::Estimated(other)) => {
                let mut hll = other.clone();
                hashes.iter().for_each(|&hash| hll.insert(hash));
                *self = Self::Estimated(hll);
            }
            (Self::Exact(hashes), Self::Exact(other)) => {
                // Two ascending runs: the stable sort finds and merges them in one pass.
                hashes.extend_from_slice(other);
                hashes.sort();
                hashes.dedup();
                if hashes.len() > EXACT_MAX {
                    *self = Self::Estimated(estimated(hashes));
                }
            }
        }
    }
}

fn estimated(hashes: &[u64]) -> HyperLogLog {
    let mut hll = HyperLogLog::new();
    hashes.iter().for_each(|&hash| hll.insert(hash));
    hll
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell_of(members: impl IntoIterator<Item = u64>) -> SetCell {
        let cell = SetCell::new();
        members.into_iter().for_each(|n| cell.insert(format!("member-{n}").as_bytes()));
        cell
    }

    fn snapshot<'a>(cells: impl IntoIterator<Item = &'a SetCell>) -> SetSnapshot {
        let mut out = SetSnapshot::default();
        cells.into_iter().for_each(|cell| cell.merge_into(&mut out));
        out
    }

    fn capacity(cell: &SetCell) -> Option<usize> {
        match &*cell.lock() {
            Members::Exact(hashes) => Some(hashes.capacity()),
            Members::Estimated(_) => None,
        }
    }

    #[test]
    fn distinct_members_are_counted_once() {
        let cell = SetCell::new();
        assert_eq!(snapshot([&cell]).distinct(), 0.0);
        [&b"a"[..], b"b", b"a", b"", b"\xff\0", b"a:b", b""].iter().for_each(|member| cell.insert(member));
        assert_eq!(snapshot([&cell]).distinct(), 5.0);
    }

    #[test]
    fn exact_up_to_the_bound_and_near_it_beyond() {
        let cell = cell_of(0..EXACT_MAX as u64);
        assert_eq!(snapshot([&cell]).distinct(), 2048.0);
        (0..EXACT_MAX as u64).for_each(|n| cell.insert(format!("member-{n}").as_bytes()));
        assert_eq!(snapshot([&cell]).distinct(), 2048.0);
        cell.insert(b"one more");
        let got = snapshot([&cell]).distinct();
        assert!((2049.0..2111.0).contains(&got), "{got}");
        assert_eq!(capacity(&cell), None);
    }

    #[test]
    fn a_place_is_found_wherever_the_hashes_are() {
        let spread = |count: u64| {
            let mut hashes: Vec<u64> = (0..count).map(|n| rapidhash_v3_seeded(&n.to_le_bytes(), &SECRETS)).collect();
            hashes.sort_unstable();
            hashes
        };
        let lists = [vec![], vec![0], vec![u64::MAX], (0..300).collect(), (0..300).map(|n| u64::MAX - 300 + n).collect()];
        for hashes in lists.into_iter().chain([1, 2, 3, 17, 255, 2048].map(spread)) {
            let near = hashes.iter().flat_map(|hash| [hash.wrapping_sub(1), *hash, hash.wrapping_add(1)]);
            for hash in near.chain([0, 1, u64::MAX / 2, u64::MAX]) {
                assert_eq!(place(&hashes, hash), hashes.binary_search(&hash), "{hash} of {}", hashes.len());
            }
        }
    }

    #[test]
    fn estimates_are_whole_numbers_within_three_percent() {
        let cell = SetCell::new();
        for n in 0..1_000_000_u64 {
            cell.insert(&n.to_le_bytes());
            if [10_000, 100_000, 1_000_000].contains(&(n + 1)) {
                let (got, want) = (snapshot([&cell]).distinct(), (n + 1) as f64);
                assert!((got / want - 1.0).abs() < 0.03 && got.fract() == 0.0, "{got} for {want}");
            }
        }
    }

    #[test]
    fn memory_follows_the_members_and_known_ones_take_none() {
        assert_eq!(capacity(&SetCell::new()), Some(0));
        let cell = cell_of(0..5);
        assert_eq!(capacity(&cell), Some(8));
        (0..5).cycle().take(1000).for_each(|n: u64| cell.insert(format!("member-{n}").as_bytes()));
        assert_eq!(capacity(&cell), Some(8));
        assert_eq!(capacity(&cell_of(0..EXACT_MAX as u64)), Some(EXACT_MAX));
    }

    #[test]
    fn a_cleared_snapshot_is_empty() {
        for members in [10, 5000] {
            let mut out = snapshot([&cell_of(0..members)]);
            out.clear();
            assert_eq!(out.distinct(), 0.0);
            cell_of(0..3).merge_into(&mut out);
            assert_eq!(out.distinct(), 3.0);
        }
    }

    #[test]
    fn a_thread_that_died_with_the_lock_does_not_end_the_cell() {
        let cell = cell_of(0..3);
        std::thread::scope(|scope| {
            let died = scope.spawn(|| {
                let _held = cell.lock();
                std::panic::resume_unwind(Box::new("dies"));
            });
            assert!(died.join().is_err());
        });
        cell.insert(b"after");
        assert!(cell.members.is_poisoned());
        assert_eq!(snapshot([&cell]).distinct(), 4.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Ranges overlap and are above and below the bound, so that all four ways to merge are met.
        #[test]
        fn merging_equals_one_cell_that_saw_everything(
            ranges in prop::collection::vec((0_u64..4000, prop_oneof![0_u64..300, 1000_u64..3500]), 1..5),
            repeated in any::<bool>(),
        ) {
            let spans: Vec<_> = ranges.iter().map(|&(from, len)| from..from + len).collect();
            let whole = cell_of(spans.iter().cloned().flatten());
            let workers: Vec<_> = spans.into_iter().map(cell_of).collect();
            let mut merged = snapshot(&workers);
            if repeated {
                workers.iter().for_each(|cell| cell.merge_into(&mut merged));
            }
            prop_assert_eq!(&merged.members, &*whole.lock());
            prop_assert_eq!(merged.distinct(), snapshot([&whole]).distinct());
        }
    }
}
