//! write: the registry's families as messages of remote write, 1.0 and 2.0, and of OTLP, in batches.
//!
//! A cycle writes the values of all series at one timestamp, which is strictly later than that of the previous cycle. A memory keeps
//! which series the previous cycle had, so that the next one finds the new series and those that are gone. Knows no HTTP, no
//! compression and no clock.
//!
//! ```text
//! options    what one target is sent
//! memory     the previous cycle: its time and its series      changes   which series are new, which are gone
//! cycle      the walk over families and series                 labels    the labels of a series with those of the target
//! message    one batch: the bytes of its series                symbols   the strings of a 2.0 message      histogram   native fields
//! edges      first zeroes and stale markers, apart from values
//! split      halves of a message that is too large             metadata  requests with type, help and unit for 1.0
//! otlp       the walk for OTLP: otlp_points, otlp_split        up        the series that tells that the bridge is up
//! ```

mod changes;
mod current;
mod cycle;
mod edges;
mod gone;
mod histogram;
mod kind;
mod labels;
mod memory;
mod message;
mod metadata;
mod options;
mod otlp;
mod otlp_points;
mod otlp_split;
mod selection;
mod split;
mod symbols;
#[cfg(test)]
mod tests;
mod up;
mod writer;

pub(crate) use self::cycle::WriteCycle;
pub(crate) use self::edges::separate;
pub(crate) use self::gone::GoneSeries;
pub(crate) use self::memory::WriteMemory;
pub(crate) use self::message::{WriteBatch, WriteCounts};
pub(crate) use self::metadata::WriteMetadata;
pub(crate) use self::options::{HistogramForm, IDENTITY, WriteOptions, WriteVersion};
pub(crate) use self::otlp::OtlpCycle;
pub(crate) use self::otlp_split::split_otlp;
pub(crate) use self::split::split;
