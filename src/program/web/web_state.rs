//! The state that all listeners share. `server` passes each part to the module that uses it; inner modules never see the whole.

use std::sync::Arc;

use super::access::gate::Gate;
use super::api::ReportSlots;
use super::connection::open::OpenConnections;
use super::lifecycle::Lifecycle;
use super::scrape::memory::SpareMemory;
use super::scrape::queue::ScrapeQueue;
use super::web_options::WebOptions;
use crate::program::configuration::Configuration;
use crate::program::history::History;
use crate::program::push::Pushers;
use crate::program::reload_requests::ReloadRequests;
use crate::program::tls::handshake::HandshakeTurns;
use crate::time::Timestamp;

/// The state that all listeners share.
pub(in crate::program) struct WebState {
    /// Readiness, and quit and reload requests.
    pub(in crate::program) lifecycle: Arc<Lifecycle>,
    pub(super) gate: Arc<Gate>,
    pub(super) open: Arc<OpenConnections>,
    pub(super) handshakes: HandshakeTurns,
    pub(super) scrapes: Arc<ScrapeQueue>,
    pub(super) memory: Arc<SpareMemory>,
    pub(super) reports: ReportSlots,
    pub(super) clock: fn() -> Timestamp,
    pub(super) pushers: Option<Pushers>,
    pub(super) history: Arc<History>,
    pub(super) configuration: Arc<Configuration>,
}

impl WebState {
    /// Creates the state of a program that is not ready. Applies the connection and scrape limits of `options`. `clock` must be the
    /// clock that samples are recorded with.
    pub(in crate::program) fn new(options: &WebOptions, clock: fn() -> Timestamp) -> Self {
        Self {
            lifecycle: Arc::new(Lifecycle::new(Arc::default())),
            gate: Arc::new(Gate::open()),
            open: Arc::new(OpenConnections::new(options.max_connections, options.lobby_connections)),
            handshakes: HandshakeTurns::default(),
            scrapes: Arc::new(ScrapeQueue::new(options.max_transfers, options.max_renders)),
            memory: Arc::default(),
            reports: ReportSlots::new(options.max_connections),
            clock,
            pushers: None,
            history: Arc::default(),
            configuration: Arc::default(),
        }
    }

    /// Connects `/-/reload` to the task that reloads.
    pub(in crate::program) fn with_reload_requests(mut self, reloads: Arc<ReloadRequests>) -> Self {
        self.lifecycle = Arc::new(Lifecycle::new(reloads));
        self
    }

    /// The turns of TLS handshakes, which all servers of the program share.
    pub(in crate::program) fn handshakes(&self) -> &HandshakeTurns {
        &self.handshakes
    }

    /// Adds the push targets, for the API.
    pub(in crate::program) fn with_pushers(mut self, pushers: Pushers) -> Self {
        self.pushers = Some(pushers);
        self
    }

    /// Adds the history of the self-metrics, for the page.
    pub(in crate::program) fn with_history(mut self, history: Arc<History>) -> Self {
        self.history = history;
        self
    }

    /// Adds the configuration in force, for the page.
    pub(in crate::program) fn with_configuration(mut self, configuration: Configuration) -> Self {
        self.configuration = Arc::new(configuration);
        self
    }

    /// Replaces the gate. The default gate allows every request.
    pub(in crate::program) fn with_gate(mut self, gate: Arc<Gate>) -> Self {
        self.gate = gate;
        self
    }
}
