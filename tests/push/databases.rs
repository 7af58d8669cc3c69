//! Real databases: each scrapes a bridge and is pushed to by it. What was pushed equals what was scraped, series by series.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use super::{expect_sums, samples, series, target};
use crate::compatibility;
use crate::harness::{Launch, Running, until};
use crate::peers::Version;
use crate::prometheus::server::{Prometheus, job, jobs};
use crate::victoria::{self, Victoria};

/// Counts of senders and of the bridge itself change between two scrapes.
pub(super) const QUERY: &str = "{job=~'scraped|statsd-bridge',__name__!~'statsd_bridge_.*|process_.*|up|scrape_.*'}";

/// The labels of a series without `job` and `instance`. Bounds are numbers, as `le="1"` and `le="1.0"` are the same.
fn labels_of(metric: &Value) -> String {
    let labels = metric.as_object().expect("labels").iter().filter(|(name, _)| !["job", "instance"].contains(&name.as_str()));
    let text = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str().unwrap_or_default()) {
        (name @ ("le" | "quantile"), bound) => format!("{name}={:?}", bound.parse::<f64>()),
        (name, value) => format!("{name}={value}"),
    };
    labels.map(text).collect::<Vec<_>>().join(",")
}

/// The samples of a job by their labels.
pub(super) fn of_job(series: &[Value], job: &str) -> BTreeMap<String, String> {
    let value = |one: &Value| if one["histogram"].is_null() { one["value"][1].to_string() } else { one["histogram"][1].to_string() };
    series.iter().filter(|one| one["metric"]["job"] == job).map(|one| (labels_of(&one["metric"]), value(one))).collect()
}

/// Waits until the pushed series are the scraped ones.
pub(super) fn expect_equal(what: &str, least: usize, query: impl Fn() -> Vec<Value>) {
    let mut shown = String::new();
    until(&format!("{what}: the pushed series are the scraped ones"), || {
        let series = query();
        let (scraped, pushed) = (of_job(&series, "scraped"), of_job(&series, "statsd-bridge"));
        let differ = |(labels, value): &(&String, &String)| pushed.get(*labels) != Some(*value);
        let missing = scraped.iter().find(differ).map(|(labels, value)| format!("{labels} {value} {:?}", pushed.get(labels)));
        let extra = pushed.keys().find(|labels| !scraped.contains_key(*labels));
        let now = format!("{what}: {} scraped, {} pushed, differs: {missing:?}, extra: {extra:?}", scraped.len(), pushed.len());
        if now != shown {
            eprintln!("{now}");
            shown = now;
        }
        (scraped.len() >= least && scraped == pushed).then_some(())
    });
}

/// A bridge with more than 10,000 series, which pushes to no one yet.
pub(super) fn bridge(folder: &tempfile::TempDir, more: &[&str]) -> Running {
    let config = folder.path().join("push.yml");
    std::fs::write(&config, "targets: []\n").expect("a file in a temporary directory");
    let launch = Launch::new().arg("--push.interval=1s").arg(format!("--push.config.file={}", config.display()));
    // A scrape of Prometheus in protobuf, which is that of native histograms, does not ask for names with special characters.
    let is_protobuf = more.iter().any(|arg| arg.contains("native"));
    let launch = launch.arg(if is_protobuf { "--name-validation=legacy" } else { "--name-validation=utf8" });
    series::start(folder, more.iter().fold(launch, |launch, arg| launch.arg(*arg)))
}

/// A configuration that scrapes the bridge. A busy machine may need more than a second for 10,000 series.
pub(super) fn scraping(bridge: &Running, more: &str) -> String {
    jobs([job("scraped", bridge.web, more)])
        .replace("{scrape_interval: 1s, scrape_timeout: 1s}", "{scrape_interval: 10s, scrape_timeout: 10s}")
}

/// Waits until the exemplars that were pushed are those that were scraped, or contain them. Returns the number of scraped series with
/// some. Of native histograms, Prometheus keeps fewer from a scrape.
fn expect_equal_exemplars(prometheus: &Prometheus, what: &str, may_be_more: bool) -> usize {
    let mut shown = String::new();
    until(&format!("{what}: the pushed exemplars are the scraped ones"), || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let json = prometheus.api(&format!("query_exemplars?query=%7B__name__%3D~%22.%2B%22%7D&start={}&end={}", now - 3600, now + 60));
        let all = json["data"].as_array().unwrap_or_else(|| panic!("{json}"));
        let of = |job: &str| -> BTreeMap<String, String> {
            let is_shown = |one: &&Value| {
                one["seriesLabels"]["job"] == job && !one["seriesLabels"]["__name__"].as_str().unwrap_or_default().starts_with("statsd_")
            };
            let series = |one: &Value| {
                let labels = labels_of(&one["seriesLabels"]);
                let exemplars = one["exemplars"].as_array().expect("exemplars");
                // Each has its labels, its value and its timestamp.
                let mut exemplars: Vec<String> = exemplars.iter().map(|one| format!("{one}")).collect();
                exemplars.sort();
                exemplars.dedup();
                (labels, exemplars.concat())
            };
            all.iter().filter(is_shown).map(series).collect()
        };
        let (scraped, pushed) = (of("scraped"), of("statsd-bridge"));
        let differs = scraped.iter().find(|(labels, value)| pushed.get(*labels) != Some(*value));
        let now = format!("{what}: exemplars of {} and {}, differs: {differs:?}", scraped.len(), pushed.len());
        if now != shown {
            eprintln!("{now} {:?}", differs.and_then(|(labels, _)| pushed.get(labels)));
            shown = now;
        }
        let is_right = scraped == pushed || (may_be_more && differs.is_none() && pushed.len() >= 2 * series::EXEMPLARS);
        (!scraped.is_empty() && is_right).then_some(scraped.len())
    })
}

fn push_to(folder: &tempfile::TempDir, url: &str) {
    let text = format!("targets:\n- url: {url}\n");
    std::fs::write(folder.path().join("push.yml"), text).expect("a file in a temporary directory");
}

fn in_prometheus(version: Version, more: &str, flags: &[&str], arguments: &[&str], what: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    version.prometheus();
    let bridge = bridge(&folder, arguments);
    let flags: Vec<&str> =
        ["--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage"].iter().chain(flags).copied().collect();
    let prometheus = Prometheus::with_config(version, &scraping(&bridge, more), &flags);
    push_to(&folder, &prometheus.url("/api/v1/write"));
    let is_native = arguments.iter().any(|argument| argument.contains("nhcb") || argument.contains("native"));
    let least = if is_native { series::WITHOUT_CLASSIC } else { series::ALL };
    expect_equal(what, least, || prometheus.series(QUERY).unwrap_or_default());
    // 2.42 drops the exemplars of a native histogram that it does not have yet.
    if is_native && version == Version::Two {
        expect_sums(&bridge);
        compatibility::seen("Prometheus", &prometheus.version(), what, "equal, without the exemplars of the first sample");
        return;
    }
    let exemplars = expect_equal_exemplars(&prometheus, what, is_native);
    assert!(exemplars >= series::EXEMPLARS, "{what}: {exemplars} exemplars");
    expect_sums(&bridge);
    assert_eq!(samples(&bridge, "rejected"), 0, "{:#}", target(&bridge));
    compatibility::seen("Prometheus", &prometheus.version(), what, "equal");
    bridge.stop();
}

#[apply(each_prometheus)]
fn prometheus_has_the_same_by_push_as_by_scrape(version: Version) {
    in_prometheus(version, "", &[], &[], "remote write: every series pushed equals the one scraped");
}

#[apply(test)]
fn prometheus_has_the_same_native_histograms() {
    let flags = ["--statsd.native-histograms=always", "--push.histograms=native"];
    let what = "remote write 2.0: native histograms pushed equal those scraped";
    in_prometheus(Version::Three, ", scrape_native_histograms: true", &[], &flags, what);
}

#[apply(test)]
fn prometheus_2_has_the_same_native_histograms_over_1_0() {
    let flags = ["--statsd.native-histograms=always", "--push.histograms=native"];
    let what = "remote write 1.0: native histograms pushed equal those scraped";
    in_prometheus(Version::Two, "", &["--enable-feature=native-histograms"], &flags, what);
}

#[apply(test)]
fn prometheus_has_the_same_custom_buckets() {
    let what = "remote write 2.0: histograms with custom buckets pushed equal those converted";
    in_prometheus(Version::Three, ", convert_classic_histograms_to_nhcb: true", &[], &["--push.histograms=nhcb"], what);
}

fn in_victoria(old: bool) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    if old {
        victoria::debian();
    }
    let bridge = bridge(&folder, &[]);
    let scraping = scraping(&bridge, "");
    let victoria = if old { Victoria::of_debian_scraping_as(&scraping) } else { Victoria::scraping_as(&scraping) };
    push_to(&folder, &format!("http://{}/api/v1/write", victoria.web));
    expect_equal("VictoriaMetrics", series::ALL, || victoria.series(QUERY).unwrap_or_default());
    expect_sums(&bridge);
    // It took the samples of 2.0 without a word, and wrote none.
    assert_eq!(target(&bridge)["protocol_in_use"], "1.0");
    assert!(samples(&bridge, "dropped_fallback") > 0);
    let version = if old { victoria::debian().1 } else { victoria::version() };
    compatibility::seen("VictoriaMetrics", &version, "remote write: every series pushed equals the one scraped", "equal");
    bridge.stop();
}

#[apply(test)]
fn victoriametrics_has_the_same_by_push_as_by_scrape() {
    in_victoria(false);
}

#[apply(test)]
fn victoriametrics_of_debian_has_the_same_by_push_as_by_scrape() {
    in_victoria(true);
}
