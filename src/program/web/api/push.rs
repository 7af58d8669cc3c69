//! `/api/v1/push`: what each push target was sent, what it answered last, and what waits for it.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::reply::ApiData;
use crate::program::push::{LastAnswer, Negotiated, Protocol, Pushers, Target};
use crate::program::wall_time::rfc3339;
use crate::telemetry::PushResult;
use crate::time::Timestamp;

/// All targets, in the order of the configuration.
pub(super) fn targets(pushers: Option<&Pushers>) -> ApiData {
    let targets = pushers.map(Pushers::targets).unwrap_or_default();
    ApiData::new(json!({ "targets": targets.iter().map(|target| shown(target)).collect::<Vec<_>>() }))
}

fn shown(target: &Target) -> Value {
    let (options, report) = (&target.options, target.report());
    let status = &report.status;
    let samples: serde_json::Map<String, Value> =
        PushResult::NAMES.iter().zip(status.settled).map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    json!({
        "name": options.name,
        "url": options.url.to_string(),
        "protocol": protocol(options.protocol),
        "protocol_in_use": in_use(status.protocol),
        "interval_seconds": options.interval.as_secs_f64(),
        "labels": options.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "healthy": status.last_success.is_some() && status.failures == 0,
        "failures": status.failures,
        "last_success": status.last_success.and_then(wall),
        "last_answer": status.last.as_ref().map(answer),
        "last_rejection": status.last_rejection.as_ref().map(answer),
        "last_cycle": status.last_cycle.and_then(rfc3339),
        "last_written_cycle": status.last_written.and_then(rfc3339),
        "clock_wait_seconds": report.clock_wait_seconds,
        "samples_made": status.made,
        "samples": samples,
        "queue": {
            "samples": report.queue_samples,
            "requests": report.queue_requests,
            "bytes": report.queue_bytes,
            "bytes_limit": options.queue.bytes,
            "age_seconds": report.queue_age_seconds,
            "age_limit_seconds": options.queue.age.as_secs_f64(),
        },
    })
}

fn answer(answer: &LastAnswer) -> Value {
    json!({ "time": wall(answer.at), "status": answer.status, "text": answer.text })
}

fn protocol(protocol: Protocol) -> &'static str {
    Protocol::NAMES.iter().find(|(_, known)| *known == protocol).map_or("", |(name, _)| name)
}

/// The version of the next request; `None` while it is not known whether the receiver knows 2.0.
fn in_use(negotiated: Negotiated) -> Option<&'static str> {
    match negotiated {
        Negotiated::Unknown | Negotiated::Probing | Negotiated::Unclear => None,
        Negotiated::V1 => Some("1.0"),
        Negotiated::V2 => Some("2.0"),
        Negotiated::Otlp => Some("otlp"),
    }
}

/// A time in RFC 3339.
fn wall(at: SystemTime) -> Option<String> {
    rfc3339(Timestamp::from(at))
}
