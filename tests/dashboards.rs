//! The dashboards and rules of proto-examples. promtool checks the rules and runs their tests, and Prometheus evaluates every
//! expression while the traffic of proto-examples/grafana runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::compatibility;
use crate::harness::{Launch, Process, Running, until};
use crate::peers::{self, Version};
use crate::prometheus::{Prometheus, filter};
use crate::push::receiver::{Reaction, Receiver};
use crate::victoria::{self, Victoria};

/// The values that Grafana substitutes for its built-in variables, with a scrape every second.
const GRAFANA: [(&str, &str); 2] = [("$__rate_interval", "8s"), ("$__range", "15s")];

fn folder(name: &str) -> PathBuf {
    peers::repository().join("proto-examples").join(name)
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn dashboards() -> Vec<(String, Value)> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a dashboard");
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_name().expect("a file").to_string_lossy().into_owned(), json)
    };
    files(&folder("grafana/dashboards")).into_iter().map(read).collect()
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {json}"))
}

/// The query variables of a dashboard. Each is a label of the metric beside it.
fn variables(dashboard: &Value) -> BTreeMap<&str, &str> {
    let of_queries = list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query");
    of_queries
        .map(|variable| {
            let inner = text(variable, "definition").strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (metric, label) = inner.and_then(|inner| inner.split_once(", ")).expect("label_values(metric, label)");
            (label, metric)
        })
        .collect()
}

/// An expression as Grafana sends it when All is selected: a regex of all its values replaces each variable.
fn substituted(prometheus: &Prometheus, expression: &str, variables: &BTreeMap<&str, &str>) -> String {
    let mut expression = expression.to_owned();
    for (from, to) in GRAFANA {
        expression = expression.replace(from, to);
    }
    for (label, metric) in variables {
        let found = prometheus.series(&format!("count by ({label}) ({metric})")).expect("the values of a variable");
        // Of the characters in these values, only these are special in a regex.
        let escaped = |value: &str| value.replace('.', "\\\\.").replace('{', "\\\\{").replace('}', "\\\\}");
        let values: Vec<String> = found.iter().map(|series| escaped(text(&series["metric"], label))).collect();
        expression = expression.replace(&format!("=~\"${label}\""), &format!("=~\"{}\"", values.join("|")));
    }
    assert!(!expression.contains('$'), "a variable that nobody knows: {expression}");
    expression
}

/// Every expression of all dashboards, each with its dashboard and panel.
fn expressions(prometheus: &Prometheus) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, dashboard) in &dashboards() {
        let variables = variables(dashboard);
        for panel in list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row") {
            let place = format!("{file}: {}", text(panel, "title"));
            let targets = list(panel, "targets");
            assert!(!targets.is_empty(), "{place} asks nothing");
            let asked = targets.iter().map(|target| substituted(prometheus, text(target, "expr"), &variables));
            found.extend(asked.map(|asked| (place.clone(), asked)));
        }
    }
    found
}

/// For each variable of the dashboards, an expression that returns a series for every value.
fn values_of_variables() -> Vec<(String, String)> {
    let of = |(file, dashboard): &(String, Value)| -> Vec<(String, String)> {
        let variables = variables(dashboard);
        variables.iter().map(|(label, metric)| (format!("{file}: variable {label}"), format!("{metric}{{{label}!=\"\"}}"))).collect()
    };
    dashboards().iter().flat_map(of).collect()
}

/// The reason why a panel cannot show a result: the query fails, or the result is empty or only NaN.
fn wrong(prometheus: &Prometheus, expression: &str) -> Option<String> {
    match prometheus.series(expression) {
        Err(error) => Some(error),
        Ok(series) if series.is_empty() => Some("empty".to_owned()),
        Ok(series) if series.iter().all(|one| one["value"][1] == "NaN") => Some("NaN".to_owned()),
        Ok(_) => None,
    }
}

/// A bridge with a low limit on the values of a label, the traffic, whose part `trouble` reaches the limit, and a receiver of its pushes.
fn bridge_in_traffic(python: &Path) -> (Running, Process, Receiver) {
    let mapping = folder("apps/automation/mapping.yml");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", mapping.display())).arg("--limits.values-per-label=20");
    // The panels of push show a target.
    let receiver = Receiver::start(|_| Reaction::Write);
    let push = [format!("--push.url={}", receiver.url()), "--push.interval=1s".to_owned()];
    let bridge = push.into_iter().fold(bridge.arg("--no-web.process-metrics"), Launch::arg).start();
    let mut command = Command::new(python);
    command.arg("-B").arg(folder("grafana/traffic.py")).args(["--rate=50", "--send", "emmett", "prompter", "automation", "trouble"]);
    command.arg(format!("--host={}", bridge.statsd.ip())).arg(format!("--port={}", bridge.statsd.port()));
    let traffic = Process::start(command);
    (bridge, traffic, receiver)
}

/// Waits until `is_wrong` returns no reason for any expression. Panics with the expressions that are still wrong.
fn all_answered(prometheus: &Prometheus, expressions: &[(String, String)], is_wrong: impl Fn(&Prometheus, &str) -> Option<String>) {
    let left = || -> Vec<String> {
        let asked = expressions.iter().filter_map(|(place, asked)| Some(format!("{place}: {}\n    {asked}", is_wrong(prometheus, asked)?)));
        asked.collect()
    };
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until("all answers", || left().is_empty().then_some(()))));
    assert!(done.is_ok(), "{}", left().join("\n"));
}

/// The rules that Prometheus has loaded.
fn loaded_rules(prometheus: &Prometheus) -> Vec<Value> {
    let groups = prometheus.api("rules");
    list(&groups["data"], "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

#[apply(test)]
fn every_expression_of_dashboards_and_rules_answers() {
    every_expression_answers(false);
}

#[apply(test)]
fn every_expression_answers_where_histograms_are_native_too() {
    every_expression_answers(true);
}

/// Both versions of Prometheus scrape the same bridge, because more traffic would cost more than a second server.
fn every_expression_answers(native: bool) {
    let python = peers::program("python3");
    Version::need_both();
    let (bridge, mut traffic, _receiver) = bridge_in_traffic(&python);
    // A bridge that exposes its process metrics.
    let other = Launch::new().start();
    let start = |version| (version, Prometheus::scraping_as_the_example_does(version, [&bridge, &other], native));
    for (version, prometheus) in Version::BOTH.map(start) {
        eprintln!("{version:?}");
        assert_all_answers(&prometheus);
        let kind = if native { "native" } else { "classic" };
        let compared = format!("every expression of the dashboards and rules, with {kind} histograms");
        compatibility::seen("Prometheus", &prometheus.version(), &compared, "each answers; no rule fails");
    }
    assert_eq!(traffic.try_wait(), None, "the traffic ended:\n{}", traffic.log());
    drop(traffic);
    bridge.stop();
}

fn assert_all_answers(prometheus: &Prometheus) {
    // From here on, both bridges are values of the dashboards' variables.
    prometheus.expect("count(statsd_bridge_lines_total)", 2.0);
    prometheus.expect("count(statsd_bridge_build_info)", 2.0);
    // Shows that this test can fail.
    assert_eq!(wrong(prometheus, "no_such_metric").as_deref(), Some("empty"));
    assert!(wrong(prometheus, "sum(").is_some_and(|error| error.contains("parse error")));

    all_answered(prometheus, &values_of_variables(), wrong);
    let asked = expressions(prometheus);
    assert!(asked.len() > 150, "only {} expressions", asked.len());
    all_answered(prometheus, &asked, wrong);

    let rules = loaded_rules(prometheus);
    assert_eq!(rules.len(), written_rules().len(), "rules that Prometheus has loaded");
    let of_type = |kind: &str, key: &str| -> Vec<(String, String)> {
        let rules = rules.iter().filter(|rule| rule["type"] == kind);
        rules.map(|rule| (format!("rule {}", text(rule, "name")), text(rule, key).to_owned())).collect()
    };
    // A recording rule returns series by its name and by its expression. An alert may return none, but must not fail.
    all_answered(prometheus, &of_type("recording", "name"), wrong);
    all_answered(prometheus, &of_type("recording", "query"), wrong);
    all_answered(prometheus, &of_type("alerting", "query"), |prometheus, expression| prometheus.series(expression).err());
    for rule in loaded_rules(prometheus) {
        assert_eq!((&rule["health"], &rule["lastError"]), (&Value::from("ok"), &Value::Null), "{rule}");
    }
    // The alert for the reached limit is active. The alert for a bridge that is down is not.
    prometheus.expect("count(ALERTS{alertname=\"BridgeFamilyAtLimit\",family=\"demo_logins\",label=\"user\"})", 1.0);
    assert_eq!(prometheus.series("ALERTS{alertname=\"BridgeDown\"}"), Ok(Vec::new()));
}

/// The label sets of a result. The metric name is left out, because VictoriaMetrics keeps it after more functions. Values of `le`
/// are compared as numbers, because Prometheus 3 changes `le="1"` to `le="1.0"`.
fn label_sets(answer: Result<Vec<Value>, String>) -> Result<BTreeSet<String>, String> {
    let labels = |mut series: Value| {
        if let Some(labels) = series["metric"].as_object_mut() {
            labels.remove("__name__");
            if let Some(bound) = labels.get("le").and_then(Value::as_str).and_then(|bound| bound.parse::<f64>().ok()) {
                labels.insert("le".to_owned(), bound.to_string().into());
            }
        }
        series["metric"].to_string()
    };
    answer.map(|series| series.into_iter().map(labels).collect())
}

/// Functions of native histograms that VictoriaMetrics does not have.
const NATIVE: [&str; 3] = ["histogram_sum(", "histogram_count(", "histogram_avg("];

#[apply(test)]
fn every_expression_gives_the_same_series_in_victoria_metrics() {
    let python = peers::program("python3");
    Version::Three.prometheus();
    peers::built("victoriametrics", "victoria-metrics");
    let (bridge, mut traffic, _receiver) = bridge_in_traffic(&python);
    let other = Launch::new().start();
    let prometheus = Prometheus::scraping_as_the_example_does(Version::Three, [&bridge, &other], false);
    let victoria = Victoria::scraping_as(text(&prometheus.api("status/config")["data"], "yaml"));
    all_answered(&prometheus, &values_of_variables(), wrong);
    let mut asked = expressions(&prometheus);
    let rules = loaded_rules(&prometheus);
    // Only Prometheus evaluates rules here, so expressions with recorded series or `ALERTS` are not compared.
    let recorded: Vec<&str> = rules.iter().filter(|rule| rule["type"] == "recording").map(|rule| text(rule, "name")).collect();
    asked.extend(rules.iter().map(|rule| (format!("rule {}", text(rule, "name")), text(rule, "query").to_owned())));
    asked.retain(|(_, asked)| !asked.contains("ALERTS") && !recorded.iter().any(|name| asked.contains(name)));
    let (native, mut asked): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(_, asked)| NATIVE.iter().any(|name| asked.contains(name)));
    assert!(asked.len() > 150 && !native.is_empty(), "only {} and {} expressions", asked.len(), native.len());
    for (place, asked) in native {
        // When VictoriaMetrics supports the function, this fails, and the entry in `NATIVE` must be removed.
        let error = victoria.series(&asked).expect_err(&place);
        assert!(error.contains("unsupported function"), "{place}: {error}");
    }
    // VictoriaMetrics' `rate` does not extrapolate, so a value near a threshold may be over it in one engine only.
    let alerts: Vec<String> = rules.iter().filter(|rule| rule["type"] == "alerting").map(|rule| text(rule, "query").to_owned()).collect();
    for (place, asked) in &asked {
        assert!(victoria.series(asked).is_ok(), "{place}: {:?}", victoria.series(asked));
    }
    asked.retain(|(_, asked)| !alerts.contains(asked));
    // The engines scrape at different moments, so only a difference that persists counts.
    let mut left = asked.clone();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the same series from both", || {
            left.retain(|(_, asked)| label_sets(prometheus.series(asked)) != label_sets(victoria.series(asked)));
            left.is_empty().then_some(())
        })
    }));
    let differs = |(place, asked): &(String, String)| {
        let [theirs, ours] = [label_sets(victoria.series(asked)), label_sets(prometheus.series(asked))];
        format!("{place}: {asked}\n  VictoriaMetrics {theirs:?}\n  Prometheus {ours:?}")
    };
    assert!(done.is_ok(), "{}", left.iter().map(differs).collect::<Vec<_>>().join("\n"));
    assert_eq!(traffic.try_wait(), None, "the traffic ended:\n{}", traffic.log());
    drop(traffic);
    bridge.stop();
    let compared = "expressions of the dashboards and rules of proto-examples, in both VictoriaMetrics and Prometheus";
    compatibility::seen(
        "VictoriaMetrics",
        &victoria::version(),
        compared,
        "each parses and gives the same series (alerts: parses), except those with `histogram_sum` and the like, which VictoriaMetrics does \
         not have. Prometheus 3 writes `le=\"1.0\"` for `le=\"1\"`",
    );
}

/// The names of the alerting and recording rules in the files.
fn written_rules() -> Vec<(&'static str, String)> {
    let mut names = Vec::new();
    for path in files(&folder("prometheus/rules")) {
        let yaml = std::fs::read_to_string(path).expect("a file of rules");
        for line in yaml.lines() {
            let name = |key: &str| line.trim_start().strip_prefix(key).map(|name| name.trim().to_owned());
            names.extend(name("- alert:").map(|name| ("alert", name)));
            names.extend(name("- record:").map(|name| ("record", name)));
        }
    }
    names
}

#[apply(each_prometheus)]
fn promtool_accepts_the_rules_and_their_tests_pass(version: Version) {
    let program = version.promtool();
    for (words, name) in [(["check", "rules"], "prometheus/rules"), (["test", "rules"], "prometheus/tests")] {
        let (code, output) = filter(Command::new(&program).args(words).args(files(&folder(name))), b"");
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("SUCCESS") && !output.contains("FAILED"), "{output}");
    }
}

#[apply(test)]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() {
    let mut firing = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for path in files(&folder("prometheus/tests")) {
        let yaml = std::fs::read_to_string(path).expect("a file of tests");
        for case in yaml.split("alertname: ").skip(1) {
            let name = case.split([',', '\n']).next().unwrap_or_default().trim().to_owned();
            let is_silent = case.split_once("exp_alerts:").is_some_and(|(_, alerts)| alerts.trim_start().starts_with("[]"));
            if is_silent {
                silent.insert(name)
            } else {
                firing.insert(name)
            };
        }
    }
    let alerts: BTreeSet<String> = written_rules().into_iter().filter(|(kind, _)| *kind == "alert").map(|(_, name)| name).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    assert_eq!(alerts, firing, "alerts, and those of which a case fires");
    assert_eq!(alerts, silent, "alerts, and those of which a case does not fire");
}

#[apply(test)]
fn dashboards_are_well_formed() {
    let mut names = BTreeSet::new();
    let dashboards = dashboards();
    assert_eq!(dashboards.len(), 7);
    for (file, dashboard) in &dashboards {
        for key in ["uid", "title"] {
            assert!(names.insert(text(dashboard, key).to_owned()), "{file}: {key} is another dashboard's too");
        }
        // Without this variable, Grafana asks on import for a data source.
        let source = list(&dashboard["templating"], "list").iter().find(|variable| variable["name"] == "datasource");
        assert!(source.is_some_and(|variable| variable["type"] == "datasource"), "{file}");
        let mut taken = BTreeMap::new();
        for panel in list(dashboard, "panels") {
            assert!(panel["type"] == "row" || panel["datasource"]["uid"] == "${datasource}", "{file}: {}", panel["title"]);
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{file}: {}: no {key}", panel["title"]));
            assert!(at("x") + at("w") <= 24, "{file}: {} is wider than the page", panel["title"]);
            for cell in (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y))) {
                let other = taken.insert(cell, text(panel, "title"));
                assert_eq!(other, None, "{file}: {} lies on another panel", panel["title"]);
            }
        }
    }
}
