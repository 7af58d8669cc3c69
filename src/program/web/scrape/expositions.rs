//! Creates expositions. The only scrape module that depends on the bridge.

use crate::bridge::Bridge;
use crate::exposition::{Exposition, Negotiated, OpenMetricsOffer};
use crate::time::Timestamp;

/// Creates expositions of the bridge.
pub(in crate::program::web) struct ExpositionMaker {
    bridge: Bridge,
    clock: fn() -> Timestamp,
}

impl ExpositionMaker {
    /// `clock` is the time at which expositions are rendered.
    pub(in crate::program::web) fn new(bridge: Bridge, clock: fn() -> Timestamp) -> Self {
        Self { bridge, clock }
    }

    /// Which clients get OpenMetrics; changes only when rules are reloaded.
    pub(super) fn openmetrics_offer(&self) -> OpenMetricsOffer {
        self.bridge.openmetrics_offer()
    }

    /// Starts an exposition of the current values, which is then rendered in parts.
    pub(super) fn begin(&self, format: Negotiated) -> Exposition {
        self.bridge.exposition_escaped(format.format, format.escaping, (self.clock)())
    }

    /// The current time of `clock`.
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}
