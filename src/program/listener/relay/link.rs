//! A connected socket to a target, of any kind. Sending waits at most for a moment. Must not know lines.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::target::Endpoint;

/// The longest wait of one send call, after which its thread checks the stop signal.
const SEND_TIMEOUT: Duration = Duration::from_millis(250);
/// Time limit for connecting over TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A TCP connection ends if its target has not acknowledged bytes for this long.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// A connected socket.
pub(super) struct Link {
    socket: Socket,
    /// The address of a UDP or TCP target.
    pub(super) address: Option<SocketAddr>,
}

impl Link {
    /// Connects to a target, whose host name was resolved to `address`.
    pub(super) fn connect(endpoint: &Endpoint, address: Option<SocketAddr>) -> io::Result<Self> {
        let kind = if endpoint.is_stream() { Type::STREAM } else { Type::DGRAM };
        let (domain, to) = match (endpoint, address) {
            (Endpoint::Unixgram(path) | Endpoint::Unixstream(path), _) => {
                // A leading NUL means an abstract name.
                let name = path.strip_prefix('@').map(|name| format!("\0{name}"));
                (Domain::UNIX, SockAddr::unix(name.as_ref().unwrap_or(path))?)
            }
            (Endpoint::Udp(..) | Endpoint::Tcp(_), Some(address)) => (Domain::for_address(address), address.into()),
            (Endpoint::Udp(..) | Endpoint::Tcp(_), None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let socket = Socket::new(domain, kind.cloexec(), None)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        if matches!(endpoint, Endpoint::Tcp(_)) {
            socket.connect_timeout(&to, CONNECT_TIMEOUT)?;
            socket.set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN))?;
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ACKNOWLEDGED_WITHIN))?;
        } else {
            socket.connect(&to)?;
        }
        Ok(Self { socket, address })
    }

    /// Sends bytes, of a stream possibly only a part. `WouldBlock` if the target accepts nothing at the moment.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_with_flags(bytes, libc::MSG_NOSIGNAL)
    }

    /// The error that the kernel has reported for an earlier datagram.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().unwrap_or_else(Some)
    }

    /// Whether the other end of a stream is open. Bytes that it sends are discarded.
    pub(super) fn is_open(&self) -> bool {
        let mut buffer = [const { MaybeUninit::uninit() }; 512];
        match self.socket.recv_with_flags(&mut buffer, libc::MSG_DONTWAIT) {
            Ok(received) => received > 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}
