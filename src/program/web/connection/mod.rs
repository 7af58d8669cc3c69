//! Connections: accepted, bounded, and served over HTTP/1, HTTP/2 and TLS.

pub(super) mod accept;
mod handshake;
pub(super) mod http2;
pub(super) mod open;
