//! Cells hold the values of series: one file for each kind.
//!
//! A cell has one writer, the worker that it was made for, and any number of readers. The cells of several workers merge to the
//! value of the series. All workers share the cell of a gauge, because the order of its samples matters. Knows no names.

mod bounds;
mod counter;
mod gauge;
mod histogram;
mod hll;
mod moment;
mod native;
mod set;
mod set_time;
mod sketch;
mod stamp;
mod summary;
mod sums;

// Files that the model in `model/` compiles import these from `super`, where the model has loom's.
use std::sync::atomic::{AtomicU64, fence};

pub use self::bounds::Bounds;
pub use self::counter::CounterCell;
pub use self::gauge::GaugeCell;
pub use self::histogram::{HistogramCell, HistogramSnapshot};
pub use self::native::{NativeCell, NativeSnapshot, SCHEMA_MAX, SCHEMA_MIN, SavedNative, Spans, ZERO_THRESHOLD, merge_classic, schema_of};
pub(super) use self::set::SET_BYTES;
pub use self::set::{SavedSet, SetCell, SetSnapshot};
pub(crate) use self::set_time::SetTime;
pub use self::sketch::SavedSketch;
pub use self::stamp::Stamp;
pub use self::summary::{SavedSummary, SummaryCell, SummarySnapshot};
pub(crate) use self::sums::{add_finite, add_weights};
