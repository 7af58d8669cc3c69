//! The handshake of one connection: bounded in time, its failures counted by reason.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, Error, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::telemetry::HandshakeError;

/// What a client of plain HTTP gets from a listener that speaks TLS.
const WRONG_SCHEME: &[u8] = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// A connection after its handshake.
pub(in crate::web) struct Shaken<S> {
    pub(in crate::web) stream: TlsStream<S>,
    /// Whether both sides agreed on HTTP/2.
    pub(in crate::web) http2: bool,
}

/// Does the handshake, which may take `patience` in all.
pub(in crate::web) async fn shake<S>(stream: S, config: Arc<ServerConfig>, patience: Duration) -> Result<Shaken<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Peek,
{
    let end = Instant::now() + patience;
    let mut stream = stream;
    if timeout_at(end, stream.starts_with_letter()).await.map_err(|_| HandshakeError::Timeout)? {
        // The answer is short and the socket's buffer is empty: this waits for nothing.
        let _ = timeout_at(end, stream.write_all(WRONG_SCHEME)).await;
        let _ = timeout_at(end, stream.shutdown()).await;
        return Err(HandshakeError::NotTls);
    }
    match timeout_at(end, TlsAcceptor::from(config).accept(stream)).await {
        Err(_) => Err(HandshakeError::Timeout),
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Shaken { stream, http2 })
        }
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            Err(reason(&error))
        }
    }
}

/// A stream that may tell its first byte without taking it.
pub(in crate::web) trait Peek {
    /// Whether what comes first is a letter, as in `GET`, and no handshake. Waits for it.
    async fn starts_with_letter(&mut self) -> bool;
}

impl Peek for TcpStream {
    async fn starts_with_letter(&mut self) -> bool {
        let mut first = [0];
        matches!(self.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
    }
}

impl Peek for tokio::net::UnixStream {
    async fn starts_with_letter(&mut self) -> bool {
        // Cannot be asked: such a client gets a TLS alert.
        false
    }
}

fn reason(error: &io::Error) -> HandshakeError {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return HandshakeError::Closed };
    match error {
        Error::NoCertificatesPresented => HandshakeError::NoCertificate,
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => HandshakeError::NotAllowed,
        Error::InvalidCertificate(_) | Error::UnsupportedNameType => HandshakeError::BadCertificate,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeError::Incompatible,
        Error::AlertReceived(_) => HandshakeError::Alert,
        Error::InvalidMessage(_) => HandshakeError::NotTls,
        _ => HandshakeError::Other,
    }
}
