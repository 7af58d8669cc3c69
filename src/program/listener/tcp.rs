//! TCP: lines that end with a newline. All connections share one intake, which is locked only while complete lines are recorded.
//!
//! A connection uses 4 KiB while its lines are short, and at most the length limit of a line. A last line without a newline is recorded if
//! the sender closes the stream. If the stream breaks, or the bridge closes it, that line may be incomplete and is rejected. At the limit
//! of connections, a new one evicts another (`places`). Must not know the format of a line.

mod places;

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};

use self::places::{Admission, Place, Places};
use super::framing::Framing;
use super::intake::Intake;
use super::stop::{Stop, stopped};
use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::lock::lock;
use crate::program::faults::Faults;
use crate::program::net::canonical;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// Interval between ticks of the shared intake.
const TICK: Duration = Duration::from_millis(500);
/// Pause after an error of accept. The usual cause is a lack of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Limit of connections that are accepted from the kernel's queue at shutdown: the length of the queue.
const BACKLOG: usize = 4096;

/// Options of the TCP listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Limit of open connections, over all addresses.
    pub max_connections: usize,
    /// Idle time after which a connection is closed; zero for never.
    pub idle_timeout: Duration,
    /// Length limit of a line in bytes, without the newline.
    pub line_bytes: usize,
}

/// The state that all connections share.
struct Shared {
    intake: Mutex<Intake>,
    telemetry: Arc<Telemetry>,
    options: TcpOptions,
    places: Arc<Places>,
    stop: Arc<Stop>,
    /// The number of connections that were closed at the drain deadline while they were sending.
    cut: AtomicUsize,
}

/// A socket that accepts connections.
pub(crate) struct TcpSocket {
    /// The socket.
    pub listener: TcpListener,
    /// Whether it outlives this process, because systemd holds it too. The next process then accepts the connections in its queue.
    pub is_inherited: bool,
}

/// Receives on all `listeners` until `stop` is set. Then reads what the kernel still holds of all connections, and returns.
pub(crate) async fn serve(listeners: Vec<TcpSocket>, options: TcpOptions, intake: Intake, telemetry: Arc<Telemetry>, stop: Arc<Stop>) {
    let places = Places::new(options.max_connections);
    let shared = Arc::new(Shared { intake: Mutex::new(intake), telemetry, options, places, stop, cut: AtomicUsize::new(0) });
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
        tracing::warn!(connections, "tcp connections were closed at the drain deadline while they were sending");
    }
}

/// Accepts connections until the stop signal. Returns when all its connections are closed.
async fn accept_all(socket: TcpSocket, shared: Arc<Shared>) {
    let TcpSocket { listener, is_inherited } = socket;
    let mut connections = JoinSet::new();
    let mut stop = shared.stop.subscribe();
    let mut faults = Faults::default();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer, &shared, &mut connections),
                // The client closed it before it was accepted, such as a probe.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    shared.telemetry.transport.tcp_connection_errors.increment(1);
                    faults.warn(|times| tracing::warn!(%error, times, "cannot accept tcp connections, retrying"));
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    // Connections in the kernel's queue may contain lines too. The socket is used directly, here and in `drain`, because tokio may not
    // have seen the latest events yet.
    for _ in 0..if is_inherited { 0 } else { BACKLOG } {
        match accept_queued(&listener) {
            Ok((stream, peer)) => admit(stream, peer, &shared, &mut connections),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                shared.telemetry.transport.tcp_connection_errors.increment(1);
                tracing::warn!(%error, "cannot accept a tcp connection that was queued at shutdown");
                break;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Accepts a connection from the kernel's queue without waiting.
fn accept_queued(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = SockRef::from(listener).accept()?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    stream.set_nonblocking(true)?;
    Ok((TcpStream::from_std(stream.into())?, peer))
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of the tcp listener panicked");
    }
}

/// Starts a task for the connection, and evicts another one at the limit; or closes the connection if none can be evicted.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let counters = &shared.telemetry.transport;
    let place = match shared.places.admit(peer.ip()) {
        Admission::Free(place) => place,
        Admission::Evicting(place) => {
            counters.tcp_connections_evicted.increment(1);
            place
        }
        Admission::Full => {
            counters.tcp_connections_rejected.increment(1);
            tracing::debug!(%peer, "tcp connection rejected: too many open connections");
            return;
        }
    };
    counters.tcp_connections.increment(1);
    counters.tcp_open.increment(1);
    let shared = shared.clone();
    connections.spawn(async move {
        let mut connection = Connection {
            has_received: false,
            framing: Framing::new(shared.options.line_bytes),
            stream,
            source: Source::Tcp(canonical(peer)),
            place,
            shared,
        };
        let end = connection.receive().await;
        connection.finish(end, peer);
    });
}

/// The reason why a connection ended.
enum ConnectionEnd {
    /// The sender closed the connection.
    Closed,
    /// Reading failed.
    Broken(io::Error),
    /// The sender was idle for too long.
    Idle,
    /// A new connection evicted it.
    Evicted,
    /// The bridge is shutting down.
    Stopped,
}

struct Connection {
    stream: TcpStream,
    framing: Framing,
    source: Source,
    place: Place,
    /// Whether any bytes were received.
    has_received: bool,
    shared: Arc<Shared>,
}

impl Connection {
    async fn receive(&mut self) -> ConnectionEnd {
        let mut stop = self.shared.stop.subscribe();
        let timeout = self.shared.options.idle_timeout;
        loop {
            let read = self.stream.read(self.framing.room());
            let idle = async { if timeout.is_zero() { std::future::pending().await } else { tokio::time::sleep(timeout).await } };
            let read = tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.drain().await,
                read = read => read,
                () = self.place.evicted() => return self.leave(),
                () = idle => return ConnectionEnd::Idle,
            };
            self.place.set_active();
            match read {
                Ok(0) => return ConnectionEnd::Closed,
                Ok(n) => self.advance(n),
                Err(error) => return ConnectionEnd::Broken(error),
            }
        }
    }

    /// Reads what the kernel still holds. All connections take turns and have the same deadline.
    async fn drain(&mut self) -> ConnectionEnd {
        loop {
            match (&*SockRef::from(&self.stream)).read(self.framing.room()) {
                Ok(0) => return ConnectionEnd::Closed,
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ConnectionEnd::Stopped,
                Err(error) => return ConnectionEnd::Broken(error),
            }
            if self.shared.stop.is_late() {
                self.shared.cut.fetch_add(1, Ordering::Relaxed);
                return ConnectionEnd::Stopped;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads once more what the kernel holds, before the connection is evicted.
    fn leave(&mut self) -> ConnectionEnd {
        match (&*SockRef::from(&self.stream)).read(self.framing.room()) {
            Ok(0) => return ConnectionEnd::Closed,
            Ok(n) => self.advance(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return ConnectionEnd::Broken(error),
        }
        ConnectionEnd::Evicted
    }

    fn advance(&mut self, read: usize) {
        self.has_received = true;
        let (shared, source) = (&self.shared, &self.source);
        let record = |bytes: &[u8]| shared.intake().datagrams(std::iter::once(Datagram { bytes, source }), Instant::now());
        let too_long = self.framing.advance(read, record);
        if too_long > 0 {
            shared.telemetry.transport.tcp_too_long_lines.increment(too_long as u64);
            shared.intake().reject_line(SampleError::LineTooLong, b"", source, Instant::now());
        }
    }

    fn finish(&mut self, end: ConnectionEnd, peer: SocketAddr) {
        let counters = &self.shared.telemetry.transport;
        if let Some(rest) = self.framing.rest() {
            let mut intake = self.shared.intake();
            match end {
                ConnectionEnd::Closed => intake.datagrams(std::iter::once(Datagram { bytes: rest, source: &self.source }), Instant::now()),
                ConnectionEnd::Broken(_) | ConnectionEnd::Idle | ConnectionEnd::Evicted | ConnectionEnd::Stopped => {
                    intake.reject_line(SampleError::TruncatedLine, rest, &self.source, Instant::now())
                }
            }
        }
        match end {
            // Probes connect and then reset the connection.
            ConnectionEnd::Broken(error) if !self.has_received && error.kind() == io::ErrorKind::ConnectionReset => {}
            ConnectionEnd::Broken(error) => {
                counters.tcp_connection_errors.increment(1);
                tracing::debug!(%peer, %error, "tcp connection failed");
            }
            ConnectionEnd::Idle => {
                counters.tcp_idle_closed.increment(1);
                tracing::debug!(%peer, "tcp connection closed: idle for too long");
            }
            ConnectionEnd::Evicted => tracing::debug!(%peer, "tcp connection evicted: too many open connections"),
            ConnectionEnd::Closed | ConnectionEnd::Stopped => (),
        }
        counters.tcp_open.decrement(1);
    }
}

impl Shared {
    /// Locks the intake. The lock is never held across an await.
    fn intake(&self) -> MutexGuard<'_, Intake> {
        lock(&self.intake)
    }
}

#[cfg(test)]
mod tests;
