//! arrivals: raw names that arrived, with what became of them. `/api/v1/ask` reads it.
//!
//! A worker notes a name when it makes a binding, so a sample of a known series costs nothing here. The first [`NAMES`] names are kept,
//! each cut to [`NAME_BYTES`], at most about 3 MiB; further names are counted.

use std::hash::BuildHasher;
use std::sync::Mutex;

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use crate::ingest::protocol::Kind;
use crate::lock::lock;
use crate::source::Source;
use crate::time::Timestamp;

/// Names that are kept, each with its kinds.
const NAMES: usize = 4_096;

/// The length in bytes to which names are cut.
const NAME_BYTES: usize = 256;

/// What became of the last new identity of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its samples are recorded.
    Recorded,
    /// A limit folded them into another series.
    Folded,
    /// A rule drops them.
    Dropped,
    /// They are rejected for this reason.
    Rejected(&'static str),
}

impl Verdict {
    /// Whether a limit folded or rejected them.
    #[cfg(feature = "cli")]
    pub(crate) fn is_of_limit(&self) -> bool {
        matches!(self, Self::Folded) || matches!(self, Self::Rejected(reason) if reason.ends_with("_limit"))
    }
}

/// A raw name with one of its kinds.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) struct ArrivedName {
    /// The raw name without tags.
    pub(crate) name: Box<str>,
    pub(crate) kind: Kind,
    /// The name of its family, before it is escaped; empty for a dropped one.
    pub(crate) family: Box<str>,
    pub(crate) verdict: Verdict,
    /// The last other one: identities of a name may fare differently.
    pub(crate) other: Option<Verdict>,
    /// The sender of the first identity, and of the last one.
    pub(crate) sources: (Source, Source),
    /// When the first identity arrived, and the last one.
    pub(crate) times: (Timestamp, Timestamp),
    /// How often an identity of the name was new to a worker.
    pub(crate) identities: u64,
}

/// A new identity.
pub(crate) struct Arrived<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) family: &'a str,
    pub(crate) verdict: Verdict,
    pub(crate) source: Source,
    pub(crate) now: Timestamp,
}

/// The names of all workers.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// A bridge within another program notes nothing.
    is_on: bool,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    all: HashTable<ArrivedName>,
    hasher: RandomState,
    /// Identities of names that are not kept.
    others: u64,
}

impl Arrivals {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, names: Mutex::default() }
    }

    /// Whether names are noted.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes a new identity.
    pub(crate) fn note(&self, arrived: &Arrived<'_>) {
        if !self.is_on {
            return;
        }
        let (name, family) = (cut(arrived.name), cut(arrived.family));
        let mut names = lock(&self.names);
        let Names { all, hasher, others } = &mut *names;
        let hash = hasher.hash_one((name, arrived.kind as u8));
        if let Some(known) = all.find_mut(hash, |known| known.kind == arrived.kind && &*known.name == name) {
            known.identities += 1;
            if known.verdict != arrived.verdict {
                known.other = Some(known.verdict);
            }
            (known.verdict, known.sources.1, known.times.1) = (arrived.verdict, arrived.source, arrived.now);
            if &*known.family != family {
                known.family = family.into();
            }
            return;
        }
        if all.len() >= NAMES {
            *others += 1;
            return;
        }
        let new = ArrivedName {
            name: name.into(),
            kind: arrived.kind,
            family: family.into(),
            verdict: arrived.verdict,
            other: None,
            sources: (arrived.source, arrived.source),
            times: (arrived.now, arrived.now),
            identities: 1,
        };
        all.insert_unique(hash, new, |known| hasher.hash_one((&*known.name, known.kind as u8)));
    }

    /// All names that are kept, and the number of identities of others.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn all(&self) -> (Vec<ArrivedName>, u64) {
        let names = lock(&self.names);
        (names.all.iter().cloned().collect(), names.others)
    }
}

/// Cuts a name to at most [`NAME_BYTES`] bytes, at a character boundary.
fn cut(name: &str) -> &str {
    let end = (0..=NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_keep_their_last_verdict() {
        let arrivals = Arrivals::new(true);
        let note = |name: &str, verdict, second: u64| {
            let now = Timestamp::from_millis(second * 1000);
            arrivals.note(&Arrived { name, kind: Kind::Counter, family: name, verdict, source: Source::Unknown, now });
        };
        note("a", Verdict::Dropped, 1);
        note("a", Verdict::Recorded, 2);
        (0..NAMES + 9).for_each(|number| note(&format!("{number}{}", "é".repeat(200)), Verdict::Folded, 3));
        let (all, others) = arrivals.all();
        assert_eq!((all.len(), others), (NAMES, 10));
        let first = all.iter().find(|known| &*known.name == "a").expect("kept");
        let times = (Timestamp::from_millis(1000), Timestamp::from_millis(2000));
        assert_eq!((first.verdict, first.identities, first.times), (Verdict::Recorded, 2, times));
        assert_eq!(first.other, Some(Verdict::Dropped));
        assert!(all.iter().all(|known| known.name.len() <= NAME_BYTES && known.family.len() <= NAME_BYTES));
    }
}
