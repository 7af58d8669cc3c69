//! The web server over real sockets, driven by raw bytes. No test asserts how long something takes: limits that must act are
//! set to a few milliseconds, all others to an hour, and a test that waits in vain is ended by [`soon`].

mod api;
mod http2;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::pulse::Pulse;
use super::server::{Ends, Site, connection};
use super::{Options, State, serve};
use crate::options::Options as BridgeOptions;
use crate::{Bridge, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(40);

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// No limit of time but the one that a test shortens.
fn patient() -> Options {
    Options {
        turn_timeout: HOUR,
        header_timeout: HOUR,
        idle_timeout: HOUR,
        write_timeout: HOUR,
        response_timeout: HOUR,
        ..Options::default()
    }
}

struct Server {
    address: SocketAddr,
    state: Arc<State>,
    bridge: Bridge,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(options: Options) -> Self {
        let state = Arc::new(State::new(&options, now));
        Self::start_with(options, Bridge::new(BridgeOptions::default()), state).await
    }

    async fn start_with(options: Options, bridge: Bridge, state: Arc<State>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(serve(listener, options, bridge.clone(), Arc::clone(&state), shutdown));
        Self { address, state, bridge, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listening")
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    async fn send(&self, request: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.send_bytes(request).await).expect("text")
    }

    async fn send_bytes(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.expect("sent");
        rest(&mut stream).await
    }

    async fn ask(&self, method: &str, path: &str) -> String {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")).await
    }

    /// The value of an own metric without labels.
    fn metric(&self, name: &str) -> f64 {
        self.labelled(name)
    }

    /// The value of an own metric with its labels as the page has them.
    fn labelled(&self, name: &str) -> f64 {
        let families = self.bridge.telemetry().families();
        let line = families.iter().flat_map(|f| &f.lines).find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect("a metric").parse().expect("a number")
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), what).await.expect("it never came")
}

/// Everything until the server closes; a reset counts as a close.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

/// One response on a connection that stays open.
async fn exchange(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).await.expect("sent");
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= header(head, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0)
        {
            return text;
        }
        let mut piece = [0; 4096];
        let n = soon(stream.read(&mut piece)).await.expect("open");
        assert_ne!(n, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&piece[..n]).expect("ASCII"));
    }
}

fn header<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let head = reply.split("\r\n\r\n").next()?;
    head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn status(reply: &str) -> u16 {
    reply.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {reply:?}"))
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").expect("a header").1
}

#[tokio::test]
async fn every_path_and_method_has_its_answer() {
    let server = Server::start(patient()).await;
    for (method, path, code, allow) in [
        ("GET", "/", 200, None),
        ("GET", "/?a=b", 200, None),
        ("GET", "/metrics", 200, None),
        ("GET", "/metrics?name%5B%5D=x", 200, None),
        ("GET", "/-/healthy", 200, None),
        ("GET", "/health", 200, None),
        ("GET", "/healthz", 200, None),
        ("GET", "/-/ready", 503, None),
        ("POST", "/", 405, Some("GET, HEAD")),
        ("DELETE", "/metrics", 405, Some("GET, HEAD")),
        ("OPTIONS", "/-/healthy", 405, Some("GET, HEAD")),
        ("BREW", "/-/ready", 405, Some("GET, HEAD")),
        ("GET", "/metrics/", 404, None),
        ("GET", "/nothing", 404, None),
        ("GET", "//", 404, None),
        ("POST", "/-/quit", 404, None),
        ("PUT", "/-/reload", 404, None),
        ("OPTIONS", "*", 404, None),
        ("CONNECT", "t:80", 404, None),
        ("GET", "http://t/-/healthy", 200, None),
        ("GET", "/api/v1/rules", 200, None),
        ("HEAD", "/api/v1/cardinality", 200, None),
        ("POST", "/api/v1/conflicts", 405, Some("GET, HEAD")),
        ("PUT", "/api/v1/series/delete", 405, Some("POST")),
    ] {
        let reply = server.ask(method, path).await;
        assert_eq!((status(&reply), header(&reply, "allow")), (code, allow), "{method} {path}: {reply}");
    }
    assert_eq!(body(&server.ask("GET", "/-/healthy").await), "Statsd Bridge is Healthy.\n");
    let landing = server.ask("GET", "/").await;
    assert_eq!(header(&landing, "content-type"), Some("text/html; charset=utf-8"));
    assert!(body(&landing).contains(&server.address.to_string()), "it names the address to scrape");
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let server = Server::start(patient()).await;
    for path in ["/", "/metrics", "/-/healthy", "/healthz", "/-/ready"] {
        let (get, head) = (server.ask("GET", path).await, server.ask("HEAD", path).await);
        assert_eq!((status(&head), body(&head)), (status(&get), ""), "{path}");
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"), "{path}");
        // How long a page will be is not known before it is made, and for HEAD it is not.
        assert_eq!(header(&head, "content-length").is_some(), path != "/metrics", "{path}: {head}");
    }
    assert_eq!(status(&server.ask("HEAD", "/nothing").await), 404);
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 1.0, "only the page that was seen was made");
}

#[tokio::test]
async fn the_path_of_the_page_can_be_moved_even_to_the_root() {
    for (option, path) in [("/", "/"), ("", "/"), ("stats", "/stats"), ("/a/b", "/a/b")] {
        let server = Server::start(Options { telemetry_path: option.to_owned(), ..patient() }).await;
        let reply = server.ask("GET", path).await;
        assert_eq!(header(&reply, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"), "{option:?}");
        assert_eq!(status(&server.ask("GET", "/metrics").await), 404, "{option:?}");
    }
}

#[tokio::test]
async fn ready_is_what_the_program_says() {
    let server = Server::start(patient()).await;
    assert_eq!(body(&server.ask("GET", "/-/ready").await), "Statsd Bridge is not Ready.\n");
    server.state.set_ready(true);
    let reply = server.ask("GET", "/-/ready").await;
    assert_eq!((status(&reply), body(&reply)), (200, "Statsd Bridge is Ready.\n"));
    server.state.set_ready(false);
    assert_eq!(status(&server.ask("GET", "/-/ready").await), 503);
}

#[tokio::test]
async fn quit_and_reload_reach_whoever_waits_for_them() {
    let server = Server::start(Options { enable_lifecycle: true, ..patient() }).await;
    let reply = server.ask("GET", "/-/quit").await;
    assert_eq!((status(&reply), header(&reply, "allow")), (405, Some("PUT, POST")));
    assert!(timeout(SHORT, server.state.quit_requested()).await.is_err(), "a refused request asks for nothing");

    let state = Arc::clone(&server.state);
    let waiting = tokio::spawn(async move { state.reload_requested().await });
    assert_eq!(body(&server.ask("POST", "/-/reload").await), "Requesting reload");
    soon(waiting).await.expect("reload was heard");

    let state = Arc::clone(&server.state);
    let waiting = tokio::spawn(async move { state.quit_requested().await });
    assert_eq!(body(&server.ask("PUT", "/-/quit").await), "Requesting termination... Goodbye!");
    soon(waiting).await.expect("quit was heard");
    soon(server.state.quit_requested()).await;
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_order() {
    let server = Server::start(patient()).await;
    let three = "GET /-/healthy HTTP/1.1\r\nHost: t\r\n\r\nGET /metrics HTTP/1.1\r\nHost: t\r\n\r\nGET /nothing HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let replies = server.send(three).await;
    let codes: Vec<u16> = replies.match_indices("HTTP/1.1 ").map(|(at, _)| status(&replies[at..])).collect();
    assert_eq!(codes, [200, 200, 404]);
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_and_a_drip_does_not_help() {
    let server = Server::start(Options { header_timeout: SHORT, ..patient() }).await;
    assert_eq!(server.send("GET / HT").await, "");

    let (mut reader, mut writer) = server.connect().await.into_split();
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nX: ").await.expect("sent");
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    let mut reply = Vec::new();
    let _ = soon(reader.read_to_end(&mut reply)).await;
    soon(drip).await.expect("the drip ends by the server's close");
    assert!(reply.is_empty());
}

#[tokio::test]
async fn silence_between_requests_has_a_limit_of_its_own() {
    let server = Server::start(Options { header_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        assert_eq!(status(&exchange(&mut stream, "/-/healthy").await), 200);
        sleep(SHORT * 3).await;
    }
    let server = Server::start(Options { idle_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    assert_eq!(status(&exchange(&mut stream, "/-/healthy").await), 200);
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(server.send("").await, "", "nor may it be silent from the start");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let options = Options { write_timeout: SHORT, ..patient() };
    let state = Arc::new(State::new(&options, now));
    let site = Arc::new(Site::new(options, Bridge::new(BridgeOptions::default()), state));
    let (stop, stopped) = watch::channel(false);
    let (mut client, stream) = duplex(512);
    client.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    soon(connection(stream, (site, Pulse::new()), Ends::default(), stopped)).await;
    assert!(!*stop.borrow(), "it ended without being told to");
    let mut taken = Vec::new();
    client.read_to_end(&mut taken).await.expect("what was on its way");
    assert_eq!(taken.len(), 512, "the rest was dropped");
}

#[tokio::test]
async fn connections_are_bounded_over_all_listeners() {
    let options = Options { max_connections: 2, ..patient() };
    let first = Server::start(options.clone()).await;
    let second = Server::start_with(options, first.bridge.clone(), Arc::clone(&first.state)).await;
    let (mut a, mut b) = (first.connect().await, second.connect().await);
    assert_eq!(status(&exchange(&mut a, "/-/healthy").await), 200);
    assert_eq!(status(&exchange(&mut b, "/-/healthy").await), 200);
    let mut c = first.connect().await;
    assert_eq!(status(&exchange(&mut c, "/-/healthy").await), 200, "a new one finds room");
    assert_eq!(rest(&mut a).await, b"", "for it the one went that was silent for the longest");
    assert_eq!(status(&exchange(&mut b, "/-/healthy").await), 200, "the other one never noticed");
    assert_eq!(first.labelled("statsd_bridge_http_connections_cut_total{reason=\"crowded\"}"), 1.0);
    assert_eq!((first.state.open_connections(), first.metric("statsd_bridge_http_connections_open")), (2, 2.0));

    // With both being served there is nobody to go.
    let turns = first.state.pages.turns.acquire_many(2).await.expect("open");
    for stream in [&mut b, &mut c] {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    }
    soon(async {
        while first.state.pages.places.available_permits() + 1 > Options::default().max_pages || first.state.pages.waiting() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(rest(&mut second.connect().await).await, b"");
    assert_eq!(first.metric("statsd_bridge_http_connections_refused_total"), 1.0);
    drop((turns, b));
    soon(async {
        while first.state.open_connections() > 1 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(status(&second.ask("GET", "/-/healthy").await), 200, "a place that is given back is used again");
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let server = Arc::new(Server::start(patient()).await);
    let clients: Vec<_> = (0..100)
        .map(|i| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { status(&server.ask("GET", if i % 2 == 0 { "/metrics" } else { "/" }).await) })
        })
        .collect();
    for client in clients {
        assert_eq!(soon(client).await.expect("no panic"), 200);
    }
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_asks_nothing_never_takes_more_places_than_there_are() {
    let server = Server::start(Options { max_connections: 4, ..patient() }).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HT").await.expect("sent");
        crowd.push(stream);
        assert!(server.state.open_connections() <= 4);
    }
    assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200);
    assert!(server.state.open_connections() <= 4);
    let cut = server.labelled("statsd_bridge_http_connections_cut_total{reason=\"crowded\"}");
    let refused = server.metric("statsd_bridge_http_connections_refused_total");
    assert!(cut >= 37.0 && refused == 0.0, "{cut} {refused}");
}

#[tokio::test]
async fn a_header_beyond_the_limit_is_refused() {
    let server = Server::start(patient()).await;
    let request = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(bytes));
    assert_eq!(status(&server.send(request(15_000)).await), 200);
    assert_eq!(status(&server.send(request(17_000)).await), 431);
    let small = Server::start(Options { max_header_bytes: 1000, ..patient() }).await;
    assert_eq!((status(&small.send(request(500)).await), status(&small.send(request(2000)).await)), (200, 431));
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    assert_eq!(status(&server.send(format!("GET / HTTP/1.1\r\n{many}\r\n")).await), 431);
    assert_eq!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"header_too_large\"}"), 2.0);
}

#[tokio::test]
async fn rubbish_ends_its_own_connection_only() {
    let server = Server::start(patient()).await;
    for rubbish in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello:1|c\n\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\nAccept-Encoding: \xff;q=\xff\r\nX-Prometheus-Scrape-Timeout-Seconds: \xff\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\nnever read",
    ] {
        server.send_bytes(rubbish).await;
    }
    assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200);
    assert!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"malformed\"}") >= 4.0);
}

#[tokio::test]
async fn a_page_waits_for_its_turn_and_not_for_ever() {
    let server = Server::start(Options { turn_timeout: SHORT, ..patient() }).await;
    for turns in [&server.state.pages.turns, &server.state.pages.places] {
        soon(async {
            while server.state.pages.places.available_permits() < Options::default().max_pages {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let all = u32::try_from(turns.available_permits()).expect("few");
        let taken = turns.acquire_many(all).await.expect("open");
        let reply = server.ask("GET", "/metrics").await;
        assert_eq!((status(&reply), header(&reply, "retry-after")), (503, Some("1")));
        assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200, "only pages wait");
        drop(taken);
    }
    assert_eq!(server.metric("statsd_bridge_scrapes_refused_total"), 2.0);
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 0.0);

    let server = Server::start(Options { max_renders: 0, max_pages: 0, ..patient() }).await;
    let taken = server.state.pages.turns.acquire().await.expect("open");
    let short = "GET /metrics HTTP/1.1\r\nHost: t\r\nX-Prometheus-Scrape-Timeout-Seconds: 0.02\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.send(short).await), 503, "a scraper's own limit counts");
    drop(taken);
    for _ in 0..5 {
        assert_eq!(status(&server.ask("GET", "/metrics").await), 200, "turns are given back, and there is always one");
    }
}

#[tokio::test]
async fn shutdown_lets_a_running_response_finish_and_takes_no_new_one() {
    let server = Server::start(Options { drain_timeout: HOUR, ..patient() }).await;
    let (mut idle, mut silent) = (server.connect().await, server.connect().await);
    assert_eq!(status(&exchange(&mut idle, "/-/healthy").await), 200);
    let turns = server.state.pages.turns.acquire_many(2).await.expect("open");
    let mut running = server.connect().await;
    running.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    let most = Options::default().max_pages;
    soon(async {
        while server.state.pages.places.available_permits() == most {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    server.stop.send(()).expect("serving");
    assert_eq!(rest(&mut idle).await, b"");
    assert_eq!(rest(&mut silent).await, b"");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    drop(turns);
    let reply = String::from_utf8(rest(&mut running).await).expect("text");
    assert_eq!((status(&reply), header(&reply, "connection")), (200, Some("close")));
    soon(server.task).await.expect("no panic");
    assert_eq!(server.state.open_connections(), 0);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let server = Server::start(Options { drain_timeout: SHORT, ..patient() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET / HTT").await.expect("sent");
    soon(async {
        while server.state.open_connections() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    server.stop.send(()).expect("serving");
    soon(server.task).await.expect("no panic");
    assert_eq!(rest(&mut stuck).await, b"");
    assert_eq!(server.state.open_connections(), 0, "places are given back also by those that are cut");
}
