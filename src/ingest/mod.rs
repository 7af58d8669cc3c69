//! ingest: from bytes to cells. Knows neither sockets nor expositions.
//!
//! ```text
//! protocol        datagram -> lines -> samples, all borrowed
//!   pipeline        one loop over lines, one over look-ups; each rejection is one count by reason
//!     bindings        the worker's table: raw bytes of (name, kind, tags) -> target
//!       resolve         only on a miss: sizes, mapping, escaping, label order, type; calls the registry
//!     recording       writes one sample to its cell, or counts the reason why not
//! origin          the part of a sender that is a label, and its bytes in a binding's key
//! client_tally    what clients reported about themselves since the last flush
//! exemplar_tag    cuts the tag that names a trace out of the tags
//! sender_tally    what was received from each source, and what was rejected, since the last flush
//! rejection_log   logs rejected input at a limited rate
//! ```

pub(crate) mod bindings;
pub(crate) mod client_tally;
pub(crate) mod exemplar_tag;
pub(crate) mod origin;
mod pending;
pub(crate) mod pipeline;
pub mod protocol;
pub(crate) mod recording;
pub(crate) mod rejection_log;
pub(crate) mod resolve;
pub(crate) mod sender_tally;
