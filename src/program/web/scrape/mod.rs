//! One scrape: it waits for its turn, and is sent the exposition chunk by chunk, as fast as its client takes it.
//!
//! ```text
//! endpoint         one scrape, from its headers to the first byte
//!   request_headers  format and timeout that the headers ask for
//!   body             the body of the response; counts what was cut
//!   renderer         renders the exposition a few chunks ahead of its recipients
//!     expositions      makes expositions: all that is known of the bridge
//!     queue            which scrape is served when; which scrapes share an exposition
//!       recipient        the way from the renderer to one scrape
//!     encoder          the exposition in its content coding
//!       memory           buffers and compressors, used again
//!         compressor       the state of gzip or zstd
//!           coding           content codings; which one a client asks for
//! ```
//! Three limits: threads that render, which is CPU; expositions being sent, each some 100 KiB whatever its size; and how long a
//! client may keep others waiting. Nothing is lost when a client leaves. Knows no paths and no sockets.

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
mod request_headers;
