//! Listeners and connections of TCP and Unix sockets, and TLS over TCP. Must not know what a connection carries.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

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
    Tls(Box<TlsStream<TcpStream>>),
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
            Self::Tls(stream) => stream.read(room).await,
            Self::Unix(stream) => stream.read(room).await,
        }
    }

    /// Reads what the kernel holds, without waiting. The socket is used directly, because tokio may not have seen the latest events yet.
    pub(super) fn read_queued(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let Self::Tls(stream) = self {
            return read_decrypted(stream, room);
        }
        (&*self.socket()).read(room)
    }

    /// Whether bytes are decrypted and not read yet. The kernel acknowledged them, and does not hold them.
    pub(super) fn has_decrypted(&mut self) -> bool {
        let Self::Tls(stream) = self else { return false };
        stream.get_mut().1.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    /// Tells the client that the bridge closes the connection, if its protocol can. Does not wait.
    pub(super) fn say_closed(&mut self) {
        if let Self::Tls(stream) = self {
            let (socket, session) = stream.get_mut();
            session.send_close_notify();
            // A client that reads nothing does not get it.
            drop(session.write_tls(&mut &*SockRef::from(&*socket)));
        }
    }

    /// Makes the kernel accept no more bytes of the sender. Returns false if the kernel cannot: over TCP it would still acknowledge them.
    pub(super) fn shut(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Tls(_) => false,
            Self::Unix(_) => self.socket().shutdown(Shutdown::Read).is_ok(),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
            Self::Unix(stream) => SockRef::from(stream),
        }
    }
}

/// Reads and decrypts what the kernel holds, without waiting, up to one record more than needed. A stream that ends without the closing
/// message of TLS is an unexpected end.
fn read_decrypted(stream: &mut TlsStream<TcpStream>, room: &mut [u8]) -> io::Result<usize> {
    let (socket, session) = stream.get_mut();
    let socket = SockRef::from(&*socket);
    loop {
        match session.reader().read(room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        session.read_tls(&mut &*socket)?;
        session.process_new_packets().map_err(io::Error::other)?;
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::AsyncWriteExt as _;
    use tokio_rustls::{TlsAcceptor, TlsConnector, client};

    use super::*;

    /// Both ends of a TLS connection.
    async fn pair() -> (client::TlsStream<TcpStream>, Stream) {
        let key = KeyPair::generate().unwrap();
        let certificate: CertificateDer<'static> =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let mut server = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        // As for all listeners: a client that closes its socket with unread tickets resets the connection.
        server.send_tls13_tickets = 0;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let connector = TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = TlsAcceptor::from(Arc::new(server)).accept(listener.accept().await.unwrap().0);
        let (client, server) =
            tokio::join!(connector.connect(ServerName::try_from("localhost").unwrap(), client), async { accepted.await.unwrap() });
        (client.unwrap(), Stream::Tls(Box::new(server)))
    }

    /// Reads without waiting until there is something, such as an end or an error. Bytes on loopback arrive after a moment.
    fn read(stream: &mut Stream, room: &mut [u8]) -> io::Result<usize> {
        let start = std::time::Instant::now();
        loop {
            match stream.read_queued(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed().as_secs() < 120 => std::thread::yield_now(),
                read => return read,
            }
        }
    }

    #[tokio::test]
    async fn what_is_queued_is_decrypted_without_waiting_and_then_whether_it_is_complete() {
        for is_closed in [true, false] {
            let (mut client, mut server) = pair().await;
            let kind = |read: io::Result<usize>| read.map_err(|error| error.kind());
            assert_eq!(kind(server.read_queued(&mut [0])), Err(io::ErrorKind::WouldBlock));
            assert!(!server.has_decrypted());
            client.write_all(&[b'x'; 10_000]).await.unwrap();
            client.flush().await.unwrap();
            let (mut sum, mut room) = (0, [0; 4096]);
            while sum < 10_000 {
                sum += read(&mut server, &mut room).unwrap();
                assert_eq!(server.has_decrypted(), sum < 10_000, "a record is decrypted at once");
            }
            if is_closed {
                client.shutdown().await.unwrap();
                assert_eq!(kind(read(&mut server, &mut room)), Ok(0));
            } else {
                drop(client);
                assert_eq!(kind(read(&mut server, &mut room)), Err(io::ErrorKind::UnexpectedEof));
                assert_eq!(kind(read(&mut server, &mut room)), Err(io::ErrorKind::UnexpectedEof), "again");
            }
        }
    }

    #[tokio::test]
    async fn a_client_is_told_that_the_connection_is_closed_unless_it_reads_nothing() {
        let (mut client, mut server) = pair().await;
        server.say_closed();
        drop(server);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "not an unexpected end");
    }
}
