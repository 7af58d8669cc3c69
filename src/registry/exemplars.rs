//! Exemplars: the newest one of each histogram bucket and of each counter, for a limited number of series. A restart drops them.
//!
//! Few series have exemplars, so they are kept in a separate map. The key is the address of the series; a weak reference keeps the
//! address from being reused.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use dashmap::{DashMap, Entry};
use rapidhash::quality::RandomState;

use super::label_set::push_label;
use super::series::Series;
use crate::memory::{Account, Charge, Memory};
use crate::time::{Timestamp, WallOffset};

/// Characters of an exemplar's label, name and value together, as OpenMetrics allows.
const LABEL_CHARS: usize = 128;

/// Memory of an entry without its exemplars: its place in the map, overhead of the allocator.
const PLACE_BYTES: usize = 160;

/// One measurement and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    /// Index of the histogram's bucket, `+Inf` the last; 0 for a counter.
    pub bucket: usize,
    /// The label as expositions show it: `trace_id="x"`. Up to 128 characters, name and raw value together.
    pub labels: Box<str>,
    /// The value of the sample, converted to the unit of the series, without the sample's weight.
    pub value: f64,
    /// Time of receipt: on the timeline inside the map, in wall time in expositions.
    pub time: Timestamp,
    /// The number of exemplars that were kept before it. Unlike `time`, which a worker reads before it records a batch, it tells whether
    /// an earlier reader can have seen it.
    pub number: u64,
}

/// The exemplars of all series.
#[derive(Debug)]
pub(crate) struct Exemplars {
    by_address: DashMap<usize, OfSeries, RandomState>,
    /// Number of series with exemplars.
    taken: AtomicUsize,
    /// Maximum of `taken`.
    max_series: usize,
    /// Number of exemplars that were kept.
    kept: AtomicU64,
    wall: Arc<WallOffset>,
    account: Arc<Account>,
}

/// Exemplars of one series, by bucket.
#[derive(Debug)]
struct OfSeries {
    series: Weak<Series>,
    by_bucket: Vec<Exemplar>,
    charge: Charge,
}

impl Exemplars {
    /// An empty map for up to `max_series` series.
    pub(super) fn new(max_series: usize, wall: Arc<WallOffset>, memory: &Arc<Memory>) -> Self {
        Self {
            by_address: DashMap::default(),
            taken: AtomicUsize::new(0),
            max_series,
            kept: AtomicU64::new(0),
            wall,
            account: Account::new(memory),
        }
    }

    /// The newest exemplar of each bucket that has one, by bucket, in wall time; at most one for a counter.
    pub(crate) fn of(&self, series: &Arc<Series>) -> Vec<Exemplar> {
        if self.taken.load(Relaxed) == 0 {
            return Vec::new();
        }
        self.by_address.get(&address(series)).map_or_else(Vec::new, |of| of.in_wall_time(&self.wall))
    }

    /// The number of the next exemplar. All with a lower number are seen by [`of`](Self::of) from now on, unless they were replaced.
    #[cfg(feature = "cli")]
    pub(crate) fn next_number(&self) -> u64 {
        self.kept.load(Relaxed)
    }

    /// Keeps an exemplar and replaces an older one of its bucket. Returns false if it is not kept: too many series have exemplars, or
    /// no memory is left.
    pub(crate) fn keep(&self, series: &Arc<Series>, exemplar: Exemplar) -> bool {
        let number = || self.kept.fetch_add(1, Relaxed);
        // The number is taken under the lock that a reader of the series takes.
        match self.by_address.entry(address(series)) {
            Entry::Occupied(mut of) => of.get_mut().keep(Exemplar { number: number(), ..exemplar }),
            // Workers that check at the same time may each exceed the limit by one.
            Entry::Vacant(_) if self.taken.load(Relaxed) >= self.max_series || self.account.memory().is_scarce() => false,
            Entry::Vacant(place) => {
                self.taken.fetch_add(1, Relaxed);
                let charge = Charge::new(&self.account, PLACE_BYTES + exemplar.bytes());
                place.insert(OfSeries {
                    series: Arc::downgrade(series),
                    by_bucket: vec![Exemplar { number: number(), ..exemplar }],
                    charge,
                });
                true
            }
        }
    }

    /// Number of series with exemplars.
    #[cfg(test)]
    pub(crate) fn series(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Drops the exemplars of series that no longer exist. Call it periodically.
    pub(crate) fn forget_gone(&self) {
        if self.taken.load(Relaxed) > 0 {
            self.by_address.retain(|_, of| {
                let is_there = of.series.strong_count() > 0;
                self.taken.fetch_sub(usize::from(!is_there), Relaxed);
                is_there
            });
        }
    }
}

impl Exemplar {
    /// An exemplar with this label, of raw value `trace`. `None` if name and value are longer than the 128 characters that OpenMetrics
    /// allows.
    pub(crate) fn new(name: &str, trace: &str, bucket: usize, value: f64, time: Timestamp) -> Option<Self> {
        if name.chars().count() + trace.chars().count() > LABEL_CHARS {
            return None;
        }
        let mut labels = String::with_capacity(name.len() + trace.len() + 3);
        push_label(name, trace, &mut labels);
        Some(Self { bucket, labels: labels.into(), value, time, number: 0 })
    }

    /// Its memory, with the overhead of the allocator.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.labels.len() + 16
    }
}

impl OfSeries {
    fn in_wall_time(&self, wall: &WallOffset) -> Vec<Exemplar> {
        self.by_bucket.iter().map(|exemplar| Exemplar { time: wall.of(exemplar.time), ..exemplar.clone() }).collect()
    }

    /// Returns false if no memory is left. An exemplar older than that of its bucket is dropped and counts as kept.
    fn keep(&mut self, exemplar: Exemplar) -> bool {
        let (grown, place) = match self.by_bucket.binary_search_by_key(&exemplar.bucket, |known| known.bucket) {
            Ok(at) => {
                let Some(known) = self.by_bucket.get_mut(at).filter(|known| known.time <= exemplar.time) else { return true };
                (exemplar.bytes() as isize - known.bytes() as isize, Ok(known))
            }
            Err(at) => (exemplar.bytes() as isize, Err(at)),
        };
        if grown > 0 && self.charge.is_scarce() {
            return false;
        }
        debug_assert!(self.charge.bytes().checked_add_signed(grown).is_some(), "an exemplar gives back more than was charged");
        self.charge.set(self.charge.bytes().saturating_add_signed(grown));
        match place {
            Ok(known) => *known = exemplar,
            Err(at) => {
                self.by_bucket.reserve_exact(1);
                self.by_bucket.insert(at, exemplar);
            }
        }
        true
    }
}

fn address(series: &Arc<Series>) -> usize {
    Arc::as_ptr(series).addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::FamilyKind;

    fn series() -> Arc<Series> {
        Arc::new(Series::new("", &FamilyKind::Counter, Timestamp::from_millis(0), &Account::unlimited()))
    }

    #[test]
    fn the_newest_exemplar_of_each_bucket_is_kept() {
        let (series, exemplars) = (series(), Exemplars::new(1, Arc::default(), &Memory::new(usize::MAX)));
        let note = |bucket, text: &str, millis| {
            Exemplar::new("id", text, bucket, 0.5, Timestamp::from_millis(millis)).is_some_and(|one| exemplars.keep(&series, one))
        };
        assert!(exemplars.of(&series).is_empty());
        assert!(note(3, "a", 10) && note(1, "b\"", 11) && note(3, "c", 12) && note(3, "old", 9));
        let seen = exemplars.of(&series);
        let seen: Vec<_> = seen.iter().map(|one| (one.bucket, &*one.labels, one.time.as_millis())).collect();
        assert_eq!(seen, [(1, "id=\"b\\\"\"", 11), (3, "id=\"c\"", 12)]);
        assert!(note(0, &"é".repeat(126), 13) && !note(0, &"é".repeat(127), 14));
    }

    #[test]
    fn series_with_exemplars_are_bounded() {
        let (first, second, exemplars) = (series(), series(), Exemplars::new(1, Arc::default(), &Memory::new(usize::MAX)));
        let exemplar = || Exemplar::new("id", "x", 0, 1.0, Timestamp::from_millis(1)).expect("a short label");
        let note = |series: &Arc<Series>| exemplars.keep(series, exemplar());
        assert!(note(&first) && note(&first) && !note(&second) && exemplars.of(&second).is_empty());
        exemplars.forget_gone();
        assert_eq!(exemplars.series(), 1);
        drop(first);
        assert!(!note(&second), "`forget_gone` has not run yet");
        exemplars.forget_gone();
        assert!(note(&second), "the dropped series no longer counts");
        assert_eq!(exemplars.series(), 1);
    }
}
