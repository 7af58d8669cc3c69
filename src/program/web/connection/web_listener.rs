//! TCP and Unix listeners for web clients, and the streams that they accept.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, recv};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::program::net::canonical;
use crate::program::web::addresses::ConnectionAddresses;

/// A bound listening socket.
#[derive(Debug)]
pub(crate) enum WebListener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
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

/// An accepted connection.
#[derive(Debug)]
pub(super) enum WebStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl WebStream {
    /// Waits until the stream is readable.
    pub(super) async fn readable(&self) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(Interest::READABLE).await,
            Self::Unix(stream) => stream.ready(Interest::READABLE).await,
        }
    }

    /// Passes up to 16 KiB of the received bytes to `judge` without consuming them; the slice is empty at the end of the stream. If
    /// `judge` returns `None`, the result is `WouldBlock`, and [`readable`](Self::readable) waits for more bytes.
    pub(super) fn peek<T>(&self, judge: impl FnOnce(&[u8]) -> Option<T>) -> io::Result<T> {
        let peek = |socket: BorrowedFd<'_>| {
            let mut bytes = [MaybeUninit::uninit(); 16 << 10];
            let ((received, _), _) = recv(socket, bytes.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            judge(received).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
        }
    }

    /// Whether the connection has failed, for example because the client reset it. Bytes received before can still be peeked at.
    pub(super) fn has_failed(&self) -> bool {
        has_failed(match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        })
    }

    /// Returns a function that reports whether the connection has failed, for example because the client's system sent a reset. `None` if
    /// no file descriptor is available.
    pub(super) fn probe(&self) -> Option<Box<dyn Fn() -> bool + Send + Sync>> {
        match self {
            Self::Tcp(stream) => {
                let duplicate = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned().ok()?);
                Some(Box::new(move || has_failed(duplicate.take_error())))
            }
            Self::Unix(stream) => {
                let duplicate = std::os::unix::net::UnixStream::from(stream.as_fd().try_clone_to_owned().ok()?);
                Some(Box::new(move || has_failed(duplicate.take_error())))
            }
        }
    }

    pub(super) fn addresses(&self) -> ConnectionAddresses {
        match self {
            // Dual-stack sockets report IPv4 addresses as ::ffff:127.0.0.1.
            Self::Tcp(stream) => {
                let canonical = |address: io::Result<_>| address.ok().map(canonical);
                ConnectionAddresses { local: canonical(stream.local_addr()), peer: canonical(stream.peer_addr()) }
            }
            Self::Unix(_) => ConnectionAddresses::default(),
        }
    }
}

/// Whether the result of `take_error` is that of a failed connection.
fn has_failed(error: io::Result<Option<io::Error>>) -> bool {
    !matches!(error, Ok(None))
}
