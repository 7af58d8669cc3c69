//! The TLS handshake of a connection: with a deadline, in turns, and with a reason if it fails.
//!
//! A client that sends plain text is recognised by its first byte, before anything is read. Must not know what a connection carries.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::places::Place;
use crate::lock::lock;
use crate::program::faults::Faults;
use crate::program::listener::stop::{Stop, stopped};
use crate::program::net::ClientAddress;
use crate::program::tls::handshake::{HandshakeTurns, reason};
use crate::program::tls::listener_tls::ListenerTls;
use crate::source::Source;
use crate::telemetry::{HandshakeError, StreamTlsErrors};

/// How long a handshake may take, from the accept to its last message. The web server has the same limit.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a handshake may take after the stop signal. Its client may have sent lines already.
const STOP_GRACE: Duration = Duration::from_millis(250);
/// The first byte of a TLS record that belongs to a handshake. No line begins with it.
const HANDSHAKE_RECORD: u8 = 0x16;

/// TLS for the connections of all listeners of one kind.
pub(crate) struct StreamTls {
    config: Arc<ListenerTls>,
    turns: HandshakeTurns,
    errors: StreamTlsErrors,
    /// Clients that send plain text.
    plain_text: Mutex<Faults>,
    /// Other failed handshakes, by reason.
    faults: Mutex<[Faults; HandshakeError::ALL.len()]>,
}

/// The reason why there is no connection after a handshake.
enum HandshakeEnd {
    /// The client closed the connection before it sent a byte, such as a probe.
    Unused,
    /// The handshake failed, which is counted.
    Failed,
    /// A new connection evicted it.
    Evicted,
    /// The bridge is shutting down.
    Stopped,
}

impl StreamTls {
    /// TLS by this configuration, whose handshakes take these turns. Failed ones count in `errors`.
    pub(crate) fn new(config: Arc<ListenerTls>, turns: HandshakeTurns, errors: StreamTlsErrors) -> Self {
        Self { config, turns, errors, plain_text: Mutex::default(), faults: Mutex::default() }
    }

    /// Performs the handshake of a connection. If it fails, counts and logs the reason.
    pub(super) async fn secure(&self, stream: TcpStream, source: &Source, place: &Place, stop: &Stop) -> Option<TlsStream<TcpStream>> {
        let mut stop = stop.subscribe();
        let result = tokio::select! {
            result = tokio::time::timeout(DEADLINE, self.handshake(stream, source)) => {
                result.unwrap_or_else(|_| Err(self.failed(HandshakeError::Timeout, None, source)))
            }
            () = place.evicted() => Err(HandshakeEnd::Evicted),
            () = cut(&mut stop) => Err(HandshakeEnd::Stopped),
        };
        match result {
            Ok(stream) => return Some(stream),
            Err(HandshakeEnd::Evicted) => tracing::debug!(%source, "connection evicted during its TLS handshake"),
            Err(HandshakeEnd::Unused | HandshakeEnd::Failed | HandshakeEnd::Stopped) => (),
        }
        None
    }

    async fn handshake(&self, stream: TcpStream, source: &Source) -> Result<TlsStream<TcpStream>, HandshakeEnd> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(0) => return Err(HandshakeEnd::Unused),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(HandshakeEnd::Unused),
            Err(error) => return Err(self.failed(HandshakeError::Closed, Some(error), source)),
            Ok(_) if first != [HANDSHAKE_RECORD] => return Err(self.plain_text(source)),
            Ok(_) => (),
        }
        let accept = TlsAcceptor::from(self.config.config()).accept(stream);
        let result = self.turns.run(client(source), |_| (), accept).await;
        result.map_err(|error| self.failed(reason(&error), Some(error), source))
    }

    /// Counts and logs a client that sends plain text, before it sees that the connection is closed.
    fn plain_text(&self, source: &Source) -> HandshakeEnd {
        self.errors.handshake(HandshakeError::NotTls);
        lock(&self.plain_text).warn(|times| {
            tracing::warn!(%source, times, "connection closed: the client sends plain text, and --statsd.tls-config-file requires TLS");
        });
        HandshakeEnd::Failed
    }

    /// Counts and logs a failed handshake.
    fn failed(&self, error: HandshakeError, cause: Option<io::Error>, source: &Source) -> HandshakeEnd {
        self.errors.handshake(error);
        let reason = error.as_str();
        if let Some(faults) = lock(&self.faults).get_mut(error as usize) {
            faults.warn(|times| match cause {
                Some(error) => tracing::warn!(%source, reason, %error, times, "connection closed: the TLS handshake failed"),
                None => tracing::warn!(%source, reason, times, "connection closed: the TLS handshake took too long"),
            });
        }
        HandshakeEnd::Failed
    }
}

/// Resolves a moment after the stop signal.
async fn cut(stop: &mut watch::Receiver<bool>) {
    stopped(stop).await;
    tokio::time::sleep(STOP_GRACE).await;
}

fn client(source: &Source) -> ClientAddress {
    ClientAddress::of(match source {
        Source::Tcp(address) | Source::Udp(address) => Some(address.ip()),
        Source::Unix(_) | Source::UnixgramOf(_) | Source::Unixgram | Source::Unknown => None,
    })
}
