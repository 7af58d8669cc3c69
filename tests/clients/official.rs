//! The expected series of the official DogStatsD clients. Their programs, tests/go/datadog/main.go and
//! tests/java/src/Dogstatsd.java, send 10,000 samples in each mode over each transport.

use std::path::Path;

use super::expect_nothing_lost;
use crate::events::events;
use crate::harness::{Launch, Running, own};
use crate::page::{Line, Page};

/// The samples of a client in each mode over each transport.
pub const SAMPLES: f64 = 10_000.0;
/// How often the client repeats its ten calls.
pub const ROUNDS: f64 = 1000.0;
/// The number of events, and also of service checks.
pub const EVENTS: f64 = ROUNDS / 10.0;

/// What docs/compatibility.md says of events and service checks.
pub const EVENTS_AND_CHECKS: &str =
    "events and service checks over UDP, Unix datagrams and Unix streams, in each mode: labels, status, and every part at /api/v1/events";

/// A client in one mode over one transport, with the labels of its series.
pub struct Sender<'a> {
    /// The first part of each name.
    pub prefix: &'a str,
    pub mode: &'a str,
    pub transport: &'a str,
    /// More labels, which all series of the client have.
    pub labels: &'a [(&'a str, &'a str)],
}

impl Sender<'_> {
    /// The transport in the client's telemetry.
    pub fn transport_of_client(&self) -> &'static str {
        let found = TRANSPORTS.into_iter().find(|(transport, _, _)| *transport == self.transport);
        found.unwrap_or_else(|| panic!("no transport {}", self.transport)).1
    }

    /// A series with its labels in the order of the exposition: by name, and `le` last.
    pub fn series(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let mut all = vec![("container_id", "ci-0123456789abcdef"), ("mode", self.mode), ("transport", self.transport)];
        all.extend(self.labels);
        all.extend(labels);
        all.sort_unstable_by_key(|(key, _)| (*key == "le", *key));
        let labels: Vec<String> = all.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        format!("{name}{{{}}}", labels.join(","))
    }

    /// The totals of the calls, without the sampled counter.
    pub fn expected(&self, byte: f64) -> Vec<(String, f64)> {
        let tagged = &[("canary", "true"), ("code", "200"), ("path", "/a:b")];
        let at = |le: &'static str| vec![("le", le)];
        let all = vec![
            ("requests", tagged.to_vec(), ROUNDS),
            ("bytes", vec![], byte * ROUNDS * (ROUNDS - 1.0) / 2.0),
            // The last value is negative. These clients only set gauges, so a sign does not mean a change.
            ("level", vec![], 500.5 - ROUNDS),
            ("size_count", tagged.to_vec(), ROUNDS),
            ("size_sum", tagged.to_vec(), ROUNDS * 4.75),
            ("size_bucket", [&tagged[..], &at("2.5")].concat(), ROUNDS * 0.3),
            ("spread_count", vec![], ROUNDS),
            ("spread_sum", vec![], ROUNDS * 1.5),
            ("spread_bucket", at("1"), ROUNDS * 0.5),
            ("took_count", vec![], ROUNDS),
            ("took_sum", vec![], ROUNDS * 0.0495),
            ("took_bucket", at("0.01"), ROUNDS * 0.11),
            ("users", vec![], 50.0),
            ("timed", tagged.to_vec(), ROUNDS - 1.0),
            // The rate is 0.5, so each sample counts for two.
            ("direct_count", vec![], ROUNDS * 2.0),
            ("direct_sum", vec![], ROUNDS * 9.0),
            ("direct_bucket", at("5"), ROUNDS * 1.2),
        ];
        let series = |name: &str, labels: &[(&str, &str)]| self.series(&format!("{}_{name}", self.prefix), labels);
        // Service checks have no prefix.
        let check = self.series("service_check_status", &[&tagged[..], &[("check", "check"), ("host", "web")]].concat());
        all.into_iter().map(|(name, labels, value)| (series(name, &labels), value)).chain([(check, 2.0)]).collect()
    }

    /// The number of sent calls among those with a sample rate of 0.25. A client that aggregates sends all, without the rate.
    pub fn sampled(&self, page: &Page, is_aggregated: bool) -> f64 {
        let value = page.value(&self.series(&format!("{}_sampled", self.prefix), &[])).unwrap_or_default();
        if is_aggregated {
            assert_eq!(value, ROUNDS);
            return value;
        }
        assert!(value > 0.0 && value % 4.0 == 0.0, "each counts for four: {value}");
        value / 4.0
    }
}

/// The transports of each client: the value of the label `transport`, the client's own name of it, and that in docs/compatibility.md.
pub const TRANSPORTS: [(&str, &str, &str); 3] =
    [("udp", "udp", "UDP"), ("unixgram", "uds", "Unix datagrams"), ("unixstream", "uds-stream", "Unix streams")];

/// The datagrams and frames that have arrived, by transport.
pub fn payloads(page: &Page) -> [f64; TRANSPORTS.len()] {
    ["udp_packets_total", "unixgram_packets_total", "unix_frames_total"].map(|name| own(page, name))
}

/// A bridge for the official clients, which also listens on a Unix datagram socket and on a Unix stream socket.
pub fn listening_on(datagrams: &Path, streams: &Path) -> Running {
    let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", datagrams.display()));
    let launch = launch.arg(format!("--statsd.listen-unix={}", streams.display()));
    launch.arg("--statsd.signed-gauges=absolute").arg("--statsd.container-id").start()
}

/// Waits until the telemetry of the clients reports everything that they sent. Returns the version in the telemetry.
pub fn version_in_telemetry(bridge: &Running, reported: impl Fn(&Page) -> bool) -> String {
    let page = bridge.page_when("the telemetry", |page| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        reported(page)
    });
    let label = |line: &Line| line.labels.iter().find(|(key, _)| *key == "client_version").map(|(_, value)| value.clone());
    let mut versions: Vec<_> = page.lines().filter(|line| line.name == "datadog_dogstatsd_client_metrics").filter_map(label).collect();
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions.remove(0)
}

/// Asserts that all events of the clients were counted, and that the last ones are kept with all of their parts.
pub fn expect_events(bridge: &Running, page: &Page, (title, source_type): (&str, &str), senders: f64) {
    let series = format!("dogstatsd_events_total{{alert_type=\"error\",priority=\"low\",source_type=\"{source_type}\"}}");
    assert_eq!(page.value(&series), Some(EVENTS * senders));
    let data = events(bridge, "");
    let all = data["events"].as_array().expect("events");
    // The bridge keeps the last 1,000.
    assert_eq!(all.len() as f64, (EVENTS * senders).min(1000.0));
    for event in all {
        for (key, value) in [
            ("title", title),
            ("text", "text\nof two lines|with a pipe"),
            ("alert_type", "error"),
            ("priority", "low"),
            ("source_type", source_type),
            ("host", "web"),
            ("aggregation_key", "key"),
        ] {
            assert_eq!(event[key], value, "{key} of {event}");
        }
        assert_eq!((&event["stated_time_s"], &event["cut"]), (&1_700_000_000.into(), &false.into()), "{event}");
        let tags = event["tags"].as_array().expect("tags");
        assert!(["canary", "code:200", "path:/a:b"].iter().all(|tag| tags.iter().any(|one| one == tag)), "{event}");
    }
}

/// Asserts that nothing was lost or rejected, and that the events and service checks of this many senders have arrived.
pub fn expect_whole(page: &Page, senders: f64) {
    expect_nothing_lost(page);
    for name in ["events", "service_checks"] {
        assert_eq!(page.sum(&format!("statsd_bridge_dogstatsd_{name}_total")), EVENTS * senders, "{name}");
    }
}
