//! Answers scrapes. A scrape waits until it is admitted; then the exposition is rendered and sent in chunks, as fast as the client reads.
//!
//! ```text
//! endpoint         one scrape, from the request headers to the first byte
//!   request_headers  the format and timeout in the request headers
//!   body             the response body; counts scrapes that were cut
//!   renderer         renders an exposition a few chunks ahead of its recipients
//!     expositions      creates expositions of the bridge
//!     queue            admits scrapes; merges scrapes of the same representation
//!       recipient        the channel from the renderer to one scrape
//!       representation   format and content coding of an exposition
//!     encoder          applies the content coding
//!       memory           reuses buffers and compressors
//!         compressor       the state of gzip or zstd
//!           coding           content codings; negotiates one with the client
//! ```
//! There are three limits: the threads that render (CPU), the expositions being sent (memory, about 100 KiB each whatever their size),
//! and the time for which a slow client may delay others. If a client disconnects, no data is lost. This module does not depend on
//! paths or sockets.

pub(super) mod body;
pub(super) mod coding;
mod compressor;
mod encoder;
pub(super) mod endpoint;
pub(super) mod expositions;
pub(super) mod memory;
pub(super) mod queue;
mod recipient;
pub(super) mod renderer;
pub(super) mod representation;
mod request_headers;
