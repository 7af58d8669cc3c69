//! The two addresses of a connection, and the client address that fair queueing uses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The addresses of a TCP connection; both are `None` for a Unix socket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionAddresses {
    /// The address that the client connected to.
    pub(super) local: Option<SocketAddr>,
    /// The client's address.
    pub(super) peer: Option<SocketAddr>,
}

/// The unit of fairness: all connections of one client address share its limits. For IPv6 it is the /64 network, because one machine
/// usually has a whole /64. All clients of Unix sockets share one client address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientAddress(Option<IpAddr>);

impl ConnectionAddresses {
    /// The client address for fair queueing.
    pub(super) fn client(&self) -> ClientAddress {
        const NETWORK: u128 = u128::MAX << 64;
        ClientAddress(self.peer.map(|peer| match peer.ip().to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
            other => other,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_is_an_ipv4_address_or_an_ipv6_network() {
        let client = |ip: &str| {
            let peer = Some(SocketAddr::new(ip.parse().unwrap(), 1));
            ConnectionAddresses { local: None, peer }.client()
        };
        assert_eq!(client("10.0.0.1"), client("::ffff:10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("fd00::1:0:0:0:1"), client("fd00::1:2:0:0:2"));
        assert_ne!(client("fd00:0:0:1::1"), client("fd00:0:0:2::1"));
        assert_ne!(client("::1"), client("::2"));
        assert_eq!(ConnectionAddresses::default().client(), ConnectionAddresses::default().client());
    }
}
