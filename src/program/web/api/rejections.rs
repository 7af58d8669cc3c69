//! `/api/v1/rejections`: rejected lines and samples by reason, with the last input of each.

use serde_json::{Value, json};

use super::live::Live;
use super::name_conflicts;
use super::reply::{ApiData, time_of};
use crate::bridge::Bridge;
use crate::program::history::reasons;
use crate::program::tools::advice;
use crate::rejections::Rejection;

/// One entry for each reason that occurred, most frequent first.
pub(super) fn rejections(bridge: &Bridge) -> ApiData {
    let all: Vec<Value> = bridge.rejections().iter().map(entry).collect();
    ApiData::new(json!({ "rejections": all }))
}

/// The same with the rate of each reason and advice, and the conflicting names.
pub(super) fn with_conflicts(live: &Live) -> ApiData {
    let past = live.history.until_now(&live.bridge, (live.clock)());
    let all = live.bridge.rejections().into_iter().map(|rejection| {
        let mut entry = entry(&rejection);
        let place = reasons().position(|reason| reason == rejection.reason);
        entry["rate"] = place.and_then(|place| past.rate(|point| point.of_reason(place))).into();
        entry["advice"] = advice::of_reason(&rejection.reason).into();
        entry
    });
    let conflicts = name_conflicts::conflicts(&live.bridge);
    ApiData::new(json!({ "rejections": all.collect::<Vec<_>>(), "conflicts": conflicts.data()["conflicts"] }))
}

fn entry(rejection: &Rejection) -> Value {
    let last = rejection.last.as_ref().map(|last| {
        let (millis, text) = time_of(last.at);
        json!({ "input": last.input, "source": last.source.to_string(), "time": text, "time_ms": millis })
    });
    json!({ "reason": rejection.reason, "count": rejection.count, "last": last })
}
