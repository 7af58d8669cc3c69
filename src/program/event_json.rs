//! A DogStatsD event as JSON, for `/api/v1/events` and for the file of events.

use serde_json::{Value, json};

use super::wall_time::time_of;
use crate::events::KeptEvent;

/// The event as an object.
pub(super) fn event_json(event: &KeptEvent) -> Value {
    let (millis, text) = time_of(event.received);
    json!({
        "title": event.title,
        "text": event.text,
        "alert_type": event.alert_type,
        "priority": event.priority,
        "source_type": event.source_type,
        "host": event.host,
        "aggregation_key": event.aggregation_key,
        "tags": event.tags,
        "time": text,
        "time_ms": millis,
        "stated_time_s": event.stated_seconds,
        "source": event.source.to_string(),
        "cut": event.is_cut,
    })
}
