//! A table with one series, its writers, and its expiry.

use std::sync::Arc;

use loom::sync::Mutex;

use super::lock;
use super::workers::{Membership, Workers};
use crate::value::{CounterCell, GaugeCell, Stamp};

/// The step of the protocol that is omitted, so that a test can check that the model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A series is removed while a writer that may have missed its mark is in a call.
    DoesNotWait,
    /// A writer writes without entering, so that it counts as idle.
    DoesNotEnter,
    /// A series is removed without a check that the mark is still set.
    DoesNotLookAgain,
    /// A writer writes to a marked cell.
    WritesRegardless,
    /// A writer removes the mark after it has released the family's lock.
    RevivesOutsideOfTheLock,
}

/// Whether each writer has its own cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each writer has its own.
    Counter,
    /// All writers share one.
    Gauge,
}

/// A registry with one family and one label set. The series exists or not, and another one with the same labels can replace it.
pub struct Table {
    kind: Kind,
    fault: Fault,
    rests: bool,
    workers: Workers,
    family: Mutex<Family>,
}

#[derive(Default)]
struct Family {
    series: Option<Arc<Series>>,
    /// An expired series in its grace period, with its sum at that moment.
    resting: Option<(Arc<Series>, f64)>,
}

impl Family {
    /// Like `Members::add`: a new series, or the old one.
    fn add(&mut self) -> Arc<Series> {
        let series = match self.resting.take() {
            Some((series, sum)) => {
                assert_eq!(series.sum(), sum, "a resting series is written");
                series
            }
            None => Arc::new(Series { cells: Mutex::default() }),
        };
        self.series = Some(Arc::clone(&series));
        series
    }
}

struct Series {
    cells: Mutex<Vec<(u32, Cell)>>,
}

#[derive(Clone)]
enum Cell {
    Counter(Arc<CounterCell>),
    Gauge(Arc<GaugeCell>),
}

impl Cell {
    fn stamp(&self) -> Stamp<'_> {
        match self {
            Self::Counter(cell) => cell.stamp(),
            Self::Gauge(cell) => cell.stamp(),
        }
    }

    fn add_one(&self) {
        assert!(match self {
            Self::Counter(cell) => cell.add(1.0),
            Self::Gauge(cell) => cell.change(1.0),
        });
    }

    fn get(&self) -> f64 {
        match self {
            Self::Counter(cell) => cell.get(),
            Self::Gauge(cell) => cell.get(),
        }
    }
}

impl Series {
    /// Like `Series::cell`.
    fn cell(&self, kind: Kind, worker: u32) -> Cell {
        let mut cells = lock(&self.cells);
        let worker = if kind == Kind::Gauge { 0 } else { worker };
        if let Some((_, cell)) = cells.iter().find(|(id, _)| *id == worker) {
            return cell.clone();
        }
        let cell = match kind {
            Kind::Counter => Cell::Counter(Arc::default()),
            Kind::Gauge => Cell::Gauge(Arc::default()),
        };
        cells.push((worker, cell.clone()));
        cell
    }

    fn each_stamp(&self, mut visit: impl FnMut(Stamp<'_>)) {
        lock(&self.cells).iter().for_each(|(_, cell)| visit(cell.stamp()));
    }

    /// Like `Series::expire_if_unseen`, with every write older than the ttl.
    fn expire(&self) {
        self.each_stamp(|stamp| {
            if let Some(last) = stamp.last() {
                stamp.expire(last);
            }
        });
    }

    /// Like `Series::stays_expired`.
    fn stays_expired(&self) -> bool {
        let mut newest = None;
        self.each_stamp(|stamp| newest = newest.max(stamp.last()));
        if let Some(newest) = newest {
            self.each_stamp(|stamp| stamp.revive(newest));
        }
        newest.is_none()
    }

    fn sum(&self) -> f64 {
        lock(&self.cells).iter().map(|(_, cell)| cell.get()).sum()
    }
}

impl Table {
    /// An empty table. If `rests`, an expired series keeps its value and can return, as in `registry::grace`.
    pub fn new(kind: Kind, fault: Fault, rests: bool) -> Arc<Self> {
        Arc::new(Self { kind, fault, rests, workers: Workers::default(), family: Mutex::default() })
    }

    /// The value in an exposition, now or when the expired series returns.
    pub fn sum(&self) -> f64 {
        let family = lock(&self.family);
        if let Some((series, sum)) = &family.resting {
            assert_eq!(series.sum(), *sum, "a resting series is written");
        }
        let shown = family.series.as_ref().map_or(0.0, |series| series.sum());
        shown + family.resting.as_ref().map_or(0.0, |(_, sum)| *sum)
    }

    /// Like `Family::admit`. Also returns whether the cell was marked.
    fn admit(&self, worker: u32, now: u64) -> (Cell, bool) {
        let mut family = lock(&self.family);
        let known = family.series.clone();
        let series = known.unwrap_or_else(|| family.add());
        let cell = series.cell(self.kind, worker);
        let held = (self.fault != Fault::RevivesOutsideOfTheLock).then_some(family);
        let had_tombstone = cell.stamp().last().is_none();
        cell.stamp().revive(now);
        cell.stamp().touch(now);
        drop(held);
        (cell, had_tombstone)
    }
}

/// A worker with its place among the writers, and one binding.
pub struct Writer {
    table: Arc<Table>,
    membership: Membership,
    route: Option<Cell>,
    now: u64,
    /// How often its cell was marked in an existing series, and it removed the mark.
    pub revived: u32,
}

impl Writer {
    /// A writer that joins now.
    pub fn new(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), membership: table.workers.join(), route: None, now: 1, revived: 0 }
    }

    /// Like `Worker::ingest_batch`, with all samples at this time. Times can decrease, because threads differ.
    pub fn batch(&mut self, samples: u32, now: u64) {
        self.now = now;
        if self.table.fault != Fault::DoesNotEnter {
            self.table.workers.enter(&self.membership);
        }
        (0..samples).for_each(|_| self.write());
        self.table.workers.park(&self.membership);
    }

    /// Like `Worker::record` and `Worker::record_unknown`.
    fn write(&mut self) {
        if self.route.as_ref().is_some_and(|cell| self.record(cell)) {
            return;
        }
        self.route = Some(loop {
            let (cell, revived) = self.table.admit(self.membership.id(), self.now);
            self.revived += u32::from(revived);
            if self.record(&cell) {
                break cell;
            }
        });
    }

    /// Like `Recording::apply`.
    fn record(&self, cell: &Cell) -> bool {
        if !cell.stamp().touch(self.now) && self.table.fault != Fault::WritesRegardless {
            return false;
        }
        cell.add_one();
        true
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.table.workers.leave(&self.membership);
    }
}

/// State of `Registry::expire` between steps.
pub struct Expirer {
    table: Arc<Table>,
    marked: Option<Arc<Series>>,
    epoch: u64,
    /// The sum of all removed series without a grace period, each at the moment of its removal.
    pub taken: f64,
    /// Number of removed series.
    pub gone: u32,
    /// Number of series that were written after they were marked.
    pub kept: u32,
}

impl Expirer {
    /// Nothing is marked yet.
    pub fn new(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), marked: None, epoch: 0, taken: 0.0, gone: 0, kept: 0 }
    }

    /// One step, like `Registry::expire`.
    pub fn expire(&mut self) {
        let waits = self.table.fault != Fault::DoesNotWait;
        if let Some(series) = self.marked.take_if(|_| !waits || self.table.workers.all_have_seen(self.epoch)) {
            self.take_out(&series);
        }
        if self.marked.is_none() {
            self.marked.clone_from(&lock(&self.table.family).series);
            if let Some(series) = &self.marked {
                series.expire();
                self.epoch = self.table.workers.begin();
            }
        }
    }

    /// Like `Family::take_out`.
    fn take_out(&mut self, series: &Arc<Series>) {
        let mut family = lock(&self.table.family);
        if self.table.fault != Fault::DoesNotLookAgain && !series.stays_expired() {
            self.kept += 1;
            return;
        }
        family.series = None;
        self.gone += 1;
        let sum = series.sum();
        if self.table.rests {
            family.resting = Some((Arc::clone(series), sum));
        } else {
            self.taken += sum;
        }
    }
}
