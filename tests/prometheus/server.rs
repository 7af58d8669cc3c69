//! A Prometheus that a test starts: its configuration, and the responses of its HTTP API.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Process, Running, free_port, request, until};
use crate::peers::{self, Version};

/// A Prometheus for one test.
pub struct Prometheus {
    version: Version,
    process: Process,
    web: SocketAddr,
    _data: TempDir,
}

impl Prometheus {
    /// Scrapes one bridge every second.
    pub fn start(version: Version, bridge: &Running) -> Self {
        Self::with_config(version, &scraping(bridge, "1s"), &[])
    }

    /// Like [`Self::start`], with native histograms.
    pub fn start_native(version: Version, bridge: &Running) -> Self {
        Self::with_native_histograms(version, &scraping(bridge, "1s"))
    }

    /// Runs this configuration with native histograms. Before 3.9 a flag enables them, since 3.9 a line of the configuration.
    pub fn with_native_histograms(version: Version, yaml: &str) -> Self {
        match version {
            Version::Two => Self::with_config(version, yaml, &["--enable-feature=native-histograms"]),
            Version::Three => Self::with_config(version, &in_global(yaml, "scrape_native_histograms: true"), &[]),
        }
    }

    /// Runs this configuration.
    pub fn with_config(version: Version, yaml: &str, flags: &[&str]) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let config = data.path().join("prometheus.yml");
        std::fs::write(&config, yaml).expect("a file in a temporary directory");
        let web = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let mut command = Command::new(version.prometheus());
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()));
        command.arg(format!("--web.listen-address={web}")).args(flags);
        let mut prometheus = Self { version, process: Process::start(command), web, _data: data };
        until("Prometheus is ready", || {
            assert_eq!(prometheus.process.try_wait(), None, "Prometheus ended:\n{}", prometheus.process.log());
            request(web, "GET", "/-/ready", &[]).ok().filter(|r| r.status == 200)
        });
        prometheus
    }

    /// Scrapes bridges with proto-examples/prometheus/prometheus.yml and its rules, but every second, and sends no alerts. The
    /// first bridge takes the place of the automation platform's bridge.
    pub fn scraping_as_the_example_does(version: Version, bridges: [&Running; 2], native: bool) -> Self {
        let [automation, other] = bridges.map(|bridge| bridge.web.to_string());
        let folder = peers::repository().join("proto-examples/prometheus");
        let mut yaml = std::fs::read_to_string(folder.join("prometheus.yml")).expect("the example's configuration");
        let rules = format!("{}/rules/", folder.display());
        let changes = [
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("scrape_timeout: 10s", "scrape_timeout: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("rules/", &rules),
            ("\"bridge-emmett:9102\", \"bridge-prompter:9102\", \"bridge-automation:9102\"", &format!("{automation:?}, {other:?}")),
            ("bridge-automation:9102;", &format!("{automation};")),
            // No Alertmanager and no second Prometheus.
            ("[\"alertmanager:9093\"]", "[]"),
            ("[\"localhost:9090\"]", "[]"),
        ];
        for (from, to) in changes {
            assert!(yaml.contains(from), "the example's configuration has no {from}");
            yaml = yaml.replace(from, to);
        }
        if native { Self::with_native_histograms(version, &yaml) } else { Self::with_config(version, &yaml, &[]) }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web)
    }

    /// The JSON response to a GET of the HTTP API: `rules` for /api/v1/rules.
    pub fn api(&self, path: &str) -> Value {
        let response = request(self.web, "GET", &format!("/api/v1/{path}"), &[]).expect("Prometheus answers");
        serde_json::from_slice(&response.body).expect("JSON")
    }

    /// The scraped values of a series, oldest first, each with its Unix time in milliseconds.
    pub fn values(&self, series: &str) -> Vec<(i64, f64)> {
        let found = self.series(&format!("{series}[1h]")).unwrap_or_else(|error| panic!("{series}: {error}"));
        assert!(found.len() <= 1, "{series}: {found:?}");
        let values = found.first().and_then(|series| series["values"].as_array()).cloned().unwrap_or_default();
        let time = |value: &Value| (value[0].as_f64().expect("a time") * 1000.0).round() as i64;
        values.iter().map(|value| (time(value), value[1].as_str().expect("a value").parse().expect("a number"))).collect()
    }

    /// The version that Prometheus states. A build by `go build` states none; then it is the version of the module.
    pub fn version(&self) -> String {
        let build = self.api("status/buildinfo");
        let stated = build["data"]["version"].as_str().filter(|version| !version.is_empty()).map(str::to_owned);
        stated.or_else(|| self.version.pinned()).expect("a version")
    }

    /// The result of an instant query, or its error. Each series is `{"metric": {..}, "value": [time, "number"]}`.
    pub fn series(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        let json = self.api(&format!("query?query={encoded}"));
        match json["data"]["result"].as_array() {
            Some(series) if json["status"] == "success" => Ok(series.clone()),
            _ => Err(json["error"].as_str().unwrap_or("no list of series").to_owned()),
        }
    }

    /// The value of an instant query with at most one series; `None` without a series.
    pub fn query(&self, query: &str) -> Option<f64> {
        let result = self.series(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert!(result.len() <= 1, "{query}: {result:?}");
        result.first().map(|series| series["value"][1].as_str().expect("a value").parse().expect("a number"))
    }

    /// Waits until a query returns this value.
    pub fn expect(&self, query: &str, value: f64) {
        let mut last = None;
        until(&format!("{query} is {value}"), || {
            let found = self.query(query);
            if found != last {
                eprintln!("{query}: {found:?}");
                last = found;
            }
            found.filter(|f| (f - value).abs() <= 1e-9 * value.abs().max(1.0))
        });
    }
}

/// A job that scrapes this target, with additional settings, such as `, scrape_native_histograms: true`.
pub fn job(name: &str, target: SocketAddr, more: &str) -> String {
    format!("- {{job_name: {name}, static_configs: [{{targets: ['{target}']}}]{more}}}\n")
}

/// A configuration of these jobs, which scrapes every second.
pub fn jobs(all: impl IntoIterator<Item = String>) -> String {
    let all: String = all.into_iter().collect();
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{all}")
}

/// A configuration with one more line in its section `global`.
fn in_global(yaml: &str, line: &str) -> String {
    match yaml.split_once("global: {") {
        Some((before, after)) => format!("{before}global: {{{line}, {after}"),
        None => yaml.replacen("global:\n", &format!("global:\n  {line}\n"), 1),
    }
}

/// A configuration that scrapes one bridge at this interval, with an equal timeout.
pub fn scraping(bridge: &Running, interval: &str) -> String {
    let (global, target) = (format!("{{scrape_interval: {interval}, scrape_timeout: {interval}}}"), bridge.web);
    format!("global: {global}\nscrape_configs:\n- job_name: bridge\n  static_configs:\n  - targets: ['{target}']\n")
}
