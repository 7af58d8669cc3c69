//! What all listeners of one program share. Each part is handed to whoever uses it; nothing below `server` knows the whole.

use std::sync::Arc;

use super::access::gate::Gate;
use super::api::ReportSlots;
use super::connection::handshake::HandshakeTurns;
use super::connection::open::OpenConnections;
use super::lifecycle::Lifecycle;
use super::scrape::memory::SpareMemory;
use super::scrape::queue::ScrapeQueue;
use super::web_options::WebOptions;
use crate::program::reload_requests::ReloadRequests;
use crate::time::Timestamp;

/// The state that all listeners share.
pub(in crate::program) struct WebState {
    /// Readiness, and requests to end or reload.
    pub(in crate::program) lifecycle: Arc<Lifecycle>,
    pub(super) gate: Arc<Gate>,
    pub(super) open: Arc<OpenConnections>,
    pub(super) handshakes: HandshakeTurns,
    pub(super) scrapes: Arc<ScrapeQueue>,
    pub(super) memory: Arc<SpareMemory>,
    pub(super) reports: ReportSlots,
    pub(super) clock: fn() -> Timestamp,
}

impl WebState {
    /// Not ready, nothing requested. Takes `max_connections`, `max_renders` and `max_pages` from the options. Expositions show the
    /// time of `clock`, which must be the one that samples are recorded with.
    pub(in crate::program) fn new(options: &WebOptions, clock: fn() -> Timestamp) -> Self {
        Self {
            lifecycle: Arc::new(Lifecycle::new(Arc::default())),
            gate: Arc::new(Gate::open()),
            open: Arc::new(OpenConnections::new(options.max_connections, options.lobby_connections)),
            handshakes: HandshakeTurns::default(),
            scrapes: Arc::new(ScrapeQueue::new(options.max_pages, options.max_renders)),
            memory: Arc::default(),
            reports: ReportSlots::new(options.max_connections),
            clock,
        }
    }

    /// With requests to reload that somebody answers.
    pub(in crate::program) fn reloading(mut self, reloads: Arc<ReloadRequests>) -> Self {
        self.lifecycle = Arc::new(Lifecycle::new(reloads));
        self
    }

    /// With a gate in place of the one that lets everybody in.
    pub(in crate::program) fn behind(mut self, gate: Arc<Gate>) -> Self {
        self.gate = gate;
        self
    }
}
