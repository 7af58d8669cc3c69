//! source: the sender of a sample, as far as the transport knows it. Logs and the API show it. It is never a label, because there
//! would be as many label values as ports of senders.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

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

/// The sender that sources belong to: for UDP and TCP the transport and the IP address. All ports of a host are one sender, because
/// many clients use a new port for each socket, and a flood from one host must not look like many senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sender(Source);

impl Sender {
    /// The transport: `udp`, `tcp`, `unixgram` and so on; `unknown` for [`Source::Unknown`].
    pub fn transport(&self) -> String {
        let mut text = self.0.to_string();
        text.truncate(text.find(' ').unwrap_or(text.len()));
        text
    }

    /// The IP address, for UDP and TCP.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Source::Udp(address) | Source::Tcp(address) => Some(address.ip()),
            _ => None,
        }
    }

    /// Whether its bytes came in datagrams, and not in a stream.
    pub fn sends_datagrams(&self) -> bool {
        matches!(self.0, Source::Udp(_) | Source::Unixgram | Source::Unknown)
    }
}

impl From<Source> for Sender {
    fn from(source: Source) -> Self {
        let without_port = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        Self(match source {
            Source::Udp(address) => Source::Udp(without_port(address)),
            Source::Tcp(address) => Source::Tcp(without_port(address)),
            other => other,
        })
    }
}

/// As a [`Source`] without the port: `udp 127.0.0.1`, `tcp ::1`, `unixgram`, `unknown`.
impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::Udp(address) => write!(f, "udp {}", address.ip()),
            Source::Tcp(address) => write!(f, "tcp {}", address.ip()),
            other => other.fmt(f),
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

    #[test]
    fn all_ports_of_an_address_are_one_sender() {
        let sender = |source: Source| Sender::from(source);
        let [one, other, tcp] = [Source::Udp, Source::Udp, Source::Tcp].map(|of| of("[::1]:9".parse().unwrap()));
        assert_eq!(sender(one), sender(Source::Udp("[::1]:10".parse().unwrap())));
        assert_eq!((sender(one), sender(other) == sender(tcp)), (sender(other), false));
        let shown = [one, tcp, Source::Unixgram, Source::Unknown].map(|source| sender(source).to_string());
        assert_eq!(shown, ["udp ::1", "tcp ::1", "unixgram", "unknown"]);
        assert_eq!([one, tcp, Source::Unixgram].map(|source| sender(source).transport()), ["udp", "tcp", "unixgram"]);
        assert_eq!((sender(one).ip(), sender(Source::Unixgram).ip()), ("::1".parse().ok(), None));
    }
}
