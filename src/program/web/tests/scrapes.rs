//! Tests of scrapes over real sockets: content codings, slow clients, and shared expositions.

use std::fmt::Write as _;
use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

fn request(headers: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: t\r\n{headers}Connection: close\r\n\r\n")
}

/// The head, and the decoded chunked body; `None` if the last chunk is missing.
fn unchunked(reply: &[u8]) -> (String, Option<Vec<u8>>) {
    let end = reply.windows(4).position(|w| w == b"\r\n\r\n").expect("a header") + 4;
    let head = String::from_utf8(reply[..end].to_vec()).expect("ASCII");
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"), "{head}");
    let (mut rest, mut body) = (&reply[end..], Vec::new());
    loop {
        let Some(line) = rest.windows(2).position(|w| w == b"\r\n") else { return (head, None) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).expect("ASCII"), 16).expect("a size");
        if size == 0 {
            return (head, Some(body));
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { return (head, None) };
        body.extend_from_slice(chunk);
        rest = rest.get(line + 4 + size..).unwrap_or_default();
    }
}

/// A server whose exposition is larger than the socket buffers.
async fn large(options: WebOptions) -> TestServer {
    let server = TestServer::start(options).await;
    let mut worker = server.bridge.worker();
    for series in 0..5_000 {
        let mut line = String::new();
        write!(line, "family{}:{}|c|#name:{:0>2000}", series % 40, series * 7, series * 7919).expect("a string");
        worker.ingest(line.as_bytes(), now());
    }
    server
}

/// The lines without self-metrics, which differ between expositions.
fn sent(exposition: &[u8]) -> Vec<&[u8]> {
    exposition.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"family")).collect()
}

fn rendered(server: &TestServer) -> Vec<u8> {
    let mut exposition = Vec::new();
    server.bridge.render(now(), &mut exposition);
    exposition
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(120), waiting).await.unwrap_or_else(|_| panic!("timed out: {what}"));
}

fn cut(server: &TestServer, reason: &str) -> f64 {
    server.labelled(&format!("statsd_bridge_scrapes_cut_total{{reason=\"{reason}\"}}"))
}

/// Whether no exposition is being rendered or sent.
fn is_at_rest(server: &TestServer) -> bool {
    let (scrapes, options) = (&server.state.scrapes, WebOptions::default());
    (scrapes.transfers.available_permits(), scrapes.renders.available_permits()) == (options.max_transfers, options.max_renders)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exposition_is_the_same_in_every_coding() {
    let server = large(patient()).await;
    let want = rendered(&server);
    assert!(want.len() > 8 << 20 && sent(&want).len() == 5_000);
    for (accepts, coding) in [("gzip;q=0, identity", None), ("deflate, gzip;q=0.5", Some("gzip")), ("zstd, gzip;q=0.9", Some("zstd"))] {
        let reply = server.send_bytes(request(&format!("Accept-Encoding: {accepts}\r\n"))).await;
        let (head, body) = unchunked(&reply);
        assert_eq!(header(&head, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
        assert_eq!((header(&head, "vary"), header(&head, "content-encoding")), (Some("Accept, Accept-Encoding"), coding));
        let body = body.expect("complete");
        let mut exposition = Vec::new();
        match coding {
            None => exposition = body,
            Some("gzip") => drop(GzDecoder::new(&body[..]).read_to_end(&mut exposition).expect("gzip")),
            _ => exposition = zstd::decode_all(&body[..]).expect("zstd"),
        }
        assert!(sent(&exposition) == sent(&want), "{coding:?}");
        assert_eq!(server.metric("statsd_bridge_scrape_page_bytes"), exposition.len() as f64);
    }
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 3.0);
    wait_for("permits are released", || is_at_rest(&server)).await;
    assert_eq!(status(&server.send(request("Accept-Encoding: *;q=0\r\n")).await), 406);
}

#[tokio::test]
async fn head_does_not_mark_counters_as_shown() {
    let bridge = Bridge::of_program(BridgeOptions { counters_start_at_zero: Some(0), ..BridgeOptions::default() });
    let options = patient();
    let state = Arc::new(WebState::new(&options, now));
    let server = TestServer::start_with(options, bridge, state).await;
    server.bridge.worker().ingest(b"hello:5|c", now());
    assert_eq!(status(&server.ask("HEAD", "/metrics").await), 200);
    assert!(server.ask("GET", "/metrics").await.contains("\nhello 0\n"));
    shows(&server, "hello 5").await;
}

/// Scrapes until the exposition has this line.
async fn shows(server: &TestServer, line: &str) {
    let waiting = async {
        while !server.ask("GET", "/metrics").await.contains(&format!("\n{line}\n")) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(120), waiting).await.unwrap_or_else(|_| panic!("timed out: {line}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_is_repeated_until_a_client_receives_it() {
    let bridge = Bridge::of_program(BridgeOptions { counters_start_at_zero: Some(0), ..BridgeOptions::default() });
    let options = patient();
    let state = Arc::new(WebState::new(&options, now));
    let server = TestServer::start_with(options, bridge, state).await;
    server.bridge.worker().ingest(b"hello:5|c", now());
    for round in 0..5 {
        let mut stream = server.connect().await;
        stream.write_all(request("").as_bytes()).await.expect("sent");
        if round % 2 == 0 {
            // The client closes its sending side right after the request.
            stream.shutdown().await.expect("shut down");
        }
        drop(stream);
    }
    // Wait until all scrapes have ended and their delivery was confirmed or refuted.
    wait_for("all are rendered", || server.metric("statsd_bridge_scrapes_total") + cut(&server, "left") >= 5.0).await;
    sleep(2 * crate::program::web::activity::RECEIPT_TIMEOUT).await;
    assert!(server.ask("GET", "/metrics").await.contains("\nhello 0\n"));
    shows(&server, "hello 5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_clients_are_counted_and_release_their_permits() {
    let server = large(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.expect("sent");
    stream.read_exact(&mut [0; 1000]).await.expect("a beginning");
    assert!(!is_at_rest(&server));
    drop(stream);
    wait_for("it is counted", || cut(&server, "left") > 0.0).await;
    wait_for("permits are released", || is_at_rest(&server)).await;
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_reading_are_cut_and_see_an_incomplete_response() {
    let server = large(WebOptions { write_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.expect("sent");
    wait_for("it is cut", || cut(&server, "slow") > 0.0).await;
    wait_for("permits are released", || is_at_rest(&server)).await;
    assert_eq!(unchunked(&rest(&mut stream).await).1, None);
    assert_eq!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"write\"}"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_when_others_wait() {
    let server = large(patient()).await;
    let mut slow = Vec::new();
    for _ in 0..WebOptions::default().max_transfers {
        let mut stream = server.connect().await;
        stream.write_all(request("").as_bytes()).await.expect("sent");
        stream.read_exact(&mut [0; 1000]).await.expect("a beginning");
        slow.push(stream);
    }
    assert_eq!(cut(&server, "crowded"), 0.0);
    let reply = server.send_bytes(request("Accept-Encoding: gzip\r\n")).await;
    assert!(unchunked(&reply).1.is_some());
    wait_for("one was cut", || cut(&server, "crowded") == 1.0).await;
    wait_for("its permit is released", || server.state.scrapes.transfers.available_permits() == 1).await;
    assert_eq!(cut(&server, "crowded"), 1.0, "only one is cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_wait_for_the_server_are_not_evicted() {
    let server = large(WebOptions { max_connections: 1, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.expect("sent");
    let mut reply = vec![0; 1000];
    stream.read_exact(&mut reply).await.expect("a beginning");
    // With all render permits taken, the client reads everything that was rendered and waits.
    let turns = soon(server.state.scrapes.renders.acquire_many(2)).await.expect("open");
    while let Ok(read) = timeout(SHORT, stream.read_buf(&mut reply)).await {
        assert_ne!(read.expect("open"), 0);
    }
    let mut other = server.connect().await;
    other.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.expect("sent");
    wait_for("the other connection waits", || server.metric("statsd_bridge_http_connections_waiting") == 1.0).await;
    drop(turns);
    reply.extend(rest(&mut stream).await);
    assert!(unchunked(&reply).1.is_some(), "the exposition is complete");
    assert!(rest(&mut other).await.starts_with(b"HTTP/1.1 200 OK"), "then the other connection gets its slot");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_scrapes_share_an_exposition_and_slow_ones_are_cut() {
    let server = large(patient()).await;
    let turns = server.state.scrapes.renders.acquire_many(2).await.expect("open");
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(request("").as_bytes()).await.expect("sent");
        clients.push(stream);
    }
    wait_for("all wait", || server.state.scrapes.waiting() == 4).await;
    // The exposition contains samples that are received while its scrapes wait.
    server.bridge.worker().ingest(b"family_late:1|c", now());
    drop(turns);
    let mut slow = clients.pop().expect("four");
    let readers: Vec<_> = clients.into_iter().map(|mut stream| tokio::spawn(async move { rest(&mut stream).await })).collect();
    for reader in readers {
        let reply = soon(reader).await.expect("no panic");
        let exposition = unchunked(&reply).1.expect("complete");
        assert!(exposition.windows(15).any(|w| w == b"\nfamily_late 1\n"[..15].as_ref()));
    }
    wait_for("the slow one is cut", || cut(&server, "crowded") == 1.0).await;
    assert_eq!(unchunked(&rest(&mut slow).await).1, None);
    let figures = ["scrapes_total", "scrapes_shared_total"].map(|name| server.metric(&format!("statsd_bridge_{name}")));
    assert_eq!(figures, [3.0, 2.0]);
    wait_for("permits are released", || is_at_rest(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_ends_when_its_scraper_times_out() {
    let server = large(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(request("X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n").as_bytes()).await.expect("sent");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(unchunked(&rest(&mut stream).await).1, None);
    wait_for("it is counted", || cut(&server, "timeout") == 1.0).await;
    wait_for("permits are released", || is_at_rest(&server)).await;
}
