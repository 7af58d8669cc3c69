//! A series: its label text and its cells.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::kind::FamilyKind;
use super::parts::Parts;
use super::worker_cells::{Cells, HistogramPart, WorkerCell, bytes_of_cell};
use crate::lock::lock;
use crate::memory::Account;
use crate::prefetch::prefetch;
use crate::registry::cell::{
    Bounds, HistogramSnapshot, NativeSnapshot, SetCell, SetSnapshot, SetTime, Stamp, SummaryCell, SummarySnapshot, add_finite, add_weights,
    merge_classic,
};
use crate::time::{Timestamp, WallOffset};

/// Memory of a series without its label text and its cells: its fields, its places in the table and the order, and the allocator's
/// overhead.
const SERIES_BYTES: usize = 176;

const _: () = assert!(size_of::<Series>() <= 88, "a larger series needs a larger block of glibc's allocator, with all of them");

/// Memory of a series of this kind with the cell of one worker, before the cell grows.
pub(super) fn bytes_of_one(labels: &str, kind: &FamilyKind) -> usize {
    SERIES_BYTES + labels.len() + bytes_of_cell(kind)
}

/// One label set of a family.
#[derive(Debug)]
pub(crate) struct Series {
    labels: Box<str>,
    /// Milliseconds without a sample after which it expires; 0 for never.
    ttl_ms: AtomicU64,
    /// Created timestamp, in wall time at the creation. It never changes, because a new timestamp would announce a reset.
    created_ms: u64,
    /// Whether the series is in no family's table.
    out: AtomicBool,
    /// Second since 1970 from which expositions show the value of a new counter instead of 0; 0 until an exposition with the 0 was
    /// delivered.
    shown_from_s: AtomicU32,
    cells: Mutex<Cells>,
    /// The memory account of the series' family.
    account: Arc<Account>,
}

impl Series {
    /// A series without cells, charged to this account. `created` is in wall time.
    pub(super) fn new(labels: &str, kind: &FamilyKind, created: Timestamp, account: &Arc<Account>) -> Self {
        Self::with_cells(labels, Cells::new(kind), created, account)
    }

    /// The time at which the series of a gauge was set, charged to this account. `None` for a series of another kind.
    pub(super) fn time_of(gauge: &Self, wall: &Arc<WallOffset>, account: &Arc<Account>) -> Option<Self> {
        let cell = match &*lock(&gauge.cells) {
            Cells::Gauge(cell) => Arc::clone(cell),
            _ => return None,
        };
        let time = Cells::SetTime(Box::new(SetTime::new(cell, wall, gauge.created())));
        Some(Self::with_cells(&gauge.labels, time, gauge.created(), account))
    }

    /// Whether it is the time at which this series of a gauge was set.
    pub(super) fn is_time_of(&self, gauge: &Self) -> bool {
        match (&*lock(&self.cells), &*lock(&gauge.cells)) {
            (Cells::SetTime(time), Cells::Gauge(cell)) => time.address() == Arc::as_ptr(cell),
            _ => false,
        }
    }

    fn with_cells(labels: &str, cells: Cells, created: Timestamp, account: &Arc<Account>) -> Self {
        let series = Self {
            labels: labels.into(),
            ttl_ms: AtomicU64::new(0),
            created_ms: created.as_millis(),
            out: AtomicBool::new(true),
            shown_from_s: AtomicU32::new(0),
            cells: Mutex::new(cells),
            account: Arc::clone(account),
        };
        account.take(series.own_bytes(&lock(&series.cells)));
        series
    }

    /// The memory of the series, with the cells that are not charged separately.
    fn own_bytes(&self, cells: &Cells) -> usize {
        SERIES_BYTES + self.labels.len() + cells.own_bytes()
    }

    /// Created timestamp in wall time: the time of the first sample, also after a restart or a grace period.
    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_millis(self.created_ms)
    }

    /// Prefetches the series itself.
    pub(crate) fn prefetch(&self) {
        let first = std::ptr::from_ref(self).cast::<u8>();
        prefetch(first);
        prefetch(first.wrapping_add(size_of::<Self>() - 1));
    }

    /// Prefetches the labels and the first cell, which an exposition reads.
    pub(crate) fn prefetch_values(&self) {
        prefetch(self.labels.as_ptr());
        // If the lock is held, the holder reads the cells and thereby loads them into the cache.
        let Ok(cells) = self.cells.try_lock() else { return };
        match &*cells {
            Cells::Counter(cells) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
            Cells::Gauge(cell) => prefetch(Arc::as_ptr(cell)),
            Cells::SetTime(time) => prefetch(time.address()),
            Cells::Histogram(cells, _) => cells.iter().take(1).for_each(|cell| cell.classic().addresses().into_iter().for_each(prefetch)),
            Cells::Summary(cells, _) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
            Cells::Set(cells) => cells.iter().take(1).for_each(|cell| prefetch(Arc::as_ptr(cell))),
        }
    }

    /// Whether an exposition at `now` shows 0, where a delivered 0 is shown for `zero_ms`.
    pub(crate) fn shows_zero(&self, now: Timestamp, zero_ms: u64) -> bool {
        let from_ms = u64::from(self.shown_from_s()) * 1000;
        // If the time is more than `zero_ms` ahead, the clock was set back. The value is shown then.
        from_ms == 0 || from_ms > now.as_millis() && from_ms - now.as_millis() <= zero_ms.saturating_add(1000)
    }

    /// Whether an exposition at `now` shows the value of a new counter, and not 0.
    pub(super) fn was_shown(&self, now: Timestamp) -> bool {
        let from_s = self.shown_from_s();
        from_s > 0 && u64::from(from_s) * 1000 <= now.as_millis()
    }

    /// Notes that an exposition delivered the 0 at `now`. The 0 is shown for `zero_ms`. Only the first delivery counts.
    pub(crate) fn zero_delivered(&self, now: Timestamp, zero_ms: u64) {
        let until_s = now.as_millis().saturating_add(zero_ms).div_ceil(1000);
        // Seconds fit until the year 2106.
        let until_s = u32::try_from(until_s).unwrap_or(u32::MAX).max(1);
        // Fails if an earlier delivery has set it.
        let _ = self.shown_from_s.compare_exchange(0, until_s, Relaxed, Relaxed);
    }

    /// Second since 1970 from which expositions show the value of a new counter instead of 0; 0 until an exposition with the 0 was
    /// delivered.
    pub(crate) fn shown_from_s(&self) -> u32 {
        self.shown_from_s.load(Relaxed)
    }

    /// Sets [`shown_from_s`](Self::shown_from_s) to the value from before a restart.
    pub(super) fn set_shown_from_s(&self, second: u32) {
        self.shown_from_s.store(second, Relaxed);
    }

    /// Whether the series is in no family's table. Later expositions do not show it.
    pub(super) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }

    /// Sets whether the series is in no family's table. The caller holds the family's lock.
    pub(super) fn set_out(&self, out: bool) {
        self.out.store(out, Relaxed);
    }

    /// The label text, as [`Labels`](super::Labels) renders it.
    pub(crate) fn labels(&self) -> &str {
        &self.labels
    }

    /// The memory of the series in bytes, with all its cells.
    pub(super) fn bytes(&self) -> usize {
        let cells = lock(&self.cells);
        self.own_bytes(&cells) + cells.account_bytes()
    }

    /// Whether a sample of this worker needs a new cell, however little memory is left.
    pub(super) fn lacks_cell_of(&self, worker: u32) -> bool {
        lock(&self.cells).lacks(worker)
    }

    /// Milliseconds without a sample after which it expires; 0 for never.
    pub(crate) fn ttl_ms(&self) -> u64 {
        self.ttl_ms.load(Relaxed)
    }

    /// The worker's cell, created if it has none. Removes its tombstone.
    pub(super) fn cell(&self, worker: u32, ttl_ms: u64, now: Timestamp) -> WorkerCell {
        self.ttl_ms.store(ttl_ms, Relaxed);
        let cell = lock(&self.cells).of_worker(worker, now, &self.account);
        cell.stamp().revive(now.as_millis());
        cell.stamp().touch(now.as_millis());
        cell
    }

    /// Shares the options of the family that the series returns to. They are equal to the old options, but are switched to native
    /// buckets together with those of the family.
    pub(super) fn share_options_of(&self, kind: &FamilyKind) {
        lock(&self.cells).share_options(kind);
    }

    /// Sets tombstones on all cells if none was written during the series' ttl. Returns whether it did.
    pub(super) fn expire_if_unseen(&self, now: Timestamp) -> bool {
        let ttl = self.ttl_ms();
        let mut unseen = ttl > 0;
        self.each_stamp(|stamp| unseen &= stamp.last().is_none_or(|last| now.as_millis().saturating_sub(last) >= ttl));
        if unseen {
            self.each_stamp(|stamp| {
                if let Some(last) = stamp.last().filter(|last| now.as_millis().saturating_sub(*last) >= ttl) {
                    stamp.expire(last);
                }
            });
        }
        unseen
    }

    /// Whether all cells still have tombstones. If one was written since, this removes the tombstones of the others.
    pub(super) fn stays_expired(&self, now: Timestamp) -> bool {
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

    /// Whether all cells have tombstones.
    pub(super) fn is_expired(&self) -> bool {
        let mut is_expired = true;
        self.each_stamp(|stamp| is_expired &= stamp.last().is_none());
        is_expired
    }

    /// Sets tombstones on all cells, whenever they were written: the series is removed.
    pub(super) fn expire_now(&self) {
        self.each_stamp(|stamp| stamp.expire_now());
    }

    fn each_stamp(&self, mut visit: impl FnMut(Stamp<'_>)) {
        match &*lock(&self.cells) {
            Cells::Counter(cells) => cells.iter().for_each(|cell| visit(cell.stamp())),
            Cells::Gauge(cell) => visit(cell.stamp()),
            // It ends with its gauge.
            Cells::SetTime(_) => {}
            Cells::Histogram(cells, _) => cells.iter().for_each(|cell| visit(cell.classic().stamp())),
            Cells::Summary(cells, _) => cells.iter().for_each(|cell| visit(cell.stamp())),
            Cells::Set(cells) => cells.iter().for_each(|cell| visit(cell.stamp())),
        }
    }

    /// Milliseconds of the last write to any cell; `None` if it has expired.
    pub(super) fn last(&self) -> Option<u64> {
        let mut newest = None;
        self.each_stamp(|stamp| newest = newest.max(stamp.last()));
        newest
    }

    /// The sum of a counter, the value of a gauge, the number of distinct members of a set. Not for the other kinds.
    pub(crate) fn number(&self) -> f64 {
        match &*lock(&self.cells) {
            // Each part is finite; the plain sum of them may be infinite.
            Cells::Counter(cells) => cells.iter().map(|cell| cell.get()).fold(0.0, add_weights),
            Cells::Gauge(cell) => cell.get(),
            Cells::SetTime(time) => time.seconds(),
            Cells::Set(cells) => all_members(cells).distinct(),
            Cells::Histogram(..) | Cells::Summary(..) => {
                debug_assert!(false, "a histogram or a summary is no number");
                0.0
            }
        }
    }

    /// The merged cells of a set.
    pub(super) fn set(&self) -> SetSnapshot {
        match &*lock(&self.cells) {
            Cells::Set(cells) => all_members(cells),
            _ => {
                debug_assert!(false, "no set");
                SetSnapshot::default()
            }
        }
    }

    /// Calls `read` with the cells of a summary.
    pub(super) fn with_summaries<R>(&self, read: impl FnOnce(&mut dyn Iterator<Item = &SummaryCell>) -> R) -> R {
        match &*lock(&self.cells) {
            Cells::Summary(cells, _) => read(&mut cells.iter().map(|cell| &**cell)),
            _ => {
                debug_assert!(false, "no summary");
                read(&mut std::iter::empty())
            }
        }
    }

    /// Whether the sum of a histogram or summary, or a value in a summary's window, is negative. Cheaper than a snapshot.
    pub(crate) fn has_negative(&self, now: Timestamp) -> bool {
        match &*lock(&self.cells) {
            // Adds the sums as an exposition does.
            Cells::Histogram(cells, _) => cells.iter().map(|cell| cell.classic().sum()).fold(0.0, add_finite) < 0.0,
            Cells::Summary(cells, _) => {
                cells.iter().any(|cell| cell.has_negative(now)) || cells.iter().map(|cell| cell.sum()).fold(0.0, add_finite) < 0.0
            }
            Cells::Counter(_) | Cells::Gauge(_) | Cells::Set(_) | Cells::SetTime(_) => false,
        }
    }

    /// Whether a cell of a histogram or summary has a count that is not a whole number.
    pub(crate) fn has_fraction(&self) -> bool {
        match &*lock(&self.cells) {
            Cells::Histogram(cells, _) => cells.iter().any(|cell| cell.classic().has_fraction()),
            Cells::Summary(cells, _) => cells.iter().any(|cell| cell.has_fraction()),
            Cells::Counter(_) | Cells::Gauge(_) | Cells::Set(_) | Cells::SetTime(_) => false,
        }
    }

    /// Adds the cells of a histogram to `into`.
    pub(crate) fn histogram(&self, into: &mut HistogramSnapshot) {
        match &*lock(&self.cells) {
            Cells::Histogram(cells, _) => cells.iter().for_each(|cell| cell.classic().merge_into(into)),
            _ => debug_assert!(false, "no histogram"),
        }
    }

    /// Adds the cells of a histogram to both snapshots, each cell at one moment. `bounds` are those of the family. The weights of a
    /// cell without native buckets are added to the native buckets of its classic bounds, so that both snapshots have the same weight.
    /// Returns whether a cell has native buckets.
    pub(crate) fn histogram_with_native(&self, bounds: &Bounds, classic: &mut HistogramSnapshot, native: &mut NativeSnapshot) -> bool {
        let mut has_native = false;
        match &*lock(&self.cells) {
            Cells::Histogram(cells, _) => {
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
            _ => debug_assert!(false, "no histogram"),
        }
        has_native
    }

    /// Adds the cells of a summary to `into`.
    pub(crate) fn summary(&self, now: Timestamp, into: &mut SummarySnapshot) {
        match &*lock(&self.cells) {
            Cells::Summary(cells, _) => cells.iter().for_each(|cell| cell.merge_into(now, into)),
            _ => debug_assert!(false, "no summary"),
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
