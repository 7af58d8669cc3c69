//! The two databases: VictoriaMetrics, to which bridges push, and Prometheus, which scrapes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::network::{Network, Node};
use crate::harness::{Process, request, until};
use crate::peers::{self, Version};

/// Their ports.
const VICTORIA: u16 = 8428;
const PROMETHEUS: u16 = 9090;
const DATABASES: [(&str, u16); 2] = [("VictoriaMetrics", VICTORIA), ("Prometheus", PROMETHEUS)];

/// The increase of the counter of one bridge, from raw samples. All its senders are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Increase {
    pub total: f64,
    /// The last value.
    pub last: f64,
    /// The last value before a reset, or 0 without one.
    pub before_reset: f64,
}

impl Increase {
    fn add(&mut self, values: &[f64]) {
        // A bridge counts from 0, and has started in this test.
        let mut before = 0.0;
        for value in values {
            if *value < before {
                self.before_reset += before;
                self.total += value;
            } else {
                self.total += value - before;
            }
            before = *value;
        }
        self.last += before;
    }
}

pub struct Databases {
    victoria: Process,
    _prometheus: Process,
    hub: Node,
    folder: PathBuf,
}

impl Databases {
    /// Starts both. Prometheus scrapes all bridges of the network.
    pub fn start(network: &Network, folder: &Path, interval: u64, port: u16) -> Self {
        let hub = network.hub().clone();
        let targets: Vec<String> = network.nodes().iter().map(|node| format!("'{}'", node.address(port))).collect();
        let config = format!(
            "global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}\nscrape_configs:\n- job_name: fleet\n  static_configs:\n  \
             - targets: [{}]\n",
            targets.join(", ")
        );
        let path = folder.join("prometheus.yml");
        std::fs::write(&path, config).expect("a file in a temporary directory");
        let mut command = hub.command(Version::Three.prometheus());
        command.arg(format!("--config.file={}", path.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.arg(format!("--web.listen-address={}", hub.address(PROMETHEUS)));
        let prometheus = Process::start(command);
        let databases = Self { victoria: Process::start(victoria(&hub, folder)), _prometheus: prometheus, hub, folder: folder.to_owned() };
        databases.wait(VICTORIA, "/health");
        databases.wait(PROMETHEUS, "/-/ready");
        databases
    }

    /// The URL that bridges push to.
    pub fn receiver(&self) -> String {
        format!("http://{}/api/v1/write", self.hub.address(VICTORIA))
    }

    /// Ends VictoriaMetrics, and starts it again with its data.
    pub fn restart_victoria(&mut self, network: &Network) {
        self.victoria.signal(Signal::TERM);
        assert!(self.victoria.wait().success());
        self.victoria = Process::start(victoria(network.hub(), &self.folder));
        self.wait(VICTORIA, "/health");
    }

    fn wait(&self, port: u16, path: &'static str) {
        until(&format!("the database at port {port} is ready"), || self.get(port, path.to_owned()));
    }

    fn get(&self, port: u16, path: String) -> Option<String> {
        let to = self.hub.address(port);
        let response = self.hub.within(move || request(to, "GET", &path, &[]).ok());
        response.filter(|response| response.status == 200).map(|response| response.text())
    }

    /// The series of a query with their labels, and their samples.
    fn query(&self, port: u16, path: &str, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let text =
            self.get(port, format!("/api/v1/{path}{}query={encoded}", if path.contains('?') { '&' } else { '?' })).unwrap_or_default();
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        json["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The increases of all bridges, in their order, once they fulfil a condition.
    pub fn increases(&self, network: &Network, database: &str, holds: impl Fn(&[Increase]) -> bool) -> Vec<Increase> {
        let mut last = Vec::new();
        until(&format!("{database} has the last values"), || {
            let found = self.raw(database);
            let of = |node: &Node| found.get(&node.instance()).copied().unwrap_or_default();
            let all: Vec<Increase> = network.nodes().iter().map(of).collect();
            if all != last {
                eprintln!("{database}: {all:?}");
                last = all;
            }
            holds(&last).then(|| last.clone())
        })
    }

    /// The increases by address, from all raw samples.
    fn raw(&self, database: &str) -> BTreeMap<String, Increase> {
        let mut found = BTreeMap::<String, Increase>::new();
        let mut add = |instance: &Value, values: Vec<f64>| {
            let instance = instance.as_str().unwrap_or_default();
            let address = instance.split(':').next().unwrap_or_default();
            found.entry(address.to_owned()).or_default().add(&values);
        };
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_f64()).unwrap_or(f64::NAN);
        if database == "Prometheus" {
            for series in self.query(PROMETHEUS, "query", "fleet_hits_total[1h]") {
                let values = series["values"].as_array().cloned().unwrap_or_default();
                add(&series["metric"]["instance"], values.iter().map(|value| number(&value[1])).collect());
            }
        } else {
            let export = self.get(VICTORIA, "/api/v1/export?match%5B%5D=fleet_hits_total".to_owned()).unwrap_or_default();
            for line in export.lines() {
                let series: Value = serde_json::from_str(line).expect("a line of JSON");
                let times = series["timestamps"].as_array().cloned().unwrap_or_default();
                let values = series["values"].as_array().cloned().unwrap_or_default();
                let mut samples: Vec<(i64, f64)> =
                    times.iter().zip(&values).map(|(time, value)| (time.as_i64().unwrap_or_default(), number(value))).collect();
                samples.sort_by_key(|(time, _)| *time);
                add(&series["metric"]["instance"], samples.into_iter().map(|(_, value)| value).filter(|value| !value.is_nan()).collect());
            }
        }
        found
    }

    /// Waits until the rule for the newest value has this one, in both databases.
    pub fn newest(&self, rule: &str, level: u64) {
        let level = level.to_string();
        for (database, port) in DATABASES {
            let mut last = Vec::new();
            until(&format!("{database}: the newest value is {level}"), || {
                let found = self.query(port, "query", rule);
                if found != last {
                    eprintln!("{database}: {found:?}");
                    last = found;
                }
                (last.len() == 1 && last[0]["value"][1].as_str() == Some(&*level)).then_some(())
            });
        }
    }

    /// How many seconds after it was set a level was still not the result of the rule, at most, at each second of the run. `levels` are
    /// the times at which 1, 2, 3 and so on were set.
    pub fn lateness(&self, rule: &str, levels: &[f64]) -> Vec<(&'static str, f64)> {
        let (Some(first), Some(last)) = (levels.first(), levels.last()) else { panic!("no level was set") };
        let late_in = |port| {
            let path = format!("query_range?start={:.0}&end={last:.0}&step=1&nocache=1", first + 10.0);
            let series = self.query(port, &path, rule);
            assert_eq!(series.len(), 1, "one gauge: {series:?}");
            let values = series[0]["values"].as_array().cloned().unwrap_or_default();
            assert!(values.len() as f64 > 0.9 * (last - first - 12.0), "{} values", values.len());
            let late = values.iter().map(|value| {
                let (time, level) = (value[0].as_f64().unwrap_or(f64::NAN), value[1].as_str().and_then(|text| text.parse::<usize>().ok()));
                // The first level that it should have had by then, and had not.
                levels.get(level.expect("a level")).map_or(0.0, |next| time - next)
            });
            late.fold(0.0, f64::max)
        };
        DATABASES.into_iter().map(|(database, port)| (database, late_in(port))).collect()
    }
}

fn victoria(hub: &Node, folder: &Path) -> Command {
    let mut command = hub.command(peers::built("victoriametrics", "victoria-metrics"));
    command.arg(format!("-httpListenAddr={}", hub.address(VICTORIA)));
    command.arg(format!("-storageDataPath={}", folder.join("victoria").display()));
    command.args(["-search.latencyOffset=0s", "-retentionPeriod=1d", "-memory.allowedBytes=200MB"]);
    command
}
