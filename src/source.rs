//! source: the sender of a sample, as far as the transport knows it. Logs and the API show it.

mod container;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use self::container::ContainerId;

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
    /// A Unix datagram whose sender the kernel was not asked for.
    Unixgram,
    /// The sender of a Unix datagram.
    UnixgramOf(UnixPeer),
    /// The other end of a connection to a Unix stream socket.
    Unix(UnixPeer),
}

/// The process that sent a Unix datagram or opened a Unix connection, as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnixPeer {
    /// Its process id, as seen by this process; 0 for a process of a PID namespace that is not visible here.
    pub pid: u32,
    /// Its user: the real one for a datagram, the effective one for a connection.
    pub uid: u32,
    /// The container that it runs in, if that is known.
    pub container: Option<ContainerId>,
}

impl UnixPeer {
    /// A process in no known container.
    pub const fn new(pid: u32, uid: u32) -> Self {
        Self { pid, uid, container: None }
    }

    /// The same process in this container.
    pub const fn with_container(self, container: Option<ContainerId>) -> Self {
        Self { container, ..self }
    }

    /// The parts that belong to a sender: the container; else the process; else the user.
    const fn of_sender(self) -> Self {
        match self.container {
            Some(_) => Self { pid: 0, uid: 0, ..self },
            None => self,
        }
    }
}

/// `pid 7 uid 1000`, `uid 1000` if the process is not visible, followed by the container.
impl fmt::Display for UnixPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid > 0 {
            write!(f, "pid {} ", self.pid)?;
        }
        write!(f, "uid {}", self.uid)?;
        self.container.map_or(Ok(()), |container| write!(f, " container {container}"))
    }
}

/// [`Source::Unknown`].
impl Default for &Source {
    fn default() -> Self {
        &Source::Unknown
    }
}

/// The transport and, where there is one, the address or process: `udp 127.0.0.1:5353`, `tcp [::1]:9`, `unixgram`,
/// `unixgram pid 7 uid 1000`, `unix uid 1000 container 4f2e...`, `unknown`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unixgram => f.write_str("unixgram"),
            Self::UnixgramOf(peer) => write!(f, "unixgram {peer}"),
            Self::Unix(peer) => write!(f, "unix {peer}"),
        }
    }
}

/// The sender that sources belong to: for UDP and TCP the transport and the IP address. All ports of a host are one sender, because
/// many clients use a new port for each socket, and a flood from one host must not look like many senders. All processes of a container
/// are one sender over a kind of Unix socket. Without a known container, each process is one until it has ended.
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

    /// The container, over a Unix socket and if it is known.
    pub fn container(&self) -> Option<ContainerId> {
        self.peer().and_then(|peer| peer.container)
    }

    /// The process id, over a Unix socket without a known container. `None` too for all processes of a user that have ended or are not
    /// visible from the PID namespace of this process.
    pub fn pid(&self) -> Option<u32> {
        self.peer().filter(|peer| peer.container.is_none() && peer.pid > 0).map(|peer| peer.pid)
    }

    /// The user, over a Unix socket without a known container.
    pub fn uid(&self) -> Option<u32> {
        self.peer().filter(|peer| peer.container.is_none()).map(|peer| peer.uid)
    }

    /// The sender of all processes of its user that have ended; `None` if it is not a process.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn without_process(&self) -> Option<Self> {
        self.pid()?;
        match self.0 {
            Source::UnixgramOf(peer) => Some(Self(Source::UnixgramOf(UnixPeer { pid: 0, ..peer }))),
            Source::Unix(peer) => Some(Self(Source::Unix(UnixPeer { pid: 0, ..peer }))),
            _ => None,
        }
    }

    fn peer(&self) -> Option<UnixPeer> {
        match self.0 {
            Source::UnixgramOf(peer) | Source::Unix(peer) => Some(peer),
            _ => None,
        }
    }

    /// Whether its bytes came in datagrams, and not in a stream.
    pub fn sends_datagrams(&self) -> bool {
        matches!(self.0, Source::Udp(_) | Source::Unixgram | Source::UnixgramOf(_) | Source::Unknown)
    }
}

impl From<Source> for Sender {
    fn from(source: Source) -> Self {
        let without_port = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        Self(match source {
            Source::Udp(address) => Source::Udp(without_port(address)),
            Source::Tcp(address) => Source::Tcp(without_port(address)),
            Source::UnixgramOf(peer) => Source::UnixgramOf(peer.of_sender()),
            Source::Unix(peer) => Source::Unix(peer.of_sender()),
            other => other,
        })
    }
}

/// As a [`Source`] without the port, and of a Unix peer one part: `udp 127.0.0.1`, `tcp ::1`, `unixgram pid 7 uid 1000`,
/// `unix container 4f2e...`, `unknown`.
impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::Udp(address) => write!(f, "udp {}", address.ip()),
            Source::Tcp(address) => write!(f, "tcp {}", address.ip()),
            other => match self.container() {
                Some(container) => write!(f, "{} container {container}", self.transport()),
                None => other.fmt(f),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567-89ab-cdef-0123-4567";

    fn in_container(pid: u32) -> UnixPeer {
        UnixPeer { container: ContainerId::new(ID), ..UnixPeer::new(pid, 1000) }
    }

    #[test]
    fn transport_and_address_are_shown() {
        let shown = |source: Source| source.to_string();
        assert_eq!(shown(Source::Udp("127.0.0.1:5353".parse().unwrap())), "udp 127.0.0.1:5353");
        assert_eq!(shown(Source::Tcp("[::1]:9".parse().unwrap())), "tcp [::1]:9");
        assert_eq!(shown(Source::Unixgram), "unixgram");
        assert_eq!(shown(Source::Unix(UnixPeer::new(7, 1000))), "unix pid 7 uid 1000");
        assert_eq!(shown(Source::UnixgramOf(UnixPeer::new(0, 1000))), "unixgram uid 1000");
        assert_eq!(shown(Source::UnixgramOf(in_container(7))), format!("unixgram pid 7 uid 1000 container {ID}"));
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
    #[test]
    fn all_processes_of_a_container_are_one_sender() {
        let [one, other] = [7, 8].map(|pid| Sender::from(Source::Unix(in_container(pid))));
        assert_eq!((one, one.to_string()), (other, format!("unix container {ID}")));
        assert_eq!((one.container(), one.pid(), one.uid(), one.without_process()), (ContainerId::new(ID), None, None, None));
        let datagrams = Sender::from(Source::UnixgramOf(in_container(7)));
        assert!(datagrams != one && datagrams.sends_datagrams() && !one.sends_datagrams());
        assert_eq!((datagrams.transport(), one.transport()), ("unixgram".to_owned(), "unix".to_owned()));
    }

    #[test]
    fn processes_without_a_container_are_senders_until_they_end() {
        let [one, other] = [7, 8].map(|pid| Sender::from(Source::UnixgramOf(UnixPeer::new(pid, 1000))));
        assert_eq!((one == other, one.pid(), one.uid()), (false, Some(7), Some(1000)));
        let ended = one.without_process().expect("a process");
        assert_eq!((Some(ended), ended.to_string()), (other.without_process(), "unixgram uid 1000".to_owned()));
        assert_eq!((ended.pid(), ended.uid(), ended.without_process()), (None, Some(1000), None));
    }
}
