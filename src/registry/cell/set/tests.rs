//! Members counted exactly, estimated, merged, by one thread and by several.

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
    let capacity = cell.lock().hashes.capacity();
    assert!(cell.estimate.get().is_none() || capacity == 0);
    cell.estimate.get().is_none().then_some(capacity)
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

/// Reads and writes of an estimated set continue while another thread holds the lock.
#[test]
fn an_estimated_set_takes_no_lock() {
    let cell = cell_of(0..5000);
    let before = snapshot([&cell]).distinct();
    let _held = cell.lock();
    (5000..9000_u64).for_each(|n| cell.insert(format!("member-{n}").as_bytes()));
    let all = cell_of(0..9000);
    assert_eq!(snapshot([&cell]).save(), snapshot([&all]).save());
    assert!(snapshot([&cell]).distinct() > before);
}

/// Four threads insert overlapping members into an empty set, so that all of them are inserting when the estimate is set.
#[test]
fn the_change_to_an_estimate_loses_no_member() {
    let whole = cell_of(0..3000);
    for _ in 0..20 {
        let (cell, barrier) = (SetCell::new(), std::sync::Barrier::new(4));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (cell, barrier) = (&cell, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    (thread..3000).step_by(3).for_each(|n| cell.insert(format!("member-{n}").as_bytes()));
                });
            }
        });
        assert_eq!(snapshot([&cell]).save(), snapshot([&whole]).save());
    }
}

/// A reader finds all members inserted before the read, and the count never decreases.
#[test]
fn readers_see_a_set_that_only_grows() {
    use std::sync::atomic::Ordering::{Acquire, Release};

    let (cell, inserted) = (SetCell::new(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..6000_u64 {
                cell.insert(&n.to_le_bytes());
                inserted.store(n + 1, Release);
            }
        });
        let mut last = 0.0;
        loop {
            let at_least = inserted.load(Acquire);
            let got = snapshot([&cell]).distinct();
            assert!(got >= last, "{got} after {last}");
            assert!(got >= at_least.min(EXACT_MAX as u64) as f64 && got >= at_least as f64 * 0.97, "{got} of {at_least}");
            last = got;
            if at_least == 6000 {
                break;
            }
        }
    });
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
    assert!(cell.exact.is_poisoned());
    assert_eq!(snapshot([&cell]).distinct(), 4.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The ranges overlap, and their lengths are above and below the limit of exact members, so that all four kinds of merges
    /// occur.
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
        prop_assert_eq!(merged.save(), snapshot([&whole]).save());
        prop_assert_eq!(merged.distinct(), snapshot([&whole]).distinct());
    }
}
