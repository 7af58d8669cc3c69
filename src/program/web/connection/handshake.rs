//! TLS handshakes of HTTP clients, with a deadline. Also detects clients that send plain HTTP by mistake.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::program::net::ClientAddress;
use crate::program::tls::handshake::{HandshakeTurns, HandshakeWait, reason};
use crate::program::web::activity::Activity;
use crate::telemetry::HandshakeError;

/// The response to a client that sends plain HTTP to a TLS listener.
const WRONG_SCHEME: &[u8] = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// A stream after the handshake.
pub(super) struct SecureStream<S> {
    pub(super) stream: TlsStream<S>,
    /// Whether HTTP/2 was negotiated.
    pub(super) is_http2: bool,
}

/// The context in which the steps of a handshake are computed.
pub(super) struct HandshakeSteps<'a> {
    pub(super) turns: &'a HandshakeTurns,
    pub(super) client: ClientAddress,
    pub(super) activity: &'a Activity,
}

/// Performs a handshake, for at most `timeout`.
pub(super) async fn handshake<S>(
    stream: S,
    config: Arc<ServerConfig>,
    timeout: Duration,
    steps: HandshakeSteps<'_>,
) -> Result<SecureStream<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + FirstByte,
{
    let end = Instant::now() + timeout;
    let mut stream = stream;
    if timeout_at(end, stream.starts_with_letter()).await.map_err(|_| HandshakeError::Timeout)? {
        // The connection is closed in any case, so errors do not matter. The socket buffer is empty and has room for the response.
        let _ = timeout_at(end, stream.write_all(WRONG_SCHEME)).await;
        let _ = timeout_at(end, stream.shutdown()).await;
        return Err(HandshakeError::NotTls);
    }
    let observe = |wait| match wait {
        HandshakeWait::Turn => steps.activity.start_waiting(),
        HandshakeWait::Client => steps.activity.start_idle(),
    };
    match timeout_at(end, steps.turns.run(steps.client, observe, TlsAcceptor::from(config).accept(stream))).await {
        Err(_) => Err(HandshakeError::Timeout),
        Ok(Ok(stream)) => {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(SecureStream { stream, is_http2 })
        }
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            Err(reason(&error))
        }
    }
}

/// A stream whose first byte can be peeked at.
pub(super) trait FirstByte {
    /// Waits for the first byte and returns whether it is an upper-case letter, as in `GET`. A handshake never starts with one.
    async fn starts_with_letter(&mut self) -> bool;
}

impl FirstByte for TcpStream {
    async fn starts_with_letter(&mut self) -> bool {
        let mut first = [0];
        matches!(self.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
    }
}

impl FirstByte for tokio::net::UnixStream {
    async fn starts_with_letter(&mut self) -> bool {
        // Tokio cannot peek at Unix sockets; the client gets a TLS alert instead.
        false
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::program::web::addresses::ConnectionAddresses;

    const SHORT: Duration = Duration::from_millis(40);
    const HOUR: Duration = Duration::from_secs(3600);

    fn config() -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }

    /// Both ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    async fn why(bytes: &[u8], limit: Duration) -> (Option<HandshakeError>, TcpStream) {
        let (mut client, server) = pair().await;
        client.write_all(bytes).await.unwrap();
        if limit == HOUR {
            client.shutdown().await.unwrap();
        }
        let (turns, activity) = (HandshakeTurns::default(), Activity::new());
        let steps = HandshakeSteps { turns: &turns, client: ConnectionAddresses::default().client(), activity: &activity };
        (handshake(server, config(), limit, steps).await.err(), client)
    }

    #[tokio::test]
    async fn silent_and_incomplete_handshakes_time_out() {
        assert_eq!(why(b"", SHORT).await.0, Some(HandshakeError::Timeout));
        // The start of a record of 512 bytes.
        assert_eq!(why(&[0x16, 3, 1, 2, 0, 1], SHORT).await.0, Some(HandshakeError::Timeout));
    }

    #[tokio::test]
    async fn clients_without_tls_get_an_error() {
        let (error, mut client) = why(b"GET / HTTP/1.1\r\n\r\n", HOUR).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(error, Some(HandshakeError::NotTls));
        assert!(answer.starts_with("HTTP/1.0 400 ") && answer.ends_with("HTTPS server.\n"), "{answer}");
        assert_eq!(why(b"\x00rubbish that is no record of anything", HOUR).await.0, Some(HandshakeError::NotTls));
        assert_eq!(why(b"", HOUR).await.0, Some(HandshakeError::Closed));
        assert_eq!(why(&[0x16, 3, 1, 2, 0, 1], HOUR).await.0, Some(HandshakeError::Closed));
    }
}
