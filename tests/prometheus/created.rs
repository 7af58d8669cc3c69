//! Created timestamps in Prometheus 3 (`--enable-feature=created-timestamp-zero-ingestion`): a series begins with a sample of zero
//! at its created timestamp, so that `increase()` includes samples from before the first scrape.
//!
//! With the newer version only: the older one does not have the feature, and stores the lines `x_created` as series.

use super::server::{Prometheus, job, jobs};
use crate::compatibility;
use crate::harness::{Launch, until};
use crate::peers::Version;

const FEATURE: &str = "--enable-feature=created-timestamp-zero-ingestion";

#[apply(test)]
fn created_timestamps_are_samples_of_zero() {
    Version::Three.prometheus();
    let bridge = Launch::new().arg("--web.created-lines").arg("--name-validation=utf8").arg("--statsd.native-histograms=always");
    let rules = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    let summary = "mappings:\n- match: slow\n  name: slow\n  observer_type: summary\n";
    std::fs::write(rules.path(), summary).expect("a temporary file");
    let bridge = bridge.arg(format!("--statsd.mapping-config={}", rules.path().display())).start();
    bridge.send("orders_total:7|c|#country:de\norders_total:4|c|#country:fr\nsold.total_total:3|c|#shop.name:a");
    bridge.send("plain:5|c\ntook:0.3|h|#code:200\ntook:0.7|h|#code:500\nslow:2|ms\nlevel:9|g");
    bridge.page_at(8);
    let openmetrics = ", scrape_protocols: [OpenMetricsText1.0.0]";
    let all = [
        // With the feature Prometheus prefers protobuf.
        ("protobuf", ", metric_name_validation_scheme: legacy"),
        ("native", ", scrape_native_histograms: true"),
        ("openmetrics", openmetrics),
        ("custom", &format!("{openmetrics}, convert_classic_histograms_to_nhcb: true")),
    ];
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all.map(|(name, more)| job(name, bridge.web, more))), &[FEATURE]);
    prometheus.expect("count(up == 1)", all.len() as f64);
    // Each of these series begins with a sample of zero. Its other samples have this value.
    let same = |job: &str| {
        vec![
            (format!("orders_total{{country=\"de\",job=\"{job}\"}}"), 7.0),
            (format!("orders_total{{country=\"fr\",job=\"{job}\"}}"), 4.0),
            (format!("slow_count{{job=\"{job}\"}}"), 1.0),
        ]
    };
    let classic = |job: &str| {
        let bucket = |code: &str| (format!("took_bucket{{code=\"{code}\",le=\"+Inf\",job=\"{job}\"}}"), 1.0);
        vec![bucket("200"), bucket("500"), (format!("took_count{{code=\"500\",job=\"{job}\"}}"), 1.0)]
    };
    let mut series: Vec<(String, f64)> = all.iter().flat_map(|(job, _)| same(job)).collect();
    series.extend(["protobuf", "openmetrics"].into_iter().flat_map(classic));
    // In protobuf, a counter that has no type in OpenMetrics also begins at zero.
    series.push(("plain{job=\"protobuf\"}".to_owned(), 5.0));
    series.push(("sold_total_total{job=\"protobuf\",shop_name=\"a\"}".to_owned(), 3.0));
    series.push(("{\"sold.total_total\",job=\"openmetrics\",\"shop.name\"=\"a\"}".to_owned(), 3.0));
    for (series, value) in &series {
        assert_begins_at_zero(&prometheus, series, *value);
    }
    // The created timestamp is the same in each format, but Prometheus truncates OpenMetrics' seconds to milliseconds.
    let begin = |job: &str| prometheus.values(&format!("orders_total{{country=\"de\",job=\"{job}\"}}"))[0].0;
    assert!(["native", "openmetrics", "custom"].iter().all(|job| (begin("protobuf") - begin(job)).abs() <= 1));
    let orders = "increase(orders_total{country=\"de\",job=\"protobuf\"}[1h]) > bool 0";
    prometheus.expect(orders, 1.0);
    for job in ["native", "custom"] {
        let counts = format!("histogram_count(took{{code=\"500\",job=\"{job}\"}})[1h:1s]");
        prometheus.expect(&format!("min_over_time({counts})"), 0.0);
        prometheus.expect(&format!("max_over_time({counts})"), 1.0);
    }
    // Gauges and counters without a type do not begin at zero, and Prometheus stores no `_created` line as a series.
    let first = |series: &str| prometheus.values(series).first().map(|(_, value)| *value);
    assert_eq!(first("plain{job=\"openmetrics\"}"), Some(5.0));
    assert_eq!(first("level{job=\"openmetrics\"}"), Some(9.0));
    assert_eq!(prometheus.series("{__name__=~\".+_created\",job=~\".+\"}"), Ok(Vec::new()));
    let compared = "created timestamps of counters, histograms and summaries in protobuf and OpenMetrics";
    compatibility::seen("Prometheus", &prometheus.version(), compared, "a sample of zero before the first one, at the same time in both");
    bridge.stop();
}

/// Checks that the first sample is zero and all others have this value.
fn assert_begins_at_zero(prometheus: &Prometheus, series: &str, value: f64) {
    let values = until(&format!("{series} has two samples"), || Some(prometheus.values(series)).filter(|values| values.len() >= 2));
    let numbers: Vec<f64> = values.iter().map(|(_, number)| *number).collect();
    assert!(numbers[0] == 0.0 && numbers[1..].iter().all(|number| *number == value), "{series}: {values:?}");
}
