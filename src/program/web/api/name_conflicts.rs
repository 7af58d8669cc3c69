//! `/api/v1/conflicts`: names that would have made the exposition invalid, and how each conflict was resolved.

use serde_json::{Value, json};

use super::reply::{ApiData, time_of};
use crate::bridge::Bridge;
use crate::registry::{Conflict, Reason, Side};

/// One entry for each conflict, by name. The core keeps at most 101.
pub(super) fn conflicts(bridge: &Bridge) -> ApiData {
    let all: Vec<Value> = bridge.conflicts().iter().map(|conflict| entry(conflict)).collect();
    ApiData::new(json!({ "conflicts": all }))
}

fn entry(conflict: &Conflict) -> Value {
    let (millis, text) = time_of(conflict.first);
    json!({
        "name": *conflict.name,
        "reason": conflict.reason.as_str(),
        "policy": conflict.reason.policy(),
        "samples": conflict.samples(),
        "first_met": text,
        "first_met_ms": millis,
        "kept": conflict.kept.as_ref().map(|kept| side(kept, conflict.reason)),
        "came": side(&conflict.came, conflict.reason),
    })
}

/// One side of a conflict, with the help text if the help texts differ, otherwise with a sample.
fn side(side: &Side, reason: Reason) -> Value {
    let example = if reason == Reason::Help { "help" } else { "sample" };
    json!({ "name": *side.name, "type": side.kind, example: *side.example, "source": side.source.to_string() })
}
