//! Connections over real sockets: lines that are too long, the limit of connections, the peer in reports, the idle timeout.

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
        let bridge = Bridge::of_program(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let options = TcpOptions { max_connections, idle_timeout, line_bytes: 20 };
        let intake = Intake::new(bridge.worker(), None);
        let task = tokio::spawn(serve(
            vec![TcpSocket { listener, is_inherited: false }],
            options,
            intake,
            bridge.telemetry().clone(),
            stop.clone(),
        ));
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
