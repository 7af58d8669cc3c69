//! A socket that accepts web clients, TCP or Unix, and the streams that it gives. Knows no HTTP.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, recv};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::program::net::canonical;
use crate::program::web::addresses::ConnectionAddresses;

/// A bound socket that clients connect to.
#[derive(Debug)]
pub(crate) enum WebListener {
    /// An address and a port.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

impl From<TcpListener> for WebListener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for WebListener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl WebListener {
    pub(super) async fn accept(&self) -> io::Result<WebStream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| WebStream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| WebStream::Unix(stream)),
        }
    }
}

/// A connection as it was accepted.
#[derive(Debug)]
pub(super) enum WebStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl WebStream {
    /// Waits until there is something to read.
    pub(super) async fn readable(&self) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(Interest::READABLE).await,
            Self::Unix(stream) => stream.ready(Interest::READABLE).await,
        }
    }

    /// Shows what has come, up to 16 KiB and without taking it, nothing at the end of the stream. Where `judge` says nothing, it is as
    /// if nothing had come, and [`readable`](Self::readable) waits for more.
    pub(super) fn look<T>(&self, judge: impl FnOnce(&[u8]) -> Option<T>) -> io::Result<T> {
        let peek = |socket: BorrowedFd<'_>| {
            let mut bytes = [0; 16 << 10];
            let (length, _) = recv(socket, &mut bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            judge(bytes.get(..length).unwrap_or_default()).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
        }
    }

    /// Whether the connection broke, as by the reset of a client that left. What it sent before can still be looked at then.
    pub(super) fn is_broken(&self) -> bool {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        !matches!(error, Ok(None))
    }

    /// What says whether the connection broke, such as by the reset with which a system answers for a program that left; none where there
    /// is no descriptor for it.
    pub(super) fn probe(&self) -> Option<Box<dyn Fn() -> bool + Send + Sync>> {
        let is_broken = |error: io::Result<Option<io::Error>>| !matches!(error, Ok(None));
        match self {
            Self::Tcp(stream) => {
                let twin = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned().ok()?);
                Some(Box::new(move || is_broken(twin.take_error())))
            }
            Self::Unix(stream) => {
                let twin = std::os::unix::net::UnixStream::from(stream.as_fd().try_clone_to_owned().ok()?);
                Some(Box::new(move || is_broken(twin.take_error())))
            }
        }
    }

    pub(super) fn addresses(&self) -> ConnectionAddresses {
        match self {
            // A socket for both families tells IPv4 as ::ffff:127.0.0.1, which people do not write.
            Self::Tcp(stream) => {
                let plain = |address: io::Result<_>| address.ok().map(canonical);
                ConnectionAddresses { local: plain(stream.local_addr()), peer: plain(stream.peer_addr()) }
            }
            Self::Unix(_) => ConnectionAddresses::default(),
        }
    }
}
