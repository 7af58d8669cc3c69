//! registry: families and their series; finds or admits the series of a new route.
//!
//! Asked only on a route miss, so it may lock and allocate. The families' map is dashmap, read by many workers; no reference
//! into it outlives its statement, and a page is made from the sorted index beside it. Limits and conflicts are settled here, when a
//! series is admitted, so that nothing on the page can hurt another family. Knows no wire and no page format.

mod conflicts;
mod family;
mod labels;
mod limits;
mod series;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dashmap::DashMap;
use rapidhash::quality::RandomState;

pub use self::conflicts::Conflict;
pub use self::family::{Family, FamilyKind};
pub use self::labels::Labels;
pub use self::limits::{Limit, Limited};
pub use self::series::{CellHandle, Series};
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
    workers: Mutex<WorkerIds>,
}

#[derive(Default)]
struct WorkerIds {
    next: u32,
    free: Vec<u32>,
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
            workers: Mutex::default(),
        }
    }

    /// A number for a new worker: one that no living worker has, and small.
    pub fn worker_id(&self) -> u32 {
        let mut ids = lock(&self.workers);
        ids.free.pop().unwrap_or_else(|| {
            ids.next += 1;
            ids.next - 1
        })
    }

    /// Gives a worker's number back; the next worker goes on writing its cells.
    pub fn release_worker(&self, id: u32) {
        lock(&self.workers).free.push(id);
    }

    /// Finds or admits the series of `name` and `labels`, and `worker`'s cell of it.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`], each of which is to be counted.
    pub fn admit(&self, name: &FamilyName, kind: &FamilyKind, labels: &Labels, worker: u32) -> Result<Admitted, NotAdmitted> {
        let found = self.families.get(name.as_str()).map(|family| Arc::clone(&family));
        let family = match found {
            Some(family) => family,
            None => self.create(name, kind)?,
        };
        if !family.kind().same_type(kind) {
            return Err(NotAdmitted::Conflict(self.conflicts.of(name.as_str(), kind.recorded())));
        }
        family.admit(labels, worker, &self.limits, &self.totals)
    }

    fn create(&self, name: &FamilyName, kind: &FamilyKind) -> Result<Arc<Family>, NotAdmitted> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = index.get(name.as_str()) {
            return Ok(Arc::clone(family));
        }
        if lines_collide(&index, name.as_str(), kind) {
            return Err(NotAdmitted::Conflict(self.conflicts.of(name.as_str(), kind.recorded())));
        }
        if index.len() >= self.limits.families {
            return Err(NotAdmitted::Refused(Refusal::FamilyLimit));
        }
        if let Some(limit) = self.totals.limit(&self.limits) {
            return Err(NotAdmitted::Refused(limit.refusal()));
        }
        let family = Arc::new(Family::new(name.clone(), kind.clone()));
        index.insert(name.as_str().into(), Arc::clone(&family));
        self.families.insert(name.as_str().into(), Arc::clone(&family));
        Ok(family)
    }

    /// All families, sorted by name.
    pub fn families(&self) -> Vec<Arc<Family>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
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
    let taken_by_new = kind.suffixes().iter().any(|suffix| index.contains_key(&*format!("{name}{suffix}")));
    let taken_by_old = ["_sum", "_count", "_bucket"]
        .iter()
        .filter_map(|suffix| Some((suffix, index.get(name.strip_suffix(suffix)?)?)))
        .any(|(suffix, family)| family.kind().suffixes().contains(suffix));
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
