//! `/api/v1/tail`: lines as they arrive, with what became of each, as a stream that ends when the client leaves.
//!
//! ```text
//! query    the filter that a request states
//! body     the stream: lines ten times a second, counts once a second
//!   event    a line and the counts as JSON
//! ```
//! A viewer takes a place of its own, outside the limits of scrapes and reports. Depends neither on paths nor on connections.

mod body;
mod event;
mod query;

use std::sync::Arc;

use hyper::StatusCode;

pub(super) use self::body::TailBody;
pub(super) use self::query::TailFormat;
use super::activity::Activity;
use super::api::{ApiError, ApiReply};
use crate::bridge::Bridge;
use crate::telemetry::RequestRejection;

/// Admits viewers.
pub(super) struct TailEndpoint {
    bridge: Bridge,
    /// The maximum number of viewers; `None` if the endpoint is off.
    max_viewers: Option<usize>,
}

impl TailEndpoint {
    pub(super) fn new(bridge: Bridge, max_viewers: Option<usize>) -> Self {
        Self { bridge, max_viewers }
    }

    /// The form of the stream that the query asks for; an error if the request cannot be answered with a stream.
    pub(super) fn format(&self, query: Option<&str>) -> Result<TailFormat, ApiReply> {
        self.max_viewers.ok_or_else(disabled)?;
        Ok(query::TailQuery::read(query)?.format)
    }

    /// Begins a stream. `activity` ends it early.
    pub(super) fn begin(&self, query: Option<&str>, activity: Arc<Activity>) -> Result<(TailFormat, TailBody), ApiReply> {
        let most = self.max_viewers.ok_or_else(disabled)?;
        let query = query::TailQuery::read(query)?;
        let telemetry = self.bridge.telemetry();
        let Some(watch) = self.bridge.taps().watch(query.filter, query.lines_per_second, most) else {
            telemetry.web.request_rejected(RequestRejection::TailBusy);
            let text = format!("{most} viewers watch already; close one, or raise --web.max-tails.");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text).into());
        };
        Ok((query.format, TailBody::new(watch, query.format, activity, Arc::clone(telemetry))))
    }
}

fn disabled() -> ApiReply {
    let text = "Watching lines is not enabled, because lines may contain secrets; start the bridge with --web.enable-tail=true.";
    ApiError::new(StatusCode::FORBIDDEN, "unavailable", text).into()
}
