//! Stand-in for the web server, to be dropped when the real one is merged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Bridge;

/// How the pages are served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the page of metrics.
    pub telemetry_path: String,
    /// Whether `/-/quit` and `/-/reload` exist.
    pub enable_lifecycle: bool,
    /// HTTP connections open at once.
    pub max_connections: usize,
}

/// What the pages say about the program.
#[derive(Debug, Default)]
pub struct State {
    ready: AtomicBool,
    quit: tokio::sync::Notify,
}

impl State {
    /// Whether the bridge takes lines now.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Resolves when somebody asked the program to end.
    pub async fn quit_requested(&self) {
        self.quit.notified().await;
    }
}

/// Serves until `shutdown`.
pub async fn serve(
    listener: tokio::net::TcpListener,
    _options: Options,
    bridge: Bridge,
    state: Arc<State>,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    loop {
        let mut stream = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
        };
        let mut request = [0; 1024];
        let n = stream.read(&mut request).await.unwrap_or(0);
        if request.get(..n).is_some_and(|r| r.starts_with(b"POST /-/quit")) {
            state.quit.notify_one();
        }
        let status = if state.ready.load(Ordering::Relaxed) { "200 OK" } else { "503 Service Unavailable" };
        let mut body = Vec::new();
        for family in bridge.telemetry().families() {
            body.extend(family.lines.join("\n").into_bytes());
            body.push(b'\n');
        }
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    }
}
