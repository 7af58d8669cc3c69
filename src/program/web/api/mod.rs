//! `/api/v1/...`: what the bridge knows of rules, series and conflicts, as JSON in the envelope of Prometheus' own API.
//!
//! ```text
//! rule_use        rules in force, names without a rule
//! name_conflicts  names that mean something else already
//! rejections      why lines and samples were rejected, and who sent them
//! cardinality     which families and labels take the room, which limits were hit, and by whom
//! delete          series to delete
//!   parameters      of a query or a form
//! report_slots    what takes long: a few at once, on blocking threads
//!   reply           the envelope
//! ```
//! Knows the bridge and the request, and neither paths nor connections.

mod cardinality;
mod delete;
mod name_conflicts;
mod parameters;
mod rejections;
mod reply;
mod report_slots;
mod rule_use;

use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;

pub(super) use self::reply::ApiReply;
pub(super) use self::report_slots::ReportSlots;
use crate::bridge::Bridge;

/// Answers the calls of the API.
pub(super) struct Api {
    bridge: Bridge,
    slots: ReportSlots,
    /// How long a report waits for a slot.
    turn_timeout: Duration,
    may_delete: bool,
}

impl Api {
    /// Without `may_delete`, deletion is answered 403.
    pub(super) fn new(bridge: Bridge, slots: ReportSlots, turn_timeout: Duration, may_delete: bool) -> Self {
        Self { bridge, slots, turn_timeout, may_delete }
    }

    /// `/api/v1/rules`.
    pub(super) fn rules(&self) -> ApiReply {
        rule_use::rules(&self.bridge).into()
    }

    /// `/api/v1/unmapped`.
    pub(super) fn unmapped(&self) -> ApiReply {
        rule_use::unmapped(&self.bridge).into()
    }

    /// `/api/v1/conflicts`.
    pub(super) fn conflicts(&self) -> ApiReply {
        name_conflicts::conflicts(&self.bridge).into()
    }

    /// `/api/v1/rejections`.
    pub(super) fn rejections(&self) -> ApiReply {
        rejections::rejections(&self.bridge).into()
    }

    /// `/api/v1/cardinality`, with the query of the request.
    pub(super) async fn cardinality(&self, query: Option<&str>) -> ApiReply {
        let limit = match cardinality::limit(query) {
            Ok(limit) => limit,
            Err(error) => return error.into(),
        };
        let bridge = self.bridge.clone();
        self.slots.run(self.turn_timeout, move || Ok(cardinality::report(&bridge, limit))).await
    }

    /// `/api/v1/series/delete`, with its parameters in the query, in a form, or in both. `peer` asked for it.
    pub(super) async fn delete(&self, request: &Parts, body: Incoming, peer: Option<SocketAddr>) -> ApiReply {
        if !self.may_delete {
            return delete::disabled().into();
        }
        let deletion = match delete::read(request, body).await {
            Ok(deletion) => deletion,
            Err(error) => return error.into(),
        };
        let bridge = self.bridge.clone();
        self.slots.run(self.turn_timeout, move || deletion.carry_out(&bridge, peer)).await
    }
}
