//! The official Go client of DogStatsD (tests/go/datadog) in each of its modes, over UDP and a Unix datagram socket at once.

use std::process::Command;
use std::time::Duration;

use super::script::Script;
use super::{expect, expect_nothing_lost};
use crate::compatibility::seen;
use crate::harness::{Launch, own};
use crate::page::{Line, Page};
use crate::peers;

/// What a client sends in each mode.
const SAMPLES: f64 = 10_000.0;
/// How often it repeats its ten calls.
const ROUNDS: f64 = 1000.0;

/// A mode of tests/go/datadog/main.go.
struct Mode {
    name: &'static str,
    /// How a user selects it.
    options: &'static str,
    /// Counters, gauges and sets reach the bridge as the client has aggregated them.
    is_aggregated: bool,
}

const MODES: [Mode; 5] = [
    Mode { name: "plain", options: "without aggregation", is_aggregated: false },
    Mode { name: "basic", options: "with its default aggregation", is_aggregated: true },
    Mode { name: "extended", options: "with extended aggregation", is_aggregated: true },
    Mode { name: "channel", options: "in channel mode", is_aggregated: false },
    Mode { name: "extended-channel", options: "in channel mode with extended aggregation", is_aggregated: true },
];

/// A series with its labels in the order of the exposition: by name, and `le` last.
fn series(name: &str, mode: &str, transport: &str, labels: &[(&str, &str)]) -> String {
    let mut all = vec![("container_id", "ci-0123456789abcdef"), ("mode", mode), ("transport", transport)];
    all.extend_from_slice(labels);
    all.sort_unstable_by_key(|(key, _)| (*key == "le", *key));
    let labels: Vec<String> = all.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// What the client's calls add up to.
fn expected(mode: &Mode, transport: &str) -> Vec<(String, f64)> {
    let tagged: &[(&str, &str)] = &[("canary", "true"), ("code", "200"), ("path", "/a:b")];
    let at = |le: &'static str| vec![("le", le)];
    let tagged_at = |le: &'static str| [tagged, &[("le", le)]].concat();
    let mut all = vec![
        ("go_requests", tagged.to_vec(), ROUNDS),
        ("go_bytes", vec![], ROUNDS * (ROUNDS - 1.0) / 2.0),
        // Negative at the end: this client sets gauges, and never changes them.
        ("go_level", vec![], 500.5 - ROUNDS),
        ("go_size_count", tagged.to_vec(), ROUNDS),
        ("go_size_sum", tagged.to_vec(), ROUNDS * 4.75),
        ("go_size_bucket", tagged_at("2.5"), ROUNDS * 0.3),
        ("go_spread_count", vec![], ROUNDS),
        ("go_spread_sum", vec![], ROUNDS * 1.5),
        ("go_spread_bucket", at("1"), ROUNDS * 0.5),
        ("go_took_count", vec![], ROUNDS),
        ("go_took_sum", vec![], ROUNDS * 0.0495),
        ("go_took_bucket", at("0.01"), ROUNDS * 0.11),
        ("go_users", vec![], 50.0),
        ("go_timed", tagged.to_vec(), ROUNDS - 1.0),
        // With a rate of 0.5, each counts for two.
        ("go_direct_count", vec![], ROUNDS * 2.0),
        ("go_direct_sum", vec![], ROUNDS * 9.0),
        ("go_direct_bucket", at("5"), ROUNDS * 1.2),
    ];
    if mode.is_aggregated {
        // The client ignores the rate.
        all.push(("go_sampled", vec![], ROUNDS));
    }
    all.into_iter().map(|(name, labels, value)| (series(name, mode.name, transport, &labels), value)).collect()
}

/// What the client says of itself.
fn telemetry(mode: &Mode, transport: &str, version: &str) -> Vec<(String, f64)> {
    let client_transport = if transport == "udp" { "udp" } else { "uds" };
    let labels = [("client", "go"), ("client_transport", client_transport), ("client_version", version)];
    let of = |name: &str, more: &[(&str, &str)]| {
        series(&format!("datadog_dogstatsd_client_{name}"), mode.name, transport, &[&labels, more].concat())
    };
    let mut all = vec![
        (of("metrics", &[]), SAMPLES),
        (of("events", &[]), ROUNDS / 10.0),
        (of("service_checks", &[]), ROUNDS / 10.0),
        (of("packets_dropped", &[]), 0.0),
        (of("metric_dropped_on_receive", &[]), 0.0),
    ];
    let by_type = [("count", 3.0), ("gauge", 2.0), ("histogram", 1.0), ("distribution", 2.0), ("set", 1.0), ("timing", 1.0)];
    all.extend(by_type.map(|(kind, calls)| (of("metrics_by_type", &[("metrics_type", kind)]), calls * ROUNDS)));
    all
}

/// The version that the client names in its telemetry.
fn version(page: &Page) -> String {
    let versions = page.lines().filter(|line| line.name == "datadog_dogstatsd_client_metrics");
    let label = |line: &Line| line.labels.iter().find(|(key, _)| *key == "client_version").map(|(_, value)| value.clone());
    let mut versions: Vec<String> = versions.filter_map(label).collect();
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions.remove(0)
}

#[apply(test)]
fn datadog_of_go() {
    let program = peers::go_program("datadog");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let socket = folder.path().join("dogstatsd.sock");
    let bridge = Launch::new()
        .arg(format!("--statsd.listen-unixgram={}", socket.display()))
        .arg("--statsd.signed-gauges=absolute")
        .arg("--statsd.container-id")
        .start();
    let mut command = Command::new(program);
    command.arg(bridge.statsd.to_string()).arg(format!("unixgram://{}", socket.display()));
    // Each line gets the fields `e:` and `card:`.
    command.env("DD_EXTERNAL_ENV", "it-false,cn-app,pu-1").env("DD_CARDINALITY", "high");
    let mut script = Script::start(command);
    assert_eq!(script.line().as_deref(), Some("sent"));

    // The client reports every ten seconds.
    let reported = 2.0 * MODES.len() as f64 * SAMPLES;
    let page = bridge.page_when("the telemetry", |page| {
        std::thread::sleep(Duration::from_millis(200));
        page.sum("datadog_dogstatsd_client_metrics") >= reported
    });
    let version = version(&page);
    script.go_on();
    let counted = script.end();

    let mut sent = [0.0; 2];
    for (index, transport) in ["udp", "unixgram"].into_iter().enumerate() {
        for mode in &MODES {
            let page = expect(&bridge, &[expected(mode, transport), telemetry(mode, transport, &version)].concat());
            let sampled = page.value(&series("go_sampled", mode.name, transport, &[])).unwrap_or_default();
            assert!(sampled > 0.0 && (mode.is_aggregated || sampled % 4.0 == 0.0), "each sample counts for four: {sampled}");
            let line = &counted[index * MODES.len() + MODES.iter().position(|other| other.name == mode.name).unwrap_or_default()];
            let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
            assert!(line.contains(&format!(" {} ", mode.name)) && numbers.len() == 5, "{line}");
            assert_eq!((numbers[0], numbers[3], numbers[4]), (SAMPLES, 0.0, 0.0), "samples, dropped datagrams, dropped samples: {line}");
            sent[index] += numbers[1];
        }
    }
    let arrived = |page: &Page| [own(page, "udp_packets_total"), own(page, "unixgram_packets_total")];
    let page = bridge.page_when("the client's datagrams", |page| arrived(page) == sent);
    assert_eq!(page.sum("statsd_bridge_dogstatsd_events_total"), ROUNDS / 10.0 * 2.0 * MODES.len() as f64);
    assert_eq!(page.sum("statsd_bridge_dogstatsd_service_checks_total"), ROUNDS / 10.0 * 2.0 * MODES.len() as f64);
    expect_nothing_lost(&page);
    bridge.stop();
    for mode in &MODES {
        for transport in ["UDP", "a Unix datagram socket"] {
            let compared = format!("10,000 samples of all kinds over {transport}, {}: values, telemetry, datagrams", mode.options);
            seen("datadog-go", &version, &compared, "equal");
        }
    }
}
