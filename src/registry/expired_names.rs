//! The families of which series expired last, so that a question about a missing series has an answer.

use std::collections::HashMap;
use std::sync::Mutex;

use rapidhash::quality::RandomState;

use crate::lock::lock;
use crate::time::Timestamp;

/// Families that are kept. A further one takes the place of that whose series expired longest ago.
const FAMILIES: usize = 1_000;

/// Bytes of the labels that are kept.
const LABELS_BYTES: usize = 256;

/// The series of a family that expired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) struct ExpiredName {
    /// Series that expired.
    pub(crate) series: u64,
    /// When the last one expired.
    pub(crate) last: Timestamp,
    /// The labels of one of the last ones, cut to 256 bytes.
    pub(crate) labels: Box<str>,
}

/// The last expired families, at most 1,000.
#[derive(Debug, Default)]
pub(super) struct ExpiredNames(Mutex<HashMap<Box<str>, ExpiredName, RandomState>>);

impl ExpiredNames {
    /// Notes that `series` series of a family expired, one of them with these labels.
    pub(super) fn note(&self, family: &str, series: usize, labels: &str, now: Timestamp) {
        let mut all = lock(&self.0);
        let before = all.get(family).map_or(0, |known| known.series);
        if before == 0 && all.len() >= FAMILIES {
            let oldest = all.iter().min_by_key(|(_, known)| known.last).map(|(name, _)| name.clone());
            oldest.and_then(|name| all.remove(&name));
        }
        let end = (0..=LABELS_BYTES.min(labels.len())).rev().find(|end| labels.is_char_boundary(*end));
        let labels = end.and_then(|end| labels.get(..end)).unwrap_or_default().into();
        all.insert(family.into(), ExpiredName { series: before + series as u64, last: now, labels });
    }

    /// The note of a family.
    #[cfg(any(feature = "cli", test))]
    pub(super) fn get(&self, family: &str) -> Option<ExpiredName> {
        lock(&self.0).get(family).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_families_are_kept() {
        let names = ExpiredNames::default();
        for number in 0..FAMILIES as u64 + 1 {
            names.note(&format!("f{number}"), 2, "a=\"1\"", Timestamp::from_millis(number));
        }
        names.note("f1000", 3, &"é".repeat(200), Timestamp::from_millis(9_000));
        let last = names.get("f1000").expect("kept");
        assert_eq!((names.get("f0"), last.series, last.last, last.labels.len()), (None, 5, Timestamp::from_millis(9_000), 256));
    }
}
