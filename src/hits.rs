//! hits: counts samples by rule, and unmapped samples by name. `/api/v1/rules` and `/api/v1/unmapped` show the counts.
//!
//! A bridge without rules records the names but counts no samples. Each worker counts in its own tally and adds it to the shared sums
//! once per batch. The first [`NAMES`] names have one count each; all other names share one. Each change of rules starts new counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use rapidhash::quality::RandomState;

use crate::lock::lock;

/// The number of unmapped names that have their own count.
pub(crate) const NAMES: usize = 1000;

/// The length in bytes to which names are cut.
const NAME_BYTES: usize = 256;

/// The index of the sum that counts a binding's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// The samples are not counted.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// The shared sums under one set of rules.
#[derive(Debug)]
pub(crate) struct Hits {
    rules: usize,
    /// One sum per rule, then one per name, then one for all other names.
    sums: Box<[AtomicU64]>,
    names: Mutex<HashMap<Box<str>, u32, RandomState>>,
}

impl Hits {
    pub(crate) fn new(rules: usize) -> Self {
        // A bridge without rules counts no samples.
        let slots = if rules == 0 { 0 } else { rules + NAMES + 1 };
        Self { rules, sums: (0..slots).map(|_| AtomicU64::new(0)).collect(), names: Mutex::default() }
    }

    pub(crate) fn of_rule(&self, rule: usize) -> Slot {
        debug_assert!(rule < self.rules, "the rule belongs to these hits");
        u32::try_from(rule).map_or(Slot::NONE, Slot)
    }

    pub(crate) fn of_name(&self, name: &str) -> Slot {
        let name = cut(name);
        let mut names = lock(&self.names);
        let next = names.len();
        let number = match names.get(name) {
            Some(number) => *number as usize,
            None if next < NAMES => {
                names.insert(name.into(), next as u32);
                next
            }
            None => NAMES,
        };
        // A bridge without rules records the name but does not count its samples.
        if self.sums.is_empty() {
            return Slot::NONE;
        }
        Slot((self.rules + number) as u32)
    }

    /// Returns the number of samples of each rule, in the order of the rules.
    pub(crate) fn rules(&self) -> Vec<u64> {
        self.sums.iter().take(self.rules).map(|sum| sum.load(Relaxed)).collect()
    }

    /// Returns the unmapped names with their numbers of samples, highest first, and the number of samples of all names beyond [`NAMES`].
    pub(crate) fn unmapped(&self) -> (Vec<(String, u64)>, u64) {
        let sum = |number: usize| self.sums.get(self.rules + number).map_or(0, |sum| sum.load(Relaxed));
        let names = lock(&self.names);
        let mut all: Vec<_> = names.iter().map(|(name, number)| (name.to_string(), sum(*number as usize))).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        (all, sum(NAMES))
    }
}

/// Cuts a name to at most [`NAME_BYTES`] bytes, at a character boundary.
fn cut(name: &str) -> &str {
    let end = (0..=NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

/// One worker's counts since its last flush.
#[derive(Debug, Default)]
pub(crate) struct HitTally {
    counts: Vec<u64>,
    /// The indices of the counts that are not 0.
    touched: Vec<u32>,
}

impl HitTally {
    #[inline(always)]
    pub(crate) fn count(&mut self, slot: Slot) {
        if slot == Slot::NONE {
            return;
        }
        let at = slot.0 as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        debug_assert!(at < self.counts.len());
        if let Some(count) = self.counts.get_mut(at) {
            if *count == 0 {
                self.touched.push(slot.0);
            }
            *count += 1;
        }
    }

    /// Adds the counts to the shared sums and resets them.
    #[inline]
    pub(crate) fn flush(&mut self, hits: &Arc<Hits>) {
        for at in self.touched.drain(..) {
            let (count, sum) = (self.counts.get_mut(at as usize), hits.sums.get(at as usize));
            debug_assert!(count.is_some() && sum.is_some(), "a tally is discarded when the rules change");
            if let (Some(count), Some(sum)) = (count, sum) {
                sum.fetch_add(std::mem::take(count), Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_add_up_and_names_are_bounded() {
        let hits = Arc::new(Hits::new(2));
        let mut tally = HitTally::default();
        for _ in 0..3 {
            tally.count(hits.of_rule(1));
        }
        for i in 0..NAMES + 50 {
            tally.count(hits.of_name(&format!("n{i}")));
        }
        tally.count(hits.of_name("n7"));
        tally.flush(&hits);
        tally.flush(&hits);
        assert_eq!(hits.rules(), [0, 3]);
        let (names, others) = hits.unmapped();
        assert_eq!((names.len(), &names[0], others), (NAMES, &("n7".to_owned(), 2), 50));
        let without_rules = Hits::new(0);
        assert_eq!((without_rules.of_name("x"), without_rules.of_name("a")), (Slot::NONE, Slot::NONE));
        assert_eq!(
            without_rules.unmapped(),
            (vec![("a".to_owned(), 0), ("x".to_owned(), 0)], 0),
            "names are recorded, samples are not counted"
        );
    }
}
