//! `/api/v1/events`: the last DogStatsD events, newest first.

use std::sync::Arc;

use serde_json::json;

use super::listing::ListRules;
use super::live::Live;
use super::reply::{ApiData, ApiError};
use crate::events::KeptEvent;
use crate::program::event_json::event_json;

/// In JSON: all that are kept, 1,000 by default.
pub(super) const RULES: ListRules = ListRules { sorts: &["newest"], limit: (MOST, MOST), more: &[] };

const MOST: usize = 100_000;

/// The events that the query asks for.
pub(super) fn events(live: &Live, query: Option<&str>, rules: ListRules) -> Result<ApiData, ApiError> {
    let (listing, _) = rules.read(query)?;
    let kept = live.bridge.events(MOST);
    let is_meant = |event: &&Arc<KeptEvent>| {
        let more = [&event.source_type, &event.host, &event.aggregation_key].into_iter().flatten();
        let texts = [&event.title, &event.text].into_iter().chain(&event.tags).chain(more);
        listing.matches(texts) || listing.matches([event.alert_type, &event.source.to_string()])
    };
    let found: Vec<&Arc<KeptEvent>> = kept.events.iter().filter(is_meant).collect();
    Ok(ApiData::new(json!({
        "events": found.iter().take(listing.limit).map(|event| event_json(event)).collect::<Vec<_>>(),
        "kept": kept.kept,
        "kept_bytes": kept.bytes,
        "evicted": kept.evicted,
        "list": listing.state(found.len()),
    })))
}
