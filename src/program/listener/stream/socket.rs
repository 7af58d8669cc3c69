//! Listeners and connections of TCP and Unix sockets. Must not know what a connection carries.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::unix_socket::{BoundUnix, WatchedPath};
use crate::program::net::canonical;
use crate::program::readiness::Readiness;
use crate::source::{Source, UnixPeer};
use crate::telemetry::Telemetry;

/// A listening socket.
pub(crate) struct StreamListener {
    socket: Socket,
    /// The path of a Unix socket that the bridge has bound.
    path: Option<WatchedPath>,
    /// Whether it outlives this process, because systemd holds it too. The next process then accepts the connections in its queue.
    pub(super) is_inherited: bool,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl StreamListener {
    /// A TCP listener.
    pub(crate) fn tcp(listener: std::net::TcpListener, is_inherited: bool) -> io::Result<Self> {
        Ok(Self { socket: Socket::Tcp(TcpListener::from_std(listener)?), path: None, is_inherited })
    }

    /// A Unix listener. If its path is removed, it is bound again.
    pub(crate) fn unix(bound: BoundUnix, telemetry: &Arc<Telemetry>, readiness: &Arc<Readiness>) -> io::Result<Self> {
        let is_inherited = bound.is_inherited();
        let (listener, path) = bound.into_parts(telemetry, readiness);
        Ok(Self { socket: Socket::Unix(UnixListener::from_std(listener)?), path, is_inherited })
    }

    /// The kind of the socket, for messages.
    pub(super) fn transport(&self) -> &'static str {
        match self.socket {
            Socket::Tcp(_) => "tcp",
            Socket::Unix(_) => "unix",
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Source)> {
        match &self.socket {
            Socket::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), Source::Tcp(canonical(peer)))),
            Socket::Unix(listener) => listener.accept().await.map(|(stream, _)| with_peer(stream)),
        }
    }

    /// Accepts a connection from the kernel's queue without waiting.
    pub(super) fn accept_queued(&self) -> io::Result<(Stream, Source)> {
        let (stream, peer) = match &self.socket {
            Socket::Tcp(listener) => SockRef::from(listener).accept()?,
            Socket::Unix(listener) => SockRef::from(listener).accept()?,
        };
        stream.set_nonblocking(true)?;
        if let Socket::Unix(_) = self.socket {
            return Ok(with_peer(UnixStream::from_std(OwnedFd::from(stream).into())?));
        }
        let peer = peer.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((Stream::Tcp(TcpStream::from_std(stream.into())?), Source::Tcp(canonical(peer))))
    }

    /// Makes the kernel reject further connections, if the socket is one whose queue stays after that.
    pub(super) fn shut(&self) {
        if let Socket::Unix(listener) = &self.socket
            && let Err(error) = SockRef::from(listener).shutdown(Shutdown::Read)
        {
            tracing::debug!(%error, "the kernel may queue connections while the socket is closed");
        }
    }

    /// Binds a path again that was removed. Returns the previous socket, which may have connections in its queue.
    pub(super) fn check_path(&mut self) -> Option<Self> {
        let rebound = self.path.as_mut()?.check()?;
        let socket = match UnixListener::from_std(rebound) {
            Ok(listener) => Socket::Unix(listener),
            Err(error) => {
                tracing::error!(%error, "a socket that was bound again cannot be used");
                return None;
            }
        };
        Some(Self { socket: std::mem::replace(&mut self.socket, socket), path: None, is_inherited: false })
    }
}

/// Whether connections are left in a queue after this error of [`StreamListener::accept_queued`]. An empty queue that is shut is an
/// invalid argument.
pub(super) fn stays_queued(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput)
}

/// A Unix connection, and the process that opened it. The kernel names it for every connection.
fn with_peer(stream: UnixStream) -> (Stream, Source) {
    let source = match stream.peer_cred() {
        Ok(peer) => Source::Unix(UnixPeer::new(peer.pid().and_then(|pid| pid.try_into().ok()).unwrap_or(0), peer.uid())),
        Err(error) => {
            tracing::debug!(%error, "the process of a connection is not known");
            Source::Unknown
        }
    };
    (Stream::Unix(stream), source)
}

impl Stream {
    /// Waits for bytes; 0 at the end of the stream.
    pub(super) async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room).await,
            Self::Unix(stream) => stream.read(room).await,
        }
    }

    /// Reads what the kernel holds, without waiting. The socket is used directly, because tokio may not have seen the latest events yet.
    pub(super) fn read_queued(&self, room: &mut [u8]) -> io::Result<usize> {
        (&*self.socket()).read(room)
    }

    /// Makes the kernel accept no more bytes of the sender. Returns false if the kernel cannot: over TCP it would still acknowledge them.
    pub(super) fn shut(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Unix(_) => self.socket().shutdown(Shutdown::Read).is_ok(),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        }
    }
}
