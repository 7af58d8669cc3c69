//! Answers of the API, for tests.

use serde_json::{Value, json};

/// The `data` of a path.
pub(in crate::program::top) fn answer(path: &str) -> Value {
    let (name, query) = path.split_once('?').unwrap_or((path, ""));
    match name.rsplit('/').next().unwrap_or_default() {
        "overview" => overview(),
        "series" if query.contains("label=") => values(),
        "series" if query.contains("family=") => family(),
        "series" => json!({ "search": "", "families": families(), "found": 40, "more": 10, "series_of_more": 120, "time_ms": 1 }),
        "rejections" => rejections(),
        "conflicts" => conflicts(),
        "rules" => rules(),
        "unmapped" => {
            json!({ "names": [{ "name": "queue.depth", "samples": 12 }, { "name": "other", "samples": 1 }], "names_known": 2, "samples_of_other_names": 0 })
        }
        "proposals" => {
            json!({ "proposals": [{ "match": "app.*.hits", "yaml": "- match: \"app.*.hits\"\n  name: \"app_hits\"\n", "names": 3, "samples": 9, "examples": ["app.a.hits"] }] })
        }
        "cardinality" => cardinality(),
        "sources" => sources(),
        "scrapes" => scrapes(),
        "push" => json!({ "targets": [target("main", 0), target("spare", 3)] }),
        "events" => events(),
        "ask" => ask(),
        "configuration" => configuration(),
        other => panic!("no example of {other}"),
    }
}

fn overview() -> Value {
    let stage = |name: &str, lost: f64, rate: f64| {
        json!({
            "stage": name.to_lowercase(), "title": name, "unit": "datagrams", "rate": 1234.5, "total": 9_876_543, "lost_unit": "samples",
            "lost_rate": rate, "lost_total": lost, "mapping": null, "advice": "The buffer was full. Raise it.", "command": "sysctl -w net.core.rmem_max=16777216",
        })
    };
    let mut mapped = stage("Mapped", 0.0, 0.0);
    mapped["mapping"] = json!({ "dropped_by_rule": { "rate": 1.0, "total": 5 }, "unmapped": { "rate": 2.0, "total": 7 } });
    let points: Vec<Value> = (0..180).rev().map(|at| json!([at * 5, at % 40])).collect();
    let chart =
        |name: &str, unit: &str| json!({ "name": name, "title": name, "unit": unit, "latest": 12.0, "limit": null, "points": points });
    json!({
        "version": "0.1.0", "time_ms": 1, "uptime_seconds": 7300, "seconds_since_read": null, "unread": true,
        "failed_reloads": [{ "name": "rules", "error": { "file": "mapping.yml", "line": 3, "column": 5, "text": "unknown key actoin" }, "error_count": 1 }],
        "way": [stage("Kernel", 77.0, 1.5), stage("Received", 3.0, 0.0), stage("Parsed", 0.0, 0.0), mapped, stage("Recorded", 0.0, 0.0), stage("Scraped", 0.0, 0.0), stage("Pushed", 0.0, 0.0)],
        "losses": [{ "reason": "malformed_line", "rate": 1.0, "total": 9, "advice": "a line is NAME:VALUE|KIND" }],
        "charts": [chart("samples", "per_second"), chart("losses", "per_second"), chart("series", "count"), chart("scrapes", "per_minute"), chart("memory", "bytes"), chart("cpu", "cores")],
        "problems": { "limits": ["login: values_per_label"], "conflicts": ["jobs: type"], "rejections": ["malformed_line: 9"], "unmapped": ["queue.depth (12)"], "more": 0 },
    })
}

fn row(at: usize) -> Value {
    json!({
        "name": format!("family_number_{at:02}"), "type": "histogram", "series": 1000 * at, "age_seconds": at, "rule": "app.*.requests",
        "first_sample": "app.eu.requests:1|c|#host:a", "first_source": "udp 127.0.0.1:54419", "help": null,
    })
}

fn families() -> Vec<Value> {
    (1..=30).map(row).collect()
}

fn family() -> Value {
    let mut family = row(7);
    family["exists"] = true.into();
    family["search"] = "".into();
    family["series_bytes"] = 12_345.into();
    family["labels"] = json!([{ "name": "host", "values": 2, "examples": ["a", "b"] }]);
    family["found"] = 2.into();
    family["rows"] = json!([
        { "series": "family_number_07{host=\"a\"}", "value": 411.775, "age_seconds": 1.5, "created_ms": 1, "ttl_seconds": 300.0 },
        { "series": "family_number_07{host=\"b\"}", "count": 12, "sum": 3.5, "age_seconds": 1.5, "created_ms": 1, "ttl_seconds": null },
    ]);
    json!({ "family": family })
}

fn values() -> Value {
    let mut answer = family();
    answer["family"]["label"] = json!({ "name": "host", "values": [{ "value": "a", "series": 3 }, { "value": "", "series": 1 }], "distinct": 9, "series_of_others": 5, "read": 9 });
    answer
}

fn rejections() -> Value {
    let last = json!({ "input": "login|c", "source": "udp 127.0.0.1:54419", "time": "2026-11-21T04:03:51.251Z", "time_ms": 1 });
    json!({ "rejections": [{ "reason": "malformed_line", "count": 1_234_567, "last": last }, { "reason": "conflict", "count": 1, "last": null }] })
}

fn conflicts() -> Value {
    let side = |kind: &str| json!({ "name": "jobs", "type": kind, "sample": "jobs:1|c|#host:a", "source": "udp 127.0.0.1:54419" });
    json!({ "conflicts": [{
        "name": "jobs", "reason": "type", "policy": "rejected: the first type of a name is kept", "samples": 1,
        "first_met": "2026-11-21T04:03:51.717Z", "first_met_ms": 1, "kept": side("counter"), "came": side("gauge"),
    }] })
}

fn rules() -> Value {
    let rule = |number: usize, action: &str, samples: u64| json!({ "rule": number, "position": format!("mapping.yml:{number}:10"), "match": "app.*.requests.*", "match_type": "glob", "action": action, "name": "app_requests_total", "samples": samples });
    json!({ "rules": [rule(1, "map", 1_234_567), rule(2, "drop", 5), rule(3, "map", 0)], "never_matched": 1 })
}

fn cardinality() -> Value {
    let hit = |label: &str| {
        json!({
            "limit": "values_per_label", "label": label, "action": "drop_label", "samples": 49_997, "distinct_values_refused": 50_080,
            "examples": ["u3", "u4"], "first_hit": "2026-11-21T04:03:51.251Z", "first_hit_ms": 1, "first_source": "udp 127.0.0.1:54419",
        })
    };
    let family = |at: usize, hits: Vec<Value>| {
        json!({
            "name": format!("family_number_{at:02}"), "type": "counter", "series": 1000 * at, "series_bytes": 123_456 * at, "limits_hit": hits, "new_series": { "1m": 1, "5m": 70, "60m": 800 },
            "suggestion": { "label": "user", "shape": "number", "values": 4000, "saves_series": 39_990, "saves_bytes": 4_000_000, "rule": null, "yaml": "- match: \"login\"\n  drop_labels: [\"user\"]\n" },
            "labels": [{ "name": "user", "values": 4000, "examples": ["123456", "234567"], "shape": "number" }, { "name": "site", "values": 1, "examples": ["eu"], "shape": null }],
        })
    };
    let totals = json!({ "series": 190_000, "series_limit": 200_000, "series_bytes": 2_881_370, "series_bytes_limit": 134_217_728, "families": 2, "families_limit": 10_000, "resting_series": 3, "full_in_seconds": { "series": null, "series_bytes": 2400.0, "families": null } });
    let mut families = vec![family(40, vec![hit("user")])];
    families.extend((1..30).rev().map(|at| family(at, Vec::new())));
    json!({ "totals": totals, "families": families, "families_kept_out": [hit("")] })
}

fn sources() -> Value {
    let client = json!({
        "clients": 1, "last_report": "2026-11-21T04:03:51.251Z", "metrics": 70_000, "packets_sent": 2_000, "bytes_sent": 20_480,
        "packets_dropped": { "queue": 0, "writer": 3, "other": 1 }, "compared_datagrams": { "intervals": 9, "sent": 1_500, "arrived": 1_350, "lost": 150 }, "compared_bytes": null,
    });
    let last = json!({ "reason": "malformed_line", "input": "login|c", "source": "udp 127.0.0.1:1", "time": "2026-11-21T04:03:51.251Z", "time_ms": 1 });
    let source = |at: u64, client: &Value, last: &Value| {
        json!({
            "source": format!("udp 127.0.0.{at}"), "transport": "udp", "address": "127.0.0.1", "container_id": null, "pid": null, "uid": null,
            "missing_lines_at_most": 0, "first_seen": "2026-11-21T04:03:51.251Z", "last_seen": "2026-11-21T04:05:51.251Z", "last_rejected": last,
            "client_telemetry": client, "datagrams": 4000, "bytes": 123_456, "lines": 5000 * at, "samples": 5000, "rejected": { "malformed_line": 7, "conflict": 1 },
        })
    };
    let sums = json!({ "datagrams": 0, "bytes": 0, "lines": 9, "samples": 0, "rejected": {} });
    json!({ "tracked": 2, "tracked_limit": 1000, "evicted": 0, "sources": [source(1, &client, &last), source(2, &Value::Null, &Value::Null)], "others": sums })
}

fn scrapes() -> Value {
    let own = |name: &str, value: f64| json!({ "name": name, "labels": "format=\"text\"", "value": value, "of": "count", "help": "Scrapes that were answered." });
    json!({ "path": "/metrics", "seconds_since_read": 12, "per_minute": 4.0, "total": 1_234, "failed": 2, "self_metrics": [own("statsd_bridge_scrapes_total", 1_234.0), own("statsd_bridge_none_total", 0.0)] })
}

fn target(name: &str, failures: u64) -> Value {
    let answer = json!({ "time": "2026-11-21T04:03:51.251Z", "status": 503, "text": "later" });
    json!({
        "name": name, "url": "http://127.0.0.1:9090/api/v1/write", "protocol": "auto", "protocol_in_use": "2.0", "interval_seconds": 15.0,
        "healthy": failures == 0, "failures": failures, "last_success": null, "last_answer": answer, "last_rejection": null, "clock_wait_seconds": 0.0,
        "samples": { "written": 1927, "rejected": 0, "deduplicated": 0, "dropped_age": failures },
        "queue": { "samples": 0, "requests": 0, "bytes": 20_480, "bytes_limit": 67_108_864, "age_seconds": 31.0, "age_limit_seconds": 3600.0 },
    })
}

fn events() -> Value {
    let event = |alert: Value| {
        json!({
            "title": "Deployed", "text": "version 2\nof the shop", "alert_type": alert, "priority": null, "source_type": null, "host": "a", "aggregation_key": null,
            "tags": ["env:prod"], "stated_time_s": null, "cut": false, "time": "2026-11-21T04:03:51.251Z", "time_ms": 1, "source": "udp 127.0.0.1:1",
        })
    };
    json!({ "events": [event("error".into()), event("warning".into()), event(Value::Null)], "kept": 3, "kept_bytes": 100, "evicted": 0 })
}

fn ask() -> Value {
    let raw = json!({
        "name": "shop.paid", "kind": "c", "outcome": "folded by a limit", "identities": 3, "first_seen": "2026-11-21T04:03:51.251Z", "last_new_identity": "2026-11-21T04:03:51.251Z",
        "last_new_identity_age_seconds": 5.0, "first_source": "udp 127.0.0.1:1", "last_source": "udp 127.0.0.1:2",
    });
    let card = json!({
        "verdict": "never", "sentence": "It never arrived. Since the start, the bridge received 7 datagrams.", "advice": "check host and port",
        "read": { "name": "shop.paid", "kind": "c", "tags": [{ "key": "a", "value": "b" }], "rule": { "rule": 1, "position": "mapping.yml:2:10", "match": "shop.*", "captures": ["paid"], "dropped": false }, "becomes": { "family": "paid_total", "type": "counter", "labels": "a=\"b\"" } },
        "limits": [{ "limit": "series", "label": "a", "action": "fold", "samples": 3, "examples": ["x"], "first_source": "unknown" }],
        "series": [{ "series": "paid_total{a=\"b\"}", "value": 3.0, "age_seconds": 1.0, "created_ms": 1, "ttl_seconds": null }], "series_found": 1,
        "raw": [raw], "near": [{ "name": "shop.pay", "of": "raw" }, { "name": "shop_paid", "of": "family" }],
    });
    json!({ "q": "shop.paid", "read_as": "name", "cards": [card] })
}

fn configuration() -> Value {
    let flag = |name: &str, changed: bool| {
        json!({
            "flag": name, "heading": "Limits", "help": "Series in total", "value": "500000", "default": "200000", "origin": "environment",
            "set_by": "STATSD_BRIDGE_LIMITS_SERIES", "changed": changed, "note": "lowered by the limit of open files",
        })
    };
    let mistake = json!({ "file": "/etc/statsd/rules.yml", "line": 7, "column": 5, "text": "a rule has no key `nam`" });
    let last = json!({ "time": "2026-11-28T18:52:21.211Z", "time_ms": 1, "cause": "watch", "succeeded": false, "error_count": 1, "errors": [mistake] });
    let rules = json!({
        "name": "rules", "files": [{ "path": "/etc/statsd/rules.yml", "rules": 12 }], "rules": 12, "hash": 7, "loaded": "2026-11-28T18:45:20.158Z",
        "watch_seconds": 5.0, "reloads": { "succeeded": 1, "failed": 1 }, "last_reload": last,
    });
    json!({
        "flags": [flag("limits.series", true), flag("limits.families", false)], "changed": 1, "all": 2, "without_effect": ["web.x"],
        "unknown_variables": ["STATSD_BRIDGE_X is not known"], "files": [rules],
    })
}
