//! Micrometer's StatsD registry in each flavour and over each of its protocols, all at the same time.

use super::script::Script;
use super::{expect, expect_nothing_lost};
use crate::compatibility::seen;
use crate::harness::{Launch, own};
use crate::page::Page;
use crate::peers;

/// How often each registry repeats its five calls.
const ROUNDS: f64 = 2000.0;
/// The values of `flavor`, and how each flavour writes the tag value `/a:b c=d`.
const FLAVORS: [(&str, &str); 4] = [("etsy", "/a_b_c=d"), ("datadog", "/a:b c=d"), ("telegraf", "/a_b_c=d"), ("sysdig", "_a_b_c_d")];
/// The values of `protocol`, and their names in docs/compatibility.md.
const PROTOCOLS: [(&str, &str); 3] = [("udp", "UDP"), ("tcp", "TCP"), ("uds_datagram", "Unix datagrams")];

/// A series of the meter `mm.NAME`. `suffix` is the suffix of the family's type. The flavour etsy has the sorted tags in the name.
fn series(flavor: &str, protocol: &str, name: &str, suffix: &str, tags: &[(&str, &str)], le: Option<&str>) -> String {
    let mut all = vec![("flavor", flavor), ("protocol", protocol)];
    all.extend(tags);
    // Micrometer sorts its tags, and adds the statistic at the end.
    all.sort_by_key(|(key, _)| (flavor == "etsy" && *key == "statistic", *key));
    let le = le.map(|le| format!("le=\"{le}\""));
    if flavor != "etsy" {
        let labels: Vec<String> = all.iter().map(|(key, value)| format!("{key}=\"{value}\"")).chain(le).collect();
        return format!("mm_{}{suffix}{{{}}}", name.replace('.', "_"), labels.join(","));
    }
    let mut camel = "mm".to_owned();
    for part in name.split('.') {
        camel.push_str(&part[..1].to_uppercase());
        camel.push_str(&part[1..]);
    }
    let levels: String = all.iter().map(|(key, value)| format!("_{key}_{value}")).collect();
    let levels = levels.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{camel}{levels}{suffix}{}", le.map(|le| format!("{{{le}}}")).unwrap_or_default())
}

/// The totals of the calls of one registry.
fn expected(flavor: &str, path: &str, protocol: &str) -> Vec<(String, f64)> {
    let of = |name: &str, suffix: &str, tags: &[(&str, &str)], le| series(flavor, protocol, name, suffix, tags, le);
    let (count, value) = (("statistic", "count"), ("statistic", "value"));
    // The bridge reserves the label `le` for histograms, and renames a tag `le`.
    let bucket = if flavor == "etsy" { "le" } else { "exported_le" };
    let infinity = if flavor == "sysdig" { "_Inf" } else { "+Inf" };
    // A timer with a percentile histogram. The flavour datadog sends it as `d`, so the bridge does not convert it to seconds.
    let slow = if flavor == "datadog" { 1.5 } else { 0.0015 };
    vec![
        (of("orders.placed", "", &[("path", path), count], None), 2.0 * ROUNDS),
        (of("calls", "", &[count], None), ROUNDS),
        (of("queue.depth", "", &[value], None), ROUNDS - 5001.0),
        (of("task", "", &[("statistic", "active")], None), 1.0),
        (of("wait", "_count", &[], None), ROUNDS),
        (of("wait", "_sum", &[], None), ROUNDS * 0.0995),
        (of("wait", "_bucket", &[], Some("0.1")), ROUNDS * 0.505),
        (of("wait.histogram", "", &[(bucket, "100"), value], None), ROUNDS * 0.505),
        (of("wait.histogram", "", &[(bucket, infinity), value], None), ROUNDS),
        (of("slow", "_count", &[], None), ROUNDS),
        (of("slow", "_sum", &[], None), ROUNDS * slow),
        (of("size", "_count", &[], None), ROUNDS),
        (of("size", "_sum", &[], None), ROUNDS * 4.75),
        (of("size", "_bucket", &[], Some("2.5")), ROUNDS * 0.3),
        (of("spread", "_count", &[], None), ROUNDS),
        (of("spread", "_sum", &[], None), ROUNDS * 1.5),
        (of("spread", "_bucket", &[], Some("1")), ROUNDS * 0.5),
    ]
}

#[apply(test)]
fn micrometer() {
    let mut command = peers::java_program("Micrometer");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let socket = folder.path().join("statsd.sock");
    let bridge = Launch::new().arg(format!("--statsd.listen-unixgram={}", socket.display())).arg("--statsd.signed-gauges=absolute").start();
    command.arg(bridge.statsd.ip().to_string()).arg(bridge.statsd.port().to_string()).arg(&socket);
    let mut script = Script::start(command);
    let registries = (FLAVORS.len() * PROTOCOLS.len()) as f64;
    let depth = |flavor, protocol| series(flavor, protocol, "queue.depth", "", &[("statistic", "value")], None);
    let is_connected = |page: &Page| {
        let mut all = FLAVORS.iter().flat_map(|(flavor, _)| PROTOCOLS.iter().map(move |(protocol, _)| (*flavor, *protocol)));
        all.all(|(flavor, protocol)| page.value(&depth(flavor, protocol)).is_some())
    };
    while let Some(line) = script.line() {
        let rounds: f64 = line.parse().unwrap_or_else(|_| panic!("the program printed {line:?}"));
        let observed = rounds * 4.0 * registries;
        bridge.page_when(&format!("{rounds} rounds"), |page| {
            is_connected(page) && page.sum_where("statsd_bridge_events_total", "type", "observer") == observed
        });
        if rounds == ROUNDS {
            for (flavor, path) in FLAVORS {
                for (protocol, _) in PROTOCOLS {
                    expect(&bridge, &expected(flavor, path, protocol));
                }
            }
        }
        script.go_on();
    }
    script.end();
    let page = bridge.page();
    assert_eq!(own(&page, "tcp_connections_total"), FLAVORS.len() as f64);
    expect_nothing_lost(&page);
    bridge.stop();
    let version = peers::java_version("micrometer-registry-statsd");
    for (flavor, _) in FLAVORS {
        for (_, protocol) in PROTOCOLS {
            let compared = format!("10,000 samples over {protocol}, flavour {flavor}: counters, timers, summaries, gauges, bucket gauges");
            seen("Micrometer", &version, &compared, "equal");
        }
    }
}
