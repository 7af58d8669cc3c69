//! `/api/v1/rejections`: rejected lines and samples by reason, with the last input of each.

use serde_json::{Value, json};

use super::reply::{ApiData, time_of};
use crate::bridge::Bridge;
use crate::rejections::Rejection;

/// One entry for each reason that occurred, most frequent first.
pub(super) fn rejections(bridge: &Bridge) -> ApiData {
    let all: Vec<Value> = bridge.rejections().iter().map(entry).collect();
    ApiData::new(json!({ "rejections": all }))
}

fn entry(rejection: &Rejection) -> Value {
    let last = rejection.last.as_ref().map(|last| {
        let (millis, text) = time_of(last.at);
        json!({ "input": last.input, "source": last.source.to_string(), "time": text, "time_ms": millis })
    });
    json!({ "reason": rejection.reason, "count": rejection.count, "last": last })
}
