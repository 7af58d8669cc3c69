//! An OpenTelemetry collector scrapes the bridge with its Prometheus receiver, or is pushed to by OTLP, and writes what it read to a
//! file.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Launch, Process, free_port, until};
use crate::{compatibility, peers};

/// A running collector, and the file that it writes.
struct Collector {
    process: Process,
    folder: TempDir,
}

/// A data point: the metric without its points, and the point.
type Point = (Value, Value);

impl Collector {
    /// Scrapes a target every second, with these additional lines in the scrape configuration.
    fn start(target: SocketAddr, scrape: &str) -> Self {
        Self::with_receiver(
            "prometheus",
            &format!(
                "    config:\n      scrape_configs:\n      - job_name: bridge\n        scrape_interval: 1s\n        scrape_timeout: 1s\n{scrape}        \
                 static_configs:\n        - targets: ['{target}']\n"
            ),
        )
    }

    /// Receives OTLP over HTTP at this address.
    fn receiving(at: SocketAddr) -> Self {
        Self::with_receiver("otlp", &format!("    protocols: {{http: {{endpoint: '{at}'}}}}\n"))
    }

    fn with_receiver(name: &str, receiver: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "receivers:\n  {name}:\n{receiver}exporters:\n  file: {{path: '{}', flush_interval: 100ms}}\nservice:\n  pipelines:\n    metrics: \
             {{receivers: [{name}], exporters: [file]}}\n",
            path("out.json")
        );
        std::fs::write(path("config.yml"), config).expect("a file in a temporary directory");
        let mut command = Command::new(peers::built("otel-collector", "otel-collector"));
        command.arg(format!("--config=file:{}", path("config.yml")));
        Self { process: Process::start(command), folder }
    }

    /// The points of the newest scrape in the file, by name and attributes: `hits{country=de}`. `None` before the first scrape.
    fn newest(&mut self) -> Option<BTreeMap<String, Point>> {
        assert_eq!(self.process.try_wait(), None, "the collector ended:\n{}", self.process.log());
        let text = std::fs::read_to_string(self.folder.path().join("out.json")).ok()?;
        let (complete, _) = text.rsplit_once('\n')?;
        let json: Value = serde_json::from_str(complete.rsplit('\n').next()?).ok()?;
        let list = |json: &Value, key: &str| json[key].as_array().cloned().unwrap_or_default();
        let mut points = BTreeMap::new();
        for resource in list(&json, "resourceMetrics") {
            for mut metric in list(&resource, "scopeMetrics").iter().flat_map(|scope| list(scope, "metrics")) {
                let kinds = ["sum", "gauge", "histogram", "exponentialHistogram", "summary"];
                let kind = kinds.into_iter().find(|kind| metric.get(kind).is_some()).expect("a known kind");
                let found = metric[kind]["dataPoints"].take();
                for point in found.as_array().cloned().unwrap_or_default() {
                    points.insert(format!("{}{}", metric["name"].as_str().expect("a name"), attributes(&point)), (metric.clone(), point));
                }
            }
        }
        Some(points)
    }

    /// Waits for a scrape that contains this number of samples of the bridge.
    fn at(&mut self, samples: f64) -> BTreeMap<String, Point> {
        until("the collector has scraped all samples", || {
            let points = self.newest()?;
            let (_, total) = points.get("statsd_bridge_samples_total")?;
            (number(&total["asDouble"]) == samples).then_some(points)
        })
    }
}

/// `{a=b,c=d}`, sorted; empty without attributes.
fn attributes(point: &Value) -> String {
    let list = point["attributes"].as_array().cloned().unwrap_or_default();
    let mut pairs: Vec<String> = list
        .iter()
        .map(|pair| format!("{}={}", pair["key"].as_str().unwrap_or_default(), pair["value"]["stringValue"].as_str().unwrap_or_default()))
        .collect();
    pairs.sort_unstable();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// A number. The JSON form of protobuf writes 64-bit numbers as text.
fn number(json: &Value) -> f64 {
    json.as_f64().or_else(|| json.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {json}"))
}

fn numbers(json: &Value) -> Vec<f64> {
    json.as_array().map(|all| all.iter().map(number).collect()).unwrap_or_default()
}

const RULES: &str = "mappings:\n- match: took.summary\n  name: took_summary\n  observer_type: summary\n";

/// The number of samples: 7 for each of a hundred numbers.
const SENT: f64 = 700.0;

fn sent() -> impl Iterator<Item = String> {
    (1..=100).map(|n| {
        format!(
            "hits:{n}|c|#country:de\nhits:1|c|@0.5|#country:fr\nlevel.now:{}|g\ntook:{n}|ms\ntook.summary:{n}|h\nusers:{n}|s\nhits:1|c|#country:fr",
            f64::from(n) / 4.0
        )
    })
}

/// Checks counters, gauges, sets and summaries. The gauge has this name.
fn check(points: &BTreeMap<String, Point>, gauge: &str) {
    let find = |name: &str| points.get(name).unwrap_or_else(|| panic!("{name} is not among {:#?}", points.keys()));
    for (name, value) in [("hits{country=de}", 5050.0), ("hits{country=fr}", 300.0)] {
        let (metric, point) = find(name);
        assert_eq!(number(&point["asDouble"]), value, "{name}");
        // Temporality 2 is cumulative.
        assert_eq!(
            (&metric["sum"]["isMonotonic"], &metric["sum"]["aggregationTemporality"]),
            (&Value::from(true), &Value::from(2)),
            "{metric}"
        );
    }
    for (name, value) in [(gauge, 25.0), ("users", 100.0)] {
        let (metric, point) = find(name);
        assert!(metric.get("gauge").is_some(), "{metric}");
        assert_eq!(number(&point["asDouble"]), value, "{name}");
    }
    let (_, summary) = find("took_summary");
    assert_eq!((number(&summary["count"]), number(&summary["sum"])), (100.0, 5050.0), "{summary}");
    let quantiles: Vec<(f64, f64)> = summary["quantileValues"]
        .as_array()
        .expect("quantiles")
        .iter()
        .map(|one| (number(&one["quantile"]), number(&one["value"])))
        .collect();
    assert_eq!(quantiles.iter().map(|(quantile, _)| *quantile).collect::<Vec<_>>(), [0.5, 0.9, 0.99]);
    assert!(quantiles.iter().all(|(quantile, value)| (value - quantile * 100.0).abs() <= 2.0), "{quantiles:?}");
}

#[apply(test)]
fn a_collector_reads_what_was_sent() {
    peers::built("otel-collector", "otel-collector");
    let rules = TempDir::new().expect("a temporary directory");
    let path = rules.path().join("rules.yml");
    std::fs::write(&path, RULES).expect("a file in a temporary directory");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", path.display())).arg("--name-validation=utf8").start();
    for (n, lines) in sent().enumerate() {
        bridge.send(lines);
        if n % 25 == 24 {
            bridge.page_at(7 * (n as u64 + 1));
        }
    }
    let mut classic = Collector::start(bridge.web, "");
    let mut native = Collector::start(bridge.web, "        scrape_native_histograms: true\n        scrape_protocols: [PrometheusProto]\n");
    let points = classic.at(SENT);
    check(&points, "level.now");
    let (_, took) = &points["took"];
    assert!(number(&took["count"]) == 100.0 && (number(&took["sum"]) - 5.05).abs() < 1e-9, "{took}");
    assert_eq!(numbers(&took["explicitBounds"]), [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
    assert_eq!(numbers(&took["bucketCounts"]), [5.0, 5.0, 15.0, 25.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);

    // For protobuf, the collector requests no UTF-8 names.
    check(&native.at(SENT), "level_now");
    // The first scrape in protobuf enables native buckets, so they contain later samples only.
    bridge.send("took:20|ms\ntook:20|ms\ntook:3000|ms");
    let points = native.at(SENT + 3.0);
    let (metric, took) = &points["took"];
    assert!(metric.get("exponentialHistogram").is_some(), "{metric} {took}");
    assert_eq!(number(&took["count"]), 103.0, "{took}");
    assert!((number(&took["sum"]) - 8.09).abs() < 1e-9, "{took}");
    // Factor 1.1 is schema 3, which is scale 3.
    assert_eq!(number(&took["scale"]), 3.0, "{took}");
    let (positive, offset) = (numbers(&took["positive"]["bucketCounts"]), took["positive"].get("offset").map_or(0.0, number));
    let total = positive.iter().sum::<f64>() + took.get("zeroCount").map_or(0.0, number);
    assert_eq!(total, 103.0, "{took}");
    // Bucket i covers (2^(i/8), 2^((i+1)/8)].
    let bucket_of = |value: f64| ((value.log2() * 8.0).ceil() - 1.0 - offset) as usize;
    assert_eq!(positive[bucket_of(3.0)], 1.0, "{took}");
    assert!(positive[bucket_of(0.02)] == 2.0, "{took}");
    // The collector ignores created timestamps unless a feature gate is on.
    assert!(took.get("startTimeUnixNano").is_none(), "{took}");

    bridge.stop();
    let version = peers::module_version("otel-collector", "go.opentelemetry.io/collector/otelcol");
    let compared = |by: &str| format!("Prometheus receiver and file exporter, {by}: 700 samples of all kinds");
    compatibility::seen(
        "OpenTelemetry collector",
        &version,
        &compared("text"),
        "counters, gauges, sets, summaries, histograms equal; UTF-8 names are kept",
    );
    compatibility::seen(
        "OpenTelemetry collector",
        &version,
        &compared("protobuf with native histograms"),
        "equal; histograms are exponential; no start times, because it ignores created timestamps by default; UTF-8 names have underscores, because it requests them only in text",
    );
}

#[apply(test)]
fn a_collector_receives_what_was_pushed() {
    peers::built("otel-collector", "otel-collector");
    let rules = TempDir::new().expect("a temporary directory");
    let path = rules.path().join("rules.yml");
    std::fs::write(&path, RULES).expect("a file in a temporary directory");
    for form in ["classic", "native"] {
        let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let mut collector = Collector::receiving(at);
        let launch = Launch::new().arg(format!("--statsd.mapping-config={}", path.display())).arg("--name-validation=utf8");
        let launch = launch.arg(format!("--push.url=http://{at}/v1/metrics")).arg("--push.protocol=otlp").arg("--push.interval=1s");
        let bridge = launch.arg(format!("--push.histograms={form}")).arg("--statsd.native-histograms=always").start();
        for (n, lines) in sent().enumerate() {
            bridge.send(lines);
            if n % 25 == 24 {
                bridge.page_at(7 * (n as u64 + 1));
            }
        }
        let points = collector.at(SENT);
        check(&points, "level.now");
        let (metric, took) = &points["took"];
        assert!(number(&took["count"]) == 100.0 && (number(&took["sum"]) - 5.05).abs() < 1e-9, "{took}");
        assert!(took.get("startTimeUnixNano").is_some() && points["hits{country=de}"].1.get("startTimeUnixNano").is_some(), "{took}");
        if form == "classic" {
            assert_eq!(numbers(&took["explicitBounds"]), [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
            assert_eq!(numbers(&took["bucketCounts"]), [5.0, 5.0, 15.0, 25.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        } else {
            assert!(metric.get("exponentialHistogram").is_some(), "{metric} {took}");
            // Factor 1.1 is schema 3, which is scale 3: bucket i covers (2^(i/8), 2^((i+1)/8)].
            assert_eq!(number(&took["scale"]), 3.0, "{took}");
            let (positive, offset) = (numbers(&took["positive"]["bucketCounts"]), took["positive"].get("offset").map_or(0.0, number));
            let bucket_of = |value: f64| ((value.log2() * 8.0).ceil() - 1.0 - offset) as usize;
            let mut expected = vec![0.0; positive.len()];
            (1..=100).for_each(|n| expected[bucket_of(f64::from(n) / 1000.0)] += 1.0);
            assert_eq!(positive, expected, "{took}");
        }
        bridge.stop();
    }
    compatibility::seen(
        "OpenTelemetry collector",
        &peers::module_version("otel-collector", "go.opentelemetry.io/collector/otelcol"),
        "OTLP over HTTP, and file exporter: 700 samples of all kinds",
        "equal to what was sent, with starts; histograms are explicit or exponential ones; UTF-8 names are kept",
    );
}
