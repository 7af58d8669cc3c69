//! `/api/v1/...`: reports about rules, series and conflicts as JSON, in the response format of the Prometheus API.
//!
//! ```text
//! rule_use        active rules, unmapped names
//! name_conflicts  conflicting names
//! events          the last DogStatsD events
//! rejections      rejected lines and samples: reason, count, last input and its source
//! sources         what each sender sent
//! push            what each push target was sent
//! cardinality     series by family and label, limits hit, offenders
//! overview        the way of a datagram, charts, losses
//!   problems        what needs attention
//! ask             what became of a line or a name
//! configuration   the flags in force, and the files that are reloaded
//! scrapes         who reads the exposition
//! proposals       rules for groups of unmapped names
//! series          families, labels, values, series
//!   growth          new series, rates and forecasts
//!   saving          a rule for a label whose values have no end
//!   shape           what the values of a label look like
//! delete          series deletion
//!   parameters      parameters of a query or a form
//! listing         how a list is searched, sorted and cut
//! report_slots    limits concurrent reports; runs them on blocking threads
//!   reply           the JSON envelope
//! ```
//! live            what all reports are about
//! Depends on the bridge and the request, not on paths or connections.

mod ask;
mod cardinality;
mod configuration;
mod delete;
mod events;
mod growth;
mod listing;
mod live;
mod name_conflicts;
mod overview;
mod parameters;
mod problems;
mod proposals;
mod push;
mod rejections;
mod reply;
mod report_slots;
mod rule_text;
mod rule_use;
mod saving;
mod scrapes;
mod series;
mod shape;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;

use self::listing::ListRules;
pub(super) use self::live::Live;
pub(super) use self::parameters::Parameters;
pub(super) use self::reply::{ApiData, ApiError, ApiReply};
pub(super) use self::report_slots::ReportSlots;
use super::addresses::ConnectionAddresses;
use super::view::View;
use crate::bridge::Bridge;
use crate::program::fair_turns::Turn;
use crate::program::net::ClientAddress;
use crate::telemetry::RequestRejection;

/// Who reads a report. A page has shorter lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Page,
    Program,
}

impl Reader {
    /// The rules of a list: those of programs, or with the lengths that a page has.
    fn rules(self, rules: ListRules) -> ListRules {
        match self {
            Self::Page => ListRules { limit: PAGE_LIMIT, ..rules },
            Self::Program => rules,
        }
    }
}

/// Entries of a list on a page, and at most.
const PAGE_LIMIT: (usize, usize) = (100, 200);

/// The report of a view. It can be slow; do not call it on an async thread.
pub(super) fn report(view: View, live: &Live, query: Option<&str>, reader: Reader) -> Result<ApiData, ApiError> {
    match view {
        View::Overview => Ok(overview::overview(live)),
        View::Tail => tail_filter(query),
        View::Ask => ask::ask(live, query),
        View::Series => series::series(live, query, reader.rules(series::RULES)),
        View::Rejected => Ok(rejections::with_conflicts(live)),
        View::Rules => Ok(rule_use::with_unmapped(live)),
        View::Cardinality => cardinality::cardinality(live, query, reader.rules(cardinality::RULES)),
        View::Senders => sources::sources(live, query, reader.rules(sources::RULES)),
        View::Scrapes => Ok(scrapes::scrapes(live)),
        View::Push => Ok(push::targets(live.pushers.as_ref())),
        View::Events => events::events(live, query, reader.rules(events::RULES)),
        View::Configuration => configuration::configuration(live, query),
        View::Actions => Ok(ApiData::new(serde_json::Value::Null)),
    }
}

/// The filter that a link to the view of lines states. The stream checks the values.
fn tail_filter(query: Option<&str>) -> Result<ApiData, ApiError> {
    const KNOWN: [&str; 6] = ["name", "source", "verdict", "rule", "label", "rate"];
    let parameters = Parameters::read(&[query.unwrap_or_default()], &KNOWN)?;
    let stated = KNOWN.into_iter().map(|name| (name.to_owned(), parameters.last(name).unwrap_or_default().into()));
    Ok(ApiData::new(stated.collect::<serde_json::Map<_, _>>().into()))
}

/// Answers API requests.
pub(super) struct Api {
    live: Arc<Live>,
    slots: ReportSlots,
    limits: ApiLimits,
    enable_deletion: bool,
}

/// The timeouts of an API request before it is executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiLimits {
    /// Time to wait until it is admitted.
    pub(super) turn_timeout: Duration,
    /// Time to receive the body.
    pub(super) body_timeout: Duration,
}

impl Api {
    /// Without `enable_deletion`, deletion requests are answered 403.
    pub(super) fn new(live: Arc<Live>, slots: ReportSlots, limits: ApiLimits, enable_deletion: bool) -> Self {
        Self { live, slots, limits, enable_deletion }
    }

    /// The report of a view, with the query of the request.
    pub(super) async fn view(&self, view: View, query: Option<&str>, client: ClientAddress) -> ApiReply {
        let (live, query) = (Arc::clone(&self.live), query.map(str::to_owned));
        self.report(client, move |_| report(view, &live, query.as_deref(), Reader::Program)).await
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

    /// `/api/v1/proposals`.
    pub(super) async fn proposals(&self, client: ClientAddress) -> ApiReply {
        self.report(client, |bridge| Ok(proposals::proposals(bridge))).await
    }

    /// `/api/v1/push`.
    pub(super) async fn push(&self, client: ClientAddress) -> ApiReply {
        let pushers = self.live.pushers.clone();
        self.report(client, move |_| Ok(push::targets(pushers.as_ref()))).await
    }

    /// `/api/v1/series/delete`. The parameters are in the query, in the form, or in both.
    pub(super) async fn delete(&self, request: &Parts, body: Incoming, addresses: ConnectionAddresses) -> ApiReply {
        if !self.enable_deletion {
            return delete::disabled().into();
        }
        let Some(body_slot) = self.slots.body() else { return self.busy() };
        let form = delete::form(&request.headers, body, self.limits.body_timeout).await;
        drop(body_slot);
        let deletion = match form.and_then(|form| delete::read(request, &form)) {
            Ok(deletion) => deletion,
            Err(error) => {
                if error.is_timeout() {
                    self.live.bridge.telemetry().web.request_rejected(RequestRejection::SlowBody);
                }
                return error.into();
            }
        };
        self.report(addresses.client(), move |bridge| deletion.carry_out(bridge, addresses.peer)).await
    }

    /// Waits for a turn at an expensive request; counts a rejection and returns `None` if too many requests wait.
    pub(super) async fn turn(&self, client: ClientAddress) -> Option<Turn> {
        let turn = self.slots.take(client, self.limits.turn_timeout).await;
        if turn.is_none() {
            self.live.bridge.telemetry().web.request_rejected(RequestRejection::ApiBusy);
        }
        turn
    }

    async fn report(&self, client: ClientAddress, work: impl FnOnce(&Bridge) -> Result<ApiData, ApiError> + Send + 'static) -> ApiReply {
        let Some(turn) = self.turn(client).await else { return ApiError::busy().into() };
        let bridge = self.live.bridge.clone();
        report_slots::run(turn, move || work(&bridge)).await
    }

    fn busy(&self) -> ApiReply {
        self.live.bridge.telemetry().web.request_rejected(RequestRejection::ApiBusy);
        ApiError::busy().into()
    }
}
