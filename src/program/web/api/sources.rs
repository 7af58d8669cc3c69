//! `/api/v1/sources`: what each sender sent: datagrams, lines, samples, bytes and rejections; and what its clients say they sent.

use serde_json::{Value, json};

use super::parameters;
use super::reply::{ApiData, ApiError, time_of};
use crate::bridge::Bridge;
use crate::sources::{ClientDrops, ClientReport, SentAndArrived, SourceReport, SourceSums};

/// The default of `limit`.
const DEFAULT_SOURCES: usize = 100;
/// The maximum of `limit`.
const MAX_SOURCES: usize = 10_000;

/// The `limit` parameter: the number of senders to list.
pub(super) fn limit(query: Option<&str>) -> Result<usize, ApiError> {
    parameters::limit(query, DEFAULT_SOURCES, MAX_SOURCES)
}

/// The senders with the most lines, and the sums of all others.
pub(super) fn sources(bridge: &Bridge, limit: usize) -> ApiData {
    let report = bridge.sources(limit);
    ApiData::new(json!({
        "tracked": report.tracked,
        "tracked_limit": report.limit,
        "evicted": report.evicted,
        "sources": report.sources.iter().map(source).collect::<Vec<_>>(),
        "others": sums(&report.others),
    }))
}

fn source(source: &SourceReport) -> Value {
    let ((first_ms, first), (last_ms, last)) = (time_of(source.first_seen), time_of(source.last_seen));
    let last_rejected = source.last_rejected.as_ref().map(|(reason, rejected)| {
        let (millis, text) = time_of(rejected.at);
        json!({ "reason": reason, "input": rejected.input, "source": rejected.source.to_string(), "time": text, "time_ms": millis })
    });
    let mut entry = json!({
        "source": source.sender.to_string(),
        "transport": source.sender.transport(),
        "address": source.sender.ip().map(|ip| ip.to_string()),
        "container_id": source.sender.container().map(|id| id.to_string()),
        "pid": source.sender.pid(),
        "uid": source.sender.uid(),
        "missing_lines_at_most": source.missing_lines,
        "first_seen": first,
        "first_seen_ms": first_ms,
        "last_seen": last,
        "last_seen_ms": last_ms,
        "last_rejected": last_rejected,
        "client_telemetry": source.clients.as_ref().map(client_telemetry),
    });
    if let (Value::Object(entry), Value::Object(sums)) = (&mut entry, sums(&source.sums)) {
        entry.extend(sums);
        if !source.sender.sends_datagrams() {
            entry.insert("datagrams".to_owned(), Value::Null);
        }
    }
    entry
}

/// What clients say about themselves, and what is known of the way from them.
fn client_telemetry(report: &ClientReport) -> Value {
    let (last_ms, last) = time_of(report.last_report);
    let dropped = |drops: &ClientDrops| {
        let other = drops.total.saturating_sub(drops.queue.saturating_add(drops.writer));
        json!({ "queue": drops.queue, "writer": drops.writer, "other": other })
    };
    let compared = |sums: &SentAndArrived| {
        (sums.intervals > 0)
            .then(|| json!({ "intervals": sums.intervals, "sent": sums.sent, "arrived": sums.arrived, "lost": sums.lost() }))
    };
    json!({
        "clients": report.clients,
        "last_report": last,
        "last_report_ms": last_ms,
        "metrics": report.metrics,
        "metrics_dropped_on_receive": report.metrics_dropped,
        "aggregated_contexts": report.aggregated_contexts,
        "events": report.events,
        "service_checks": report.service_checks,
        "packets_sent": report.packets_sent,
        "packets_dropped": dropped(&report.packets_dropped),
        "bytes_sent": report.bytes_sent,
        "bytes_dropped": dropped(&report.bytes_dropped),
        "compared_datagrams": compared(&report.compared_packets),
        "compared_bytes": compared(&report.compared_bytes),
    })
}

fn sums(sums: &SourceSums) -> Value {
    let rejected: serde_json::Map<String, Value> =
        sums.rejected.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
    json!({
        "datagrams": sums.datagrams,
        "bytes": sums.bytes,
        "lines": sums.lines,
        "samples": sums.samples,
        "rejected": rejected,
    })
}
