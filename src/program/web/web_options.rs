//! The options of the web server. Does not depend on flags; the command line sets the fields.

use std::time::Duration;

use super::access::browsers::AllowedHosts;
use crate::program::net::AllowedNetwork;

/// The options of the web server. A limit that is hit closes one connection or rejects one request.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// The path of the exposition. With `/` or an empty string the exposition replaces the page at `/`, which stays at `/ui/overview`. Default: `/metrics`.
    pub telemetry_path: String,
    /// Enables `PUT` and `POST` of `/-/quit` and `/-/reload`; otherwise the server answers 403. Default: off.
    pub enable_lifecycle: bool,
    /// Enables `POST` of `/api/v1/series/delete`; otherwise the server answers 403. Default: off.
    pub enable_admin_api: bool,
    /// Enables `/api/v1/tail`; otherwise the server answers 403. Default: off, because lines may contain secrets.
    pub enable_tail: bool,
    /// Viewers of lines at once. Default: 4.
    pub max_tails: usize,
    /// Whether only another listener serves the lifecycle, deletion and tail paths; this one answers 404. Default: off.
    pub admin_on_other_listener: bool,
    /// Networks that may connect over TCP; connections from other networks are closed immediately. Default: empty, all networks.
    pub allow_from: Vec<AllowedNetwork>,
    /// Hosts that requests may name, in addition to loopback names, the listener's address and names without a dot. Default: none.
    pub allowed_hosts: AllowedHosts,
    /// Whether the server answers 403 to every request that names another host. Otherwise it checks only requests of browsers that
    /// change state. Default: off.
    pub check_hosts: bool,
    /// Paths that need no password when the web configuration has users. Default: none.
    pub no_auth_paths: Vec<String>,
    /// A shell command that sends one sample to the bridge, shown on the page; `None` if there is no suitable listener.
    pub sample_command: Option<String>,
    /// Concurrent connections that have sent a request, over all listeners. When the limit is reached, an idle or stalled connection
    /// is evicted, preferably of the client address that has most connections; if there is none, the new connection waits.
    /// Default: 256.
    pub max_connections: usize,
    /// Concurrent connections that have not sent a complete request yet, or that wait for one of `max_connections`. When the limit is
    /// exceeded, a connection of the client address that has most of them is closed. Default: 2,048.
    pub lobby_connections: usize,
    /// Threads that render and compress expositions concurrently; at least 1. Default: 2.
    pub max_renders: usize,
    /// Expositions sent concurrently; at least 1. Each is rendered as fast as its client reads it. Default: 8.
    pub max_transfers: usize,
    /// How long a scrape or an API request waits to be admitted before the server answers 503. Default: 5 s.
    pub turn_timeout: Duration,
    /// Time from the first byte of a request to the end of its headers, and for a TLS handshake. Default: 10 s.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests. Default: 120 s.
    pub idle_timeout: Duration,
    /// Time to receive a request body; less if the body arrives slower than 1 KiB per second. Default: 10 s.
    pub body_timeout: Duration,
    /// How long a client may go without reading any of a response. Default: 10 s.
    pub write_timeout: Duration,
    /// Time from the end of the request headers to the last byte of the response. Default: 60 s.
    pub response_timeout: Duration,
    /// How long open responses may take to finish after shutdown starts. Default: 2 s.
    pub drain_timeout: Duration,
    /// Size of the request headers; the server answers 431 if they are larger. Default: 16 KiB.
    pub max_header_bytes: usize,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            enable_lifecycle: false,
            enable_admin_api: false,
            enable_tail: false,
            max_tails: 4,
            admin_on_other_listener: false,
            allow_from: Vec::new(),
            allowed_hosts: AllowedHosts::default(),
            check_hosts: false,
            no_auth_paths: Vec::new(),
            sample_command: None,
            max_connections: 256,
            lobby_connections: 2048,
            max_renders: 2,
            max_transfers: 8,
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
