//! The sockets that systemd passes to this process. Their names (`FileDescriptorName=`) tell those of the web server from those for lines.
//!
//! ```text
//! --web.systemd-socket     all stream sockets, except those named statsd
//! --statsd.systemd-socket  all sockets, except those named web
//! both                     the sockets named web and statsd; any other name is an error
//! ```
//! Must not know what a socket is used for afterwards.

use std::env;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};

use listenfd::ListenFd;

use super::start_error::StartError;

/// The name of a socket of the web server.
const WEB: &str = "web";
/// The name of a socket for lines.
const STATSD: &str = "statsd";

/// The passed sockets by their use. All are of the kind that the use needs.
#[derive(Debug, Default)]
pub(super) struct SystemdSockets {
    /// Stream sockets for HTTP.
    pub web: Vec<PassedStream>,
    /// UDP sockets for lines.
    pub udp: Vec<UdpSocket>,
    /// TCP sockets for lines.
    pub tcp: Vec<TcpListener>,
    /// Unix datagram sockets for lines.
    pub unixgram: Vec<UnixDatagram>,
    /// Unix stream sockets for lines.
    pub unix: Vec<UnixListener>,
}

/// A stream socket that listens.
#[derive(Debug)]
pub(super) enum PassedStream {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A passed socket of any kind.
enum Passed {
    Stream(PassedStream),
    Udp(UdpSocket),
    Unixgram(UnixDatagram),
}

/// What a socket is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Web,
    Statsd,
    /// The flag of this name is not given.
    Nothing,
    /// Both flags are given, and the name says neither.
    Unclear,
}

impl SystemdSockets {
    /// Takes the sockets from the environment, for the flags `--web.systemd-socket` and `--statsd.systemd-socket`.
    pub(super) fn take(for_web: bool, for_statsd: bool) -> Result<Self, StartError> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            match use_of(name, for_web, for_statsd) {
                Use::Web => sockets.add_web(name, take_one(&mut passed, index)?)?,
                Use::Statsd => sockets.add_statsd(name, take_one(&mut passed, index)?)?,
                Use::Nothing => tracing::warn!(name, "systemd passed a socket that no flag uses"),
                Use::Unclear => return Err(StartError::SystemdSocketName(name.to_owned())),
            }
        }
        if for_web && sockets.web.is_empty() {
            return Err(StartError::NoSystemdSocket { flag: "web.systemd-socket", kind: "stream socket" });
        }
        if for_statsd && sockets.udp.is_empty() && sockets.tcp.is_empty() && sockets.unixgram.is_empty() && sockets.unix.is_empty() {
            return Err(StartError::NoSystemdSocket { flag: "statsd.systemd-socket", kind: "socket for lines" });
        }
        Ok(sockets)
    }

    fn add_web(&mut self, name: &str, socket: Option<Passed>) -> Result<(), StartError> {
        match socket {
            Some(Passed::Stream(stream)) => self.web.push(stream),
            _ => return Err(StartError::SystemdSocketKind { name: name.to_owned(), needed: "a listening stream socket, for HTTP" }),
        }
        Ok(())
    }

    fn add_statsd(&mut self, name: &str, socket: Option<Passed>) -> Result<(), StartError> {
        match socket {
            Some(Passed::Udp(socket)) => self.udp.push(socket),
            Some(Passed::Unixgram(socket)) => self.unixgram.push(socket),
            Some(Passed::Stream(PassedStream::Tcp(socket))) => self.tcp.push(socket),
            Some(Passed::Stream(PassedStream::Unix(socket))) => self.unix.push(socket),
            None => {
                return Err(StartError::SystemdSocketKind {
                    name: name.to_owned(),
                    needed: "a UDP or TCP socket, or a Unix socket for datagrams or streams",
                });
            }
        }
        Ok(())
    }
}

/// The socket at this index; `None` if it is of no kind that the bridge can use.
fn take_one(passed: &mut ListenFd, index: usize) -> Result<Option<Passed>, StartError> {
    // A socket of another kind is an error, and stays in the list.
    if let Ok(Some(socket)) = passed.take_tcp_listener(index) {
        return Ok(socket2::SockRef::from(&socket).is_listener()?.then_some(Passed::Stream(PassedStream::Tcp(socket))));
    }
    if let Ok(Some(socket)) = passed.take_unix_listener(index) {
        return Ok(socket2::SockRef::from(&socket).is_listener()?.then_some(Passed::Stream(PassedStream::Unix(socket))));
    }
    if let Ok(Some(socket)) = passed.take_udp_socket(index) {
        return Ok(Some(Passed::Udp(socket)));
    }
    Ok(passed.take_unix_datagram(index).ok().flatten().map(Passed::Unixgram))
}

fn use_of(name: &str, for_web: bool, for_statsd: bool) -> Use {
    match (for_web, for_statsd) {
        (true, false) if name != STATSD => Use::Web,
        (false, true) if name != WEB => Use::Statsd,
        (true, true) if name == WEB => Use::Web,
        (true, true) if name == STATSD => Use::Statsd,
        (true, true) => Use::Unclear,
        _ => Use::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_one_flag_other_names_are_its_sockets_and_with_both_a_name_decides() {
        let of = |name| [(true, false), (false, true), (true, true), (false, false)].map(|(web, statsd)| use_of(name, web, statsd));
        assert_eq!(of("web"), [Use::Web, Use::Nothing, Use::Web, Use::Nothing]);
        assert_eq!(of("statsd"), [Use::Nothing, Use::Statsd, Use::Statsd, Use::Nothing]);
        for name in ["", "unknown", "statsd-bridge.socket"] {
            assert_eq!(of(name), [Use::Web, Use::Statsd, Use::Unclear, Use::Nothing]);
        }
    }
}
