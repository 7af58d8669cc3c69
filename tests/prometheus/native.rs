//! Native histograms in Prometheus 3: enabled by a job setting, with classic series beside them, and converted from classic ones.
//!
//! With the newer version only: the older one does not have these settings. The parent module tests what both have.

use super::server::{Prometheus, job, jobs};
use crate::compatibility;
use crate::harness::{Launch, Running};
use crate::peers::Version;

/// Samples of `took`.
const SAMPLES: usize = 500;

/// Name and settings of a job; whether `took` is native there, and whether its classic series are there.
type Case = (&'static str, &'static str, bool, bool);

const CASES: [Case; 9] = [
    ("classic", "", false, true),
    // Protobuf without the setting: Prometheus ignores the native buckets.
    ("protobuf", ", scrape_protocols: [PrometheusProto]", false, true),
    ("native", ", scrape_native_histograms: true", true, false),
    ("both", ", scrape_native_histograms: true, always_scrape_classic_histograms: true", true, true),
    // With only text, there is nothing native to scrape.
    ("text", ", scrape_native_histograms: true, scrape_protocols: [PrometheusText1.0.0]", false, true),
    ("custom", ", convert_classic_histograms_to_nhcb: true", true, false),
    ("custom-both", ", convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true", true, true),
    ("custom-protobuf", ", convert_classic_histograms_to_nhcb: true, scrape_protocols: [PrometheusProto]", true, false),
    // Prometheus does not convert a histogram that is already native.
    ("native-custom", ", scrape_native_histograms: true, convert_classic_histograms_to_nhcb: true", true, false),
];

/// Values from 1 ms, each 2 % above the previous one.
fn value(nth: usize) -> f64 {
    0.001 * 1.02_f64.powi(nth as i32)
}

/// Sends `took`, whose counts are whole, and `part`, whose counts are fractions.
fn send(bridge: &Running) {
    let lines: Vec<String> = (0..SAMPLES).map(|nth| format!("took:{}|h|#code:200", value(nth))).collect();
    for some in lines.chunks(50) {
        bridge.send(some.join("\n"));
    }
    bridge.send("part:0.3|h|@0.3\npart:7|h");
    bridge.page_at(SAMPLES as u64 + 2);
}

#[apply(test)]
fn histograms_are_native_classic_and_converted_as_the_job_says() {
    Version::Three.prometheus();
    let bridge = Launch::new().arg("--statsd.native-histograms=always").start();
    send(&bridge);
    let openmetrics = Launch::new().arg("--web.openmetrics=always").start();
    send(&openmetrics);
    let mut all = CASES.map(|(name, more, ..)| job(name, bridge.web, more)).to_vec();
    all.push(job("openmetrics", openmetrics.web, ", convert_classic_histograms_to_nhcb: true"));
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all), &[]);
    prometheus.expect("count(up == 1)", CASES.len() as f64 + 1.0);
    // In OpenMetrics a histogram with fractional counts has no type, so Prometheus does not convert it.
    prometheus.expect(&format!("histogram_count(took{{job=\"openmetrics\"}}) == bool {SAMPLES}"), 1.0);
    prometheus.expect("part_count{job=\"openmetrics\"}", 1.0 / 0.3 + 1.0);
    prometheus.expect("count(part{job=\"openmetrics\"}) or vector(0)", 0.0);
    for (name, _, is_native, is_classic) in CASES {
        let count = |query: &str, is_there: bool| {
            let present = format!("count({query}) or vector(0)");
            prometheus.expect(&present, if is_there { 1.0 } else { 0.0 });
        };
        count(&format!("histogram_count(took{{job=\"{name}\"}}) == {SAMPLES}"), is_native);
        count(&format!("took_count{{job=\"{name}\"}} == {SAMPLES}"), is_classic);
        count(&format!("took_bucket{{job=\"{name}\",le=\"+Inf\"}} == {SAMPLES}"), is_classic);
        // One sample with rate 0.3, and one without.
        let weight = 1.0 / 0.3 + 1.0;
        if is_native {
            prometheus.expect(&format!("histogram_count(part{{job=\"{name}\"}})"), weight);
        }
        if is_classic {
            prometheus.expect(&format!("part_count{{job=\"{name}\"}}"), weight);
        }
    }
    // All jobs have the same sums.
    let sums = "count(count_values(\"sum\", took_sum or histogram_sum(took)))";
    prometheus.expect(sums, 1.0);
    assert_quantiles(&prometheus);
    let compared = "native histograms, classic series beside them, conversion to custom buckets (NHCB), in 10 configurations";
    let result = "counts and sums equal; quantiles within 9 % of the values (native), equal to classic ones (NHCB); \
        histograms with fractional counts in OpenMetrics stay classic";
    compatibility::seen("Prometheus", &prometheus.version(), compared, result);
    bridge.stop();
    openmetrics.stop();
}

fn assert_quantiles(prometheus: &Prometheus) {
    let query = |query: String| prometheus.query(&query).unwrap_or_else(|| panic!("{query}: no series"));
    // Factor 1.1 is schema 3: each bucket is 2^(1/8) times as wide as the previous one.
    let factor = 2_f64.powf(1.0 / 8.0);
    for (quantile, nth) in [(0.1, 49), (0.5, 249), (0.9, 449)] {
        for job in ["native", "both", "native-custom"] {
            let (found, exact) = (query(format!("histogram_quantile({quantile}, took{{job=\"{job}\"}})")), value(nth));
            assert!((exact / factor..=exact * factor).contains(&found), "{job}, {quantile}: {found}, not {exact}");
        }
        let classic = query(format!("histogram_quantile({quantile}, took_bucket{{job=\"classic\"}})"));
        for job in ["custom", "custom-both", "custom-protobuf"] {
            let found = query(format!("histogram_quantile({quantile}, took{{job=\"{job}\"}})"));
            assert!((found - classic).abs() <= 1e-9 * classic, "{job}, {quantile}: {found}, not {classic}");
        }
    }
}

/// The rule of docs/native-histograms.md that works with either kind.
#[apply(test)]
fn the_expression_of_the_document_works_with_either_kind() {
    Version::Three.prometheus();
    let document = std::fs::read_to_string(crate::peers::repository().join("docs/native-histograms.md")).expect("a document");
    let (_, promql) = document.split_once("```promql\n").expect("an expression");
    let expression = promql.split("```").next().expect("its text").trim();
    let bridge = Launch::new().start();
    let all = [("classic", ""), ("native", ", scrape_native_histograms: true")].map(|(name, more)| job(name, bridge.web, more));
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all), &[]);
    prometheus.expect("count(up == 1)", 2.0);
    bridge.send("x:0.3|h");
    prometheus.expect("x_count{job=\"classic\"} + on() histogram_count(x{job=\"native\"})", 2.0);
    bridge.send(["x:0.3|h"; 99].join("\n"));
    prometheus.expect("x_count{job=\"classic\"} + on() histogram_count(x{job=\"native\"})", 200.0);
    for job in ["classic", "native"] {
        let of_job = expression.replace("x_bucket[5m]", &format!("x_bucket{{job=\"{job}\"}}[5m]"));
        let of_job = of_job.replace("(x[5m])", &format!("(x{{job=\"{job}\"}}[5m])"));
        assert_ne!(of_job, expression);
        let found = prometheus.query(&of_job).unwrap_or_else(|| panic!("{of_job}: no series"));
        assert!((0.25..=0.5).contains(&found), "{job}: {found}");
    }
    bridge.stop();
}
