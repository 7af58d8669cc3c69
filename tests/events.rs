//! DogStatsD events and service checks over real sockets: what `/api/v1/events` and `/metrics` show, and the limits.

use std::io::Write;

use serde_json::Value;

use crate::harness::{Launch, Running, own, until};
use crate::page::Page;

/// The data of `/api/v1/events`.
pub fn events(bridge: &Running, query: &str) -> Value {
    let response = bridge.get(&format!("/api/v1/events{query}"));
    assert_eq!(response.status, 200, "{}", response.text());
    let reply: Value = serde_json::from_str(&response.text()).expect("JSON");
    reply["data"].clone()
}

#[apply(test)]
fn events_are_shown_with_their_parts() {
    let bridge = Launch::new().start();
    let fields = "d:1700000000|h:web-1|k:deploys|p:low|s:ci|t:success|#env:prod,canary|c:ci-1f|e:it-false|card:low";
    bridge.send(format!("_e{{7,20}}:größe|text\\nof lines|a:1|c|{fields}"));
    bridge.send("_e{1,0}:b|\n_sc|db.up|2|h:web-1|#env:prod|m:down\\nagain");
    let page = bridge.page_at(3);
    let data = events(&bridge, "");
    let (newest, first) = (&data["events"][0], &data["events"][1]);
    assert_eq!(newest["title"], "b");
    for (key, value) in [("text", ""), ("alert_type", "info"), ("priority", "normal")] {
        assert_eq!(newest[key], value, "{key}");
    }
    for key in ["host", "source_type", "aggregation_key", "stated_time_s"] {
        assert!(newest[key].is_null() && !first[key].is_null(), "{key}");
    }
    for (key, value) in [
        ("title", "größe"),
        ("text", "text\nof lines|a:1|c"),
        ("alert_type", "success"),
        ("priority", "low"),
        ("source_type", "ci"),
        ("host", "web-1"),
        ("aggregation_key", "deploys"),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    assert_eq!(
        (&first["tags"][0], &first["tags"][1], &first["stated_time_s"]),
        (&"env:prod".into(), &"canary".into(), &1_700_000_000.into())
    );
    assert!(first["source"].as_str().is_some_and(|source| source.starts_with("udp 127.0.0.1:")), "{first}");
    assert!(first["time_ms"].as_u64() > Some(1_700_000_000_000) && first["time"].is_string() && first["cut"] == false, "{first}");
    assert_eq!((data["kept"].as_f64(), data["evicted"].as_f64()), (Some(own(&page, "dogstatsd_events_kept")), Some(0.0)));
    assert_eq!(data["kept_bytes"].as_f64(), Some(own(&page, "dogstatsd_events_kept_bytes")));
    assert_eq!(page.value("dogstatsd_events_total{alert_type=\"success\",priority=\"low\",source_type=\"ci\"}"), Some(1.0));
    assert_eq!(page.value("service_check_status{check=\"db.up\",env=\"prod\",host=\"web-1\"}"), Some(2.0));
    assert_eq!(events(&bridge, "?limit=1")["events"].as_array().map(Vec::len), Some(1));
    for query in ["?limit=0", "?limit=x", "?top=1"] {
        assert_eq!(bridge.get(&format!("/api/v1/events{query}")).status, 400, "{query}");
    }
    bridge.stop();
}

#[apply(test)]
fn a_flood_of_events_stays_within_the_limits() {
    let bridge = Launch::new().arg("--events.keep=100").arg("--events.keep-bytes=60000").start();
    let (small, text) = ("_e{1,1}:a|b\n".repeat(500), "x".repeat(5_000));
    bridge.send(small.trim_end());
    let page = bridge.page_at(500);
    assert_eq!((own(&page, "dogstatsd_events_kept"), own(&page, "dogstatsd_events_evicted_total")), (100.0, 400.0));
    for _ in 0..50 {
        bridge.send(format!("_e{{1,5000}}:a|{text}"));
    }
    let page = bridge.page_at(550);
    let (kept, bytes) = (own(&page, "dogstatsd_events_kept"), own(&page, "dogstatsd_events_kept_bytes"));
    assert!((1.0..=12.0).contains(&kept) && (5_000.0..=60_000.0).contains(&bytes), "{kept} {bytes}");
    assert_eq!(own(&page, "dogstatsd_events_total"), kept + own(&page, "dogstatsd_events_evicted_total"));
    let data = events(&bridge, "");
    assert_eq!(data["events"].as_array().map(|events| events.len() as f64), Some(kept));
    assert_eq!(data["kept_bytes"].as_f64(), Some(bytes));
    bridge.stop();
}

#[apply(test)]
fn nothing_is_kept_where_events_are_off() {
    for flags in [&["--events.keep=0"][..], &["--no-statsd.parse-events"], &["--compat=statsd_exporter"]] {
        let bridge = flags.iter().fold(Launch::new(), |launch, flag| launch.arg(*flag)).start();
        bridge.send("_e{1,1}:a|b\nhits:1|c");
        let page = bridge.page_when("the line behind the event", |page| page.value("hits") == Some(1.0));
        let data = events(&bridge, "");
        assert_eq!(
            (data["events"].as_array().map(Vec::len), &data["kept"], &data["evicted"]),
            (Some(0), &0.into(), &0.into()),
            "{flags:?}"
        );
        assert_eq!(page.family("dogstatsd_events_total").is_some(), flags == ["--events.keep=0"], "{flags:?}");
        bridge.stop();
    }
}

#[apply(test)]
fn events_are_appended_to_a_file() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let (path, old) = (folder.path().join("events.json"), folder.path().join("events.json.1"));
    std::fs::write(&path, "{}\n").expect("a file");
    let bridge = Launch::new().arg(format!("--events.log-file={}", path.display())).arg("--events.keep=0").start();
    let titles = |path: &std::path::Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.lines().filter(|_| text.ends_with('\n'));
        whole.map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")["title"].take()).collect()
    };
    bridge.send("_e{1,9}:a|two\\nline|t:error|#k:v\n_e{1,1}:b|c");
    until("the events are written", || (titles(&path).len() == 3).then_some(()));
    assert_eq!(titles(&path), [Value::Null, "a".into(), "b".into()]);
    let text = std::fs::read_to_string(&path).expect("the file");
    let event: Value = serde_json::from_str(text.lines().nth(1).unwrap_or_default()).expect("JSON");
    assert_eq!((&event["text"], &event["alert_type"], &event["tags"][0]), (&"two\nline".into(), &"error".into(), &"k:v".into()));
    // As logrotate does.
    std::fs::rename(&path, &old).expect("renamed");
    bridge.send("_e{1,1}:c|c");
    until("the event is in a new file", || (titles(&path) == ["c"]).then_some(()));
    assert_eq!(titles(&old).len(), 3);
    assert_eq!(own(&bridge.page(), "dogstatsd_events_unwritten_total"), 0.0);
    bridge.stop();
}

#[apply(test)]
fn a_file_of_events_that_nobody_reads_delays_nothing() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let pipe = folder.path().join("events");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    // A reader that opens the pipe and reads nothing.
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("the pipe");
    let bridge = Launch::new().arg(format!("--events.log-file={}", pipe.display())).start();
    // More than the queue, of 4 MiB, and the pipe can hold.
    let (events, text) = (1_000, "x".repeat(8_000));
    let mut sender = bridge.tcp();
    for _ in 0..events {
        sender.write_all(format!("_e{{1,8000}}:a|{text}\n").as_bytes()).expect("sent");
    }
    bridge.page_at(events);
    let unwritten = |page: &Page| own(page, "dogstatsd_events_unwritten_total");
    let page = bridge.page_when("events are counted that the file did not take", |page| unwritten(page) > 0.0);
    assert!(unwritten(&page) < events as f64, "{}", unwritten(&page));
    assert_eq!(own(&page, "dogstatsd_events_total"), events as f64);
    drop(reader);
    bridge.stop();
}

#[apply(test)]
fn a_file_of_events_that_cannot_be_opened_is_an_error() {
    let output = crate::harness::bridge_command().arg("--events.log-file=/nowhere/events").output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--events.log-file: cannot write /nowhere/events: "), "{text}");
}
