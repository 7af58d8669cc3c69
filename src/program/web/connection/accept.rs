//! Accepts connections, serves each in its own task, and drains them at shutdown.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::client::{ClientConnection, ConnectionLimits};
use super::handshake::{FirstByte, HandshakeSteps, SecureStream, handshake};
use super::open::{OpenConnection, OpenConnections};
use super::request_head::wait_for_request;
use super::web_listener::{WebListener, WebStream};
use super::{http1, http2};
use crate::program::net::AllowedNetwork;
use crate::program::tls::handshake::HandshakeTurns;
use crate::program::web::access::gate::Gate;
use crate::program::web::activity::{Activity, CutReason};
use crate::program::web::addresses::ConnectionAddresses;
use crate::program::web::handler::RequestHandler;
use crate::telemetry::{HandshakeError, Telemetry};

/// After accepting this many connections, the acceptor yields, so that their tasks run before more are accepted.
const ACCEPT_BATCH: u32 = 16;

/// Accepts and serves the connections of one listener.
pub(in crate::program::web) struct Acceptor {
    /// Networks that may connect over TCP; empty: all.
    pub(in crate::program::web) allow_from: Vec<AllowedNetwork>,
    pub(in crate::program::web) limits: ConnectionLimits,
    /// How long open responses may take to finish after shutdown starts.
    pub(in crate::program::web) drain_timeout: Duration,
    /// Whether to determine if clients received their responses. Needs another file descriptor for each connection.
    pub(in crate::program::web) confirm_delivery: bool,
    /// The connections of all listeners.
    pub(in crate::program::web) open: Arc<OpenConnections>,
    /// Limits concurrent handshakes.
    pub(in crate::program::web) handshakes: HandshakeTurns,
    /// Decides whether connections use TLS.
    pub(in crate::program::web) gate: Arc<Gate>,
    pub(in crate::program::web) handler: Arc<RequestHandler>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
}

impl Acceptor {
    /// Accepts connections until `shutdown` completes, then lets open responses finish for up to `drain_timeout`.
    ///
    /// Never fails: an error on a connection ends that connection. If accepting fails, for example because too many files are open, the
    /// acceptor logs the error and retries after a pause. Accepting never waits for a client.
    pub(in crate::program::web) async fn run(self, listener: WebListener, shutdown: impl Future<Output = ()> + Send) {
        let acceptor = Arc::new(self);
        let stop = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let (mut pause, mut accepted_count) = (Duration::ZERO, 0_u32);
        let mut shutdown = pin!(shutdown);
        let mut room = pin!(acceptor.open.make_room());
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = accept_after(pause, &listener) => match accepted {
                    Ok(stream) => {
                        pause = Duration::ZERO;
                        acceptor.start(stream, &stop, &mut connections);
                        accepted_count = accepted_count.wrapping_add(1);
                        if accepted_count % ACCEPT_BATCH == 0 || acceptor.open.many_are_closing() {
                            yield_now().await;
                        }
                    }
                    Err(error) => pause = pause_after(&error, pause),
                },
                () = &mut room => {}
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        stop.send_replace(true);
        let drained = timeout(acceptor.drain_timeout, async { while connections.join_next().await.is_some() {} });
        if drained.await.is_err() {
            debug!(connections = connections.len(), "HTTP connections closed at the end of the drain timeout");
        }
    }

    /// Starts a task for the connection, unless its network may not connect.
    fn start(self: &Arc<Self>, stream: WebStream, stop: &watch::Sender<bool>, connections: &mut JoinSet<()>) {
        let addresses = stream.addresses();
        let is_allowed = |peer| self.allow_from.iter().any(|network| network.contains(peer));
        if !self.allow_from.is_empty() && addresses.peer.is_some_and(|peer| !is_allowed(peer.ip())) {
            self.telemetry.web.denied.increment(1);
            return;
        }
        let open = self.open.enter(addresses.client(), &self.telemetry);
        let client = self.client_connection(addresses, Arc::clone(&open.activity), stop.subscribe());
        let acceptor = Arc::clone(self);
        connections.spawn(async move { acceptor.admit(stream, client, open).await });
    }

    /// Creates the limits and state of a connection of this listener.
    pub(in crate::program::web) fn client_connection(
        &self,
        addresses: ConnectionAddresses,
        activity: Arc<Activity>,
        stop: watch::Receiver<bool>,
    ) -> ClientConnection {
        let (handler, telemetry) = (Arc::clone(&self.handler), Arc::clone(&self.telemetry));
        ClientConnection { limits: self.limits, addresses, activity, handler, telemetry, stop }
    }

    /// Waits for the first request or handshake message, then for a slot; then serves the connection.
    async fn admit(&self, stream: WebStream, client: ClientConnection, open: OpenConnection) {
        let is_tls = self.gate.has_tls();
        let slot = async {
            match wait_for_request(&stream, is_tls, self.limits.header_bytes, || open.request_started()).await {
                true => Some(open.wait_for_slot().await),
                false => None,
            }
        };
        let has_slot = tokio::select! {
            has_slot = slot => has_slot,
            cut = open.activity.cut_when_overdue(self.limits.deadlines) => return self.count_evicted(&client, cut),
            () = client.stopped() => return,
        };
        match has_slot {
            None if is_tls => return self.telemetry.web.handshake_error(HandshakeError::Closed),
            None => return,
            Some(false) => return self.count_evicted(&client, CutReason::Evicted),
            Some(true) => {}
        }
        if self.confirm_delivery
            && let Some(probe) = stream.probe()
        {
            open.activity.set_probe(probe);
        }
        // The serving future is large. Boxing it keeps the futures of the many waiting connections small.
        match stream {
            WebStream::Tcp(stream) => {
                // Without TCP_NODELAY a small response may wait for the client's delayed ACK. An error only costs that delay.
                let _ = stream.set_nodelay(true);
                Box::pin(self.serve(stream, client, open)).await;
            }
            WebStream::Unix(stream) => Box::pin(self.serve(stream, client, open)).await,
        }
    }

    /// Counts a connection that ended without a slot: as rejected if its request was received, otherwise as cut.
    fn count_evicted(&self, client: &ClientConnection, cut: CutReason) {
        if cut == CutReason::Evicted && client.activity.is_waiting() {
            return self.telemetry.scrape.connections_rejected.increment(1);
        }
        client.count_cut(cut);
    }

    /// Performs the handshake if the listener uses TLS, then serves HTTP/1 or HTTP/2. Holds the slot until the connection ends.
    async fn serve<S>(&self, stream: S, client: ClientConnection, open: OpenConnection)
    where
        S: AsyncRead + AsyncWrite + Unpin + FirstByte,
    {
        // During the handshake the connection counts as idle and may be evicted.
        let Some(config) = self.gate.tls() else { return http1::serve(stream, client).await };
        let deadlines = self.limits.deadlines;
        let steps = HandshakeSteps { turns: &self.handshakes, client: open.client, activity: &open.activity };
        let result = tokio::select! {
            result = handshake(stream, config, deadlines.header, steps) => result,
            cut = client.activity.cut_when_overdue(deadlines) => {
                client.count_cut(cut);
                return debug!(?cut, "HTTPS connection cut during the handshake");
            }
            () = client.stopped() => return,
        };
        client.activity.start_idle();
        match result {
            Ok(SecureStream { stream, is_http2: true }) => http2::serve(stream, client).await,
            Ok(SecureStream { stream, is_http2: false }) => http1::serve(stream, client).await,
            Err(error) => self.telemetry.web.handshake_error(error),
        }
    }
}

async fn accept_after(pause: Duration, listener: &WebListener) -> io::Result<WebStream> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    listener.accept().await
}

/// The pause after an accept error. There is none if the client disconnected before its connection was accepted. Other errors, usually too
/// many open files, last longer: the pause doubles up to a second, and only the first error is logged.
fn pause_after(error: &io::Error, pause: Duration) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return Duration::ZERO;
    }
    if pause.is_zero() {
        warn!(%error, "cannot accept an HTTP connection; retrying");
    }
    (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1))
}
