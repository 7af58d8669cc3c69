//! Connections of web clients: accepting, limits, TLS, HTTP/1 and HTTP/2.
//!
//! ```text
//! web_listener  TCP and Unix listeners and streams
//! accept        runs one task for each connection; drains connections at shutdown
//!   request_head  waits for the first request or TLS handshake message
//!   open          the open connections: assigns slots, evicts connections
//!     lobby         connections without a slot
//!   handshake     TLS handshakes; client addresses take turns
//!   http1         serves one HTTP/1 connection
//!     observed      records progress of the stream
//!   http2         serves one HTTP/2 connection, with deadlines for each request
//!     client        the limits and state of a connection
//! ```
//! Passes each request to the handler. Does not depend on paths, users or series.

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
