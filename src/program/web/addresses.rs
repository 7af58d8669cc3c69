//! The two addresses of a connection.

use std::net::SocketAddr;

/// The addresses of a connection over TCP; a Unix socket has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionAddresses {
    /// The address that the client connected to.
    pub(super) local: Option<SocketAddr>,
    /// The client's address.
    pub(super) peer: Option<SocketAddr>,
}
