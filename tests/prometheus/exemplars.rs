//! Exemplars as Prometheus 3 stores them: of counters, classic buckets, native histograms and converted histograms.
//!
//! With the newer version only: the older one has no job settings for these formats, and no conversion.

use std::collections::BTreeSet;

use super::server::{Prometheus, job, jobs};
use crate::compatibility;
use crate::harness::{Launch, until};
use crate::peers::Version;

const CASES: [(&str, &str, &[&str]); 4] = [
    ("openmetrics", "", &["orders_total", "took_bucket"]),
    ("protobuf", ", scrape_protocols: [PrometheusProto]", &["orders_total", "took_bucket"]),
    ("native", ", scrape_native_histograms: true", &["orders_total", "took"]),
    ("custom", ", convert_classic_histograms_to_nhcb: true", &["orders_total", "took"]),
];

#[apply(test)]
fn exemplars_are_stored_from_each_format() {
    Version::Three.prometheus();
    let bridge = Launch::new().arg("--exemplars.tag=trace_id").arg("--statsd.native-histograms=always").start();
    bridge.send("orders_total:7|c|#trace_id:a1\ntook:0.3|h|#trace_id:b2\ntook:7|h|#trace_id:c3\ntook:0.4|h");
    bridge.page_at(4);
    let all = CASES.map(|(name, more, _)| job(name, bridge.web, more));
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all), &["--enable-feature=exemplar-storage"]);
    prometheus.expect("count(up == 1)", CASES.len() as f64);
    for (name, _, families) in CASES {
        let selector = format!("%7Bjob%3D%22{name}%22%7D");
        let expected = BTreeSet::from(["7 a1", "0.3 b2", "7 c3"].map(str::to_owned));
        let mut last = BTreeSet::new();
        until(&format!("exemplars of {name}"), || {
            let found = prometheus.api(&format!("query_exemplars?query={selector}&start=0&end=4102444800"));
            let series = found["data"].as_array().cloned().unwrap_or_default();
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let names: BTreeSet<String> = series.iter().map(|one| text(&one["seriesLabels"]["__name__"])).collect();
            let exemplars = series.iter().flat_map(|one| one["exemplars"].as_array().cloned().unwrap_or_default());
            let exemplars: BTreeSet<String> =
                exemplars.map(|one| format!("{} {}", text(&one["value"]), text(&one["labels"]["trace_id"]))).collect();
            if exemplars != last {
                eprintln!("{name}: {exemplars:?} of {names:?}");
            }
            last = exemplars;
            (last == expected && names.iter().eq(families)).then_some(())
        });
    }
    let compared = "exemplars of counters and histograms: OpenMetrics, protobuf, native, converted to NHCB";
    compatibility::seen("Prometheus", &prometheus.version(), compared, "equal");
    bridge.stop();
}
