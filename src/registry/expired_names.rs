//! The families of which series expired last, so that a question about a missing series has an answer.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Mutex;

use rapidhash::quality::RandomState;

use crate::lock::lock;
use crate::time::Timestamp;

/// Families that are kept. A further one takes the place of that whose series expired longest ago.
const FAMILIES: usize = 1_000;

/// Series of a family that are kept, as hashes of their labels.
const SERIES: usize = 64;

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
    /// The ttl of the last one, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// Hashes of the labels of the last ones.
    recent: VecDeque<u64>,
}

/// A series of a family that expires.
pub(super) struct Expiring<'a> {
    pub(super) labels: &'a str,
    pub(super) ttl_ms: u64,
}

/// The last expired families, at most 1,000.
#[derive(Debug, Default)]
pub(super) struct ExpiredNames(Mutex<HashMap<Box<str>, ExpiredName, RandomState>>);

impl ExpiredNames {
    /// Notes that these series of a family expired.
    pub(super) fn note<'a>(&self, family: &str, series: impl ExactSizeIterator<Item = Expiring<'a>>, now: Timestamp) {
        let count = series.len() as u64;
        let mut all = lock(&self.0);
        let before = all.get(family).map_or(0, |known| known.series);
        if before == 0 && all.len() >= FAMILIES {
            let oldest = all.iter().min_by_key(|(_, known)| known.last).map(|(name, _)| name.clone());
            oldest.and_then(|name| all.remove(&name));
        }
        let mut recent = all.get_mut(family).map(|known| std::mem::take(&mut known.recent)).unwrap_or_default();
        let (mut labels, mut ttl_ms) = ("", 0);
        for expiring in series.skip((count as usize).saturating_sub(SERIES)) {
            (labels, ttl_ms) = (expiring.labels, expiring.ttl_ms);
            if recent.len() >= SERIES {
                recent.pop_front();
            }
            recent.push_back(all.hasher().hash_one(labels));
        }
        let end = (0..=LABELS_BYTES.min(labels.len())).rev().find(|end| labels.is_char_boundary(*end));
        let labels = end.and_then(|end| labels.get(..end)).unwrap_or_default().into();
        all.insert(family.into(), ExpiredName { series: before + count, last: now, labels, ttl_ms, recent });
    }

    /// Whether a series with these labels is among those that expired; `None` if it is not known, because more expired than are kept.
    #[cfg(any(feature = "cli", test))]
    pub(super) fn has(&self, family: &str, labels: &str) -> Option<bool> {
        let all = lock(&self.0);
        let Some(known) = all.get(family) else { return Some(false) };
        if known.recent.contains(&all.hasher().hash_one(labels)) {
            return Some(true);
        }
        (known.series <= known.recent.len() as u64).then_some(false)
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
            names.note(&format!("f{number}"), expiring(&["a=\"1\"", "a=\"2\""]), Timestamp::from_millis(number));
        }
        let long = "é".repeat(200);
        names.note("f1000", expiring(&["", "b=\"1\"", &long]), Timestamp::from_millis(9_000));
        let last = names.get("f1000").expect("kept");
        assert_eq!((names.get("f0"), last.series, last.last, last.labels.len()), (None, 5, Timestamp::from_millis(9_000), 256));
        assert_eq!((last.ttl_ms, names.has("f1000", &long), names.has("f1000", "a=\"1\"")), (5, Some(true), Some(true)));
        assert_eq!((names.has("f1000", "a=\"3\""), names.has("f0", "a=\"1\"")), (Some(false), Some(false)));
        // Of more series than are kept, an older one is not known.
        let many: Vec<String> = (0..SERIES + 1).map(|number| format!("n=\"{number}\"")).collect();
        names.note("f7", expiring(&many.iter().map(String::as_str).collect::<Vec<_>>()), Timestamp::from_millis(9_000));
        assert_eq!((names.has("f7", "n=\"0\""), names.has("f7", "n=\"1\""), names.has("f7", "n=\"64\"")), (None, Some(true), Some(true)));
    }

    fn expiring<'a>(labels: &'a [&'a str]) -> impl ExactSizeIterator<Item = Expiring<'a>> {
        labels.iter().copied().map(|labels| Expiring { labels, ttl_ms: 5 })
    }
}
