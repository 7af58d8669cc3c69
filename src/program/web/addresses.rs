//! The two addresses of a connection, and whose connection it is where clients take turns.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The addresses of a connection over TCP; a Unix socket has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionAddresses {
    /// The address that the client connected to.
    pub(super) local: Option<SocketAddr>,
    /// The client's address.
    pub(super) peer: Option<SocketAddr>,
}

/// Whose connection it is: all clients of one address share what they can use up. Of IPv6 that is a network of 64 bits, which is what
/// one machine has at least; all clients of Unix sockets are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientAddress(Option<IpAddr>);

impl ConnectionAddresses {
    /// The address that the client shares with others of its kind.
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
    fn a_client_is_an_address_or_a_network_of_ipv6() {
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
