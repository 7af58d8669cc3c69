//! Accepts connections, runs each in a task of its own, and ends them in order. Knows no paths.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::handshake::{Peek, Shaken, shake};
use super::http2;
use crate::bridge::Bridge;
use crate::program::web::access::gate::Passage;
use crate::program::web::access::networks::{Listener, Stream};
use crate::program::web::activity::{Cut, Noted, Patience, Pulse};
use crate::program::web::router::{Answer, answer, text};
use crate::program::web::{Options, State};

/// What every connection of a listener needs.
pub(in crate::program::web) struct Site {
    pub(in crate::program::web) options: Options,
    pub(in crate::program::web) bridge: Bridge,
    pub(in crate::program::web) state: Arc<State>,
    /// Begins with a slash.
    pub(in crate::program::web) telemetry_path: String,
}

impl Site {
    pub(in crate::program::web) fn new(options: Options, bridge: Bridge, state: Arc<State>) -> Self {
        let path = options.telemetry_path.as_str();
        let telemetry_path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Self { options, bridge, state, telemetry_path }
    }
}

/// Serves HTTP on `listener` until `shutdown` ends, then lets running responses finish for `drain_timeout`.
///
/// Over TLS, and only to those who may read, where the gate of `state` says so. Never fails: an error of a connection ends that
/// connection, and an error of accepting, such as too many open files, is logged and tried again a little later. Needs a Tokio
/// runtime with time and I/O enabled.
pub(crate) async fn serve(
    listener: impl Into<Listener>,
    options: Options,
    bridge: Bridge,
    state: Arc<State>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let listener = listener.into();
    let site = Arc::new(Site::new(options, bridge, state));
    let stop = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut pause = Duration::ZERO;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = accept_after(pause, &listener) => match accepted {
                Ok(stream) => {
                    pause = Duration::ZERO;
                    let place = tokio::select! {
                        () = &mut shutdown => break,
                        place = place_for(&site, &stream) => place,
                    };
                    if let Some(place) = place {
                        start(place, stream, &stop, &mut connections);
                    }
                }
                Err(error) => pause = pause_after(&error, pause),
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = timeout(site.options.drain_timeout, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        debug!(connections = connections.len(), "HTTP connections cut at shutdown");
    }
}

async fn accept_after(pause: Duration, listener: &Listener) -> io::Result<Stream> {
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

/// A place for the connection, unless it may not come from there. Where so many are open, one that is silent goes for it; if there is
/// none, there is no place.
async fn place_for(site: &Arc<Site>, stream: &Stream) -> Option<Place> {
    let allowed = &site.options.allow_from;
    if !allowed.is_empty() && stream.ends().peer.is_some_and(|peer| !allowed.iter().any(|network| network.contains(peer.ip()))) {
        site.bridge.telemetry().web.denied.increment(1);
        return None;
    }
    let place = Place::take(site).await;
    if place.is_none() {
        site.bridge.telemetry().scrape.connections_refused.increment(1);
    }
    place
}

/// Starts a task for the connection.
fn start(place: Place, stream: Stream, stop: &watch::Sender<bool>, connections: &mut JoinSet<()>) {
    let (ends, stop) = (stream.ends(), stop.subscribe());
    match stream {
        Stream::Tcp(stream) => {
            // Without it a small answer may wait for the client's delayed acknowledgement; failing to set it hurts nobody.
            let _ = stream.set_nodelay(true);
            connections.spawn(async move { over_tls_or_not(stream, &place, ends, stop).await });
        }
        Stream::Unix(stream) => {
            connections.spawn(async move { over_tls_or_not(stream, &place, ends, stop).await });
        }
    }
}

/// A handshake, if TLS is asked for; then HTTP in the version that it led to.
async fn over_tls_or_not<S>(stream: S, place: &Place, ends: Ends, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Peek,
{
    let Place { site, pulse, .. } = place;
    let of = (Arc::clone(site), Arc::clone(pulse));
    // Until the handshake is done the connection is an idle one, that goes for another if there is no room.
    let Some(config) = site.state.gate.tls() else { return connection(stream, of, ends, stop).await };
    let shaken = tokio::select! {
        shaken = shake(stream, config, site.options.header_timeout) => shaken,
        cut = pulse.lost(Patience::from(&site.options)) => {
            site.bridge.telemetry().scrape.connection_cut(cut as usize);
            return debug!(?cut, "HTTPS connection cut in its handshake");
        }
        () = stopped(&mut stop) => return,
    };
    pulse.begin();
    match shaken {
        Ok(Shaken { stream, http2: true }) => http2::connection(stream, of, ends, stop).await,
        Ok(Shaken { stream, http2: false }) => connection(stream, of, ends, stop).await,
        Err(error) => site.bridge.telemetry().web.handshake_error(error),
    }
}

/// The addresses of a connection, where it has any.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::program::web) struct Ends {
    /// The one that the client reached.
    pub(in crate::program::web) local: Option<SocketAddr>,
    /// The client's.
    pub(in crate::program::web) peer: Option<SocketAddr>,
}

/// A place among the open connections, given back when dropped.
struct Place {
    site: Arc<Site>,
    pulse: Arc<Pulse>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for the end of the one that goes, so that never more are open than may be; none if nobody can go.
    async fn take(site: &Arc<Site>) -> Option<Self> {
        let free = &site.state.connections;
        let permit = loop {
            if let Ok(permit) = Arc::clone(free).try_acquire_owned() {
                break permit;
            }
            let going = site.state.crowd.make_room()?;
            tokio::select! {
                permit = Arc::clone(free).acquire_owned() => break permit.ok()?,
                // Its time may be over, or another one's who has come to rest meanwhile.
                () = going.by() => {}
            }
        };
        let pulse = Pulse::new();
        site.state.crowd.list(&pulse);
        site.bridge.telemetry().scrape.connections.increment(1.0);
        Some(Self { site: Arc::clone(site), pulse, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.site.state.crowd.forget(&self.pulse);
        self.site.bridge.telemetry().scrape.connections.decrement(1.0);
    }
}

/// One connection of HTTP/1 from its first byte to its end. Works on any stream, so that TLS needs nothing new here.
pub(in crate::program::web) async fn connection<S>(
    stream: S,
    (site, pulse): (Arc<Site>, Arc<Pulse>),
    ends: Ends,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let patience = Patience::from(&site.options);
    let max_header_bytes = site.options.max_header_bytes;
    let service = service_fn(|mut request: Request<Incoming>| {
        pulse.asked();
        // So that a slow client's page can be cut for others.
        request.extensions_mut().insert(Arc::clone(&pulse));
        let (site, pulse) = (Arc::clone(&site), Arc::clone(&pulse));
        async move {
            let answer = guarded(&site, request, ends).await;
            // A page says so itself when it ends: between two pieces of it nothing is left to write either.
            if matches!(answer.body(), Either::Left(_)) {
                pulse.answered();
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    // hyper's buffer may not be smaller than this; the limit itself may.
    builder.max_header_size(max_header_bytes).max_buf_size(max_header_bytes.max(8192)).half_close(true).header_read_timeout(None);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(Noted::new(stream, Arc::clone(&pulse))), service));
    let mut lost = pin!(pulse.lost(patience));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => break if let Err(error) = ended {
                refused(&error).inspect(|cut| site.bridge.telemetry().scrape.connection_cut(*cut as usize));
                debug!(%error, "HTTP connection ended");
            },
            cut = lost.as_mut() => {
                site.bridge.telemetry().scrape.connection_cut(cut as usize);
                break debug!(?cut, "HTTP connection cut");
            }
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Why hyper ended the connection, where it was for what the client sent.
fn refused(error: &hyper::Error) -> Option<Cut> {
    if error.is_parse_too_large() {
        return Some(Cut::HeaderTooLarge);
    }
    error.is_parse().then_some(Cut::Malformed)
}

/// The answer, or the gate's refusal, with the headers that the configuration gives to every one.
pub(in crate::program::web) async fn guarded(site: &Arc<Site>, request: Request<Incoming>, ends: Ends) -> Answer {
    let config = site.state.gate.config();
    let passage = site.state.gate.passage(&config, request.headers(), &site.bridge.telemetry().web).await;
    let mut answer = match refusal(passage) {
        Some(refusal) => refusal,
        None => answer(site, request, ends).await,
    };
    for (name, value) in &config.headers {
        answer.headers_mut().insert(name, value.clone());
    }
    answer
}

/// What exporter-toolkit says to those who may not pass; none to those who may.
fn refusal(passage: Passage) -> Option<Answer> {
    let (status, words) = match passage {
        Passage::Free => return None,
        Passage::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized\n"),
        Passage::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"),
        Passage::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many passwords are being checked. Try again.\n"),
    };
    let mut answer = text(status, words);
    match passage {
        Passage::Unauthorized => drop(answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))),
        Passage::Busy => drop(answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        Passage::Free | Passage::TooMany => {}
    }
    Some(answer)
}

/// Ends at shutdown, also if whoever would say so is gone.
pub(in crate::program::web) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
