//! The official Go client of DogStatsD in each of its modes, over UDP and a Unix datagram socket at once.

use std::process::Command;

use super::expect;
use super::official::{
    EVENTS, EVENTS_AND_CHECKS, ROUNDS, SAMPLES, Sender, expect_events, expect_whole, listening_on, version_in_telemetry,
};
use super::script::Script;
use crate::compatibility::seen;
use crate::harness::own;
use crate::page::Page;
use crate::peers;

/// The modes of tests/go/datadog/main.go: the name, the options in docs/compatibility.md, and whether the client aggregates
/// counters, gauges and sets.
const MODES: [(&str, &str, bool); 5] = [
    ("plain", "without aggregation", false),
    ("basic", "with its default aggregation", true),
    ("extended", "with extended aggregation", true),
    ("channel", "in channel mode", false),
    ("extended-channel", "in channel mode with extended aggregation", true),
];

/// The client's telemetry.
fn telemetry(sender: &Sender, version: &str) -> Vec<(String, f64)> {
    let transport = if sender.transport == "udp" { "udp" } else { "uds" };
    let labels = [("client", "go"), ("client_transport", transport), ("client_version", version)];
    let of = |name: &str, more: &[(&str, &str)]| sender.series(&format!("datadog_dogstatsd_client_{name}"), &[&labels, more].concat());
    let mut all = vec![
        (of("metrics", &[]), SAMPLES),
        (of("events", &[]), EVENTS),
        (of("service_checks", &[]), EVENTS),
        (of("packets_dropped", &[]), 0.0),
        (of("metric_dropped_on_receive", &[]), 0.0),
    ];
    let by_type = [("count", 3.0), ("gauge", 2.0), ("histogram", 1.0), ("distribution", 2.0), ("set", 1.0), ("timing", 1.0)];
    all.extend(by_type.map(|(kind, calls)| (of("metrics_by_type", &[("metrics_type", kind)]), calls * ROUNDS)));
    all
}

/// The number of datagrams that a client counted, from the line that the program printed for the client.
fn datagrams(line: &str, mode: &str) -> f64 {
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(line.contains(&format!(" {mode} ")) && numbers.len() == 4, "{line}");
    assert_eq!((numbers[0], numbers[2], numbers[3]), (SAMPLES, 0.0, 0.0), "samples, dropped datagrams, dropped samples: {line}");
    numbers[1]
}

#[apply(test)]
fn datadog_of_go() {
    let program = peers::built("datadog", "datadog");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let socket = folder.path().join("dogstatsd.sock");
    let bridge = listening_on(&socket);
    let mut command = Command::new(program);
    command.arg(bridge.statsd.to_string()).arg(format!("unixgram://{}", socket.display()));
    // Each line gets the fields `e:` and `card:`.
    command.env("DD_EXTERNAL_ENV", "it-false,cn-app,pu-1").env("DD_CARDINALITY", "high");
    let mut script = Script::start(command);
    assert_eq!(script.line().as_deref(), Some("sent"));
    // The client reports every ten seconds.
    let senders = 2.0 * MODES.len() as f64;
    let version = version_in_telemetry(&bridge, |page| page.sum("datadog_dogstatsd_client_metrics") >= senders * SAMPLES);
    script.go_on();
    let mut counted = script.end().into_iter();

    let sent = ["udp", "unixgram"].map(|transport| {
        let mut sent = 0.0;
        for (mode, _, is_aggregated) in MODES {
            let sender = Sender { prefix: "go", mode, transport, labels: &[] };
            let page = expect(&bridge, &[sender.expected(1.0), telemetry(&sender, &version)].concat());
            sender.sampled(&page, is_aggregated);
            sent += datagrams(&counted.next().unwrap_or_default(), mode);
        }
        sent
    });
    let arrived = |page: &Page| [own(page, "udp_packets_total"), own(page, "unixgram_packets_total")];
    let page = bridge.page_when("the datagrams that the client counted", |page| arrived(page) == sent);
    expect_whole(&page, senders);
    expect_events(&bridge, &page, ("größe", "go"), senders);
    bridge.stop();
    for (_, options, _) in MODES {
        for transport in ["UDP", "Unix datagrams"] {
            let compared = format!("10,000 samples of all kinds over {transport}, {options}: values, telemetry, number of datagrams");
            seen("datadog-go", &version, &compared, "equal");
        }
    }
    seen("datadog-go", &version, EVENTS_AND_CHECKS, "equal");
}
