//! protocol: parses a line of the wire into borrowed samples. The only module that knows the grammar.
//!
//! StatsD, DogStatsD 1.0 to 1.6, and the tag styles of InfluxDB, Librato, SignalFX and Graphite. Parsing copies and allocates nothing.
//! Checks that depend on the identity only (tags, UTF-8, mixed tag styles) are in [`Identity`], which is created once for each new
//! identity. Knows neither metrics nor limits nor sockets.

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
pub use self::events::{AlertType, Event, EventField, Priority, ServiceCheck};
pub use self::grammar::{Line, parse_line};
pub use self::packed::Samples;
#[cfg(target_arch = "x86_64")]
pub use self::quick::Avx2;
pub use self::quick::{Finder, Marks, PlainFinder, WINDOW, quick_line};
pub use self::sample::{Kind, Sample, Value};
pub(crate) use self::tags::is_blank;
pub use self::tags::{Identity, TagErrors, TagSink};
