//! registry: families and their series; finds or admits the series of a new route.
//!
//! Asked only on a route miss, so it may lock and allocate. The families' map is dashmap, read by many workers; no reference
//! into it outlives its statement, and a page is made from the sorted index beside it. Limits and conflicts are settled here, when a
//! series is admitted, so that nothing on the page can hurt another family. Knows no wire and no page format.

mod conflicts;
mod expiry;
mod family;
mod labels;
mod limits;
mod saved;
mod series;
mod values;
mod workers;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dashmap::DashMap;
use rapidhash::quality::RandomState;

pub use self::conflicts::Conflict;
pub use self::family::{Family, FamilyKind};
pub use self::labels::Labels;
pub use self::limits::{Limit, Limited};
pub use self::saved::{RestoreRules, Restored, SavedFamily, SavedKind, SavedSeries, SavedValue};
pub use self::series::{CellHandle, Series};
pub use self::workers::Membership;
use crate::Timestamp;
use crate::name::FamilyName;
use crate::options::Limits;
use crate::telemetry::{Recorded, Refusal};

/// More than the cores of most machines, so that two workers with new routes rarely meet.
const SHARDS: usize = 64;

/// All families. One for a bridge.
pub struct Registry {
    limits: Limits,
    families: DashMap<Box<str>, Arc<Family>, RandomState>,
    /// The same families in the order of the page. Its lock also makes the creation of families one at a time, so that two
    /// whose lines would collide cannot both come to be.
    index: RwLock<BTreeMap<Box<str>, Arc<Family>>>,
    totals: limits::Totals,
    conflicts: conflicts::Conflicts,
    workers: workers::Workers,
    expiry: expiry::Expiry,
    /// Rises when series went, so that what was refused for want of room may be asked again.
    changes: AtomicU64,
}

/// What a new route asks for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The family's name.
    pub name: &'a FamilyName,
    /// What the family is to be.
    pub kind: &'a FamilyKind,
    /// The labels.
    pub labels: &'a Labels,
    /// The family's help, if a rule says so.
    pub help: Option<Arc<str>>,
    /// The rule that asks, as its pattern is written; empty for none.
    pub origin: &'a str,
    /// Milliseconds unseen after which the series expires; 0 for never.
    pub ttl_ms: u64,
    /// Limits of the family, where a rule has its own.
    pub limits: crate::mapping::spec::RuleLimits,
    /// Rises with each change of rules.
    pub generation: u64,
    /// The worker that will write.
    pub worker: u32,
    /// The time of the sample.
    pub now: Timestamp,
}

/// A series found or admitted for a worker.
#[derive(Debug)]
pub struct Admitted {
    /// The worker's cell.
    pub cell: CellHandle,
    /// Where the sample was folded into the family's overflow series: which limit did it.
    pub folded: Option<Arc<Limited>>,
}

/// Why a series is not admitted.
#[derive(Debug)]
pub enum NotAdmitted {
    /// Another type, or lines that would collide.
    Conflict(Arc<Conflict>),
    /// A limit, known only in all.
    Refused(Refusal),
    /// A limit of the family.
    Limited(Refusal, Arc<Limited>),
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            families: DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS),
            index: RwLock::default(),
            totals: limits::Totals::default(),
            conflicts: conflicts::Conflicts::default(),
            workers: workers::Workers::default(),
            expiry: expiry::Expiry::default(),
            changes: AtomicU64::new(0),
        }
    }

    /// A place for a new worker.
    pub fn join(&self) -> Membership {
        self.workers.join()
    }

    /// Gives a worker's place back; the next worker goes on writing its cells.
    pub fn leave(&self, member: &Membership) {
        self.workers.leave(member);
    }

    /// To be called by a worker between two batches. Returns a number that rises when places came free.
    #[inline]
    pub fn pass(&self, member: &Membership) -> u64 {
        self.workers.pass(member);
        self.changes.load(Relaxed)
    }

    fn change(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    /// Finds or admits the series that is asked for, and the worker's cell of it.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`], each of which is to be counted.
    pub fn admit(&self, request: &Request<'_>) -> Result<Admitted, NotAdmitted> {
        let limits = Limits {
            series_per_family: request.limits.series.unwrap_or(self.limits.series_per_family),
            values_per_label: request.limits.values_per_label.unwrap_or(self.limits.values_per_label),
            ..self.limits
        };
        if request.ttl_ms > 0 {
            self.expiry.has_ttl.store(true, Relaxed);
        }
        // A family that goes just now is made anew; that it goes again and again is not to be expected.
        loop {
            let found = self.families.get(request.name.as_str()).map(|family| Arc::clone(&family));
            let family = match found {
                Some(family) if family.is_outdated(request) => {
                    family.end(&self.totals);
                    self.forget(&family);
                    self.change();
                    continue;
                }
                Some(family) => family,
                None => self.create(request)?,
            };
            if !family.kind().same_type(request.kind) {
                return Err(self.conflict(request));
            }
            if let Some(result) = family.admit(request, &limits, &self.totals) {
                return result;
            }
            self.forget(&family);
        }
    }

    fn conflict(&self, request: &Request<'_>) -> NotAdmitted {
        NotAdmitted::Conflict(self.conflicts.of(request.name.as_str(), request.kind.recorded()))
    }

    fn create(&self, request: &Request<'_>) -> Result<Arc<Family>, NotAdmitted> {
        let name = request.name.as_str();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = index.get(name).filter(|family| !family.is_gone()) {
            return Ok(Arc::clone(family));
        }
        if lines_collide(&index, name, request.kind) {
            return Err(self.conflict(request));
        }
        if index.len() >= self.limits.families {
            return Err(NotAdmitted::Refused(Refusal::FamilyLimit));
        }
        if let Some(limit) = self.totals.limit(&self.limits) {
            return Err(NotAdmitted::Refused(limit.refusal()));
        }
        let family = Arc::new(Family::new(request));
        index.insert(name.into(), Arc::clone(&family));
        self.families.insert(name.into(), Arc::clone(&family));
        Ok(family)
    }

    /// Takes a family out that is gone, unless its name has a new one already.
    fn forget(&self, family: &Arc<Family>) {
        let name = family.name().as_str();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.get(name).is_some_and(|known| Arc::ptr_eq(known, family)) {
            index.remove(name);
        }
        self.families.remove_if(name, |_, known| Arc::ptr_eq(known, family));
    }

    /// All families, sorted by name.
    pub fn families(&self) -> Vec<Arc<Family>> {
        self.families_after(None)
    }

    fn families_after(&self, name: Option<&str>) -> Vec<Arc<Family>> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.range::<str, _>((from, Bound::Unbounded)).map(|(_, family)| Arc::clone(family)).collect()
    }

    /// Series admitted, overflow series not counted.
    pub fn series(&self) -> usize {
        self.totals.series.load(Relaxed)
    }

    /// Bytes that the series take, as reckoned for the limit.
    pub fn series_bytes(&self) -> usize {
        self.totals.bytes.load(Relaxed)
    }

    /// The limits it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Conflicts met so far, by name and type, sorted.
    pub fn conflicts(&self) -> Vec<Arc<Conflict>> {
        self.conflicts.all()
    }
}

/// Whether a page with the new family would have lines that another family's lines could be mistaken for: `x_sum` beside a
/// histogram `x`.
fn lines_collide(index: &BTreeMap<Box<str>, Arc<Family>>, name: &str, kind: &FamilyKind) -> bool {
    let taken = |name: &str| index.get(name).is_some_and(|family| !family.is_gone());
    let taken_by_new = kind.suffixes().iter().any(|suffix| taken(&format!("{name}{suffix}")));
    let taken_by_old = ["_sum", "_count", "_bucket"]
        .iter()
        .filter_map(|suffix| Some((suffix, index.get(name.strip_suffix(suffix)?)?)))
        .any(|(suffix, family)| !family.is_gone() && family.kind().suffixes().contains(suffix));
    taken_by_new || taken_by_old
}

/// A poisoned lock guards data that is still whole: nothing here panics between two changes that belong together.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FamilyKind {
    fn recorded(&self) -> Recorded {
        match self {
            Self::Counter => Recorded::Counter,
            Self::Gauge => Recorded::Gauge,
            Self::Histogram { .. } | Self::Summary(_) => Recorded::Observer,
            Self::Set => Recorded::Set,
        }
    }
}
