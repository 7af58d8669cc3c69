//! What one target has been sent.

use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use rapidhash::quality::RandomState;

use super::gone::GoneSeries;
use super::kind::Form;
use crate::exposition::escape::Names;
use crate::registry::{Family, Series};
use crate::telemetry::SelfFamily;
use crate::time::Timestamp;

/// What one target has been sent: the time and the series of the previous cycle. Empty before the first cycle.
///
/// It shares the lists of series with the registry. Series that were removed since stay in memory until the next cycle.
#[derive(Debug, Default)]
pub(crate) struct WriteMemory {
    pub(super) sent: Arc<Sent>,
    /// Stale markers to repeat.
    pub(super) lost: Vec<GoneSeries>,
}

/// The content of one cycle.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// `None` if there was no cycle.
    pub(super) time: Option<Timestamp>,
    /// Whether its series are not known.
    pub(super) is_gap: bool,
    /// The number of the first exemplar that came later.
    pub(super) exemplars: u64,
    /// Families with series, sorted by the names in the messages.
    pub(super) families: Vec<SentFamily>,
    /// Sorted by name.
    pub(super) self_families: Vec<SelfFamily>,
    pub(super) hasher: RandomState,
    /// Hashes of the series whose stale markers have this time.
    pub(super) marked: HashSet<u64>,
}

/// One family of a cycle.
pub(super) struct SentFamily {
    pub(super) family: Arc<Family>,
    pub(super) names: Names,
    pub(super) form: Form,
    /// All its series, and those that the selectors of the target select; the same list without selectors.
    pub(super) all: Arc<Vec<Arc<Series>>>,
    pub(super) series: Arc<Vec<Arc<Series>>>,
}

impl WriteMemory {
    /// A memory of a cycle at this time whose series are not known. Those that were created since are new in the next cycle.
    pub(crate) fn after(time: Option<Timestamp>) -> Self {
        Self { sent: Arc::new(Sent { time, is_gap: true, ..Sent::default() }), lost: Vec::new() }
    }

    /// The same after this one, whose exemplars are not sent again.
    pub(crate) fn gap(&self, time: Option<Timestamp>) -> Self {
        let exemplars = self.sent.exemplars;
        Self { sent: Arc::new(Sent { time, is_gap: true, exemplars, ..Sent::default() }), lost: Vec::new() }
    }

    /// Notes that these stale markers were never delivered. The next cycle repeats them, unless the series exists again. The caller bounds
    /// them in bytes.
    pub(crate) fn markers_lost(&mut self, gone: Vec<GoneSeries>) {
        self.lost.extend(gone);
    }
}

impl Sent {
    /// The hash of a series.
    pub(super) fn hash(&self, name: &str, labels: &str) -> u64 {
        hash(&self.hasher, name, labels)
    }
}

/// The hash of a series by its name and its own labels.
pub(super) fn hash(hasher: &RandomState, name: &str, labels: &str) -> u64 {
    hasher.hash_one((name, labels))
}

impl SentFamily {
    /// Whether series of `other` with the same labels are the same series for a receiver.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let is_same = || Arc::ptr_eq(&self.family, &other.family) || self.family.kind() == other.family.kind();
        self.form == other.form && self.names == other.names && is_same()
    }
}

impl fmt::Debug for SentFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentFamily").field("names", &self.names).field("form", &self.form).finish_non_exhaustive()
    }
}
