//! A series: its label text and its cells.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::kind::FamilyKind;
use super::parts::Parts;
use super::worker_cells::{CellHandle, Cells, HistogramPart, bytes_of_cell};
use crate::lock::lock;
use crate::memory::Account;
use crate::prefetch::prefetch;
use crate::registry::cell::{
    Bounds, HistogramSnapshot, NativeSnapshot, SetCell, SetSnapshot, Stamp, SummaryCell, SummarySnapshot, add_finite, add_weights,
    merge_classic,
};
use crate::time::Timestamp;

/// What a series costs beside its label text and its cells: its own fields, places in table and order, allocator.
const SERIES_BYTES: usize = 176;

/// What a series of this kind costs that one worker has met, before its cell grows.
pub(super) fn bytes_of_one(labels: &str, kind: &FamilyKind) -> usize {
    SERIES_BYTES + labels.len() + bytes_of_cell(kind)
}

/// One label set of a family.
#[derive(Debug)]
pub(crate) struct Series {
    labels: Box<str>,
    /// Milliseconds unseen after which it is retired; 0 for never.
    ttl_ms: AtomicU64,
    /// When its counting began, in wall time as it was known then: a created time that changes would be a reset.
    created_ms: u64,
    /// Whether it is in no family's table.
    out: AtomicBool,
    /// Second since 1970 from which expositions show its value, where they show 0 first; 0 while that 0 was delivered to nobody.
    shown_from_s: AtomicU32,
    cells: Mutex<Cells>,
    /// From which it takes its memory: its family's.
    account: Arc<Account>,
}

impl Series {
    /// One without cells, that takes its memory from this account.
    pub(super) fn new(labels: &str, kind: &FamilyKind, (now, account): (Timestamp, &Arc<Account>)) -> Self {
        let series = Self {
            labels: labels.into(),
            ttl_ms: AtomicU64::new(0),
            created_ms: now.as_millis(),
            out: AtomicBool::new(true),
            shown_from_s: AtomicU32::new(0),
            cells: Mutex::new(Cells::new(kind)),
            account: Arc::clone(account),
        };
        account.take(series.own_bytes(&lock(&series.cells)));
        series
    }

    /// What it takes with those of its cells that keep no account of their own.
    fn own_bytes(&self, cells: &Cells) -> usize {
        SERIES_BYTES + self.labels.len() + cells.own_bytes()
    }

    /// When its counting began, in wall time: with its first sample, or where it goes on from an old value with that.
    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_millis(self.created_ms)
    }

    /// Asks the memory for it.
    pub(crate) fn prefetch(&self) {
        let first = std::ptr::from_ref(self).cast::<u8>();
        prefetch(first);
        prefetch(first.wrapping_add(size_of::<Self>() - 1));
    }

    /// Asks the memory for what a page shows of it, the first worker's part of it at least.
    pub(crate) fn prefetch_values(&self) {
        prefetch(self.labels.as_ptr());
        // Whoever holds the lock brings it into the cache as well.
        let Ok(cells) = self.cells.try_lock() else { return };
        match &*cells {
            Cells::Counter(cells) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
            Cells::Gauge(cell) => prefetch(Arc::as_ptr(cell)),
            Cells::Histogram(cells) => cells.iter().take(1).for_each(|cell| cell.classic().addresses().into_iter().for_each(prefetch)),
            Cells::Summary(cells) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
            Cells::Set(cells) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
        }
    }

    /// Whether an exposition of `now` shows 0, where a 0 stays for `zero_ms` after it was delivered.
    pub(crate) fn shows_zero(&self, now: Timestamp, zero_ms: u64) -> bool {
        let from_ms = u64::from(self.shown_from_s()) * 1000;
        // Further away than it can have been put: the clock went back.
        from_ms == 0 || from_ms > now.as_millis() && from_ms - now.as_millis() <= zero_ms.saturating_add(1000)
    }

    /// Whether expositions that show a new counter at 0 first have come to its value.
    pub(super) fn was_shown(&self, now: Timestamp) -> bool {
        let from_s = self.shown_from_s();
        from_s > 0 && u64::from(from_s) * 1000 <= now.as_millis()
    }

    /// The 0 that it is shown at first was delivered at `now`, and stays for `zero_ms`. Only the first delivery counts.
    pub(crate) fn zero_delivered(&self, now: Timestamp, zero_ms: u64) {
        let until_s = now.as_millis().saturating_add(zero_ms).div_ceil(1000);
        let until_s = u32::try_from(until_s).unwrap_or(u32::MAX).max(1);
        let _ = self.shown_from_s.compare_exchange(0, until_s, Relaxed, Relaxed);
    }

    /// Second since 1970 from which expositions show its value, where they show 0 first; 0 while that 0 was delivered to nobody.
    pub(crate) fn shown_from_s(&self) -> u32 {
        self.shown_from_s.load(Relaxed)
    }

    /// The same, as it was before a restart.
    pub(super) fn set_shown_from_s(&self, second: u32) {
        self.shown_from_s.store(second, Relaxed);
    }

    /// Whether it is in no family's table, and so on no page to come.
    pub(super) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }

    /// Only under the family's lock.
    pub(super) fn set_out(&self, out: bool) {
        self.out.store(out, Relaxed);
    }

    /// The label text, as [`Labels`](super::Labels) renders it.
    pub(crate) fn labels(&self) -> &str {
        &self.labels
    }

    /// Bytes that it takes, those of its cells included.
    pub(super) fn bytes(&self) -> usize {
        let cells = lock(&self.cells);
        self.own_bytes(&cells) + cells.account_bytes()
    }

    /// Whether a sample of this worker makes the series grow by a cell, however little memory is left.
    pub(super) fn lacks_cell_of(&self, worker: u32) -> bool {
        lock(&self.cells).lacks(worker)
    }

    /// Milliseconds unseen after which it is retired; 0 for never.
    pub(crate) fn ttl_ms(&self) -> u64 {
        self.ttl_ms.load(Relaxed)
    }

    /// The worker's cell, made if it has none; a retired one comes back to life. `kind` is that of the family.
    pub(super) fn cell(&self, kind: &FamilyKind, worker: u32, (ttl_ms, now): (u64, Timestamp)) -> Option<CellHandle> {
        self.ttl_ms.store(ttl_ms, Relaxed);
        let handle = lock(&self.cells).of_worker(kind, worker, (now, &self.account))?;
        handle.stamp().revive(now.as_millis());
        handle.stamp().touch(now.as_millis());
        Some(handle)
    }

    /// Marks all cells as retired if none was written for the series' ttl. Says whether it did.
    pub(super) fn retire_if_unseen(&self, now: Timestamp) -> bool {
        let ttl = self.ttl_ms();
        let mut unseen = ttl > 0;
        self.each_stamp(|stamp| unseen &= stamp.last().is_none_or(|last| now.as_millis().saturating_sub(last) >= ttl));
        if unseen {
            self.each_stamp(|stamp| {
                if let Some(last) = stamp.last().filter(|last| now.as_millis().saturating_sub(*last) >= ttl) {
                    stamp.retire(last);
                }
            });
        }
        unseen
    }

    /// Whether all cells still bear the mark. If one was written since, the others come back to life.
    pub(super) fn stays_retired(&self, now: Timestamp) -> bool {
        let mut newest = None;
        let mut alive = false;
        self.each_stamp(|stamp| {
            alive |= stamp.last().is_some();
            newest = newest.max(stamp.last());
        });
        if alive {
            self.each_stamp(|stamp| stamp.revive(newest.unwrap_or(now.as_millis())));
        }
        !alive
    }

    /// Whether all cells bear the mark.
    pub(super) fn is_retired(&self) -> bool {
        let mut retired = true;
        self.each_stamp(|stamp| retired &= stamp.last().is_none());
        retired
    }

    /// Marks all cells as retired, whatever their time: the series is gone.
    pub(super) fn retire_now(&self) {
        self.each_stamp(|stamp| stamp.retire_now());
    }

    fn each_stamp(&self, mut visit: impl FnMut(Stamp<'_>)) {
        match &*lock(&self.cells) {
            Cells::Counter(cells) => cells.iter().for_each(|cell| visit(cell.stamp())),
            Cells::Gauge(cell) => visit(cell.stamp()),
            Cells::Histogram(cells) => cells.iter().for_each(|cell| visit(cell.classic().stamp())),
            Cells::Summary(cells) => cells.iter().for_each(|cell| visit(cell.stamp())),
            Cells::Set(cells) => cells.iter().for_each(|cell| visit(cell.stamp())),
        }
    }

    /// Milliseconds of the last write to any cell; `None` if it is retired.
    pub(super) fn last(&self) -> Option<u64> {
        let mut newest = None;
        self.each_stamp(|stamp| newest = newest.max(stamp.last()));
        newest
    }

    /// The sum of a counter, the value of a gauge, the distinct members of a set; 0 for the other kinds.
    pub(crate) fn number(&self) -> f64 {
        match &*lock(&self.cells) {
            // Each part is finite, the sum of them may not be.
            Cells::Counter(cells) => cells.iter().map(|cell| cell.get()).fold(0.0, add_weights),
            Cells::Gauge(cell) => cell.get(),
            Cells::Set(cells) => all_members(cells).distinct(),
            Cells::Histogram(_) | Cells::Summary(_) => 0.0,
        }
    }

    /// All workers' parts of a set.
    pub(super) fn set(&self) -> SetSnapshot {
        match &*lock(&self.cells) {
            Cells::Set(cells) => all_members(cells),
            _ => SetSnapshot::default(),
        }
    }

    /// What `read` makes of all workers' parts of a summary, which are none for another kind.
    pub(super) fn with_summaries<R>(&self, read: impl FnOnce(&mut dyn Iterator<Item = &SummaryCell>) -> R) -> R {
        match &*lock(&self.cells) {
            Cells::Summary(cells) => read(&mut cells.iter().map(|cell| &**cell)),
            _ => read(&mut std::iter::empty()),
        }
    }

    /// Whether a histogram's sum, a summary's sum or a value in its window is negative. Cheaper than to read them all.
    pub(crate) fn has_negative(&self, now: Timestamp) -> bool {
        match &*lock(&self.cells) {
            // As an exposition adds them up.
            Cells::Histogram(cells) => cells.iter().map(|cell| cell.classic().sum()).fold(0.0, add_finite) < 0.0,
            Cells::Summary(cells) => {
                cells.iter().any(|cell| cell.has_negative(now)) || cells.iter().map(|cell| cell.sum()).fold(0.0, add_finite) < 0.0
            }
            Cells::Counter(_) | Cells::Gauge(_) | Cells::Set(_) => false,
        }
    }

    /// Whether a part of a histogram or summary has a count that is no whole number.
    pub(crate) fn has_fraction(&self) -> bool {
        match &*lock(&self.cells) {
            Cells::Histogram(cells) => cells.iter().any(|cell| cell.classic().has_fraction()),
            Cells::Summary(cells) => cells.iter().any(|cell| cell.has_fraction()),
            Cells::Counter(_) | Cells::Gauge(_) | Cells::Set(_) => false,
        }
    }

    /// Adds all workers' parts of a histogram to `into`.
    pub(crate) fn histogram(&self, into: &mut HistogramSnapshot) {
        if let Cells::Histogram(cells) = &*lock(&self.cells) {
            cells.iter().for_each(|cell| cell.classic().merge_into(into));
        }
    }

    /// Adds all workers' parts of a histogram to both, each part at one moment. `bounds` are those of the family; what a part
    /// without native buckets holds is put into those that its classic buckets tell, so that weights agree. Says whether a part
    /// has native buckets of its own.
    pub(crate) fn histogram_with_native(&self, bounds: &Bounds, classic: &mut HistogramSnapshot, native: &mut NativeSnapshot) -> bool {
        let mut has_native = false;
        if let Cells::Histogram(cells) = &*lock(&self.cells) {
            for part in cells.iter() {
                match part {
                    HistogramPart::Classic(cell) => merge_classic(cell, bounds, classic, native),
                    HistogramPart::Native(cell) => {
                        cell.merge_into(classic, native);
                        has_native = true;
                    }
                }
            }
        }
        has_native
    }

    /// Adds all workers' parts of a summary to `into`.
    pub(crate) fn summary(&self, now: Timestamp, into: &mut SummarySnapshot) {
        if let Cells::Summary(cells) = &*lock(&self.cells) {
            cells.iter().for_each(|cell| cell.merge_into(now, into));
        }
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        let bytes = self.own_bytes(&lock(&self.cells));
        self.account.give_back(bytes);
    }
}

fn all_members(cells: &Parts<Arc<SetCell>>) -> SetSnapshot {
    let mut all = SetSnapshot::default();
    cells.iter().for_each(|cell| cell.merge_into(&mut all));
    all
}
