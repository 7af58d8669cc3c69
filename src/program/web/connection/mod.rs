//! Connections of web clients: accepted, limited, and served over HTTP/1, HTTP/2 and TLS.
//!
//! ```text
//! web_listener  TCP and Unix sockets, and the streams that they accept
//! accept        one task a connection; drains at the end
//!   open          all open connections; evicts an idle one for a new one
//!   handshake     TLS
//!   http1         one connection of HTTP/1
//!     observed      notes what the stream does
//!   http2         one connection of HTTP/2, each request with deadlines of its own
//!     client        what a connection is served with
//! ```
//! Hands each request to the handler; knows no paths, no users, no series.

pub(super) mod accept;
pub(super) mod client;
mod handshake;
pub(super) mod http1;
pub(super) mod http2;
mod observed;
pub(super) mod open;
pub(super) mod web_listener;
