//! Real receivers of OTLP: what was pushed equals what the same database scraped, series by series.

use std::collections::BTreeSet;

use serde_json::Value;
use tempfile::TempDir;

use super::databases::{QUERY, bridge, expect_equal, scraping};
use super::{expect_sums, samples, target};
use crate::compatibility;
use crate::harness::{Running, until};
use crate::peers::Version;
use crate::prometheus::server::Prometheus;
use crate::victoria::{self, Victoria};

fn push_to(folder: &TempDir, url: &str) {
    let text = format!("targets:\n- url: {url}\n  protocol: otlp\n");
    std::fs::write(folder.path().join("push.yml"), text).expect("a file in a temporary directory");
}

fn expect_written(bridge: &Running) {
    expect_sums(bridge);
    assert_eq!((samples(bridge, "rejected"), &target(bridge)["protocol_in_use"]), (0, &"otlp".into()), "{:#}", target(bridge));
}

/// Names as a database sees them that asks for no others.
const LEGACY: &str = "--name-validation=legacy";

/// What Prometheus makes of a scraped series when it comes by OTLP. The translation adds `key` to a label that begins with an underscore, as
/// the escaped `ü`, makes one underscore of several in a name, and ignores the threshold of the zero bucket.
fn translated(mut series: Value) -> Value {
    for bucket in series.pointer_mut("/histogram/1/buckets").and_then(Value::as_array_mut).into_iter().flatten() {
        for (at, scraped, by_otlp) in [(1, "-2.938735877055719e-39", "-1e-128"), (2, "2.938735877055719e-39", "1e-128")] {
            if bucket[at] == scraped {
                bucket[at] = by_otlp.into();
            }
        }
    }
    let labels = series["metric"].as_object_mut().expect("labels");
    if let Some(value) = labels.remove("_") {
        labels.insert("key_".to_owned(), value);
    }
    if let Some(Value::String(name)) = labels.get_mut("__name__") {
        *name = name.replace("__", "_");
    }
    series
}

/// Compares in Prometheus 3 with this section of its configuration, these settings of the scrape, and these arguments of the bridge.
fn in_prometheus(section: &str, scrape: &str, arguments: &[&str], least: usize, what: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    Version::Three.prometheus();
    let bridge = bridge(&folder, arguments);
    let yaml = format!("{section}{}", scraping(&bridge, scrape));
    let prometheus = Prometheus::with_config(Version::Three, &yaml, &["--web.enable-otlp-receiver"]);
    push_to(&folder, &prometheus.url("/api/v1/otlp/v1/metrics"));
    expect_equal(what, least, || prometheus.series(QUERY).unwrap_or_default().into_iter().map(translated).collect());
    expect_written(&bridge);
    let zero = if scrape.contains("native") { "; the zero bucket ends at 1e-128, whatever its threshold is" } else { "" };
    let key =
        if section.contains("NoTranslation") { "" } else { "; a label that begins with `_` begins with `key_`, and `__` in a name is `_`" };
    let result = &format!("equal{key}{zero}");
    compatibility::seen("Prometheus", &prometheus.version(), what, result);
    bridge.stop();
}

#[apply(test)]
fn prometheus_has_the_same_names_by_its_default_translation() {
    let what = "OTLP, default translation, `--counters.total-suffix`: every series pushed equals the one scraped";
    in_prometheus("", "", &[LEGACY, "--counters.total-suffix"], 7_000, what);
}

#[apply(test)]
fn prometheus_has_the_same_names_without_translation() {
    let what = "OTLP, `translation_strategy: NoTranslation`: every series pushed equals the one scraped";
    in_prometheus("otlp: {translation_strategy: NoTranslation}\n", "", &["--name-validation=utf8"], 7_000, what);
}

#[apply(test)]
fn prometheus_has_the_same_native_histograms_by_otlp() {
    let what = "OTLP: exponential histograms pushed equal the native histograms scraped";
    let arguments = ["--statsd.native-histograms=always", "--push.histograms=native", "--counters.total-suffix"];
    in_prometheus("", ", scrape_native_histograms: true", &arguments, 5_500, what);
}

#[apply(test)]
fn prometheus_has_the_same_custom_buckets_by_otlp() {
    let what = "OTLP, `convert_histograms_to_nhcb`: histograms with custom buckets pushed equal those converted";
    let section = "otlp: {convert_histograms_to_nhcb: true}\n";
    in_prometheus(section, ", convert_classic_histograms_to_nhcb: true", &[LEGACY, "--counters.total-suffix"], 5_500, what);
}

/// The series of VictoriaMetrics with `job` and `instance`, which it does not make of the attributes of the resource.
fn renamed(series: Vec<Value>) -> Vec<Value> {
    let rename = |mut one: Value| {
        let labels = one["metric"].as_object_mut().expect("labels");
        if let Some(name) = labels.remove("service.name") {
            labels.insert("job".to_owned(), name);
            assert!(labels.remove("service.instance.id").is_some(), "{labels:?}");
            assert_eq!(labels.remove("scope.name"), Some("statsd-bridge".into()), "{labels:?}");
            labels.remove("scope.version");
        }
        one
    };
    series.into_iter().map(rename).collect()
}

#[apply(test)]
fn victoriametrics_has_the_same_by_otlp_as_by_scrape() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let bridge = bridge(&folder, &[LEGACY]);
    let victoria = Victoria::scraping_as(&scraping(&bridge, ""));
    push_to(&folder, &format!("http://{}/opentelemetry/v1/metrics", victoria.web));
    let query = "{__name__!~'statsd_bridge_.*|process_.*|up|scrape_.*'}";
    expect_equal("VictoriaMetrics", 7_000, || renamed(victoria.series(query).unwrap_or_default()));
    expect_written(&bridge);
    let what = "OTLP: every series pushed equals the one scraped";
    let result = "equal, with the labels `service.name`, `service.instance.id` and `scope.name` instead of `job` and `instance`";
    compatibility::seen("VictoriaMetrics", &victoria::version(), what, result);
    bridge.stop();
}

#[apply(test)]
fn prometheus_has_the_same_exemplars_by_otlp() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    Version::Three.prometheus();
    let bridge = bridge(&folder, &["--counters.total-suffix", "--exemplars.tag=trace_id"]);
    let prometheus = Prometheus::with_config(
        Version::Three,
        &scraping(&bridge, ""),
        &["--web.enable-otlp-receiver", "--enable-feature=exemplar-storage"],
    );
    push_to(&folder, &prometheus.url("/api/v1/otlp/v1/metrics"));
    until("the first push", || target(&bridge)["last_success"].as_str().map(drop));
    let (trace, other) = ("0af7651916cd43dd8448eb211c80319c", "not-hexadecimal");
    bridge.send(format!("paid:3|c|#trace_id:{trace}\npaid:1|c|#shop:b,trace_id:{other}\nwait:40|ms|#trace_id:{trace}"));
    // Values and labels; a scrape and a push may have different times for the same exemplar, each its own.
    let of_job = |job: &str| -> BTreeSet<String> {
        let names = ["paid_total", "wait_seconds_bucket", "wait_bucket"];
        let found = names.map(|name| prometheus.api(&format!("query_exemplars?query={name}{{job=%22{job}%22}}&start=0&end=4102444800")));
        let series: Vec<Value> = found.iter().flat_map(|found| found["data"].as_array().cloned().unwrap_or_default()).collect();
        let shown = |one: &Value| {
            let labels = &one["seriesLabels"];
            let exemplars = one["exemplars"].as_array().cloned().unwrap_or_default();
            let head = format!("{} {} {}", labels["__name__"], labels["shop"], labels["le"]);
            exemplars.iter().map(|one| format!("{head} {} {} {}", one["value"], one["labels"], one["timestamp"])).collect::<Vec<_>>()
        };
        series.iter().flat_map(shown).collect()
    };
    let mut last = BTreeSet::new();
    until("the exemplars pushed are those scraped", || {
        let (scraped, pushed) = (of_job("scraped"), of_job("statsd-bridge"));
        if pushed != last {
            eprintln!("scraped: {scraped:?}, pushed: {pushed:?}");
            last.clone_from(&pushed);
        }
        (scraped == pushed && scraped.len() == 3).then_some(())
    });
    compatibility::seen("Prometheus", &prometheus.version(), "OTLP: exemplars pushed equal those scraped", "equal");
    bridge.stop();
}
