//! Cells: the values themselves, one kind a file.
//!
//! Every cell but a gauge's has one writer, the worker that it was made for, and any number of readers; what several workers
//! hold of one series merges. A gauge's cell is shared, because the order of its samples matters. Knows no names and no wire.

mod bounds;
mod counter;
mod gauge;
mod histogram;
mod hll;
mod moment;
mod native;
mod set;
mod sketch;
mod stamp;
mod summary;
mod sums;

// The files that the model in `model/` runs take it from here, so that it can be another one there.
use std::sync::atomic::{AtomicU64, fence};

pub use self::bounds::Bounds;
pub use self::counter::CounterCell;
pub use self::gauge::GaugeCell;
pub use self::histogram::{HistogramCell, HistogramSnapshot};
pub use self::native::{NativeCell, NativeSnapshot, SCHEMA_MAX, SCHEMA_MIN, SavedNative, Spans, ZERO_THRESHOLD, merge_classic, schema_of};
pub(super) use self::set::SET_BYTES;
pub use self::set::{SavedSet, SetCell, SetSnapshot};
pub use self::sketch::SavedSketch;
pub use self::stamp::Stamp;
pub use self::summary::{SavedSummary, SummaryCell, SummarySnapshot};
pub(crate) use self::sums::{add_finite, add_weights};
