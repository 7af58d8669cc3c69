//! StatsD clients send tens of thousands of samples each to the program. The totals must be exact.
//!
//! The client scripts in tests/python and tests/node pause after some rounds until the exposition has them, so that the receive
//! buffer does not overflow. If a datagram is lost nevertheless, a total is too low and the test fails.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

mod airflow;
mod datadog_go;
mod datadog_java;
mod django;
mod micrometer;
mod official;
mod script;

use self::script::Script;
use crate::compatibility::seen;
use crate::events::events;
use crate::harness::{DEADLINE, Launch, Running};
use crate::page::Page;
use crate::peers;

/// How often a script repeats its calls. A multiple of 100, so that the totals below are whole numbers.
const ROUNDS: u64 = 3000;

/// Runs a script to its end. When the script prints the number of rounds that it has sent, waits until the family `rounds` has this
/// value, and then lets the script continue.
fn run_script(bridge: &Running, mut command: Command, mode: &str, rounds: &str) {
    let (host, port) = (bridge.statsd.ip().to_string(), bridge.statsd.port().to_string());
    command.args([&*host, &*port, &*ROUNDS.to_string(), mode]);
    let mut script = Script::start(command);
    while let Some(line) = script.line() {
        let n: f64 = line.parse().unwrap_or_else(|_| panic!("the script printed {line:?}"));
        bridge.page_when(&format!("{n} rounds"), |page| page.sum(rounds) == n);
        script.go_on();
    }
    script.end();
}

/// Waits until every series has its value. Sums of fractions are rounded, so values may differ by a billionth. Panics with the
/// series that are still wrong after [`DEADLINE`].
fn expect<S: AsRef<str>>(bridge: &Running, expected: &[(S, f64)]) -> Page {
    let wrong = |page: &Page| {
        expected.iter().fold(String::new(), |mut text, (series, value)| {
            let series = series.as_ref();
            let found = page.value(series);
            if !found.is_some_and(|f| (f - value).abs() <= 1e-9 * value.abs().max(1.0)) {
                let _ = writeln!(text, "{series}: expected {value}, found {found:?}");
            }
            text
        })
    };
    let start = Instant::now();
    loop {
        let page = bridge.page();
        let wrong = wrong(&page);
        if wrong.is_empty() {
            return page;
        }
        assert!(start.elapsed() < DEADLINE, "{wrong}\n{}", bridge.page_text());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Asserts that no datagram was lost or truncated, and that no sample was rejected.
fn expect_nothing_lost(page: &Page) {
    assert_eq!(page.sum("statsd_bridge_events_error_total"), 0.0);
    expect_all_understood(page);
}

/// Asserts that only the negative counters were rejected, and that nothing was lost or truncated. `stop` checks the other sums.
fn assert_nothing_lost(page: &Page) {
    let negative = page.sum_where("statsd_bridge_events_error_total", "reason", "illegal_negative_counter");
    assert_eq!(negative, ROUNDS as f64 / 10.0);
    assert_eq!(page.sum("statsd_bridge_events_error_total"), negative);
    expect_all_understood(page);
}

/// Asserts that no datagram was lost or truncated, and that every line was parsed without an error.
fn expect_all_understood(page: &Page) {
    for name in [
        "udp_kernel_drops_total",
        "udp_truncated_packets_total",
        "udp_receive_errors_total",
        "unixgram_truncated_packets_total",
        "unixgram_receive_errors_total",
        "sample_errors_total",
        "unknown_fields_total",
        "tag_errors_total",
    ] {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
}

/// Compares the number of received datagrams with the client's count. The count does not include the datagram that it is sent in.
fn assert_datagrams_as_the_client_counted(page: &Page) {
    let sent = page.sum("datadog_dogstatsd_client_packets_sent");
    assert!(sent > 1.0);
    assert_eq!(page.sum("statsd_bridge_udp_packets_total"), sent + 1.0);
    assert_eq!(page.sum("datadog_dogstatsd_client_packets_dropped"), 0.0);
}

const R: f64 = ROUNDS as f64;
/// The sum of 0..R.
const SUM_OF_ROUNDS: f64 = R * (R - 1.0) / 2.0;

#[apply(test)]
fn datadog_of_python() {
    let python = peers::python_with_clients();
    let expected = [
        ("dd_requests{bare=\"true\",client=\"py\",code=\"200\",path=\"/a:b\"}", R),
        ("dd_bytes{bare=\"true\",client=\"py\"}", SUM_OF_ROUNDS),
        ("dd_sampled{bare=\"true\",client=\"py\"}", 4.0 * R),
        ("dd_level{bare=\"true\",client=\"py\"}", R - 1.5),
        ("dd_took_count{bare=\"true\",client=\"py\"}", R),
        ("dd_took_sum{bare=\"true\",client=\"py\"}", R * 0.0495),
        ("dd_took_bucket{bare=\"true\",client=\"py\",le=\"0.005\"}", R * 0.06),
        ("dd_size_count{bare=\"true\",client=\"py\"}", 2.0 * R),
        ("dd_size_sum{bare=\"true\",client=\"py\"}", 2.0 * R * 4.75),
        ("dd_size_bucket{bare=\"true\",client=\"py\",le=\"2.5\"}", 2.0 * R * 0.3),
        ("dd_spread_bucket{bare=\"true\",client=\"py\",le=\"0.005\"}", R * 0.25),
        ("dd_spread_bucket{bare=\"true\",client=\"py\",le=\"2.5\"}", R * 0.75),
        ("dd_spread_sum{bare=\"true\",client=\"py\"}", R * 1.5),
        ("dd_users{bare=\"true\",client=\"py\"}", 50.0),
        ("dd_timed{bare=\"true\",client=\"py\"}", 2.0 * R),
        ("dd_carded{bare=\"true\",client=\"py\"}", R - 1.0),
        ("dd_rounds{bare=\"true\",client=\"py\"}", R),
        ("service_check_status{a=\"b\",bare=\"true\",check=\"check\",client=\"py\",host=\"web\"}", 2.0),
        ("dogstatsd_events_total{alert_type=\"error\",priority=\"low\",source_type=\"py\"}", R / 10.0),
        ("statsd_bridge_dogstatsd_events_total", R / 10.0),
        ("statsd_bridge_dogstatsd_service_checks_total", R / 10.0),
    ];
    let metrics = 11.0 * R + R / 10.0;
    // Each event and each service check is one sample.
    let samples = metrics + R / 5.0;
    let mut version = String::new();
    for mode in ["plain", "buffered"] {
        let bridge = Launch::new().start();
        let mut command = Command::new(&python);
        command.arg(peers::repository().join("tests/python/datadog_client.py"));
        run_script(&bridge, command, mode, "dd_rounds");
        let page = expect(&bridge, &expected);
        assert_eq!(page.family("dd_credit"), None);
        let data = events(&bridge, "?limit=1");
        let event = &data["events"][0];
        assert_eq!((&event["title"], &event["text"]), (&"größe".into(), &"text\nof two lines|with a pipe".into()));
        let tags = event["tags"].as_array().expect("tags");
        assert!(["a:b", "bare", "client:py"].iter().all(|tag| tags.iter().any(|one| one == tag)), "{event}");
        assert_eq!(
            (&event["host"], &event["aggregation_key"], &event["stated_time_s"]),
            (&"web".into(), &"key".into(), &1_700_000_000.into())
        );
        if mode == "plain" {
            assert_eq!(page.value("statsd_bridge_samples_total"), Some(samples));
            assert_eq!(page.value("statsd_bridge_udp_packets_total"), Some(samples));
        } else {
            let own = "datadog_dogstatsd_client_packets_sent";
            let counted = |page: &Page| page.sum("statsd_bridge_udp_packets_total") == page.sum(own) + 1.0;
            let page = bridge.page_when("the client's last report", counted);
            assert_eq!(page.sum("datadog_dogstatsd_client_metrics"), metrics);
            assert_eq!(page.sum("datadog_dogstatsd_client_events"), R / 10.0);
            assert_datagrams_as_the_client_counted(&page);
            version = official::version_in_telemetry(&bridge, |_| true);
        }
        assert_nothing_lost(&bridge.page());
        bridge.stop();
    }
    seen("datadogpy", &version, "events and service checks over UDP: labels, status, and every part at /api/v1/events", "equal");
}

#[apply(test)]
fn statsd_of_python() {
    let python = peers::python_with_clients();
    let expected = [
        ("py_requests", R),
        ("py_bytes", SUM_OF_ROUNDS),
        ("py_sampled", 4.0 * R),
        ("py_level", R - 1.0),
        ("py_balance", 1.0 - R),
        ("py_drift", 2.0 * R),
        ("py_took_count", R),
        ("py_took_sum", R * 0.0495),
        ("py_took_bucket{le=\"0.01\"}", R * 0.11),
        ("py_slow_count", 2.0 * R),
        ("py_slow_sum", 4.0 * R),
        ("py_slow_bucket{le=\"1\"}", 0.0),
        ("py_slow_bucket{le=\"2.5\"}", 2.0 * R),
        ("py_users", 50.0),
        ("py_rounds", R),
        // The client sends a negative absolute gauge as two lines, of which the first sets it to 0. The first value is 0: one line.
        ("statsd_bridge_samples_total", 12.0 * R - 1.0 + R / 10.0),
    ];
    for mode in ["udp", "pipeline", "tcp"] {
        let bridge = Launch::new().start();
        let mut command = Command::new(&python);
        command.arg(peers::repository().join("tests/python/statsd_client.py"));
        run_script(&bridge, command, mode, "py_rounds");
        let page = expect(&bridge, &expected);
        assert_nothing_lost(&page);
        let (datagrams, connections) = ("statsd_bridge_udp_packets_total", "statsd_bridge_tcp_connections_total");
        match mode {
            "udp" => assert_eq!(page.value(datagrams), Some(11.0 * R + R / 10.0)),
            "pipeline" => assert!(page.value(datagrams).is_some_and(|n| n > 0.0 && n < R)),
            _ => assert_eq!((page.value(datagrams), page.value(connections)), (Some(0.0), Some(1.0))),
        }
        bridge.stop();
    }
}

#[apply(test)]
fn hot_shots_of_node() {
    let node = peers::node_with_hot_shots();
    let expected = [
        ("hs_requests{client=\"node\",code=\"200\",path=\"/a\"}", R),
        ("hs_bytes{client=\"node\"}", SUM_OF_ROUNDS),
        ("hs_sampled{client=\"node\"}", 4.0 * R),
        ("hs_level{client=\"node\"}", R - 1.5),
        ("hs_drift{client=\"node\"}", 2.0 * R),
        ("hs_took_count{client=\"node\"}", R),
        ("hs_took_sum{client=\"node\"}", R * 0.0495),
        ("hs_size_count{client=\"node\"}", 2.0 * R),
        ("hs_size_sum{client=\"node\"}", 2.0 * R * 4.75),
        ("hs_spread_sum{client=\"node\"}", R * 1.5),
        ("hs_users{client=\"node\"}", 50.0),
        ("hs_timed{client=\"node\"}", R - 1.0),
        ("hs_rounds{client=\"node\"}", R),
        ("service_check_status{a=\"b\",check=\"hs.check\",client=\"node\"}", 1.0),
        ("dogstatsd_events_total{alert_type=\"info\",priority=\"normal\"}", R / 10.0),
        ("statsd_bridge_dogstatsd_events_total", R / 10.0),
        ("statsd_bridge_dogstatsd_service_checks_total", R / 10.0),
    ];
    let metrics = 12.0 * R + R / 10.0;
    let samples = metrics + R / 5.0;
    for mode in ["plain", "buffered", "tcp"] {
        let bridge = Launch::new().start();
        let mut command = Command::new(&node);
        command.arg(peers::repository().join("tests/node/hot_shots.js"));
        run_script(&bridge, command, mode, "hs_rounds");
        let page = expect(&bridge, &expected);
        if mode == "buffered" {
            let counted = "datadog_dogstatsd_client_metrics";
            let page = bridge.page_when("the client's last report", |page| page.sum(counted) == metrics);
            assert_eq!(page.sum("datadog_dogstatsd_client_metrics_by_type"), metrics);
            assert_datagrams_as_the_client_counted(&page);
        } else {
            assert_eq!(page.value("statsd_bridge_samples_total"), Some(samples));
            let datagrams = if mode == "plain" { samples } else { 0.0 };
            assert_eq!(page.value("statsd_bridge_udp_packets_total"), Some(datagrams));
        }
        assert_nothing_lost(&page);
        bridge.stop();
    }
}
