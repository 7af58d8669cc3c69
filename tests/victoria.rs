//! VictoriaMetrics and vmagent scrape the bridge. The tests compare the results of queries and stream aggregation with what was
//! sent, and the expressions of proto-examples with the results of Prometheus (in [`crate::dashboards`]).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, free_port, request, until};
use crate::{compatibility, peers};

/// A VictoriaMetrics for one test.
pub struct Victoria {
    process: Process,
    pub web: SocketAddr,
    _data: TempDir,
}

/// The version of VictoriaMetrics and vmagent.
pub fn version() -> String {
    peers::module_version("victoriametrics", "github.com/VictoriaMetrics/VictoriaMetrics")
}

/// The VictoriaMetrics of Debian 12, which does not look at the content type of a remote write, and its version.
pub fn debian() -> (PathBuf, String) {
    let program = peers::program("victoria-metrics");
    // The program of Debian states no version.
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", "victoria-metrics"]).output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = version.split('-').next().filter(|version| !version.is_empty()).unwrap_or("of Debian").to_owned();
    (program, version)
}

impl Victoria {
    /// Scrapes these targets every second. `aggregation` is the file for stream aggregation, or empty.
    pub fn start(targets: &[SocketAddr], aggregation: &str) -> Self {
        Self::with_config(&if targets.is_empty() { String::new() } else { scraping(targets) }, aggregation)
    }

    fn with_config(scraping: &str, aggregation: &str) -> Self {
        Self::run(&peers::built("victoriametrics", "victoria-metrics"), scraping, aggregation)
    }

    fn run(program: &Path, scraping: &str, aggregation: &str) -> Self {
        let mut command = Command::new(program);
        let data = TempDir::new().expect("a temporary directory");
        let web = free_address();
        command.arg(format!("-httpListenAddr={web}")).arg(format!("-storageDataPath={}", data.path().join("data").display()));
        // Return the newest values at once, instead of after 30 s.
        command.args(["-search.latencyOffset=0s", "-retentionPeriod=1d", "-memory.allowedBytes=100MB"]);
        if !scraping.is_empty() {
            // Ignore sections that only Prometheus has, such as alerting.
            command.arg("-promscrape.config.strictParse=false");
            command.arg(format!("-promscrape.config={}", write(&data, "scrape.yml", scraping)));
        }
        if !aggregation.is_empty() {
            command.arg(format!("-streamAggr.config={}", write(&data, "aggregation.yml", aggregation)));
            command.args(["-streamAggr.keepInput", "-streamAggr.ignoreOldSamples"]);
        }
        let mut victoria = Self { process: Process::start(command), web, _data: data };
        until("VictoriaMetrics is ready", || {
            assert_eq!(victoria.process.try_wait(), None, "VictoriaMetrics ended:\n{}", victoria.process.log());
            request(web, "GET", "/health", &[]).ok().filter(|response| response.status == 200)
        });
        victoria
    }

    /// Scrapes with a configuration of Prometheus.
    pub fn scraping_as(yaml: &str) -> Self {
        Self::with_config(yaml, "")
    }

    /// The same, by Debian's version.
    pub fn of_debian_scraping_as(yaml: &str) -> Self {
        Self::run(&debian().0, yaml, "")
    }

    /// The result of an instant query, or its error, in the form of Prometheus.
    pub fn series(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let response = request(self.web, "GET", &format!("/api/v1/query?nocache=1&query={encoded}"), &[]).expect("VictoriaMetrics answers");
        let json: Value = serde_json::from_slice(&response.body).expect("JSON");
        match json["data"]["result"].as_array() {
            Some(series) if json["status"] == "success" => Ok(series.clone()),
            _ => Err(json["error"].as_str().unwrap_or("no list of series").to_owned()),
        }
    }

    /// Waits until a query gives one series of this value.
    pub fn expect(&self, query: &str, value: f64) {
        let mut last = Vec::new();
        until(&format!("{query} is {value}"), || {
            let series = self.series(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            let found: Option<f64> = series.first().and_then(|one| one["value"][1].as_str()).and_then(|text| text.parse().ok());
            if series != last {
                eprintln!("{query}: {found:?}");
                last = series;
            }
            found.filter(|found| last.len() == 1 && (found - value).abs() <= 1e-9 * value.abs().max(1.0))
        });
    }
}

/// A vmagent that scrapes a bridge every second and writes to a VictoriaMetrics.
fn agent(target: SocketAddr, to: SocketAddr) -> (Process, TempDir) {
    let mut command = Command::new(peers::built("victoriametrics", "vmagent"));
    let data = TempDir::new().expect("a temporary directory");
    command.arg(format!("-httpListenAddr={}", free_address()));
    command.arg(format!("-promscrape.config={}", write(&data, "scrape.yml", &scraping(&[target]))));
    command.arg(format!("-remoteWrite.url=http://{to}/api/v1/write")).arg("-remoteWrite.flushInterval=100ms");
    command.arg(format!("-remoteWrite.tmpDataPath={}", data.path().join("queue").display()));
    (Process::start(command), data)
}

fn free_address() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()))
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a temporary directory");
    path.display().to_string()
}

fn scraping(targets: &[SocketAddr]) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: bridge\n  static_configs:\n  - targets: [{}]\n",
        targets.join(", ")
    )
}

/// Sends samples of every kind. Returns queries and their values.
fn send_some(bridge: &Running) -> Vec<(&'static str, f64)> {
    let mut samples = 0;
    for n in 1..=100 {
        bridge.send(format!(
            "shop.orders:{n}|c|#country:de,path:a\"b\\c\nshop.orders:1|c|@0.5|#country:fr,land:ü\nshop.stock:{}|g|#item:tea\n\
             shop.request:{n}|ms|#code:200\nshop.basket:{n}:{n}|d|@0.25\nshop.users:{n}|s",
            f64::from(n) / 4.0
        ));
        samples += 7;
        if n % 25 == 0 {
            bridge.page_at(samples);
        }
    }
    vec![
        ("shop_orders{country=\"de\"}", 5050.0),
        ("count(shop_orders{path=\"a\\\"b\\\\c\"})", 1.0),
        ("shop_orders{land=\"ü\"}", 200.0),
        ("shop_stock{item=\"tea\"}", 25.0),
        ("shop_request_count", 100.0),
        ("shop_request_sum", 5.05),
        ("shop_request_bucket{le=\"0.05\"}", 50.0),
        ("shop_request_bucket{le=\"+Inf\"}", 100.0),
        ("histogram_quantile(0.5, shop_request_bucket)", 0.05),
        ("shop_basket_count", 800.0),
        ("shop_users", 100.0),
        ("statsd_bridge_samples_total", 700.0),
        ("up", 1.0),
    ]
}

#[apply(test)]
fn victoria_metrics_and_vmagent_answer_with_the_sent_totals() {
    let bridge = Launch::new().start();
    let expected = send_some(&bridge);
    let single = Victoria::start(&[bridge.web], "");
    let written = Victoria::start(&[], "");
    let (agent, _queue) = agent(bridge.web, written.web);
    for (query, value) in &expected {
        single.expect(query, *value);
        written.expect(query, *value);
    }
    // Every line of the exposition is a series.
    let lines = bridge.page().lines().count() as f64;
    single.expect("scrape_samples_scraped", lines);
    written.expect("scrape_samples_scraped", lines);
    let kind = request(single.web, "GET", "/api/v1/metadata?metric=shop_orders", &[]).expect("VictoriaMetrics answers");
    assert!(kind.text().contains("\"type\":\"counter\""), "{}", kind.text());
    // Later samples appear, and no counter was reset.
    bridge.send("shop.orders:50|c|#country:fr,land:ü");
    single.expect("shop_orders{land=\"ü\"}", 250.0);
    written.expect("shop_orders{land=\"ü\"}", 250.0);
    single.expect("resets(statsd_bridge_lines_total[1m])", 0.0);
    // VictoriaMetrics requests only text, so a histogram is classic, and native buckets stay off.
    assert!(!bridge.page_text().contains("vmrange"));
    single.expect("count({__name__=\"shop_request\"}) or vector(0)", 0.0);
    drop(agent);
    bridge.stop();
    let compared =
        |by: &str| format!("scrapes in text 0.0.4, the only format that it asks for{by}: 700 samples of all kinds by instant queries");
    let result = "equal; histograms are classic ones, because it does not ask for protobuf";
    compatibility::seen("VictoriaMetrics", &version(), &compared(""), result);
    compatibility::seen("vmagent", &version(), &compared(", remote write to VictoriaMetrics"), result);
}

#[apply(test)]
fn stream_aggregation_over_a_bridges_series_gives_the_sent_totals() {
    let bridge = Launch::new().start();
    let rules = "- match: 'hits'\n  interval: 2s\n  by: [country]\n  outputs: [total, increase, sum_samples]\n  staleness_interval: 1m\n";
    bridge.send("hits:0|c|#country:de,host:a\nhits:0|c|#country:de,host:b\nhits:0|c|#country:fr,host:a");
    bridge.page_at(3);
    let victoria = Victoria::start(&[bridge.web], rules);
    victoria.expect("count(hits)", 3.0);
    victoria.expect("count({__name__=~\"hits:2s_by_country_total\"})", 2.0);
    // Send during the aggregation.
    for _ in 0..50 {
        bridge.send("hits:3|c|#country:de,host:a\nhits:4|c|#country:de,host:b\nhits:1|c|@0.5|#country:fr,host:a");
    }
    bridge.page_at(153);
    victoria.expect("sum(hits)", 450.0);
    victoria.expect("{__name__=\"hits:2s_by_country_total\",country=\"de\"}", 350.0);
    victoria.expect("{__name__=\"hits:2s_by_country_total\",country=\"fr\"}", 100.0);
    victoria.expect("sum_over_time({__name__=\"hits:2s_by_country_increase\",country=\"de\"}[10m])", 350.0);
    victoria.expect("sum_over_time({__name__=\"hits:2s_by_country_increase\",country=\"fr\"}[10m])", 100.0);
    bridge.stop();
    let compared = "stream aggregation (`total`, `increase`) of 3 counter series by a label, scraped every second";
    compatibility::seen("VictoriaMetrics", &version(), compared, "equal to what was sent");
}
