//! Tests of HTTP/2, with well-behaved and misbehaving clients.

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use hyper::{Request, StatusCode};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;
use crate::program::web::activity::CutReason;
use crate::program::web::connection::http2;

struct Client {
    requests: SendRequest<Bytes>,
    /// The client's side of the connection; completes when the server closes it.
    closed: JoinHandle<Result<(), h2::Error>>,
    /// The server's side of the connection.
    served: JoinHandle<()>,
    stop: watch::Sender<bool>,
    activity: Arc<Activity>,
    bridge: Bridge,
}

/// The number of connections cut for this reason.
fn cut(bridge: &Bridge, reason: &str) -> f64 {
    bridge.telemetry().value(&format!("statsd_bridge_http_connections_cut_total{{reason=\"{reason}\"}}")).expect("a metric")
}

impl Client {
    async fn start(options: WebOptions, builder: &Builder) -> Self {
        let (state, bridge) = (WebState::new(&options, now), Bridge::of_program(BridgeOptions::default()));
        let (ours, theirs): (DuplexStream, DuplexStream) = duplex(64 << 10);
        let (stop, stopped) = watch::channel(false);
        let activity = Activity::new();
        let client = acceptor(options, &bridge, &state).client_connection(ConnectionAddresses::default(), Arc::clone(&activity), stopped);
        let served = tokio::spawn(http2::serve(theirs, client));
        let (requests, connection) = builder.handshake(ours).await.expect("a handshake");
        Self { requests, closed: tokio::spawn(connection), served, stop, activity, bridge }
    }

    async fn get(&mut self, path: &str) -> (StatusCode, Vec<u8>) {
        let (answer, _) = self.requests.send_request(request(path), true).expect("sent");
        let answer = soon(answer).await.expect("an answer");
        let (status, mut body, mut bytes) = (answer.status(), answer.into_body(), Vec::new());
        while let Some(piece) = soon(body.data()).await {
            let piece = piece.expect("a piece");
            bytes.extend_from_slice(&piece);
            body.flow_control().release_capacity(piece.len()).expect("given back");
        }
        (status, bytes)
    }
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("http://bridge{path}")).body(()).expect("a request")
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let mut client = Client::start(patient(), &Builder::new()).await;
    assert_eq!(client.get("/-/healthy").await, (StatusCode::OK, b"Statsd Bridge is Healthy.\n".to_vec()));
    let (status, page) = client.get("/metrics").await;
    assert!(status == StatusCode::OK && page.len() > 3 * 1024, "{status} {}", page.len());
    assert_eq!(client.get("/nowhere").await.0, StatusCode::NOT_FOUND);
    client.stop.send_replace(true);
    soon(client.served).await.expect("no panic");
    soon(client.closed).await.expect("no panic").expect("closed gracefully");
}

#[tokio::test]
async fn clients_that_open_no_window_are_cut() {
    let options = WebOptions { write_timeout: SHORT, ..patient() };
    let mut client = Client::start(options, Builder::new().initial_window_size(0)).await;
    let (answer, _) = client.requests.send_request(request("/metrics"), true).expect("sent");
    let _answer = soon(answer).await.expect("a header");
    soon(async {
        while cut(&client.bridge, "write") < 1.0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    soon(client.served).await.expect("no panic");
}

#[tokio::test]
async fn a_viewer_has_no_deadline_and_a_stop_ends_its_stream() {
    let options = WebOptions { enable_tail: true, response_timeout: SHORT, ..patient() };
    let mut client = Client::start(options, &Builder::new()).await;
    let (answer, _) = client.requests.send_request(request("/api/v1/tail"), true).expect("sent");
    let mut body = soon(answer).await.expect("a header").into_body();
    let began = Instant::now();
    // The counts come each second, which is many times the deadline of other responses.
    for _ in 0..2 {
        let piece = soon(body.data()).await.expect("open").expect("a piece");
        assert!(piece.starts_with(b"event: counts\n"), "{piece:?}");
        body.flow_control().release_capacity(piece.len()).expect("given back");
    }
    assert!(began.elapsed() > SHORT);
    client.stop.send_replace(true);
    while soon(body.data()).await.is_some() {}
    soon(client.served).await.expect("no panic");
}

#[tokio::test]
async fn idle_clients_are_cut() {
    let client = Client::start(WebOptions { idle_timeout: SHORT, ..patient() }, &Builder::new()).await;
    soon(client.served).await.expect("no panic");
}

#[tokio::test]
async fn idle_connections_can_be_evicted() {
    let mut client = Client::start(patient(), &Builder::new()).await;
    assert_eq!(client.get("/-/healthy").await.0, StatusCode::OK);
    soon(async {
        while client.activity.eviction_rank(Instant::now()).is_none() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    // A client with an empty window reads nothing of its response.
    let mut client = Client::start(patient(), Builder::new().initial_window_size(0)).await;
    let (answer, _) = client.requests.send_request(request("/"), true).expect("sent");
    let _answer = soon(answer).await.expect("an answer");
    assert_eq!(client.activity.eviction_rank(Instant::now()), None);
    client.activity.cut(CutReason::Evicted);
    soon(client.served).await.expect("no panic");
    let _ = soon(client.closed).await.expect("the connection is closed");
}

#[tokio::test]
async fn floods_of_resets_are_cut_and_counted() {
    let client = Client::start(patient(), &Builder::new()).await;
    for _ in 0..100_000 {
        let Ok(mut ready) = soon(client.requests.clone().ready()).await else { break };
        let Ok((_, mut stream)) = ready.send_request(request("/metrics"), false) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        if client.served.is_finished() {
            break;
        }
    }
    soon(client.served).await.expect("no panic");
    assert!(soon(client.closed).await.expect("no panic").is_err());
    assert_eq!(cut(&client.bridge, "flood"), 1.0);
}

#[tokio::test]
async fn malformed_http2_is_cut_and_counted() {
    let (state, bridge) = (WebState::new(&patient(), now), Bridge::of_program(BridgeOptions::default()));
    let (mut ours, theirs) = duplex(64 << 10);
    let (_stop, stopped) = watch::channel(false);
    let connection = acceptor(patient(), &bridge, &state).client_connection(ConnectionAddresses::default(), Activity::new(), stopped);
    // Settings, then a frame that exceeds the maximum size.
    ours.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\x01").await.expect("sent");
    soon(http2::serve(theirs, connection)).await;
    assert_eq!(cut(&bridge, "malformed"), 1.0);
}

#[tokio::test]
async fn oversized_headers_are_answered_431() {
    let mut client = Client::start(patient(), &Builder::new()).await;
    let mut long = request("/metrics");
    let value = "x".repeat(patient().max_header_bytes + 1);
    long.headers_mut().insert("x-long", value.parse().expect("a value"));
    let (answer, _) = client.requests.send_request(long, true).expect("sent");
    assert_eq!(soon(answer).await.expect("an answer").status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(client.get("/-/healthy").await.0, StatusCode::OK, "other requests still work");
}
