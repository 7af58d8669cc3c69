//! protocol: a line of the wire in, borrowed samples out. The only module that knows the grammar.
//!
//! StatsD, DogStatsD 1.0 to 1.6, and the tag styles of InfluxDB, Librato, SignalFX and Graphite. Nothing is copied or allocated; what
//! depends on the identity of a sample only (its tags, UTF-8, tag styles that exclude each other) is left to whoever meets an
//! identity for the first time, with [`Identity`]. Knows nothing of metrics, limits and sockets.

mod colons;
mod error;
mod events;
mod fields;
mod grammar;
mod number;
mod packed;
mod quick;
mod sample;
mod styles;
mod tags;

pub use self::error::{Rejected, SampleError};
pub use self::grammar::{Line, parse_line};
pub use self::packed::Samples;
#[cfg(target_arch = "x86_64")]
pub use self::quick::Avx2;
pub use self::quick::{Finder, Marks, PlainFinder, WINDOW, quick_line};
pub use self::sample::{Kind, Sample, Value};
pub(crate) use self::tags::is_blank;
pub use self::tags::{Identity, TagErrors, TagSink};
