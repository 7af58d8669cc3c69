//! Stream sockets, TCP and Unix: all connections of one kind share one intake, which is locked only while complete pieces are recorded.
//!
//! ```text
//! socket       listeners and connections of both kinds
//! unix_socket  binds the path of a Unix stream socket
//! handshake    the TLS handshake of a connection
//! places       the open connections, and which one is evicted
//! shared       what all connections share: the intake, the counters, the options
//! connection   one connection, from its first byte to the reason of its end
//! ```
//! A connection uses 4 KiB while its lines or frames are short, and at most the length limit of one. A last line without a newline is
//! recorded if the sender closes the stream. If the stream breaks, or the bridge closes it, that line may be incomplete and is rejected, as
//! is what came of half a frame. At the limit of connections, a new one evicts another. Must not know the format of a line.

mod connection;
mod handshake;
mod places;
mod shared;
mod socket;
mod unix_socket;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use self::connection::receive_all;
pub(crate) use self::handshake::StreamTls;
use self::places::{Admission, Origin};
use self::shared::Shared;
pub(crate) use self::shared::StreamOptions;
pub(crate) use self::socket::StreamListener;
use self::socket::{Stream, stays_queued};
use self::unix_socket::BACKLOG;
pub(crate) use self::unix_socket::{BoundUnix, UnixOptions};
use super::intake::Intake;
use super::stop::{Stop, stopped};
use crate::program::faults::Faults;
use crate::program::rebinding::CHECK_INTERVAL;
use crate::source::Source;
use crate::telemetry::Streams;

/// Interval between ticks of the shared intake.
const TICK: Duration = Duration::from_millis(500);
/// Pause after an error of accept. The usual cause is a lack of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Receives on all `listeners` until `stop` is set. Then reads what the kernel still holds of all connections, and returns. With `tls`,
/// the TCP connections of all listeners use TLS.
pub(crate) async fn serve(
    listeners: Vec<StreamListener>,
    options: StreamOptions,
    tls: Option<StreamTls>,
    intake: Intake,
    counters: Streams,
    stop: Arc<Stop>,
) {
    let shared = Arc::new(Shared::new(options, tls, intake, counters, stop));
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        acceptors.spawn(accept_all(listener, shared.clone()));
    }
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = acceptors.join_next() => match ended {
                Some(ended) => log_panic(ended),
                None => break,
            },
            _ = tick.tick() => shared.intake().tick(Instant::now()),
        }
    }
    shared.intake().finish();
    let connections = shared.cut.load(Ordering::Relaxed);
    if connections > 0 {
        tracing::warn!(connections, "connections were closed at the drain deadline while they were sending");
    }
}

/// Accepts connections until the stop signal. Returns when all its connections are closed.
async fn accept_all(mut listener: StreamListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut stop = shared.stop.subscribe();
    let mut faults = Faults::default();
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            _ = check.tick() => if let Some(old) = listener.check_path() {
                accept_queued(&old, &shared, &mut connections);
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, source)) => admit(stream, source, &shared, &mut connections),
                // The client closed it before it was accepted, such as a probe.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    shared.counters.errors.increment(1);
                    let transport = listener.transport();
                    faults.warn(|times| tracing::warn!(transport, %error, times, "cannot accept connections, retrying"));
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    if !listener.is_inherited {
        accept_queued(&listener, &shared, &mut connections);
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Accepts the connections in the kernel's queue, which may contain lines too. The socket is used directly, because tokio may not have
/// seen the latest events yet.
fn accept_queued(listener: &StreamListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    listener.shut();
    for _ in 0..BACKLOG {
        match listener.accept_queued() {
            Ok((stream, source)) => admit(stream, source, shared, connections),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if stays_queued(&error) => {
                shared.counters.errors.increment(1);
                tracing::warn!(transport = listener.transport(), %error, "cannot accept a connection that was queued");
                break;
            }
            Err(_) => break,
        }
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of a stream listener panicked");
    }
}

/// Starts a task for the connection, and evicts another one at the limit; or closes the connection if none can be evicted.
fn admit(stream: Stream, source: Source, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    if shared.allowed.as_ref().is_some_and(|allowed| !allowed.allows(&source)) {
        return;
    }
    let counters = &shared.counters;
    let place = match shared.places.admit(Origin::of(&source)) {
        Admission::Free(place) => place,
        Admission::Evicting(place) => {
            counters.evicted.increment(1);
            place
        }
        Admission::Full => {
            counters.rejected.increment(1);
            tracing::debug!(%source, "connection rejected: too many open connections");
            return;
        }
    };
    counters.connections.increment(1);
    counters.open.increment(1);
    connections.spawn(receive_all(stream, source, place, shared.clone()));
}

#[cfg(test)]
mod tests;
