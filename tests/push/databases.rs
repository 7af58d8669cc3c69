//! Real databases: each scrapes a bridge and is pushed to by it. What was pushed equals what was scraped, series by series.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{expect_sums, samples, target};
use crate::compatibility;
use crate::harness::{Launch, Running, until};
use crate::peers::Version;
use crate::prometheus::server::{Prometheus, job, jobs};
use crate::victoria::{self, Victoria};

/// A rule for summaries, so that every kind of family exists.
const RULES: &str = "mappings: [{match: 'took.*', name: 'took', observer_type: summary, labels: {what: $1}}]";

/// Sends 10,000 series and more, of every kind. Returns the number of samples.
fn send_all(bridge: &Running) -> u64 {
    use std::io::Write;
    let mut stream = bridge.tcp();
    let mut lines = String::new();
    for n in 0..2600 {
        let _ = write!(lines, "orders_total:{n}|c|#n:{n}\nlevel:-{n}.5|g|#n:{n},path:a\"b\\c\n");
    }
    for n in 0..100 {
        let _ = write!(lines, "users:{n}|s|#n:{}\nlatency:{n}|ms|#code:{n}\nlatency:1|ms|@0.5|#code:{n}\ntook.x{n}:{n}|ms\n", n % 50);
    }
    let _ = write!(lines, "large:12345678901234567890|g\nsmall:1e-300|g\nodd:nan|g\nland:1|c|#ü:é\npart:1|c|@0.3\n");
    stream.write_all(lines.as_bytes()).expect("lines are sent");
    2600 * 2 + 400 + 5
}

/// Counts of senders and of the bridge itself change between two scrapes.
pub(super) const QUERY: &str = "{job=~'scraped|statsd-bridge',__name__!~'statsd_bridge_.*|process_.*|up|scrape_.*'}";

/// The samples of a job by their labels, without `job` and `instance`. Bounds are numbers, as `le="1"` and `le="1.0"` are the same.
pub(super) fn of_job(series: &[Value], job: &str) -> BTreeMap<String, String> {
    let labels = |one: &Value| {
        let labels = one["metric"].as_object().expect("labels").iter().filter(|(name, _)| !["job", "instance"].contains(&name.as_str()));
        let text = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str().unwrap_or_default()) {
            (name @ ("le" | "quantile"), bound) => format!("{name}={:?}", bound.parse::<f64>()),
            (name, value) => format!("{name}={value}"),
        };
        labels.map(text).collect::<Vec<_>>().join(",")
    };
    let value = |one: &Value| if one["histogram"].is_null() { one["value"][1].to_string() } else { one["histogram"][1].to_string() };
    series.iter().filter(|one| one["metric"]["job"] == job).map(|one| (labels(one), value(one))).collect()
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

/// A bridge with 10,000 series, which pushes to no one yet.
pub(super) fn bridge(folder: &tempfile::TempDir, more: &[&str]) -> Running {
    let path = folder.path().join("mapping.yml");
    std::fs::write(&path, RULES).expect("a file in a temporary directory");
    let config = folder.path().join("push.yml");
    std::fs::write(&config, "targets: []\n").expect("a file in a temporary directory");
    let mut launch = Launch::new().arg(format!("--statsd.mapping-config={}", path.display()));
    launch = launch.arg("--push.interval=1s").arg(format!("--push.config.file={}", config.display()));
    let bridge = more.iter().fold(launch, |launch, arg| launch.arg(*arg)).start();
    let sent = send_all(&bridge);
    bridge.page_at(sent);
    bridge
}

/// A configuration that scrapes the bridge. A busy machine may need more than a second for 7,000 series.
pub(super) fn scraping(bridge: &Running, more: &str) -> String {
    jobs([job("scraped", bridge.web, more)])
        .replace("{scrape_interval: 1s, scrape_timeout: 1s}", "{scrape_interval: 10s, scrape_timeout: 10s}")
}

fn push_to(folder: &tempfile::TempDir, url: &str) {
    let text = format!("targets:\n- url: {url}\n");
    std::fs::write(folder.path().join("push.yml"), text).expect("a file in a temporary directory");
}

fn in_prometheus(version: Version, more: &str, flags: &[&str], arguments: &[&str], what: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    version.prometheus();
    let bridge = bridge(&folder, arguments);
    let flags: Vec<&str> = ["--web.enable-remote-write-receiver"].iter().chain(flags).copied().collect();
    let prometheus = Prometheus::with_config(version, &scraping(&bridge, more), &flags);
    push_to(&folder, &prometheus.url("/api/v1/write"));
    let least = if arguments.iter().any(|argument| argument.contains("nhcb") || argument.contains("native")) { 5_500 } else { 7_000 };
    expect_equal(what, least, || prometheus.series(QUERY).unwrap_or_default());
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

#[apply(test)]
fn victoriametrics_has_the_same_by_push_as_by_scrape() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let bridge = bridge(&folder, &[]);
    let victoria = Victoria::scraping_as(&scraping(&bridge, ""));
    push_to(&folder, &format!("http://{}/api/v1/write", victoria.web));
    expect_equal("VictoriaMetrics", 7_000, || victoria.series(QUERY).unwrap_or_default());
    expect_sums(&bridge);
    assert_eq!(target(&bridge)["protocol_in_use"], "1.0");
    compatibility::seen("VictoriaMetrics", &victoria::version(), "remote write: every series pushed equals the one scraped", "equal");
    bridge.stop();
}
