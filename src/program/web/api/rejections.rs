//! `/api/v1/rejections`: why lines and samples were rejected, and the last input of each reason. Knows no request.

use serde_json::{Value, json};

use super::reply::{ApiData, time_of};
use crate::bridge::Bridge;
use crate::rejections::Rejection;

/// The reply: one entry for each reason that was met, most first.
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
