//! A DogStatsD event as JSON, for `/api/v1/events`, for the file of events and for `explain`.

use serde_json::{Map, Value, json};

use super::wall_time::time_of;
use crate::events::KeptEvent;

/// The event as an object. What the line does not state is null.
pub(super) fn event_json(event: &KeptEvent) -> Value {
    let (millis, text) = time_of(event.received);
    let received = [("time", text.into()), ("time_ms", millis.into()), ("source", event.source.to_string().into())];
    let all = stated(event).into_iter().chain(received);
    Value::Object(all.map(|(name, part)| (name.to_owned(), part)).collect::<Map<_, _>>())
}

/// The parts that the line states, by name.
pub(super) fn event_parts(event: &KeptEvent) -> Vec<(&'static str, Value)> {
    stated(event).into_iter().filter(|(_, part)| !part.is_null()).collect()
}

fn stated(event: &KeptEvent) -> [(&'static str, Value); 10] {
    [
        ("title", json!(event.title)),
        ("text", json!(event.text)),
        ("alert_type", json!(event.alert_type)),
        ("priority", json!(event.priority)),
        ("source_type", json!(event.source_type)),
        ("host", json!(event.host)),
        ("aggregation_key", json!(event.aggregation_key)),
        ("tags", json!(event.tags)),
        ("stated_time_s", json!(event.stated_seconds)),
        ("cut", json!(event.is_cut)),
    ]
}
