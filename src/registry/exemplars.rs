//! Exemplars of series: the newest one of each bucket, and of each counter; for so many series as may have some. Not kept over a
//! restart.
//!
//! They lie beside the series and not in them, because few have any. A series is known by its address, which no other gets as
//! long as there is a weak reference to it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use dashmap::{DashMap, Entry};
use rapidhash::quality::RandomState;

use super::label_set::push_label;
use super::series::Series;
use crate::memory::{Account, Charge, Memory};
use crate::time::{Timestamp, WallOffset};

/// Characters of an exemplar's label, name and value together, as OpenMetrics allows.
const LABEL_CHARS: usize = 128;

/// What the exemplars of a series cost beside each of them: their place, the allocator.
const PLACE_BYTES: usize = 160;

/// One measurement, and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    /// The number of the histogram's bucket, `+Inf` the last; 0 of a counter.
    pub bucket: usize,
    /// The label as a page has it: `trace_id="x"`. Up to 128 characters, name and raw value together.
    pub labels: Box<str>,
    /// The value of the sample, converted as the series' values are, and not multiplied by the sample's weight.
    pub value: f64,
    /// When it came: on the timeline where it is kept, in wall time where it is shown.
    pub time: Timestamp,
}

/// Exemplars of all series that have some.
#[derive(Debug)]
pub(crate) struct Exemplars {
    by_address: DashMap<usize, OfSeries, RandomState>,
    /// Series that have some.
    taken: AtomicUsize,
    /// How many may have some.
    most: usize,
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
    /// None, of up to `most` series.
    pub(super) fn new(most: usize, wall: Arc<WallOffset>, memory: &Arc<Memory>) -> Self {
        Self { by_address: DashMap::default(), taken: AtomicUsize::new(0), most, wall, account: Account::new(memory) }
    }

    /// The newest exemplar of each bucket of a series that has one, by bucket, in wall time; of a counter one at most.
    pub(crate) fn of(&self, series: &Arc<Series>) -> Vec<Exemplar> {
        if self.taken.load(Relaxed) == 0 {
            return Vec::new();
        }
        self.by_address.get(&address(series)).map_or_else(Vec::new, |of| of.in_wall_time(&self.wall))
    }

    /// Notes one, in place of an older one of its bucket: its label's name and raw value, its bucket and value. False if it is not
    /// kept, because its label is too long, too many series have exemplars, or no memory is left.
    pub(crate) fn note(&self, series: &Arc<Series>, (name, trace): (&str, &str), (bucket, value): (usize, f64), time: Timestamp) -> bool {
        if name.chars().count() + trace.chars().count() > LABEL_CHARS {
            return false;
        }
        let mut labels = String::with_capacity(name.len() + trace.len() + 3);
        push_label(name, trace, &mut labels);
        self.keep(series, Exemplar { bucket, labels: labels.into(), value, time })
    }

    fn keep(&self, series: &Arc<Series>, exemplar: Exemplar) -> bool {
        match self.by_address.entry(address(series)) {
            Entry::Occupied(mut of) => of.get_mut().keep(exemplar),
            // Workers that come at once may exceed it by as many as they are.
            Entry::Vacant(_) if self.taken.load(Relaxed) >= self.most || self.account.memory().is_scarce() => false,
            Entry::Vacant(place) => {
                self.taken.fetch_add(1, Relaxed);
                let charge = Charge::new(&self.account, PLACE_BYTES + exemplar.bytes());
                place.insert(OfSeries { series: Arc::downgrade(series), by_bucket: vec![exemplar], charge });
                true
            }
        }
    }

    /// How many series have some.
    #[cfg(test)]
    pub(crate) fn series(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Gives the places of series that are gone back. To be called now and then.
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
    /// Bytes that it takes, the allocator's part included.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.labels.len() + 16
    }
}

impl OfSeries {
    fn in_wall_time(&self, wall: &WallOffset) -> Vec<Exemplar> {
        self.by_bucket.iter().map(|exemplar| Exemplar { time: wall.of(exemplar.time), ..exemplar.clone() }).collect()
    }

    /// False if there is no memory for it. One that is not newer than that of its bucket need not be kept.
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
        Arc::new(Series::new("", &FamilyKind::Counter, (Timestamp::from_millis(0), &Account::unlimited())))
    }

    #[test]
    fn the_newest_of_each_bucket_stays() {
        let (series, exemplars) = (series(), Exemplars::new(1, Arc::default(), &Memory::new(usize::MAX)));
        let note = |bucket, text: &str, millis| exemplars.note(&series, ("id", text), (bucket, 0.5), Timestamp::from_millis(millis));
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
        let note = |series: &Arc<Series>| exemplars.note(series, ("id", "x"), (0, 1.0), Timestamp::from_millis(1));
        assert!(note(&first) && note(&first) && !note(&second) && exemplars.of(&second).is_empty());
        exemplars.forget_gone();
        assert_eq!(exemplars.series(), 1);
        drop(first);
        assert!(!note(&second), "nobody has looked yet");
        exemplars.forget_gone();
        assert!(note(&second), "its place came free");
        assert_eq!(exemplars.series(), 1);
    }
}
