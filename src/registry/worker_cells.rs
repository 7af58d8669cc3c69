//! The cells of one series, one for each worker that writes to it, and their memory.

use std::sync::Arc;

use super::kind::FamilyKind;
use super::parts::Parts;
use crate::memory::Account;
use crate::options::SummaryOptions;
use crate::registry::cell::{Bounds, CounterCell, GaugeCell, HistogramCell, NativeCell, SET_BYTES, SetCell, SetTime, Stamp, SummaryCell};
use crate::time::Timestamp;

/// Memory of a worker's cell of a counter, or of the cell of a gauge, with its place in the series.
const NUMBER_BYTES: usize = 48;

/// Memory of the classic cell of a histogram with this number of bounds, with its place in the series.
fn histogram_bytes(bounds: usize) -> usize {
    72 + 8 * bounds
}

/// Memory of one worker's cell of this kind before it grows.
pub(super) fn bytes_of_cell(kind: &FamilyKind) -> usize {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge => NUMBER_BYTES,
        FamilyKind::Histogram { bounds } => histogram_bytes(bounds.len()),
        FamilyKind::Summary(options) => SummaryCell::base_bytes(options),
        FamilyKind::Set => SET_BYTES,
    }
}

/// Cells by worker, with the options of new ones, so that a series always has a cell to write to. All workers share a gauge's cell.
#[derive(Debug)]
pub(super) enum Cells {
    Counter(Parts<Arc<CounterCell>>),
    Gauge(Arc<GaugeCell>),
    Histogram(Parts<HistogramPart>, Arc<Bounds>),
    Summary(Parts<Arc<SummaryCell>>, Arc<SummaryOptions>),
    Set(Parts<Arc<SetCell>>),
    /// The time at which a gauge was set. Boxed, so that other series do not grow. No worker writes to it.
    SetTime(Box<SetTime>),
}

impl Cells {
    /// No cells yet, except that of a gauge.
    pub(super) fn new(kind: &FamilyKind) -> Self {
        match kind {
            FamilyKind::Counter => Self::Counter(Parts::None),
            FamilyKind::Gauge => Self::Gauge(Arc::default()),
            FamilyKind::Histogram { bounds } => Self::Histogram(Parts::None, Arc::clone(bounds)),
            FamilyKind::Summary(options) => Self::Summary(Parts::None, Arc::clone(options)),
            FamilyKind::Set => Self::Set(Parts::None),
        }
    }

    /// Takes over the options of a family of equal kind.
    pub(super) fn share_options(&mut self, kind: &FamilyKind) {
        match (self, kind) {
            (Self::Histogram(_, own), FamilyKind::Histogram { bounds }) => {
                debug_assert!(own == bounds, "bounds of another kind");
                *own = Arc::clone(bounds);
            }
            (Self::Summary(_, own), FamilyKind::Summary(options)) => *own = Arc::clone(options),
            (Self::Counter(_), FamilyKind::Counter) | (Self::Gauge(_), FamilyKind::Gauge) | (Self::Set(_), FamilyKind::Set) => {}
            _ => debug_assert!(false, "a family of another kind"),
        }
    }

    /// The worker's cell, created if it has none.
    pub(super) fn of_worker(&mut self, worker: u32, now: Timestamp, account: &Arc<Account>) -> WorkerCell {
        let is_scarce = account.memory().is_scarce();
        match self {
            Self::Counter(cells) => {
                let new = || {
                    account.take(NUMBER_BYTES);
                    Arc::default()
                };
                WorkerCell::Counter(cells.of_worker(worker, new))
            }
            Self::Gauge(cell) => WorkerCell::Gauge(Arc::clone(cell)),
            Self::Histogram(cells, bounds) => {
                let new = || {
                    account.take(histogram_bytes(bounds.len()));
                    HistogramPart::Classic(HistogramCell::new(bounds.len()))
                };
                // Read once, because another thread may set it meanwhile.
                let wants_native = bounds.is_native_wanted();
                let with_native = |part: &HistogramPart| if wants_native { part.with_native(bounds, now, account) } else { None };
                match cells.of_worker_or(worker, new, with_native) {
                    // The cell stays classic because memory is short. With these bounds, its samples do not try to convert it
                    // again.
                    HistogramPart::Classic(cell) if wants_native => WorkerCell::Histogram(cell, Arc::clone(bounds.classic_only())),
                    HistogramPart::Classic(cell) => WorkerCell::Histogram(cell, Arc::clone(bounds)),
                    HistogramPart::Native(cell) => WorkerCell::Native(cell.classic().clone(), cell),
                }
            }
            // Several workers can write to the cells of these two kinds, but they wait for each other. If memory is short, waiting
            // is better than another cell.
            Self::Summary(cells, options) => {
                let shared = cells.first().filter(|_| is_scarce && !cells.has(worker));
                let own = || cells.of_worker(worker, || Arc::new(SummaryCell::within(options, account)));
                WorkerCell::Summary(shared.unwrap_or_else(own))
            }
            Self::SetTime(_) => {
                debug_assert!(false, "samples do not reach the time of a gauge");
                WorkerCell::Gauge(Arc::default())
            }
            Self::Set(cells) => {
                let shared = cells.first().filter(|_| is_scarce && !cells.has(worker));
                WorkerCell::Set(shared.unwrap_or_else(|| cells.of_worker(worker, || Arc::new(SetCell::within(account)))))
            }
        }
    }

    /// Whether a sample of this worker needs a new cell, however little memory is left.
    pub(super) fn lacks(&self, worker: u32) -> bool {
        match self {
            Self::Counter(cells) => !cells.has(worker),
            Self::Histogram(cells, _) => !cells.has(worker),
            // Workers can share the cells of these kinds.
            Self::Gauge(_) | Self::Summary(..) | Self::Set(_) | Self::SetTime(_) => false,
        }
    }

    /// Memory of cells that are not charged separately.
    pub(super) fn own_bytes(&self) -> usize {
        match self {
            Self::Counter(cells) => NUMBER_BYTES * cells.iter().count(),
            Self::Gauge(_) | Self::SetTime(_) => NUMBER_BYTES,
            Self::Histogram(cells, _) => cells.iter().map(|part| histogram_bytes(part.classic().bounds())).sum(),
            Self::Summary(..) | Self::Set(_) => 0,
        }
    }

    /// Memory of cells that are charged separately.
    pub(super) fn account_bytes(&self) -> usize {
        match self {
            Self::Summary(cells, _) => cells.iter().map(|cell| cell.bytes()).sum(),
            Self::Set(cells) => cells.iter().map(|cell| cell.bytes()).sum(),
            Self::Histogram(cells, _) => cells.iter().map(HistogramPart::native_bytes).sum(),
            Self::Counter(_) | Self::Gauge(_) | Self::SetTime(_) => 0,
        }
    }
}

/// A worker's cell of a histogram. Two words either way.
#[derive(Debug, Clone)]
pub(super) enum HistogramPart {
    Classic(HistogramCell),
    Native(Arc<NativeCell>),
}

const _: () = assert!(size_of::<HistogramPart>() == 16, "all series would grow for the few that have native buckets");

impl HistogramPart {
    pub(super) fn classic(&self) -> &HistogramCell {
        match self {
            Self::Classic(cell) => cell,
            Self::Native(cell) => cell.classic(),
        }
    }

    /// Memory of the native buckets.
    fn native_bytes(&self) -> usize {
        match self {
            Self::Classic(_) => 0,
            Self::Native(cell) => cell.bytes(),
        }
    }

    /// This cell with native buckets, if it has none and memory is left.
    fn with_native(&self, bounds: &Arc<Bounds>, now: Timestamp, account: &Arc<Account>) -> Option<Self> {
        match self {
            Self::Classic(cell) if bounds.is_native_wanted() && !account.memory().is_scarce() => {
                NativeCell::within(cell.clone(), bounds, (now, account)).map(|cell| Self::Native(Arc::new(cell)))
            }
            _ => None,
        }
    }
}

/// A cell as one worker writes to it.
#[derive(Debug, Clone)]
pub(crate) enum WorkerCell {
    /// A counter.
    Counter(Arc<CounterCell>),
    /// A gauge, shared with other workers.
    Gauge(Arc<GaugeCell>),
    /// A histogram with classic buckets only, and its bounds.
    Histogram(HistogramCell, Arc<Bounds>),
    /// A histogram with classic and native buckets. The classic cell is beside the native one, so that both are prefetched at once.
    Native(HistogramCell, Arc<NativeCell>),
    /// A summary.
    Summary(Arc<SummaryCell>),
    /// A set.
    Set(Arc<SetCell>),
}

impl WorkerCell {
    /// Whether the histogram must have native buckets and this cell has none. The series then has another cell for the worker.
    #[inline(always)]
    pub(crate) fn is_outgrown(&self) -> bool {
        matches!(self, Self::Histogram(_, bounds) if bounds.is_native_wanted())
    }

    /// The time of the last write, and the tombstone.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> Stamp<'_> {
        match self {
            Self::Counter(cell) => cell.stamp(),
            Self::Gauge(cell) => cell.stamp(),
            Self::Histogram(cell, _) | Self::Native(cell, _) => cell.stamp(),
            Self::Summary(cell) => cell.stamp(),
            Self::Set(cell) => cell.stamp(),
        }
    }
}
