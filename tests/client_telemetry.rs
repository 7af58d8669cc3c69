//! What DogStatsD clients say about themselves, beside what arrived from them.

use std::fs;
use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::harness::{Launch, Running, own, request, until};

/// The entry of one sender in `/api/v1/sources`, once it is listed.
pub fn sender(bridge: &Running, sender: &str) -> Option<Value> {
    let response = request(bridge.web, "GET", "/api/v1/sources?limit=1000", &[]).expect("an answer");
    let document: Value = serde_json::from_str(&response.text()).expect("JSON");
    let all = document["data"]["sources"].as_array().expect("a list");
    all.iter().find(|entry| entry["source"].as_str().is_some_and(|name| name.starts_with(sender))).cloned()
}

/// What the clients of one sender said, once it holds.
pub fn said_when(bridge: &Running, of: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let entry = sender(bridge, of)?;
        holds(&entry["client_telemetry"]).then(|| entry["client_telemetry"].clone())
    })
}

/// A report as a datagram.
fn report(numbers: &[(&str, u64)]) -> String {
    let lines = numbers.iter().map(|(name, value)| format!("datadog.dogstatsd.client.{name}:{value}|c|#client:go,client_version:5.9.1\n"));
    lines.collect()
}

fn socket_to(bridge: &Running, host: &str) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).expect("a UDP socket");
    socket.connect(bridge.statsd).expect("connected");
    socket
}

/// Rules that leave the telemetry, rename it and drop it.
const RULES: [&str; 3] = [
    "mappings: []\n",
    "mappings:\n- match: 'datadog.dogstatsd.client.*'\n  name: 'client_says'\n  labels:\n    what: '$1'\n  scale: 1000\n",
    "mappings:\n- match: 'datadog.dogstatsd.client.*'\n  name: 'none'\n  action: drop\n",
];

#[apply(test)]
fn a_loss_between_client_and_bridge_is_shown_whatever_rules_do_to_the_telemetry() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    for rules in RULES {
        fs::write(&file, rules).expect("written");
        let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", file.display())).start();
        let [client, other] = ["127.0.0.2", "127.0.0.2"].map(|host| socket_to(&bridge, host));
        let send = |socket: &UdpSocket, text: &str| assert_eq!(socket.send(text.as_bytes()).expect("sent"), text.len());
        (0..5).for_each(|_| send(&client, "a:1|c\n"));
        let first = report(&[("metrics", 5), ("packets_sent", 5), ("bytes_sent", 30)]);
        send(&client, &first);
        let said = said_when(&bridge, "udp 127.0.0.2", "the first report", |said| said["packets_sent"] == 5 && said["bytes_sent"] == 30);
        assert_eq!((&said["compared_datagrams"], &said["compared_bytes"], &said["clients"]), (&Value::Null, &Value::Null, &json!(1)));
        // Ten datagrams, of which one never arrives. Those of another socket of the host do not make up for it.
        (0..9).for_each(|_| send(&client, "a:1|c\n"));
        (0..50).for_each(|_| send(&other, "b:1|c\n"));
        bridge.page_when("they are recorded", |page| (page.value("a"), page.value("b")) == (Some(14.0), Some(50.0)));
        let second = report(&[
            ("metrics", 12),
            ("metrics_by_type", 12),
            ("metric_dropped_on_receive", 2),
            ("aggregated_context", 10),
            ("events", 3),
            ("service_checks", 4),
            ("packets_dropped", 6),
            ("packets_dropped_queue", 3),
            ("packets_dropped_writer", 2),
            ("bytes_dropped", 40),
            ("bytes_dropped_writer", 40),
            ("packets_sent", 11),
            ("bytes_sent", 60 + first.len() as u64),
        ]);
        send(&client, &second);
        let mut said = said_when(&bridge, "udp 127.0.0.2", "the second report", |said| said["packets_sent"] == 16);
        let (sent, arrived) = (60 + first.len(), 54 + second.len());
        let at = said["last_report_ms"].as_u64().expect("a time");
        assert!(at > 1_700_000_000_000 && said["last_report"].is_string(), "{said}");
        said.as_object_mut().expect("an object").retain(|key, _| !key.starts_with("last_report"));
        let expected = json!({
            "clients": 1, "metrics": 17, "metrics_dropped_on_receive": 2, "aggregated_contexts": 10, "events": 3, "service_checks": 4,
            "packets_sent": 16, "packets_dropped": { "queue": 3, "writer": 2, "other": 1 },
            "bytes_sent": 30 + sent, "bytes_dropped": { "queue": 0, "writer": 40, "other": 0 },
            "compared_datagrams": { "intervals": 1, "sent": 11, "arrived": 10, "lost": 1 },
            "compared_bytes": { "intervals": 1, "sent": sent, "arrived": arrived, "lost": sent.saturating_sub(arrived) },
        });
        assert_eq!(said, expected, "{rules}");
        let page = bridge.page();
        let counted = ["client_datagrams_sent_total", "client_datagrams_arrived_total", "client_packets_dropped_total"];
        assert_eq!(counted.map(|name| own(&page, name)), [11.0, 10.0, 6.0]);
        bridge.stop();
    }
}

#[apply(test)]
fn what_no_client_can_mean_is_no_report() {
    let bridge = Launch::new().start();
    let wrong = [
        "datadog.dogstatsd.client.packets_sent:-1|c",
        "datadog.dogstatsd.client.packets_sent:1e300|c",
        "datadog.dogstatsd.client.packets_sent:NaN|c",
        "datadog.dogstatsd.client.packets_sent:7|g",
        "datadog.dogstatsd.client.packets_sent:7|s",
        "xdatadog.dogstatsd.client.packets_sent:7|c",
        "datadog.dogstatsd.client.packets_sent.x:7|c",
        "datadog.dogstatsd.client:7|c",
        "packets_sent:7|c",
    ];
    wrong.iter().for_each(|line| bridge.send(line));
    bridge.page_when("all lines are counted", |page| own(page, "lines_total") == wrong.len() as f64);
    let said = sender(&bridge, "udp 127.0.0.1").expect("listed")["client_telemetry"].clone();
    assert!(said.is_null() || said["packets_sent"] == 0, "{said}");
    // A namespace before the name and a sample rate; and the largest numbers, which do not overflow.
    bridge.send("shop.datadog.dogstatsd.client.packets_sent:2|c|@0.5\n");
    said_when(&bridge, "udp 127.0.0.1", "the report", |said| said["packets_sent"] == 4);
    (0..40).for_each(|_| bridge.send("datadog.dogstatsd.client.bytes_sent:9007199254740992|c"));
    let most = 40 * 9_007_199_254_740_992_u64;
    said_when(&bridge, "udp 127.0.0.1", "large numbers", |said| said["bytes_sent"] == most);
    bridge.stop();
}
