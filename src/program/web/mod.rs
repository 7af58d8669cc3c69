//! The page of metrics and a few more over HTTP.
//!
//! [`serve`] runs one listener until its shutdown future ends; several listeners may share one [`State`]. Everything a client
//! can make grow has a bound in [`Options`]. Knows the bridge as something that renders itself into a buffer; knows no
//! series, no StatsD, no signals and no flags.
//!
//! ```text
//! listener    TCP and Unix sockets; networks that may connect
//! server      accepts, one task a connection, drains at the end
//!   crowd     all connections, and which one goes for another
//!   tls       the handshake; what a client has to prove
//!   pulse     what the connection is doing and since when; cuts one that waits too long
//!   http2     the same for a connection with many requests at once
//!   gate      who may ask, by the web configuration file in force
//!     config  that file: read and checked, every mistake by line and column
//!     auth    passwords, one at a time, verdicts kept
//!   answer    path and method to response
//!     page    one scrape: its turn, and the page rendered and compressed a piece at a time, as its client takes it
//!     api     questions about rules, series and conflicts; deletion
//!     landing the page at /, with the worst troubles on it
//! ```

mod access;
mod activity;
mod api;
mod connection;
mod pages;
mod router;
mod scrape;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

pub(super) use self::access::gate::Gate;
pub(super) use self::access::networks::{Listener, Network};
pub(super) use self::access::web_config::{WebConfigError, check as check_config};
pub(super) use self::connection::accept::serve;
use crate::time::Timestamp;

/// Answers about series that are made, or in memory, at once. Few: they are for people, and scrapes go first.
const MAX_REPORTS: usize = 2;

/// What the web server can be told. Every bound that is hit closes one connection or refuses one page, never more.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the page of metrics, `/metrics`. With `/` or the empty string that page takes the place of the landing page.
    pub telemetry_path: String,
    /// Whether `PUT` and `POST` of `/-/quit` and `/-/reload` are answered; off: they are 404.
    pub enable_lifecycle: bool,
    /// Whether `POST` of `/api/v1/series/delete` deletes series; off: it is 403.
    pub enable_admin_api: bool,
    /// Whether the paths of both are on another listener only: here they are 404.
    pub admin_elsewhere: bool,
    /// Networks that may connect over TCP, all by default; a connection from elsewhere is closed at once.
    pub allow_from: Vec<Network>,
    /// A shell line that sends one sample to the bridge, shown on the landing page; none where nothing listens.
    pub paste: Option<String>,
    /// Connections open at the same time, 256, over all listeners. With one more, the one goes that has asked nothing for the
    /// longest, but not in its first 20 ms; if all are being served, the new one is closed at once.
    pub max_connections: usize,
    /// Threads that render and compress pages at the same time, 2; at least 1.
    pub max_renders: usize,
    /// Pages on their way at the same time, 8; at least 1. Each is made as its client takes it.
    pub max_pages: usize,
    /// How long a request for a page waits for its turn before it is answered 503, 5 s.
    pub turn_timeout: Duration,
    /// From the first byte of a request to the end of its header, 10 s; also the whole of a TLS handshake.
    pub header_timeout: Duration,
    /// Silence of a connection between requests, 120 s.
    pub idle_timeout: Duration,
    /// How long a response may be stuck without the client taking a byte of it, 10 s.
    pub write_timeout: Duration,
    /// From the end of a request's header to the last byte of its response, 60 s.
    pub response_timeout: Duration,
    /// How long running responses may take after shutdown, 2 s.
    pub drain_timeout: Duration,
    /// Bytes of a request's header, 16 KiB; beyond it is answered 431.
    pub max_header_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            enable_lifecycle: false,
            enable_admin_api: false,
            admin_elsewhere: false,
            allow_from: Vec::new(),
            paste: None,
            max_connections: 256,
            max_renders: 2,
            max_pages: 8,
            turn_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(2),
            max_header_bytes: 16 * 1024,
        }
    }
}

/// What all listeners of one program share: readiness, requests to quit and reload, and the counts behind the bounds.
pub(super) struct State {
    gate: Arc<Gate>,
    clock: fn() -> Timestamp,
    ready: AtomicBool,
    quit: watch::Sender<bool>,
    reload: Notify,
    /// Connections that may still be opened.
    connections: Arc<Semaphore>,
    #[cfg(test)]
    max_connections: usize,
    crowd: connection::open::Crowd,
    pages: scrape::queue::Pages,
    /// Answers of the API about series that are being made, or are in memory.
    reports: Arc<Semaphore>,
}

impl State {
    /// Not ready, nothing requested. Takes `max_connections`, `max_renders` and `max_pages` from the options. Pages show the time of `clock`, which
    /// is to be the one that samples are recorded with.
    pub(super) fn new(options: &Options, clock: fn() -> Timestamp) -> Self {
        let max_connections = options.max_connections.min(Semaphore::MAX_PERMITS);
        Self {
            gate: Arc::new(Gate::open()),
            clock,
            ready: AtomicBool::new(false),
            quit: watch::Sender::new(false),
            reload: Notify::new(),
            connections: Arc::new(Semaphore::new(max_connections)),
            #[cfg(test)]
            max_connections,
            crowd: connection::open::Crowd::default(),
            pages: scrape::queue::Pages::new(options.max_pages, options.max_renders),
            reports: Arc::new(Semaphore::new(MAX_REPORTS)),
        }
    }

    /// With a gate in place of the one that lets everybody in.
    pub(super) fn behind(mut self, gate: Arc<Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// Sets what `/-/ready` answers: true while all sockets are bound and lines are taken.
    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Whether `/-/ready` answers 200.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Ends once `/-/quit` was asked for, at once if it was before. Any number may wait.
    pub(super) async fn quit_requested(&self) {
        // An error would mean that the sender is gone, and it is borrowed here.
        let _ = self.quit.subscribe().wait_for(|quit| *quit).await;
    }

    /// Ends once `/-/reload` was asked for since it last ended; several requests in between are one. For one waiter.
    pub(super) async fn reload_requested(&self) {
        self.reload.notified().await;
    }

    /// Connections open now, over all listeners.
    #[cfg(test)]
    pub(super) fn open_connections(&self) -> usize {
        self.max_connections.saturating_sub(self.connections.available_permits())
    }
}
