//! The order of a family's series, which is that of their label texts: what comes is merged into what is there.
//!
//! A page pays for a sort of what is new and for moving the rest up, not for looking at the rest: to compare label texts is to
//! read memory that lies anywhere, to move pointers is not.

use std::cmp::Ordering;
use std::sync::Arc;

use super::series::Series;

/// Adds `came`, in any order, to `ordered`, in place; it may hold one that is there already, which stays there once.
pub(super) fn merge(ordered: &mut Vec<Arc<Series>>, mut came: Vec<Arc<Series>>) {
    came.sort_unstable_by(|a, b| a.labels().cmp(b.labels()));
    // Room for what came and no more: there is one of these for each family, for good.
    ordered.reserve_exact(came.len());
    let mut unmoved = ordered.len();
    let is_behind = match (ordered.last(), came.first()) {
        (Some(last), Some(first)) => last.labels() < first.labels(),
        _ => true,
    };
    if is_behind {
        ordered.append(&mut came);
    } else {
        // From now on there are as many places behind the unmoved ones as are still to come; what is in them is of no account.
        ordered.extend(came.iter().cloned());
    }
    while let Some(series) = came.pop() {
        let gap = came.len() + 1;
        let place = place_of(ordered.get(..unmoved).unwrap_or_default(), series.labels());
        (place..unmoved).rev().for_each(|at| ordered.swap(at, at + gap));
        unmoved = place;
        if let Some(place) = ordered.get_mut(place + gap - 1) {
            *place = series;
        }
    }
    // One that went and came back since is there twice.
    ordered.dedup_by(|a, b| Arc::ptr_eq(a, b));
}

/// Where a series with these labels is to stand, behind its equals. Looked for from the end in steps that double, because the
/// places of those that come one after the other are near each other.
fn place_of(ordered: &[Arc<Series>], labels: &str) -> usize {
    let is_before = |series: &Arc<Series>| series.labels().cmp(labels) != Ordering::Greater;
    let (mut end, mut step) = (ordered.len(), 1);
    loop {
        let start = end.saturating_sub(step);
        match ordered.get(start) {
            Some(series) if start > 0 && !is_before(series) => (end, step) = (start, step * 2),
            _ => return start + ordered.get(start..end).unwrap_or_default().partition_point(is_before),
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
        Arc::new(Series::new(labels, &FamilyKind::Gauge, (Timestamp::from_millis(0), &Account::unlimited())))
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
                // Some that are there already.
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
    fn no_memory_is_taken_beyond_what_came() {
        let mut ordered = Vec::new();
        for round in 0..20 {
            merge(&mut ordered, (0..7).map(|n| series(&format!("n=\"{:03}\"", (n * 37 + round * 11) % 997))).collect());
            assert_eq!((ordered.len(), ordered.capacity()), (7 * (round + 1), 7 * (round + 1)));
        }
        assert!(ordered.is_sorted_by(|a, b| a.labels() <= b.labels()));
    }
}
