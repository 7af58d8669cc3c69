//! source: the sender of a sample, as far as the transport knows it. Logs and the API show it. It is never a label, because there
//! would be as many label values as ports of senders.

use std::fmt;
use std::net::SocketAddr;

/// The sender of a sample. The pipeline receives it with each datagram and reads it only when it resolves a new binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Source {
    /// The sender is not known: a replay, a test, or a transport without addresses.
    #[default]
    Unknown,
    /// The sender of a UDP datagram.
    Udp(SocketAddr),
    /// The other end of a TCP connection.
    Tcp(SocketAddr),
    /// A Unix datagram. Most senders of Unix datagrams have no address.
    Unixgram,
}

/// [`Source::Unknown`].
impl Default for &Source {
    fn default() -> Self {
        &Source::Unknown
    }
}

/// The transport and, where there is one, the address: `udp 127.0.0.1:5353`, `tcp [::1]:9`, `unixgram`, `unknown`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_and_address_are_shown() {
        let shown = |source: Source| source.to_string();
        assert_eq!(shown(Source::Udp("127.0.0.1:5353".parse().unwrap())), "udp 127.0.0.1:5353");
        assert_eq!(shown(Source::Tcp("[::1]:9".parse().unwrap())), "tcp [::1]:9");
        assert_eq!(shown(Source::Unixgram), "unixgram");
        assert_eq!(shown(Source::default()), "unknown");
        assert_eq!(<&Source>::default(), &Source::Unknown);
    }
}
