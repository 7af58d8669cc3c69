//! `/api/v1/sources`: what each sender sent: datagrams, lines, samples, bytes and rejections; and what its clients say they sent.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::listing::{ListRules, Listing};
use super::live::Live;
use super::reply::{ApiData, ApiError, time_of};
use crate::sources::{ClientDrops, ClientReport, SentAndArrived, SourceReport, SourceSums};

/// In JSON: 100 senders, at most 10,000.
pub(super) const RULES: ListRules = ListRules {
    sorts: &["lines", "samples", "datagrams", "bytes", "rejected", "lost", "last_seen", "name"],
    limit: (100, 10_000),
    more: &[],
};

/// Datagrams of a sender below which nothing is said about how it packs them.
const PACKED: u64 = 1_000;

/// The senders that the query asks for, and the sums of all others.
pub(super) fn sources(live: &Live, query: Option<&str>, rules: ListRules) -> Result<ApiData, ApiError> {
    let (listing, _) = rules.read(query)?;
    // The report has the order of lines. For another one, and for a search, all senders are read; --sources.max limits their number.
    let is_ordered = listing.is_all() && rules.sorts.first() == Some(&listing.sort);
    let report = live.bridge.sources(if is_ordered { listing.limit } else { usize::MAX });
    let (mut found, left_out): (Vec<&SourceReport>, Vec<&SourceReport>) =
        report.sources.iter().partition(|source| listing.matches([source.sender.to_string()]));
    sort(&mut found, &listing);
    let mut others = report.others.clone();
    found.iter().skip(listing.limit).chain(&left_out).for_each(|source| add(&mut others, &source.sums));
    Ok(ApiData::new(json!({
        "tracked": report.tracked,
        "tracked_limit": report.limit,
        "evicted": report.evicted,
        "sources": found.iter().take(listing.limit).map(|known| source(known)).collect::<Vec<_>>(),
        "others": sums(&others),
        "list": listing.state(if is_ordered { report.tracked } else { found.len() }),
    })))
}

fn sort(found: &mut [&SourceReport], listing: &Listing) {
    let rejected = |source: &&SourceReport| source.sums.rejected.iter().map(|(_, count)| count).sum::<u64>();
    match listing.sort {
        "samples" => found.sort_by_key(|source| Reverse(source.sums.samples)),
        "datagrams" => found.sort_by_key(|source| Reverse(source.sums.datagrams)),
        "bytes" => found.sort_by_key(|source| Reverse(source.sums.bytes)),
        "rejected" => found.sort_by_key(|source| Reverse(rejected(source))),
        "lost" => found.sort_by_key(|source| Reverse(source.clients.as_ref().map(lost))),
        "last_seen" => found.sort_by_key(|source| Reverse(source.last_seen)),
        "name" => found.sort_by_cached_key(|source| source.sender.to_string()),
        // The report has this order.
        _ => {}
    }
}

/// What clients dropped, and what was lost between them and the bridge.
fn lost(report: &ClientReport) -> u64 {
    report.packets_dropped.total.saturating_add(report.compared_packets.lost())
}

/// Adds the sums of a sender to those of all others.
fn add(others: &mut SourceSums, sums: &SourceSums) {
    others.datagrams += sums.datagrams;
    others.bytes += sums.bytes;
    others.lines += sums.lines;
    others.samples += sums.samples;
    for (reason, count) in &sums.rejected {
        match others.rejected.iter_mut().find(|(known, _)| known == reason) {
            Some((_, sum)) => *sum += count,
            None => others.rejected.push((reason, *count)),
        }
    }
}

/// Whether the sender sends each line in a datagram of its own, which costs most of the work.
fn is_unpacked(source: &SourceReport) -> bool {
    let SourceSums { datagrams, lines, .. } = source.sums;
    source.sender.sends_datagrams() && datagrams >= PACKED && lines < datagrams + datagrams / 2
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
        "one_line_per_datagram": is_unpacked(source),
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
