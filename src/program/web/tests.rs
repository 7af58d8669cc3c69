//! Tests of the web server over real sockets, with raw bytes. No test asserts a duration: timeouts under test are a few
//! milliseconds, all others an hour, and [`soon`] fails a test that waits too long.

mod api_calls;
mod asks;
mod client_limits;
mod http2_clients;
mod pages;
mod paths;
mod scrapes;
mod shutdown;
mod tails;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::activity::Activity;
use super::addresses::ConnectionAddresses;
use super::connection::http1;
use super::server::acceptor;
use super::{WebOptions, WebState, serve};
use crate::bridge::Bridge;
use crate::options::Options as BridgeOptions;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(40);

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// Options whose timeouts are too long to fire; a test shortens the one it needs.
fn patient() -> WebOptions {
    WebOptions {
        turn_timeout: HOUR,
        header_timeout: HOUR,
        idle_timeout: HOUR,
        body_timeout: HOUR,
        write_timeout: HOUR,
        response_timeout: HOUR,
        ..WebOptions::default()
    }
}

struct TestServer {
    address: SocketAddr,
    state: Arc<WebState>,
    bridge: Bridge,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TestServer {
    async fn start(options: WebOptions) -> Self {
        let state = Arc::new(WebState::new(&options, now));
        Self::start_with(options, Bridge::of_program(BridgeOptions::default()), state).await
    }

    async fn start_with(options: WebOptions, bridge: Bridge, state: Arc<WebState>) -> Self {
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

    /// Sends bytes on a new connection and reads until the server closes it.
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

    /// The value of a self-metric without labels.
    fn metric(&self, name: &str) -> f64 {
        self.labelled(name)
    }

    /// The value of a self-metric, named with its labels as in the exposition.
    fn labelled(&self, name: &str) -> f64 {
        self.bridge.telemetry().value(name).expect("a metric")
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), what).await.expect("timed out")
}

/// Reads until the server closes the connection; a reset counts as a close.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

/// Sends one request and reads the response on a connection that stays open.
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
