//! Connections over real sockets: what is too long, the limit of connections, the peer in reports, the idle timeout, framing, half frames.

use std::net::SocketAddr;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::*;
use crate::bridge::Bridge;
use crate::options::Options as BridgeOptions;
use crate::program::listener::framing::{FramingLimits, StreamFraming};
use crate::program::net::PathAccess;
use crate::source::UnixPeer;

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
        let bridge = Bridge::of_program(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let limits = FramingLimits { line_bytes: 20, frame_bytes: 20 };
        let options = StreamOptions { max_connections, idle_timeout, framing: StreamFraming::Newline, limits, allow_from: Vec::new() };
        let intake = Intake::new(bridge.worker(), None);
        let listener = StreamListener::tcp(listener.into_std().unwrap(), false).unwrap();
        let task = tokio::spawn(serve(vec![listener], options, None, intake, bridge.telemetry().transport.tcp.clone(), stop.clone()));
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

/// Whether the server closed the connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_secs(120), stream.read(&mut [0])).await.expect("closed in time");
    matches!(read, Ok(0) | Err(_))
}

#[tokio::test]
async fn a_line_that_is_too_long_is_counted_and_the_connection_stays_open() {
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
    // A connection that is never idle is not evicted.
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
async fn a_conflict_names_its_peer_with_and_without_a_last_newline() {
    let mut server = TcpServer::start(2, Duration::ZERO).await;
    let mut peers = Vec::new();
    for lines in ["a:1|c\na:1|g\n", "b:1|c\nb:1|g"] {
        let mut stream = server.connect().await;
        stream.write_all(lines.as_bytes()).await.unwrap();
        peers.push(Source::Tcp(stream.local_addr().unwrap()));
    }
    server.end().await;
    let conflicts = server.bridge.registry().conflicts();
    assert_eq!(conflicts.iter().map(|conflict| conflict.came.source).collect::<Vec<_>>(), peers);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut server = TcpServer::start(1, Duration::from_millis(5)).await;
    let mut stream = server.connect().await;
    assert!(is_closed(&mut stream).await);
    server.end().await;
    assert_eq!(server.own("tcp_idle_closed_total"), "1");
}

struct UnixServer {
    folder: tempfile::TempDir,
    bridge: Bridge,
    stop: Arc<Stop>,
    task: JoinHandle<()>,
}

impl UnixServer {
    async fn start(max_connections: usize, framing: StreamFraming) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bridge = Bridge::of_program(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let options = UnixOptions {
            path: folder.path().join("s").to_str().unwrap().to_owned(),
            access: PathAccess { mode: 0o700, owner: None, group: None },
        };
        let listener = StreamListener::unix(BoundUnix::bind(&options).unwrap(), bridge.telemetry(), &Arc::default()).unwrap();
        let limits = FramingLimits { line_bytes: 100, frame_bytes: 100 };
        let options = StreamOptions { max_connections, idle_timeout: Duration::ZERO, framing, limits, allow_from: Vec::new() };
        let intake = Intake::new(bridge.worker(), None);
        let task = tokio::spawn(serve(vec![listener], options, None, intake, bridge.telemetry().transport.unix.clone(), stop.clone()));
        Self { folder, bridge, stop, task }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("s")).await.unwrap()
    }

    /// Sends the stream on a connection of its own, and closes it.
    async fn send(&self, stream: &[u8]) {
        self.connect().await.write_all(stream).await.unwrap();
    }

    /// Ends the listener and asserts that each line and sample is counted once. Returns the self-metrics with these names.
    async fn end<const N: usize>(mut self, names: [&str; N]) -> [u64; N] {
        self.stop.set();
        (&mut self.task).await.unwrap();
        assert!(!self.folder.path().join("s").exists(), "the path is removed");
        let telemetry = self.bridge.telemetry();
        assert_eq!(telemetry.value("statsd_bridge_unix_connections_open").map(|open| open.to_string()), Some("0".to_owned()));
        names.map(|name| telemetry.sum(name))
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_le_bytes(), payload].concat()
}

const OF_FRAMES: [&str; 6] = [
    "unix_frames_total",
    "unix_too_long_frames_total",
    "unix_truncated_frames_total",
    "unix_framing_errors_total",
    "lines_total",
    "samples_total",
];

#[tokio::test]
async fn each_connection_has_frames_or_lines() {
    let server = UnixServer::start(10, StreamFraming::Auto).await;
    server.send(b"a:1|c\nb:1|c").await;
    server.send(&[frame(b"a:1|c\nb:1|c"), frame(b"c:1|c\n")].concat()).await;
    server.send(b"a").await;
    server.send(b"").await;
    server.send(b"a:1\0|c\n").await;
    // Three lines have no samples: `a`, the one with a NUL, and the empty one after the newline of a frame.
    assert_eq!(server.end(OF_FRAMES).await, [2, 0, 0, 1, 8, 5]);
}

#[tokio::test]
async fn half_frames_and_frames_over_the_limit_are_counted() {
    let server = UnixServer::start(10, StreamFraming::Auto).await;
    let whole = frame(b"a:1|c");
    server.send(&[&whole[..], &frame(b"a:1|c\nb:1|c\nccccc")[..18]].concat()).await;
    server.send(&[&whole[..], &[9, 0]].concat()).await;
    server.send(&[&frame(&[b'x'; 101])[..], &whole].concat()).await;
    server.send(&frame(&[b'x'; 101])[..50]).await;
    // Three whole frames, three lines of the first half frame, one for the second, one for each that is too long.
    assert_eq!(server.end(OF_FRAMES).await, [3, 2, 2, 0, 3 + 3 + 1 + 2, 3]);
}

#[tokio::test]
async fn a_length_of_two_gigabytes_closes_the_connection() {
    let server = UnixServer::start(10, StreamFraming::Length).await;
    let mut stream = server.connect().await;
    stream.write_all(&[&frame(b"a:1|c")[..], &[0, 0, 0, 0x80]].concat()).await.unwrap();
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed");
    assert_eq!(server.end(OF_FRAMES).await, [1, 0, 0, 1, 2, 1]);
}

#[tokio::test]
async fn a_stream_that_sends_too_little_to_decide_has_lines_after_the_deadline() {
    let server = UnixServer::start(10, StreamFraming::Auto).await;
    let (mut short, mut with_nul) = (server.connect().await, server.connect().await);
    short.write_all(b"a:1").await.unwrap();
    with_nul.write_all(b"\x05\0").await.unwrap();
    assert!(matches!(with_nul.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed");
    short.write_all(b"|c\n").await.unwrap();
    drop(short);
    assert_eq!(server.end(OF_FRAMES).await, [0, 0, 0, 1, 2, 1]);
}

#[tokio::test]
async fn an_evicted_unix_connection_is_read_to_its_end_and_its_process_is_named() {
    let server = UnixServer::start(1, StreamFraming::Auto).await;
    let mut first = server.connect().await;
    first.write_all(b"a:1|c\na:1|g\n").await.unwrap();
    // A connection of the same process is evicted only after it was idle for a second.
    let mut seconds = Vec::new();
    while server.bridge.telemetry().sum("unix_connections_evicted_total") == 0 {
        seconds.push(server.connect().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(matches!(first.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed");
    assert!(first.write_all(b"b:1|c\n").await.is_err(), "the sender gets an error");
    let expected = Source::Unix(UnixPeer::new(std::process::id(), nix::unistd::Uid::effective().as_raw()));
    assert_eq!(server.bridge.registry().conflicts()[0].came.source, expected);
    assert_eq!(server.end(["samples_total"]).await, [2]);
}

#[tokio::test]
async fn what_a_sender_sent_before_the_stop_is_recorded() {
    for _ in 0..20 {
        let server = UnixServer::start(10, StreamFraming::Auto).await;
        let path = server.folder.path().join("s");
        let sender = std::thread::spawn(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            (0_u64..).find(|_| std::io::Write::write(&mut stream, &frame(b"a:1|c")).map_or(true, |n| n < 9)).unwrap()
        });
        while server.bridge.accounting().samples == 0 {
            tokio::task::yield_now().await;
        }
        let [samples] = server.end(["samples_total"]).await;
        assert_eq!(samples, sender.join().unwrap());
    }
}

#[tokio::test]
async fn a_live_socket_keeps_its_path_and_one_of_the_other_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let options = UnixOptions { path: path.to_str().unwrap().to_owned(), access: PathAccess { mode: 0o722, owner: None, group: None } };
    let error = || BoundUnix::bind(&options).err().map(|error| error.to_string());
    // A queue of no connections is full with one.
    let live = std::os::unix::net::UnixListener::bind(&path).unwrap();
    SockRef::from(&live).listen(0).unwrap();
    let waiting = UnixStream::connect(&path).await.unwrap();
    let at = path.display();
    let expected = format!("cannot listen on unix {at}: the socket exists and another program listens on it");
    assert_eq!((error(), error()), (Some(expected.clone()), Some(expected)));
    drop((live, waiting));
    drop(BoundUnix::bind(&options).expect("the socket has no listener"));
    let live = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let expected = format!("cannot listen on unix {at}: another program listens there on a socket of another kind");
    assert_eq!(error(), Some(expected));
    drop(live);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(error().is_some());
}
