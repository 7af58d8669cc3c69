//! Accepts connections, serves each in a task of its own, and ends them in order. Knows no paths and no requests.

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
use super::handshake::{FirstByte, HandshakeSteps, HandshakeTurns, SecureStream, handshake};
use super::open::{OpenConnection, OpenConnections};
use super::request_head::request_came;
use super::web_listener::{WebListener, WebStream};
use super::{http1, http2};
use crate::program::web::access::gate::Gate;
use crate::program::web::access::networks::AllowedNetwork;
use crate::program::web::activity::{Activity, CutReason};
use crate::program::web::addresses::ConnectionAddresses;
use crate::program::web::handler::RequestHandler;
use crate::telemetry::{HandshakeError, Telemetry};

/// Connections accepted in one go; then those that came are looked at before more are accepted.
const ACCEPTED_AT_ONCE: u32 = 16;

/// How the connections of one listener are accepted and served.
pub(in crate::program::web) struct Acceptor {
    /// Networks that may connect over TCP; empty: all.
    pub(in crate::program::web) allow_from: Vec<AllowedNetwork>,
    pub(in crate::program::web) limits: ConnectionLimits,
    /// How long running responses may take after shutdown.
    pub(in crate::program::web) drain_timeout: Duration,
    /// Whether it is to be known that a client got its response whole. That takes a descriptor more for each connection.
    pub(in crate::program::web) asks_clients: bool,
    /// The connections of all listeners.
    pub(in crate::program::web) open: Arc<OpenConnections>,
    /// Turns at computing a handshake.
    pub(in crate::program::web) handshakes: HandshakeTurns,
    /// Says whether connections are TLS.
    pub(in crate::program::web) gate: Arc<Gate>,
    pub(in crate::program::web) handler: Arc<RequestHandler>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
}

impl Acceptor {
    /// Accepts connections until `shutdown` ends, then lets running responses finish for `drain_timeout`.
    ///
    /// Never fails: an error of a connection ends that connection, and an error of accepting, such as too many open files, is
    /// logged and tried again a little later. Never waits for a client.
    pub(in crate::program::web) async fn run(self, listener: WebListener, shutdown: impl Future<Output = ()> + Send) {
        let acceptor = Arc::new(self);
        let stop = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let (mut pause, mut at_once) = (Duration::ZERO, 0);
        let mut shutdown = pin!(shutdown);
        let mut room = pin!(acceptor.open.make_room());
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = accept_after(pause, &listener) => match accepted {
                    Ok(stream) => {
                        pause = Duration::ZERO;
                        acceptor.start(stream, &stop, &mut connections);
                        at_once += 1;
                        if at_once % ACCEPTED_AT_ONCE == 0 || acceptor.open.many_are_ending() {
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
            debug!(connections = connections.len(), "HTTP connections cut at shutdown");
        }
    }

    /// Starts a task for the connection, unless its network may not connect.
    fn start(self: &Arc<Self>, stream: WebStream, stop: &watch::Sender<bool>, connections: &mut JoinSet<()>) {
        let addresses = stream.addresses();
        let is_in_none = |peer| !self.allow_from.iter().any(|network| network.contains(peer));
        if !self.allow_from.is_empty() && addresses.peer.is_some_and(|peer| is_in_none(peer.ip())) {
            self.telemetry.web.denied.increment(1);
            return;
        }
        let open = self.open.enter(addresses.client(), &self.telemetry);
        let client = self.client(addresses, Arc::clone(&open.activity), stop.subscribe());
        let acceptor = Arc::clone(self);
        connections.spawn(async move { acceptor.receive(stream, client, open).await });
    }

    /// What a connection of this listener is served with.
    pub(in crate::program::web) fn client(
        &self,
        addresses: ConnectionAddresses,
        activity: Arc<Activity>,
        stop: watch::Receiver<bool>,
    ) -> ClientConnection {
        let (handler, telemetry) = (Arc::clone(&self.handler), Arc::clone(&self.telemetry));
        ClientConnection { limits: self.limits, addresses, activity, handler, telemetry, stop }
    }

    /// Waits for the request, or the handshake, and for a place; then serves.
    async fn receive(&self, stream: WebStream, client: ClientConnection, open: OpenConnection) {
        let is_tls = self.gate.has_tls();
        let came = async {
            match request_came(&stream, is_tls, self.limits.header_bytes, || open.begun()).await {
                true => Some(open.place().await),
                false => None,
            }
        };
        let has_place = tokio::select! {
            has_place = came => has_place,
            cut = open.activity.cut_when_overdue(self.limits.deadlines) => return self.sent_away(&client, cut),
            () = client.stopped() => return,
        };
        match has_place {
            None if is_tls => return self.telemetry.web.handshake_error(HandshakeError::Closed),
            None => return,
            Some(false) => return self.sent_away(&client, CutReason::Evicted),
            Some(true) => {}
        }
        if self.asks_clients
            && let Some(probe) = stream.probe()
        {
            open.activity.ask(probe);
        }
        // What serves is larger than what waits, of which there are many: it has memory of its own.
        match stream {
            WebStream::Tcp(stream) => {
                // Without it a small response may wait for the client's delayed acknowledgement; failing to set it hurts nobody.
                let _ = stream.set_nodelay(true);
                Box::pin(self.serve(stream, client, open)).await;
            }
            WebStream::Unix(stream) => Box::pin(self.serve(stream, client, open)).await,
        }
    }

    /// Counts a connection that ended without a place: cut, or rejected if its request had come.
    fn sent_away(&self, client: &ClientConnection, cut: CutReason) {
        if cut == CutReason::Evicted && client.activity.has_waited() {
            return self.telemetry.scrape.connections_refused.increment(1);
        }
        client.count_cut(cut);
    }

    /// A handshake, if connections are TLS; then HTTP in the version that it led to. The place is held to the end.
    async fn serve<S>(&self, stream: S, client: ClientConnection, open: OpenConnection)
    where
        S: AsyncRead + AsyncWrite + Unpin + FirstByte,
    {
        // Until the handshake is done the connection counts as idle and may be evicted.
        let Some(config) = self.gate.tls() else { return http1::serve(stream, client).await };
        let deadlines = self.limits.deadlines;
        let turns = HandshakeSteps { turns: &self.handshakes, client: open.client, activity: &open.activity };
        let shaken = tokio::select! {
            shaken = handshake(stream, config, deadlines.header, turns) => shaken,
            cut = client.activity.cut_when_overdue(deadlines) => {
                client.count_cut(cut);
                return debug!(?cut, "HTTPS connection cut in its handshake");
            }
            () = client.stopped() => return,
        };
        client.activity.awaits_request();
        match shaken {
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

/// A connection that is gone before it was accepted costs no time. Anything else, mostly a lack of descriptors, will not be
/// better in a microsecond, so the pause doubles up to a second; it is logged once.
fn pause_after(error: &io::Error, pause: Duration) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return Duration::ZERO;
    }
    if pause.is_zero() {
        warn!(%error, "cannot accept an HTTP connection, trying again");
    }
    (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1))
}
