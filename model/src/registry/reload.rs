//! A family that ends at once, because the rule that made it now asks for another shape: `Registry::admit`, `Family::end`, and
//! the routes of workers.
//!
//! No epoch is waited for here: what a worker's running batch adds to the old cells ends with them, and counts as sent before the
//! reload. What must hold is that nothing goes there that is written under the new rules. The marks alone cannot see to that: a
//! writer that looked before may take them off again.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Release};

use super::lock;
use crate::value::CounterCell;

/// What of the protocol is left out, to see that the model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// All workers but the first keep their routes when they take over new rules, and count on the marks alone.
    KeepsItsRoutes,
    /// That a family is outdated is asked without its lock, and not again with it; nor are its marks set anew, as
    /// `Registry::end` sees to.
    EndsWithoutAskingAgain,
}

/// One name, with the family that it leads to, and rules that are replaced.
pub struct Bridge {
    fault: Fault,
    generation: AtomicU64,
    family: Mutex<Arc<Family>>,
}

struct Family {
    /// The generation of the rules that gave it its shape.
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

    /// As `Family::is_outdated`.
    fn is_outdated(&self, members: &Members, worker: &Worker) -> bool {
        worker.is_of_its_rule && self.shape != worker.generation && members.generation < worker.generation
    }

    /// As `Family::end`, but that it asks once more whether there is a reason to.
    fn end(&self, worker: &Worker) {
        let mut members = lock(&self.members);
        if worker.bridge.fault != Fault::EndsWithoutAskingAgain && (members.gone || !self.is_outdated(&members, worker)) {
            return;
        }
        assert!(!members.gone, "a family ends twice");
        members.gone = true;
        members.cells.iter().for_each(|(_, cell)| cell.stamp().retire_now());
    }
}

impl Bridge {
    /// A bridge with rules of generation 1 and a family made by them.
    pub fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault, generation: AtomicU64::new(1), family: Mutex::new(Family::new(1)) })
    }

    /// As `Bridge::replace_rules`: generation 2.
    pub fn reload(&self) {
        self.generation.store(2, Release);
    }

    /// What a page would show that this worker wrote.
    pub fn sum_of(&self, worker: &Worker) -> f64 {
        let family = Arc::clone(&lock(&self.family));
        let members = lock(&family.members);
        members.cells.iter().filter(|(id, _)| *id == worker.id).map(|(_, cell)| cell.get()).sum()
    }

    /// As `Registry::admit` and `Family::admit`.
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

    /// Puts a new family in the place of one that is gone, unless there is one already.
    fn forget(&self, family: &Arc<Family>, generation: u64) {
        let mut current = lock(&self.family);
        if Arc::ptr_eq(&current, family) {
            *current = Family::new(generation);
        }
    }
}

/// A worker with its one route.
pub struct Worker {
    bridge: Arc<Bridge>,
    id: u32,
    /// Whether its samples match the rule that made the family; else they come to the same name by another way.
    is_of_its_rule: bool,
    generation: u64,
    route: Option<Arc<CounterCell>>,
    /// Samples written under the new rules.
    pub under_new_rules: u32,
}

impl Worker {
    /// A worker without routes.
    pub fn new(bridge: &Arc<Bridge>, id: u32, is_of_its_rule: bool) -> Self {
        Self { bridge: Arc::clone(bridge), id, is_of_its_rule, generation: 1, route: None, under_new_rules: 0 }
    }

    /// As `Worker::ingest_batch`, with one sample.
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
