//! Exemplars of series: the newest one of each bucket, and of each counter. Made for a series when a sample brings the first
//! one, as long as not too many have some. Not kept over a restart.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::labels::push_label;
use super::{Series, lock};
use crate::Timestamp;
use crate::exemplar::LABEL_CHARS;

/// One measurement, and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// The number of the histogram's bucket, `+Inf` the last; 0 of a counter.
    pub bucket: usize,
    /// The label as a page has it: `trace_id="x"`. Up to 128 characters, name and raw value together.
    pub labels: Box<str>,
    /// What was measured: the value observed, or what the counter rose by.
    pub value: f64,
    /// When it came.
    pub time: Timestamp,
}

/// Those of one series.
#[derive(Debug)]
pub(super) struct Exemplars {
    by_bucket: Mutex<Vec<Exemplar>>,
    place: Arc<AtomicUsize>,
}

/// How many series have exemplars, and how many may.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// How many series have exemplars.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    fn take(&self) -> Option<Box<Exemplars>> {
        // Workers that come at once may exceed it by as many as they are.
        if self.taken() >= self.most {
            return None;
        }
        self.taken.fetch_add(1, Relaxed);
        Some(Box::new(Exemplars { by_bucket: Mutex::default(), place: Arc::clone(&self.taken) }))
    }
}

impl Drop for Exemplars {
    fn drop(&mut self) {
        self.place.fetch_sub(1, Relaxed);
    }
}

impl Series {
    /// The newest exemplar of each bucket that has one, by bucket; of a counter one at most.
    pub fn exemplars(&self) -> Vec<Exemplar> {
        self.exemplars.get().map_or_else(Vec::new, |all| lock(&all.by_bucket).clone())
    }

    /// Notes one, in place of an older one of its bucket. False if its label is too long or too many series have some.
    pub(super) fn note_exemplar(
        &self,
        (name, text): (&str, &str),
        (bucket, value): (usize, f64),
        time: Timestamp,
        places: &Places,
    ) -> bool {
        if name.chars().count() + text.chars().count() > LABEL_CHARS {
            return false;
        }
        let all = match self.exemplars.get() {
            Some(all) => all,
            None => {
                let Some(new) = places.take() else { return false };
                self.exemplars.get_or_init(|| new)
            }
        };
        let mut labels = String::with_capacity(name.len() + text.len() + 3);
        push_label(name, text, &mut labels);
        let exemplar = Exemplar { bucket, labels: labels.into(), value, time };
        let mut all = lock(&all.by_bucket);
        match all.binary_search_by_key(&bucket, |known| known.bucket) {
            Ok(at) => {
                if let Some(known) = all.get_mut(at).filter(|known| known.time <= time) {
                    *known = exemplar;
                }
            }
            Err(at) => {
                all.reserve_exact(1);
                all.insert(at, exemplar);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::FamilyKind;

    fn series() -> Series {
        Series::new("", &FamilyKind::Counter, Timestamp::from_millis(0))
    }

    #[test]
    fn the_newest_of_each_bucket_stays() {
        let (series, places) = (series(), Places::new(1));
        let note = |bucket, text, millis| series.note_exemplar(("id", text), (bucket, 0.5), Timestamp::from_millis(millis), &places);
        assert!(series.exemplars().is_empty());
        assert!(note(3, "a", 10) && note(1, "b\"", 11) && note(3, "c", 12) && note(3, "old", 9));
        let seen: Vec<_> = series.exemplars().into_iter().map(|one| (one.bucket, one.labels.into_string(), one.time.as_millis())).collect();
        assert_eq!(seen, [(1, "id=\"b\\\"\"".to_owned(), 11), (3, "id=\"c\"".to_owned(), 12)]);
        let (longest, too_long) = ("é".repeat(126), "é".repeat(127));
        assert!(note(0, &longest, 13) && !note(0, &too_long, 14));
    }

    #[test]
    fn series_with_exemplars_are_bounded() {
        let places = Places::new(1);
        let note = |series: &Series| series.note_exemplar(("id", "x"), (0, 1.0), Timestamp::from_millis(1), &places);
        let (first, second) = (series(), series());
        assert!(note(&first) && note(&first) && !note(&second) && second.exemplars().is_empty());
        assert_eq!(places.taken(), 1);
        drop(first);
        assert!(note(&second), "its place came free");
    }
}
