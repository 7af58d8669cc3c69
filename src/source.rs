//! Where a datagram or a stream came from: what limits and conflicts name as the culprit. Knows no sockets.

use std::fmt;
use std::net::SocketAddr;

/// The sender of a datagram or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Not known: the caller of the library did not say.
    #[default]
    Unknown,
    /// The sender's address of a UDP datagram.
    Udp(SocketAddr),
    /// The peer of a TCP connection.
    Tcp(SocketAddr),
    /// A Unix datagram; its senders rarely have an address.
    Unixgram,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unixgram => f.write_str("unixgram"),
        }
    }
}
