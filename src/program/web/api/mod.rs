//! `/api/v1/...`: what the bridge knows of rules, series and conflicts, as JSON in the envelope of Prometheus' own API.
//!
//! ```text
//! rule_use        rules in force, names without a rule
//! name_conflicts  names that mean something else already
//! rejections      why lines and samples were rejected, and who sent them
//! cardinality     which families and labels take the room, which limits were hit, and by whom
//! delete          series to delete
//!   parameters      of a query or a form
//! report_slots    a few reports at once, each address in its turn, on blocking threads
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

use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;

pub(super) use self::reply::ApiReply;
use self::reply::{ApiData, ApiError};
pub(super) use self::report_slots::ReportSlots;
use super::addresses::{ClientAddress, ConnectionAddresses};
use super::fair_turns::Turn;
use crate::bridge::Bridge;
use crate::telemetry::RequestRejection;

/// Answers the calls of the API.
pub(super) struct Api {
    bridge: Bridge,
    slots: ReportSlots,
    limits: ApiLimits,
    may_delete: bool,
}

/// How long a call of the API may take before it is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiLimits {
    /// To wait for its turn.
    pub(super) turn: Duration,
    /// To send a body.
    pub(super) body: Duration,
}

impl Api {
    /// Without `may_delete`, deletion is answered 403.
    pub(super) fn new(bridge: Bridge, slots: ReportSlots, limits: ApiLimits, may_delete: bool) -> Self {
        Self { bridge, slots, limits, may_delete }
    }

    /// `/api/v1/rules`.
    pub(super) async fn rules(&self, client: ClientAddress) -> ApiReply {
        self.report(client, |bridge| Ok(rule_use::rules(bridge))).await
    }

    /// `/api/v1/unmapped`.
    pub(super) async fn unmapped(&self, client: ClientAddress) -> ApiReply {
        self.report(client, |bridge| Ok(rule_use::unmapped(bridge))).await
    }

    /// `/api/v1/conflicts`.
    pub(super) async fn conflicts(&self, client: ClientAddress) -> ApiReply {
        self.report(client, |bridge| Ok(name_conflicts::conflicts(bridge))).await
    }

    /// `/api/v1/rejections`.
    pub(super) async fn rejections(&self, client: ClientAddress) -> ApiReply {
        self.report(client, |bridge| Ok(rejections::rejections(bridge))).await
    }

    /// `/api/v1/cardinality`, with the query of the request.
    pub(super) async fn cardinality(&self, query: Option<&str>, client: ClientAddress) -> ApiReply {
        let limit = match cardinality::limit(query) {
            Ok(limit) => limit,
            Err(error) => return error.into(),
        };
        self.report(client, move |bridge| Ok(cardinality::report(bridge, limit))).await
    }

    /// `/api/v1/series/delete`, with its parameters in the query, in a form, or in both.
    pub(super) async fn delete(&self, request: &Parts, body: Incoming, addresses: ConnectionAddresses) -> ApiReply {
        if !self.may_delete {
            return delete::disabled().into();
        }
        let Some(body_slot) = self.slots.body() else { return self.busy() };
        let form = delete::form(&request.headers, body, self.limits.body).await;
        drop(body_slot);
        let deletion = match form.and_then(|form| delete::read(request, &form)) {
            Ok(deletion) => deletion,
            Err(error) => {
                if error.is_timeout() {
                    self.bridge.telemetry().web.request_rejected(RequestRejection::SlowBody);
                }
                return error.into();
            }
        };
        self.report(addresses.client(), move |bridge| deletion.carry_out(bridge, addresses.peer)).await
    }

    /// A turn at what takes long, for this address; none if too many wait, which is counted.
    pub(super) async fn turn(&self, client: ClientAddress) -> Option<Turn> {
        let turn = self.slots.take(client, self.limits.turn).await;
        if turn.is_none() {
            self.bridge.telemetry().web.request_rejected(RequestRejection::ApiBusy);
        }
        turn
    }

    async fn report(&self, client: ClientAddress, work: impl FnOnce(&Bridge) -> Result<ApiData, ApiError> + Send + 'static) -> ApiReply {
        let Some(turn) = self.turn(client).await else { return ApiError::busy().into() };
        let bridge = self.bridge.clone();
        report_slots::run(turn, move || work(&bridge)).await
    }

    fn busy(&self) -> ApiReply {
        self.bridge.telemetry().web.request_rejected(RequestRejection::ApiBusy);
        ApiError::busy().into()
    }
}
