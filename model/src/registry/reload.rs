//! A family that ends at a reload, because its rule now has another type or other buckets: `Registry::admit`, `Family::end`, and
//! the bindings of workers.
//!
//! There is no wait for an epoch: samples of a running batch can still be added to the old cells, end with them, and count as sent
//! before the reload. The model checks that no sample of the new rules is added to the old cells. The marks alone do not ensure
//! that, because a writer that has checked earlier can remove them.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Release};

use super::lock;
use crate::value::CounterCell;

/// The step of the protocol that is omitted, so that a test can check that the model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// All workers but the first keep their bindings when they adopt new rules, and rely on the marks alone.
    KeepsItsRoutes,
    /// The check whether a family is outdated is made without its lock, and not repeated with it. Its marks are not set again, as
    /// in `Registry::end`.
    EndsWithoutAskingAgain,
}

/// One name, its family, and rules that are replaced.
pub struct Bridge {
    fault: Fault,
    generation: AtomicU64,
    family: Mutex<Arc<Family>>,
}

struct Family {
    /// The generation of the rules that created it.
    shape: u64,
    members: Mutex<Members>,
}

struct Members {
    /// The newest rules under which a sample was admitted.
    generation: u64,
    gone: bool,
    cells: Vec<(u32, Arc<CounterCell>)>,
}

impl Family {
    fn new(generation: u64) -> Arc<Self> {
        Arc::new(Self { shape: generation, members: Mutex::new(Members { generation, gone: false, cells: Vec::new() }) })
    }

    /// Like `Family::is_outdated`.
    fn is_outdated(&self, members: &Members, worker: &Worker) -> bool {
        worker.is_of_its_rule && self.shape != worker.generation && members.generation < worker.generation
    }

    /// Like `Family::end`, with a second check.
    fn end(&self, worker: &Worker) {
        let mut members = lock(&self.members);
        if worker.bridge.fault != Fault::EndsWithoutAskingAgain && (members.gone || !self.is_outdated(&members, worker)) {
            return;
        }
        assert!(!members.gone, "a family ends twice");
        members.gone = true;
        members.cells.iter().for_each(|(_, cell)| cell.stamp().expire_now());
    }
}

impl Bridge {
    /// A bridge with rules of generation 1 and a family created by them.
    pub fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault, generation: AtomicU64::new(1), family: Mutex::new(Family::new(1)) })
    }

    /// Like `Bridge::replace_rules`: generation 2.
    pub fn reload(&self) {
        self.generation.store(2, Release);
    }

    /// The value of this worker in an exposition.
    pub fn sum_of(&self, worker: &Worker) -> f64 {
        let family = Arc::clone(&lock(&self.family));
        let members = lock(&family.members);
        members.cells.iter().filter(|(id, _)| *id == worker.id).map(|(_, cell)| cell.get()).sum()
    }

    /// Like `Registry::admit` and `Family::admit`.
    fn admit(&self, worker: &Worker) -> Arc<CounterCell> {
        loop {
            let family = Arc::clone(&lock(&self.family));
            let outdated = family.is_outdated(&lock(&family.members), worker);
            if outdated {
                family.end(worker);
            }
            let mut members = lock(&family.members);
            if members.gone {
                drop(members);
                self.forget(&family, worker.generation);
                continue;
            }
            if outdated {
                continue;
            }
            members.generation = members.generation.max(worker.generation);
            if let Some((_, cell)) = members.cells.iter().find(|(id, _)| *id == worker.id) {
                cell.stamp().revive(1);
                return Arc::clone(cell);
            }
            let cell = Arc::<CounterCell>::default();
            members.cells.push((worker.id, Arc::clone(&cell)));
            return cell;
        }
    }

    /// Replaces a removed family by a new one, unless that happened already.
    fn forget(&self, family: &Arc<Family>, generation: u64) {
        let mut current = lock(&self.family);
        if Arc::ptr_eq(&current, family) {
            *current = Family::new(generation);
        }
    }
}

/// A worker with one binding.
pub struct Worker {
    bridge: Arc<Bridge>,
    id: u32,
    /// Whether its samples match the rule that created the family. If not, another rule gives them the same name.
    is_of_its_rule: bool,
    generation: u64,
    route: Option<Arc<CounterCell>>,
    /// Samples written under the new rules.
    pub under_new_rules: u32,
}

impl Worker {
    /// A worker without bindings.
    pub fn new(bridge: &Arc<Bridge>, id: u32, is_of_its_rule: bool) -> Self {
        Self { bridge: Arc::clone(bridge), id, is_of_its_rule, generation: 1, route: None, under_new_rules: 0 }
    }

    /// Like `Worker::ingest_batch`, with one sample.
    pub fn batch(&mut self) {
        let generation = self.bridge.generation.load(Acquire);
        if generation != self.generation {
            self.generation = generation;
            if self.bridge.fault != Fault::KeepsItsRoutes || self.id == 0 {
                self.route = None;
            }
        }
        self.under_new_rules += u32::from(self.generation == 2);
        if self.route.as_ref().is_some_and(|cell| record(cell)) {
            return;
        }
        self.route = Some(loop {
            let cell = self.bridge.admit(self);
            if record(&cell) {
                break cell;
            }
        });
    }
}

fn record(cell: &CounterCell) -> bool {
    cell.stamp().touch(1) && cell.add(1.0)
}
