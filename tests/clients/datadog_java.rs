//! The official Java client of DogStatsD in each of its modes, over UDP and a Unix datagram socket at once.

use super::expect;
use super::official::{EVENTS, EVENTS_AND_CHECKS, ROUNDS, Sender, expect_events, expect_whole, listening_on, version_in_telemetry};
use super::script::Script;
use crate::compatibility::seen;
use crate::harness::own;
use crate::page::Page;
use crate::peers;

/// The modes of tests/java/src/Dogstatsd.java: the name, the options in docs/compatibility.md, and whether the client aggregates
/// counters, gauges and sets.
const MODES: [(&str, &str, bool); 3] = [
    ("plain", "without aggregation", false),
    ("blocking", "without aggregation, in blocking mode", false),
    ("aggregated", "with its default aggregation", true),
];

/// The client's telemetry. It does not count calls that sampling leaves out. A call with several values counts once. Sets are not
/// counted, and timers only in the total.
fn telemetry(sender: &Sender, version: &str, sampled: f64) -> Vec<(String, f64)> {
    let transport = if sender.transport == "udp" { "udp" } else { "uds" };
    let labels = [("client", "java"), ("client_transport", transport), ("client_version", version)];
    let of = |name: &str, more: &[(&str, &str)]| sender.series(&format!("datadog_dogstatsd_client_{name}"), &[&labels, more].concat());
    let direct = ROUNDS / 10.0;
    let mut all = vec![
        (of("metrics", &[]), 7.0 * ROUNDS + direct + sampled),
        (of("events", &[]), EVENTS),
        (of("service_checks", &[]), EVENTS),
        (of("packets_dropped", &[]), 0.0),
        (of("packets_dropped_queue", &[]), 0.0),
    ];
    let by_type = [
        ("count", 2.0 * ROUNDS + sampled),
        ("gauge", 2.0 * ROUNDS),
        ("histogram", ROUNDS),
        ("distribution", ROUNDS + direct),
        ("set", 0.0),
    ];
    all.extend(by_type.map(|(kind, calls)| (of("metrics_by_type", &[("metrics_type", kind)]), calls)));
    all
}

#[apply(test)]
fn datadog_of_java() {
    let mut command = peers::java_program("Dogstatsd");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let socket = folder.path().join("dogstatsd.sock");
    let bridge = listening_on(&socket);
    command.arg(bridge.statsd.ip().to_string()).arg(bridge.statsd.port().to_string()).arg(&socket);
    command.env("DD_EXTERNAL_ENV", "it-false,cn-app,pu-1");
    let mut script = Script::start(command);
    assert_eq!(script.line().as_deref(), Some("sent"));
    let senders = 2.0 * MODES.len() as f64;
    let counted = |page: &Page, name: &str| page.sum(&format!("datadog_dogstatsd_client_{name}"));
    // The last events are sent after all samples.
    let version = version_in_telemetry(&bridge, |page| counted(page, "service_checks") >= senders * EVENTS);

    for transport in ["udp", "unixgram"] {
        for (mode, _, is_aggregated) in MODES {
            let sender = Sender { prefix: "java", mode, transport, labels: &[("dd_internal_entity_id", "pod-1")] };
            let page = expect(&bridge, &sender.expected(0.5));
            let sampled = sender.sampled(&page, is_aggregated);
            expect(&bridge, &telemetry(&sender, &version, sampled));
        }
    }
    script.go_on();
    script.end();
    let page = bridge.page();
    // The client's count does not include the datagrams of its last report, which has 18 lines.
    let unreported = own(&page, "udp_packets_total") + own(&page, "unixgram_packets_total") - counted(&page, "packets_sent");
    assert!((senders..=senders * 18.0).contains(&unreported), "{unreported}");
    expect_whole(&page, senders);
    expect_events(&bridge, &page, ("java.größe", "java"), senders);
    bridge.stop();
    for (_, options, _) in MODES {
        for transport in ["UDP", "Unix datagrams"] {
            let compared = format!("10,000 samples of all kinds over {transport}, {options}: values, telemetry");
            seen("java-dogstatsd-client", &version, &compared, "equal");
        }
    }
    seen("java-dogstatsd-client", &version, EVENTS_AND_CHECKS, "equal");
}
