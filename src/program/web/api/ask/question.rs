//! What is asked about, and what is known of all names.

use crate::arrivals::ArrivedName;
use crate::ingest::protocol::Kind;
use crate::program::web::api::live::Live;
use crate::time::Timestamp;

/// A question at a time.
pub(super) struct Question<'a> {
    pub(super) live: &'a Live,
    pub(super) now: Timestamp,
    /// Raw names that arrived.
    pub(super) arrived: Vec<ArrivedName>,
}

/// The kind on the wire.
pub(super) fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "c",
        Kind::Gauge => "g",
        Kind::Timer => "ms",
        Kind::Histogram => "h",
        Kind::Distribution => "d",
        Kind::Set => "s",
    }
}
