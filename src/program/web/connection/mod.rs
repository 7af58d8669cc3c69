//! Connections of web clients: accepted, limited, and served over HTTP/1, HTTP/2 and TLS.
//!
//! ```text
//! web_listener  TCP and Unix sockets, and the streams that they accept
//! accept        one task a connection; drains at the end
//!   request_head  waits until a request or a handshake has come
//!   open          all open connections; who has a place, and who is evicted for another
//!     lobby         those that have no place yet
//!   handshake     TLS, each address in its turn
//!   http1         one connection of HTTP/1
//!     observed      notes what the stream does
//!   http2         one connection of HTTP/2, each request with deadlines of its own
//!     client        what a connection is served with
//! ```
//! Hands each request to the handler; knows no paths, no users, no series.

pub(super) mod accept;
pub(super) mod client;
pub(super) mod handshake;
pub(super) mod http1;
pub(super) mod http2;
mod lobby;
mod observed;
pub(super) mod open;
mod request_head;
pub(super) mod web_listener;
