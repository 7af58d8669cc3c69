//! A socket that accepts web clients, TCP or Unix, and the streams that it gives. Knows no HTTP.

use std::io;

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
