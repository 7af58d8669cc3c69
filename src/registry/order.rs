//! The order of a family's series, by their label texts. New series are merged into the sorted ones.
//!
//! A merge sorts the new series and moves the others, but does not look at the others: comparing label texts reads memory all over the
//! heap, moving pointers does not.

use std::cmp::Ordering;
use std::sync::Arc;

use super::series::Series;

/// Merges `came`, in any order, into `ordered`, in place. A series that is in both lists occurs once in the result.
pub(super) fn merge(ordered: &mut Vec<Arc<Series>>, mut came: Vec<Arc<Series>>) {
    came.sort_unstable_by(|a, b| a.labels().cmp(b.labels()));
    // Reserve exactly: each family keeps such a list.
    ordered.reserve_exact(came.len());
    let mut unmoved = ordered.len();
    let is_behind = match (ordered.last(), came.first()) {
        (Some(last), Some(first)) => last.labels() < first.labels(),
        _ => true,
    };
    if is_behind {
        ordered.append(&mut came);
    } else {
        // From here on, there are as many free places behind the unmoved series as `came` has series left. Their contents are
        // overwritten.
        ordered.extend(came.iter().cloned());
    }
    while let Some(series) = came.pop() {
        let gap = came.len() + 1;
        let place = place_of(ordered.split_at(unmoved).0, series.labels());
        (place..unmoved).rev().for_each(|at| ordered.swap(at, at + gap));
        unmoved = place;
        if let Some(place) = ordered.get_mut(place + gap - 1) {
            *place = series;
        } else {
            debug_assert!(false, "a place behind the end of the list");
        }
    }
    // A series that was removed and has returned since is in the list twice.
    ordered.dedup_by(|a, b| Arc::ptr_eq(a, b));
}

/// The place of a series with these labels, behind its equals. The search starts at the end and doubles its steps, because the places
/// of successive series are near each other.
fn place_of(ordered: &[Arc<Series>], labels: &str) -> usize {
    let is_before = |series: &Arc<Series>| series.labels().cmp(labels) != Ordering::Greater;
    let (mut left, mut step) = (ordered, 1);
    loop {
        let (before, after) = left.split_at(left.len().saturating_sub(step));
        match after.first() {
            Some(series) if !before.is_empty() && !is_before(series) => (left, step) = (before, step * 2),
            _ => return before.len() + after.partition_point(is_before),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::Account;
    use crate::registry::FamilyKind;
    use crate::time::Timestamp;

    fn series(labels: &str) -> Arc<Series> {
        Arc::new(Series::new(labels, &FamilyKind::Gauge, Timestamp::from_millis(0), &Account::unlimited()))
    }

    fn addresses(all: &[Arc<Series>]) -> Vec<(String, *const Series)> {
        all.iter().map(|series| (series.labels().to_owned(), Arc::as_ptr(series))).collect()
    }

    proptest! {
        #[test]
        fn to_merge_is_to_sort(
            batches in prop::collection::vec(prop::collection::vec((0u32..400, any::<prop::sample::Index>()), 0..60), 1..6),
        ) {
            let pool: Vec<Arc<Series>> = (0..400).map(|n| series(&format!("n=\"{n}\""))).collect();
            let (mut merged, mut sorted) = (Vec::new(), Vec::new());
            for batch in batches {
                let mut came: Vec<Arc<Series>> = batch.iter().map(|(n, _)| Arc::clone(&pool[*n as usize])).collect();
                // Some of the series are in the list already.
                came.extend(batch.iter().filter(|_| !sorted.is_empty()).take(3).map(|(_, at)| Arc::clone(at.get(&sorted))));
                sorted.extend(came.iter().cloned());
                sorted.sort_by(|a: &Arc<Series>, b| a.labels().cmp(b.labels()));
                sorted.dedup_by(|a, b| Arc::ptr_eq(a, b));
                merge(&mut merged, came);
                prop_assert_eq!(addresses(&merged), addresses(&sorted));
            }
        }
    }

    #[test]
    fn a_merge_reserves_no_more_than_it_adds() {
        let mut ordered = Vec::new();
        for round in 0..20 {
            merge(&mut ordered, (0..7).map(|n| series(&format!("n=\"{:03}\"", (n * 37 + round * 11) % 997))).collect());
            assert_eq!((ordered.len(), ordered.capacity()), (7 * (round + 1), 7 * (round + 1)));
        }
        assert!(ordered.is_sorted_by(|a, b| a.labels() <= b.labels()));
    }
}
