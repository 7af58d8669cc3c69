//! `/api/v1/events`: the last DogStatsD events, newest first.

use serde_json::json;

use super::parameters::Parameters;
use super::reply::{ApiData, ApiError};
use crate::bridge::Bridge;
use crate::program::event_json::event_json;

/// The default of `limit`, and its maximum. The bridge keeps 1,000 events by default.
const MAX_EVENTS: usize = 100_000;

/// The `limit` parameter: the number of events.
pub(super) fn limit(query: Option<&str>) -> Result<usize, ApiError> {
    let parameters = Parameters::read(&[query.unwrap_or_default()], &["limit"])?;
    let Some(text) = parameters.last("limit") else { return Ok(MAX_EVENTS) };
    let number = text.parse().ok().filter(|number| (1..=MAX_EVENTS).contains(number));
    number.ok_or_else(|| ApiError::bad_data(format!("invalid parameter \"limit\": {text:?} is not an integer from 1 to {MAX_EVENTS}")))
}

/// At most `limit` events.
pub(super) fn events(bridge: &Bridge, limit: usize) -> ApiData {
    let kept = bridge.events(limit);
    ApiData::new(json!({
        "events": kept.events.iter().map(|event| event_json(event)).collect::<Vec<_>>(),
        "kept": kept.kept,
        "kept_bytes": kept.bytes,
        "evicted": kept.evicted,
    }))
}
