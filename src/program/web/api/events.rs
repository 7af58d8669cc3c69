//! `/api/v1/events`: the last DogStatsD events, newest first.

use serde_json::json;

use super::parameters;
use super::reply::{ApiData, ApiError};
use crate::bridge::Bridge;
use crate::program::event_json::event_json;

/// The default of `limit`, and its maximum. The bridge keeps 1,000 events by default.
const MAX_EVENTS: usize = 100_000;

/// The `limit` parameter: the number of events.
pub(super) fn limit(query: Option<&str>) -> Result<usize, ApiError> {
    parameters::limit(query, MAX_EVENTS, MAX_EVENTS)
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
