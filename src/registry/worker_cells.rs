//! The cells of one series, each with its writer: what a worker gets to write to, and what all of it takes.

use std::sync::Arc;

use super::kind::FamilyKind;
use super::parts::Parts;
use crate::memory::Account;
use crate::registry::cell::{Bounds, CounterCell, GaugeCell, HistogramCell, NativeCell, SET_BYTES, SetCell, Stamp, SummaryCell};
use crate::time::Timestamp;

/// What a worker's cell of a counter costs, or the cell of a gauge, with its place.
const NUMBER_BYTES: usize = 48;

/// What the classic cell of a histogram with so many bounds costs, with its place.
fn histogram_bytes(bounds: usize) -> usize {
    72 + 8 * bounds
}

/// What one worker's cell of this kind costs before it grows.
pub(super) fn bytes_of_cell(kind: &FamilyKind) -> usize {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge => NUMBER_BYTES,
        FamilyKind::Histogram { bounds } => histogram_bytes(bounds.len()),
        FamilyKind::Summary(options) => SummaryCell::base_bytes(options),
        FamilyKind::Set => SET_BYTES,
    }
}

/// Cells by worker; a gauge has one for all.
#[derive(Debug)]
pub(super) enum Cells {
    Counter(Parts<Arc<CounterCell>>),
    Gauge(Arc<GaugeCell>),
    Histogram(Parts<HistogramPart>),
    Summary(Parts<Arc<SummaryCell>>),
    Set(Parts<Arc<SetCell>>),
}

impl Cells {
    /// None yet, but for a gauge's.
    pub(super) fn new(kind: &FamilyKind) -> Self {
        match kind {
            FamilyKind::Counter => Self::Counter(Parts::None),
            FamilyKind::Gauge => Self::Gauge(Arc::default()),
            FamilyKind::Histogram { .. } => Self::Histogram(Parts::None),
            FamilyKind::Summary(_) => Self::Summary(Parts::None),
            FamilyKind::Set => Self::Set(Parts::None),
        }
    }

    /// The worker's cell, made if it has none. `kind` is that of the family.
    pub(super) fn of_worker(&mut self, kind: &FamilyKind, worker: u32, (now, account): (Timestamp, &Arc<Account>)) -> Option<CellHandle> {
        let is_scarce = account.memory().is_scarce();
        Some(match (self, kind) {
            (Self::Counter(cells), FamilyKind::Counter) => {
                let new = || {
                    account.take(NUMBER_BYTES);
                    Arc::default()
                };
                CellHandle::Counter(cells.of_worker(worker, new))
            }
            (Self::Gauge(cell), FamilyKind::Gauge) => CellHandle::Gauge(Arc::clone(cell)),
            (Self::Histogram(cells), FamilyKind::Histogram { bounds }) => {
                let new = || {
                    account.take(histogram_bytes(bounds.len()));
                    HistogramPart::Classic(HistogramCell::new(bounds.len()))
                };
                let part = cells.of_worker(worker, new);
                match part.made_native(bounds, (now, account)) {
                    Some(native) => cells.replace(worker, native).handle(bounds),
                    // Without memory it stays what it is, or its samples would ask again and again.
                    None if bounds.is_native_wanted() => part.handle(bounds.classic_only()),
                    None => part.handle(bounds),
                }
            }
            // The cells of these take more than one writer, who wait for one another; better than more memory where that is short.
            (Self::Summary(cells), FamilyKind::Summary(options)) => {
                let shared = cells.first().filter(|_| is_scarce && !cells.has(worker));
                let own = || cells.of_worker(worker, || Arc::new(SummaryCell::within(options, account)));
                CellHandle::Summary(shared.unwrap_or_else(own))
            }
            (Self::Set(cells), FamilyKind::Set) => {
                let shared = cells.first().filter(|_| is_scarce && !cells.has(worker));
                CellHandle::Set(shared.unwrap_or_else(|| cells.of_worker(worker, || Arc::new(SetCell::within(account)))))
            }
            _ => return None,
        })
    }

    /// Whether a sample of this worker takes one cell more, however little memory is left.
    pub(super) fn lacks(&self, worker: u32) -> bool {
        match self {
            Self::Counter(cells) => !cells.has(worker),
            Self::Histogram(cells) => !cells.has(worker),
            // One for all; or those that there are take more than one writer.
            Self::Gauge(_) | Self::Summary(_) | Self::Set(_) => false,
        }
    }

    /// What those take that keep no account of their own.
    pub(super) fn own_bytes(&self) -> usize {
        match self {
            Self::Counter(cells) => NUMBER_BYTES * cells.iter().count(),
            Self::Gauge(_) => NUMBER_BYTES,
            Self::Histogram(cells) => cells.iter().map(|part| histogram_bytes(part.classic().bounds())).sum(),
            Self::Summary(_) | Self::Set(_) => 0,
        }
    }

    /// What the others take.
    pub(super) fn account_bytes(&self) -> usize {
        match self {
            Self::Summary(cells) => cells.iter().map(|cell| cell.bytes()).sum(),
            Self::Set(cells) => cells.iter().map(|cell| cell.bytes()).sum(),
            Self::Histogram(cells) => cells.iter().map(HistogramPart::native_bytes).sum(),
            Self::Counter(_) | Self::Gauge(_) => 0,
        }
    }
}

/// A worker's part of a histogram: of two words either way.
#[derive(Debug, Clone)]
pub(super) enum HistogramPart {
    Classic(HistogramCell),
    Native(Arc<NativeCell>),
}

const _: () = assert!(size_of::<HistogramPart>() == 16, "each series would grow for the sake of few");

impl HistogramPart {
    pub(super) fn classic(&self) -> &HistogramCell {
        match self {
            Self::Classic(cell) => cell,
            Self::Native(cell) => cell.classic(),
        }
    }

    /// What the native buckets take.
    fn native_bytes(&self) -> usize {
        match self {
            Self::Classic(_) => 0,
            Self::Native(cell) => cell.bytes(),
        }
    }

    fn handle(&self, bounds: &Arc<Bounds>) -> CellHandle {
        match self {
            Self::Classic(cell) => CellHandle::Histogram(cell.clone(), Arc::clone(bounds)),
            Self::Native(cell) => CellHandle::Native(cell.classic().clone(), Arc::clone(cell)),
        }
    }

    /// The same cell with native buckets, if it has none and the family is to have them.
    fn made_native(&self, bounds: &Arc<Bounds>, (now, account): (Timestamp, &Arc<Account>)) -> Option<Self> {
        match self {
            Self::Classic(cell) if bounds.is_native_wanted() && !account.memory().is_scarce() => {
                NativeCell::within(cell.clone(), bounds, (now, account)).map(|cell| Self::Native(Arc::new(cell)))
            }
            _ => None,
        }
    }
}

/// A worker's cell, to write to.
#[derive(Debug, Clone)]
pub(crate) enum CellHandle {
    /// Of a counter.
    Counter(Arc<CounterCell>),
    /// Of a gauge, shared with other workers.
    Gauge(Arc<GaugeCell>),
    /// Of a histogram with classic buckets only, with its bounds.
    Histogram(HistogramCell, Arc<Bounds>),
    /// Of a histogram with classic and native buckets; the classic ones beside it, so that memory can be asked for both at once.
    Native(HistogramCell, Arc<NativeCell>),
    /// Of a summary.
    Summary(Arc<SummaryCell>),
    /// Of a set.
    Set(Arc<SetCell>),
}

impl CellHandle {
    /// Whether its histogram is to have native buckets and this cell has none: the series then has another one to give.
    #[inline(always)]
    pub(crate) fn is_outgrown(&self) -> bool {
        matches!(self, Self::Histogram(_, bounds) if bounds.is_native_wanted())
    }

    /// When the cell was last written, and whether it is retired.
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
