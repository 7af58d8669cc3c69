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
    /// The other end of a connection to a Unix stream socket.
    Unix(UnixPeer),
}

/// The process that opened a Unix connection, as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnixPeer {
    /// Its process id, as seen by this process; 0 for a process of a PID namespace that is not visible here.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
}

/// [`Source::Unknown`].
impl Default for &Source {
    fn default() -> Self {
        &Source::Unknown
    }
}

/// The transport and, where there is one, the address or process: `udp 127.0.0.1:5353`, `tcp [::1]:9`, `unixgram`, `unix pid 7 uid 1000`,
/// `unknown`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unixgram => f.write_str("unixgram"),
            Self::Unix(UnixPeer { pid, uid }) => write!(f, "unix pid {pid} uid {uid}"),
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
        assert_eq!(shown(Source::Unix(UnixPeer { pid: 7, uid: 1000 })), "unix pid 7 uid 1000");
        assert_eq!(shown(Source::default()), "unknown");
        assert_eq!(<&Source>::default(), &Source::Unknown);
    }
}
