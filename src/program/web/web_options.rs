//! Options of the web server. Knows no flags: the command line fills them in.

use std::time::Duration;

use super::access::browsers::AllowedHosts;
use super::access::networks::AllowedNetwork;

/// Options of the web server. A limit that is hit closes one connection or rejects one request, never more.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Path of the exposition, `/metrics`. With `/` or the empty string the exposition takes the place of the landing page.
    pub telemetry_path: String,
    /// Whether `PUT` and `POST` of `/-/quit` and `/-/reload` are carried out; off: they are 403.
    pub enable_lifecycle: bool,
    /// Whether `POST` of `/api/v1/series/delete` deletes series; off: it is 403.
    pub enable_admin_api: bool,
    /// Whether the paths of both are answered by another listener only: here they are 404.
    pub admin_elsewhere: bool,
    /// Networks that may connect over TCP, all by default; a connection from elsewhere is closed at once.
    pub allow_from: Vec<AllowedNetwork>,
    /// Hosts that requests may name, beside the loopback, the listener's own address and names without a dot; none.
    pub allowed_hosts: AllowedHosts,
    /// Whether a request that names another host is 403; off. If off, that holds for what a browser sends to change something.
    pub checks_hosts: bool,
    /// Paths that are answered without a password where the web configuration has users; none.
    pub no_auth_paths: Vec<String>,
    /// A shell line that sends one sample to the bridge, shown on the landing page; none where nothing listens.
    pub paste: Option<String>,
    /// Connections whose request has come, 256 at the same time, over all listeners. For one more, a connection that only takes up
    /// room is evicted, of the address that has most of them first; if all are being served, the new one waits for a place.
    pub max_connections: usize,
    /// Connections whose request is awaited, or that wait for a place, 2,048 at the same time. For one more, one is sent away of the
    /// address that has most of them.
    pub lobby_connections: usize,
    /// Threads that render and compress expositions at the same time, 2; at least 1.
    pub max_renders: usize,
    /// Expositions being sent at the same time, 8; at least 1. Each is rendered as its client takes it.
    pub max_pages: usize,
    /// How long a scrape, or a report of the API, waits for its turn before it is answered 503, 5 s.
    pub turn_timeout: Duration,
    /// From the first byte of a request to the end of its header, 10 s; also the whole of a TLS handshake.
    pub header_timeout: Duration,
    /// How long a connection may be silent between requests, 120 s.
    pub idle_timeout: Duration,
    /// How long the body of a request may take, 10 s; sooner where it comes slower than 1 KiB a second.
    pub body_timeout: Duration,
    /// How long the client may take nothing of a response, 10 s.
    pub write_timeout: Duration,
    /// From the end of a request's header to the last byte of its response, 60 s.
    pub response_timeout: Duration,
    /// How long running responses may take after shutdown, 2 s.
    pub drain_timeout: Duration,
    /// Bytes of a request's header, 16 KiB; a longer one is answered 431.
    pub max_header_bytes: usize,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            enable_lifecycle: false,
            enable_admin_api: false,
            admin_elsewhere: false,
            allow_from: Vec::new(),
            allowed_hosts: AllowedHosts::default(),
            checks_hosts: false,
            no_auth_paths: Vec::new(),
            paste: None,
            max_connections: 256,
            lobby_connections: 2048,
            max_renders: 2,
            max_pages: 8,
            turn_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(2),
            max_header_bytes: 16 * 1024,
        }
    }
}
