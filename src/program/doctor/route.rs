//! The ways to a bridge, from the address that clients use: over UDP and TCP, IPv4 and IPv6, or a Unix socket; and sending over them.
//!
//! Must not know why something fails.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use crate::program::net::{Address, check_path};

/// Time limit of each step of sending.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Time in which the kernel reports that a UDP port is closed.
const REPORT_WAIT: Duration = Duration::from_millis(100);

/// One way to a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    /// A path, or `@` and an abstract name.
    Unixgram(String),
    Unixstream(String),
}

impl Route {
    /// All ways to an address as typed.
    pub(super) fn all(text: &str) -> Result<Vec<Self>, String> {
        let path = ["unix://", "unixgram://", "unixstream://", "unix:"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
        if let Some(path) = path.or_else(|| (text.starts_with('@') || text.contains('/')).then_some(text).filter(|t| !t.contains("://"))) {
            check_path(path)?;
            return Ok(vec![Self::of_path(path)]);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let addresses = addresses(if matches!(scheme, "udp" | "tcp") { rest } else { text })?;
        let udp = addresses.iter().copied().map(Self::Udp).filter(|_| scheme != "tcp");
        let tcp = addresses.iter().copied().map(Self::Tcp).filter(|_| scheme != "udp");
        Ok(udp.chain(tcp).collect())
    }

    /// A stream if a socket of this kind is there, otherwise datagrams.
    fn of_path(path: &str) -> Self {
        let is_stream = unix_datagram(path).is_err_and(|error| error.raw_os_error() == Some(libc::EPROTOTYPE));
        if is_stream { Self::Unixstream(path.to_owned()) } else { Self::Unixgram(path.to_owned()) }
    }

    /// The metric that counts what arrives over this way.
    pub(super) fn counter(&self) -> &'static str {
        match self {
            Self::Udp(_) => "udp_packets_total",
            Self::Tcp(_) => "tcp_connections_total",
            Self::Unixgram(_) => "unixgram_packets_total",
            Self::Unixstream(_) => "unix_connections_total",
        }
    }

    /// Sends these lines, each in a datagram of its own where there are datagrams.
    pub(super) fn send(&self, lines: &[String]) -> io::Result<()> {
        match self {
            Self::Udp(address) => {
                let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(address)?;
                for line in lines {
                    socket.send(line.as_bytes())?;
                }
                std::thread::sleep(REPORT_WAIT);
                socket.take_error()?.map_or(Ok(()), Err)
            }
            Self::Unixgram(path) => {
                let socket = unix_datagram(path)?;
                socket.set_write_timeout(Some(TIMEOUT))?;
                lines.iter().try_for_each(|line| socket.send(line.as_bytes()).map(drop))
            }
            Self::Tcp(address) => {
                let mut stream = TcpStream::connect_timeout(address, TIMEOUT)?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.write_all(text(lines).as_bytes())?;
                stream.shutdown(Shutdown::Write)?;
                ended(&mut stream)
            }
            Self::Unixstream(path) => {
                let mut stream = match abstract_name(path)? {
                    Some(name) => UnixStream::connect_addr(&name)?,
                    None => UnixStream::connect(path)?,
                };
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.write_all(text(lines).as_bytes())?;
                stream.shutdown(Shutdown::Write)?;
                ended(&mut stream)
            }
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unixgram(path) => write!(f, "unixgram {path}"),
            Self::Unixstream(path) => write!(f, "unixstream {path}"),
        }
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Waits until the other end closes the stream, so that a reset is seen.
fn ended(stream: &mut impl Read) -> io::Result<()> {
    match stream.read(&mut [0]) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        read => read.map(drop),
    }
}

fn abstract_name(path: &str) -> io::Result<Option<UnixAddr>> {
    path.strip_prefix('@').map(UnixAddr::from_abstract_name).transpose()
}

fn unix_datagram(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match abstract_name(path)? {
        Some(name) => socket.connect_addr(&name)?,
        None => socket.connect(path)?,
    }
    Ok(socket)
}

/// The socket addresses of `HOST:PORT`, of both families. All addresses of this machine are reached over loopback.
fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let failed = |error: &dyn fmt::Display| error.to_string();
    let best = Address::parse(text).and_then(|address| address.candidates()).map_err(|error| failed(&error))?.best;
    if best.port() == 0 {
        return Err(format!("{text:?} has no port to send to"));
    }
    if best.ip().is_unspecified() {
        let v4 = (Ipv4Addr::LOCALHOST, best.port()).into();
        return Ok(if best.is_ipv4() { vec![v4] } else { vec![v4, (Ipv6Addr::LOCALHOST, best.port()).into()] });
    }
    let mut all: Vec<SocketAddr> = text.to_socket_addrs().map_err(|error| failed(&error))?.collect();
    all.sort_by_key(SocketAddr::is_ipv6);
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_all_its_ways() {
        let shown = |text| Route::all(text).map(|routes| routes.iter().map(Route::to_string).collect::<Vec<_>>());
        assert_eq!(shown(":9125").unwrap(), ["udp 127.0.0.1:9125", "udp [::1]:9125", "tcp 127.0.0.1:9125", "tcp [::1]:9125"]);
        assert_eq!(shown("tcp://10.0.0.1:1").unwrap(), ["tcp 10.0.0.1:1"]);
        assert_eq!(shown("udp://[::1]:1").unwrap(), ["udp [::1]:1"]);
        for path in ["/no/such/path", "unix:///no/such/path", "unix:/no/such/path"] {
            assert_eq!(shown(path).unwrap(), ["unixgram /no/such/path"]);
        }
        for wrong in ["localhost", "http://a:1", "127.0.0.1:0", "@"] {
            assert!(Route::all(wrong).is_err(), "{wrong}");
        }
    }
}
