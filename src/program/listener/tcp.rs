//! TCP: newline-framed lines. All connections share one intake, locked only while whole lines are handed in.
//!
//! A connection costs 4 KiB while its lines are short, and never more than the limit of a line. A line without a newline counts
//! if the sender ends the stream after it; if the stream breaks, or is ended from here, the line may be cut and is rejected.
//! At the limit of connections a new one takes the place of another (`places`). Must not know what a line means.

mod places;

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::places::{Admission, Place, Places};
use super::framing::Framing;
use super::intake::Intake;
use super::stop::{Stop, stopped};
use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::program::faults::Faults;
use crate::program::net::canonical;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// How often the shared relay is looked at.
const TICK: Duration = Duration::from_millis(500);
/// Pause after an error of accept, which mostly means that file descriptors have run out.
const ACCEPT_NAP: Duration = Duration::from_millis(100);
/// Connections that the kernel has accepted already and that are taken at the end: as many as may wait in it.
const BACKLOG: usize = 4096;

/// How TCP is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Connections open at once, over all addresses.
    pub max_connections: usize,
    /// Silence after which a connection is closed; zero: never.
    pub idle_timeout: Duration,
    /// Bytes of the longest line, its newline not counted.
    pub line_bytes: usize,
}

/// What all connections share.
struct Shared {
    intake: Mutex<Intake>,
    telemetry: Arc<Telemetry>,
    options: TcpOptions,
    places: Arc<Places>,
    stop: Arc<Stop>,
    /// Connections that were still sending when the time to drain was over.
    cut: AtomicUsize,
}

/// Receives on all `listeners` until `stop` is set, then reads what connections have sent already and returns.
pub(crate) async fn serve(listeners: Vec<TcpListener>, options: TcpOptions, intake: Intake, telemetry: Arc<Telemetry>, stop: Arc<Stop>) {
    let places = Places::new(options.max_connections);
    let shared = Arc::new(Shared { intake: Mutex::new(intake), telemetry, options, places, stop, cut: AtomicUsize::new(0) });
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        acceptors.spawn(accept_all(listener, shared.clone()));
    }
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = acceptors.join_next() => if ended.is_none() { break },
            _ = tick.tick() => shared.intake().tick(Instant::now()),
        }
    }
    shared.intake().finish();
    let connections = shared.cut.load(Ordering::Relaxed);
    if connections > 0 {
        tracing::warn!(connections, "tcp connections that went on sending were closed when the time to drain was over");
    }
}

/// Accepts until told to stop; returns when all its connections have ended.
async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut stop = shared.stop.subscribe();
    let mut faults = Faults::default();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => (),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer, &shared, &mut connections),
                // It was gone before it was accepted: a probe, too.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    shared.telemetry.transport.tcp_connection_errors.increment(1);
                    faults.warn(|times| tracing::warn!(%error, times, "cannot accept tcp connections, trying again"));
                    tokio::time::sleep(ACCEPT_NAP).await;
                }
            },
        }
    }
    // Connections that the kernel has accepted already may hold lines too. It is asked itself, here and in `drain`, because
    // tokio may not know yet of what has just come.
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = SockRef::from(&listener).accept() else { break };
        let stream: std::net::TcpStream = stream.into();
        let peer = peer.as_socket();
        if let (Ok(()), Some(peer)) = (stream.set_nonblocking(true), peer)
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            admit(stream, peer, &shared, &mut connections);
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Starts a task for the connection, in place of another one if there are too many; or closes it.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let counters = &shared.telemetry.transport;
    let place = match shared.places.admit(peer.ip()) {
        Admission::Free(place) => place,
        Admission::InPlaceOfAnother(place) => {
            counters.tcp_connections_evicted.increment(1);
            place
        }
        Admission::Full => {
            counters.tcp_connections_refused.increment(1);
            tracing::debug!(%peer, "tcp connection rejected: too many are open");
            return;
        }
    };
    counters.tcp_connections.increment(1);
    counters.tcp_open.increment(1);
    let shared = shared.clone();
    connections.spawn(async move {
        let has_spoken = false;
        let mut connection = Connection {
            has_spoken,
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

/// How a connection ended.
enum ConnectionEnd {
    /// The sender closed it.
    Closed,
    /// It broke.
    Broken(io::Error),
    Idle,
    /// Its place was wanted for another one.
    Evicted,
    Stopped,
}

struct Connection {
    stream: TcpStream,
    framing: Framing,
    source: Source,
    place: Place,
    /// Whether anything came at all.
    has_spoken: bool,
    shared: Arc<Shared>,
}

impl Connection {
    async fn receive(&mut self) -> ConnectionEnd {
        let mut stop = self.shared.stop.subscribe();
        let idle = self.shared.options.idle_timeout;
        loop {
            let read = self.stream.read(self.framing.room());
            let silence = async { if idle.is_zero() { std::future::pending().await } else { tokio::time::sleep(idle).await } };
            let read = tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.drain().await,
                read = read => read,
                () = self.place.is_wanted() => return self.leave(),
                () = silence => return ConnectionEnd::Idle,
            };
            self.place.is_active();
            match read {
                Ok(0) => return ConnectionEnd::Closed,
                Ok(n) => self.advance(n),
                Err(error) => return ConnectionEnd::Broken(error),
            }
        }
    }

    /// Reads what the kernel holds already, in turns with the other connections, which all have the same time.
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

    /// Takes what has come in this instant, once.
    fn leave(&mut self) -> ConnectionEnd {
        match (&*SockRef::from(&self.stream)).read(self.framing.room()) {
            Ok(0) => return ConnectionEnd::Closed,
            Ok(n) => self.advance(n),
            Err(_) => {}
        }
        ConnectionEnd::Evicted
    }

    fn advance(&mut self, read: usize) {
        self.has_spoken = true;
        let (shared, source) = (&self.shared, &self.source);
        let hand_in = |bytes: &[u8]| shared.intake().datagrams(std::iter::once(Datagram { bytes, source }), Instant::now());
        let too_long = self.framing.advance(read, hand_in);
        if too_long > 0 {
            shared.telemetry.transport.tcp_too_long_lines.increment(too_long as u64);
            shared.intake().refuse_line(SampleError::LineTooLong, b"", source, Instant::now());
        }
    }

    fn finish(&mut self, end: ConnectionEnd, peer: SocketAddr) {
        let counters = &self.shared.telemetry.transport;
        if let Some(rest) = self.framing.rest() {
            let mut intake = self.shared.intake();
            match end {
                ConnectionEnd::Closed => intake.datagrams(std::iter::once(Datagram { bytes: rest, source: &self.source }), Instant::now()),
                ConnectionEnd::Broken(_) | ConnectionEnd::Idle | ConnectionEnd::Evicted | ConnectionEnd::Stopped => {
                    intake.refuse_line(SampleError::TruncatedLine, rest, &self.source, Instant::now())
                }
            }
        }
        match end {
            // A probe looks whether somebody listens, and resets the connection to have done with it.
            ConnectionEnd::Broken(error) if !self.has_spoken && error.kind() == io::ErrorKind::ConnectionReset => {}
            ConnectionEnd::Broken(error) => {
                counters.tcp_connection_errors.increment(1);
                tracing::debug!(%peer, %error, "tcp connection broke");
            }
            ConnectionEnd::Idle => {
                counters.tcp_idle_closed.increment(1);
                tracing::debug!(%peer, "tcp connection closed after a long silence");
            }
            ConnectionEnd::Evicted => tracing::debug!(%peer, "tcp connection closed for a new one: too many are open"),
            ConnectionEnd::Closed | ConnectionEnd::Stopped => (),
        }
        counters.tcp_open.decrement(1);
    }
}

impl Shared {
    /// Held for a synchronous hand-in only, never across an await.
    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options as BridgeOptions;

    struct TcpServer {
        at: SocketAddr,
        bridge: Bridge,
        stop: Arc<Stop>,
        task: JoinHandle<()>,
    }

    impl TcpServer {
        async fn start(max_connections: usize, idle_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            let bridge = Bridge::new(BridgeOptions::default());
            let stop = Stop::new(Duration::from_secs(60));
            let options = TcpOptions { max_connections, idle_timeout, line_bytes: 20 };
            let intake = Intake::new(bridge.worker(), None);
            let task = tokio::spawn(serve(vec![listener], options, intake, bridge.telemetry().clone(), stop.clone()));
            Self { at, bridge, stop, task }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.at).await.unwrap()
        }

        fn own(&self, name: &str) -> String {
            let found = self.bridge.telemetry().value(&format!("statsd_bridge_{name}"));
            found.unwrap_or_else(|| panic!("no {name}")).to_string()
        }

        async fn end(&mut self) {
            self.stop.set();
            (&mut self.task).await.unwrap();
        }
    }

    /// Whether the other side closed the connection, orderly or not.
    async fn is_closed(stream: &mut TcpStream) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(120), stream.read(&mut [0])).await.expect("closed in time");
        matches!(read, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_counted_and_the_connection_goes_on() {
        let mut server = TcpServer::start(10, Duration::ZERO).await;
        let mut stream = server.connect().await;
        stream.write_all(b"a:1|c\n").await.unwrap();
        stream.write_all(&[b'x'; 5000]).await.unwrap();
        stream.write_all(b"\nb:1|c").await.unwrap();
        drop(stream);
        server.end().await;
        assert_eq!(server.own("tcp_too_long_lines_total"), "1");
        assert_eq!((server.own("tcp_connections_total"), server.own("tcp_connections_open")), ("1".into(), "0".into()));
        assert_eq!(server.own("tcp_connection_errors_total"), "0");
    }

    #[tokio::test]
    async fn connections_over_the_limit_are_closed_at_once_and_leave_room_later() {
        let mut server = TcpServer::start(1, Duration::ZERO).await;
        let mut first = server.connect().await;
        while server.own("tcp_connections_open") != "1" {
            tokio::task::yield_now().await;
        }
        // One that is never silent keeps its place.
        let sending = tokio::spawn(async move { while first.write_all(b"\n").await.is_ok() {} });
        while server.own("tcp_connections_refused_total") == "0" {
            assert!(is_closed(&mut server.connect().await).await);
        }
        assert_eq!(server.own("tcp_connections_evicted_total"), "0");
        sending.abort();
        while server.own("tcp_connections_open") != "0" {
            tokio::task::yield_now().await;
        }
        let third = server.connect().await;
        while server.own("tcp_connections_total") != "2" {
            tokio::task::yield_now().await;
        }
        server.end().await;
        drop(third);
    }

    #[tokio::test]
    async fn the_peer_of_a_conflict_is_told_with_and_without_a_last_newline() {
        let mut server = TcpServer::start(2, Duration::ZERO).await;
        let mut told = Vec::new();
        for lines in ["a:1|c\na:1|g\n", "b:1|c\nb:1|g"] {
            let mut stream = server.connect().await;
            stream.write_all(lines.as_bytes()).await.unwrap();
            told.push(Source::Tcp(stream.local_addr().unwrap()));
        }
        server.end().await;
        let conflicts = server.bridge.registry().conflicts();
        assert_eq!(conflicts.iter().map(|conflict| conflict.came.source).collect::<Vec<_>>(), told);
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        let mut server = TcpServer::start(1, Duration::from_millis(5)).await;
        let mut stream = server.connect().await;
        assert!(is_closed(&mut stream).await);
        server.end().await;
        assert_eq!(server.own("tcp_idle_closed_total"), "1");
    }
}
