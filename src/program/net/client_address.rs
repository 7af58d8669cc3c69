//! The address that fair queueing uses. Must not know what a client asks for.

use std::net::{IpAddr, Ipv6Addr};

/// The unit of fairness: all connections of one client address share its limits. For IPv6 it is the /64 network, because one machine
/// usually has a whole /64. All clients of Unix sockets share one client address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::program) struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The client address of a peer; `None` for a Unix socket.
    pub(in crate::program) fn of(peer: Option<IpAddr>) -> Self {
        const NETWORK: u128 = u128::MAX << 64;
        Self(peer.map(|peer| match peer.to_canonical() {
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
        let client = |ip: &str| ClientAddress::of(Some(ip.parse().unwrap()));
        assert_eq!(client("10.0.0.1"), client("::ffff:10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("fd00::1:0:0:0:1"), client("fd00::1:2:0:0:2"));
        assert_ne!(client("fd00:0:0:1::1"), client("fd00:0:0:2::1"));
        assert_ne!(client("::1"), client("::2"));
        assert_eq!(ClientAddress::of(None), ClientAddress::of(None));
    }
}
