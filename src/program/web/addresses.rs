//! The two addresses of a connection.

use std::net::SocketAddr;

use crate::program::net::ClientAddress;

/// The addresses of a TCP connection; both are `None` for a Unix socket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionAddresses {
    /// The address that the client connected to.
    pub(super) local: Option<SocketAddr>,
    /// The client's address.
    pub(super) peer: Option<SocketAddr>,
}

impl ConnectionAddresses {
    /// The client address for fair queueing.
    pub(super) fn client(&self) -> ClientAddress {
        ClientAddress::of(self.peer.map(|peer| peer.ip()))
    }
}
