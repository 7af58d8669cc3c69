//! ingest: bytes to cell. From here on downwards nothing knows a socket or an exposition.
//!
//! ```text
//! protocol        datagram -> lines -> samples, all borrowed
//!   pipeline        the straight way: one loop, one match; each rejection is one count by reason
//!     bindings        this worker's table: raw bytes of (name, kind, tags) -> where it leads
//!       resolve         only on a miss: sizes, mapping, escaping, label order, type; asks the registry
//!     recording       one sample into its cell, or counted under the reason why not
//! exemplar_tag    the tag that names a trace, cut out of the tags
//! rejection_log   rejected input in the log, at a limited rate
//! ```

pub(crate) mod bindings;
pub(crate) mod exemplar_tag;
pub(crate) mod pending;
pub(crate) mod pipeline;
pub mod protocol;
pub(crate) mod recording;
pub(crate) mod rejection_log;
pub(crate) mod resolve;
