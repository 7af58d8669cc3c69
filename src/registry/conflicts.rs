//! Samples refused because their name already means something else, counted by name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::telemetry::Recorded;

/// How many names are counted each on its own; what comes after them is counted under [`OTHER`].
const NAMES: usize = 100;

/// The name under which further names are counted.
const OTHER: &str = "_other_";

/// One name and the type it was refused as.
#[derive(Debug)]
pub struct Conflict {
    /// The escaped name.
    pub name: Box<str>,
    /// What its samples would have become.
    pub kind: Recorded,
    samples: AtomicU64,
}

impl Conflict {
    /// Counts one sample.
    pub fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples refused so far.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }
}

/// By name and type.
type ByName = BTreeMap<(Box<str>, &'static str), Arc<Conflict>>;

#[derive(Default)]
pub(super) struct Conflicts {
    by_name: Mutex<ByName>,
}

impl Conflicts {
    pub(super) fn of(&self, name: &str, kind: Recorded) -> Arc<Conflict> {
        let mut by_name = lock(&self.by_name);
        let known = by_name.contains_key(&(name.into(), kind.as_str()));
        let name = if known || by_name.len() < NAMES { name } else { OTHER };
        let new = || {
            tracing::warn!(
                name,
                kind = kind.as_str(),
                "the name is taken by a metric of another type, or by its _sum, _count or _bucket; samples are refused"
            );
            Arc::new(Conflict { name: name.into(), kind, samples: AtomicU64::new(0) })
        };
        Arc::clone(by_name.entry((name.into(), kind.as_str())).or_insert_with(new))
    }

    pub(super) fn all(&self) -> Vec<Arc<Conflict>> {
        lock(&self.by_name).values().map(Arc::clone).collect()
    }
}
