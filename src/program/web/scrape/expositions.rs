//! Makes expositions: all that a scrape knows of the bridge. Knows no client.

use crate::bridge::Bridge;
use crate::exposition::{Exposition, Negotiated, OpenMetricsOffer};
use crate::time::Timestamp;

/// Makes expositions of what the bridge has recorded.
pub(in crate::program::web) struct ExpositionMaker {
    bridge: Bridge,
    clock: fn() -> Timestamp,
}

impl ExpositionMaker {
    /// Expositions show the time of `clock`.
    pub(in crate::program::web) fn new(bridge: Bridge, clock: fn() -> Timestamp) -> Self {
        Self { bridge, clock }
    }

    /// To whom OpenMetrics is offered; the same until rules change.
    pub(super) fn openmetrics_offer(&self) -> OpenMetricsOffer {
        self.bridge.openmetrics_offer()
    }

    /// The beginning of an exposition as of now, which is then taken part by part.
    pub(super) fn begin(&self, wanted: Negotiated) -> Exposition {
        self.bridge.exposition_escaped(wanted.format, wanted.escaping, (self.clock)())
    }

    /// The time that expositions show.
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}
