//! Tests of viewers over real sockets: they have no deadline, but must read.

use super::*;
use crate::ingest::pipeline::Datagram;
use crate::source::Source;

fn watchable(options: WebOptions) -> WebOptions {
    WebOptions { enable_tail: true, max_tails: 1, ..options }
}

/// Reads until the text has arrived.
async fn until_shown(stream: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut piece = [0; 4096];
        let length = soon(stream.read(&mut piece)).await.expect("open");
        assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..length]);
    }
}

async fn watch(server: &TestServer) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(b"GET /api/v1/tail HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    until_shown(&mut stream, "event: counts\ndata: {\"arrived\":0,").await;
    stream
}

fn send(server: &TestServer, line: &str) {
    server.bridge.worker().ingest_watched([Datagram { bytes: line.as_bytes(), source: &Source::Unknown }].into_iter(), now());
}

#[tokio::test]
async fn a_viewer_outlives_the_deadline_of_responses() {
    let server = TestServer::start(watchable(WebOptions { response_timeout: SHORT, idle_timeout: SHORT, ..patient() })).await;
    let mut stream = watch(&server).await;
    sleep(10 * SHORT).await;
    send(&server, "hello:1|c");
    until_shown(&mut stream, "\"line\":\"hello:1|c\"").await;
    assert_eq!(server.metric("statsd_bridge_tail_viewers"), 1.0);
    // An ordinary response on another connection still has its deadline, and a second viewer no place.
    assert_eq!(status(&server.ask("GET", "/api/v1/tail").await), 503);
    assert_eq!(server.labelled("statsd_bridge_http_requests_rejected_total{reason=\"tail_busy\"}"), 1.0);
    drop(stream);
    soon(async {
        while server.metric("statsd_bridge_tail_viewers") > 0.0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(server.labelled("statsd_bridge_tail_lines_total{result=\"shown\"}"), 1.0);
    drop(watch(&server).await);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_cut() {
    let server = TestServer::start(watchable(WebOptions { write_timeout: SHORT, ..patient() })).await;
    let stream = watch(&server).await;
    let long = format!("{}:1|c", "n".repeat(60_000));
    soon(async {
        while server.metric("statsd_bridge_tail_viewers") > 0.0 {
            send(&server, &long);
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"write\"}"), 1.0);
    drop(stream);
}

#[tokio::test]
async fn a_stop_ends_the_stream() {
    let server = TestServer::start(watchable(WebOptions { drain_timeout: HOUR, ..patient() })).await;
    let mut stream = watch(&server).await;
    server.stop.send(()).expect("running");
    soon(server.task).await.expect("no panic");
    let end = rest(&mut stream).await;
    assert!(end.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&end));
}

#[tokio::test]
async fn off_wrong_and_head_requests_open_no_view() {
    let server = TestServer::start(patient()).await;
    let reply = server.ask("GET", "/api/v1/tail").await;
    assert!(status(&reply) == 403 && reply.contains("--web.enable-tail=true"), "{reply}");
    let server = TestServer::start(watchable(patient())).await;
    let reply = server.ask("GET", "/api/v1/tail?verdict=lost").await;
    assert!(status(&reply) == 400 && reply.contains("bad_data"), "{reply}");
    let reply = server.ask("HEAD", "/api/v1/tail").await;
    assert_eq!((status(&reply), header(&reply, "content-type")), (200, Some("text/event-stream")));
    assert_eq!(server.metric("statsd_bridge_tail_viewers"), 0.0);
    let server = TestServer::start(watchable(WebOptions { admin_on_other_listener: true, ..patient() })).await;
    assert_eq!(status(&server.ask("GET", "/api/v1/tail").await), 404);
}
