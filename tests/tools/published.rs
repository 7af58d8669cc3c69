//! `check` on mapping files of other projects: statsd_exporter's verdicts, and files in use.

use serde_json::Value;

use super::{Files, run};
use crate::peers::{shared_corpus, shared_mapping};

/// The report of `check --format=json` on a file.
fn report(file: &str) -> Value {
    let ran = run(&["check", file, "--format=json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// Whether a file has an old key, which release 0.30.0 accepts and the next release rejects.
fn has_old_key(config: &str) -> bool {
    let old = "(?m)timer_type|match_metric_type:\\s*['\"]?timer|^\\s+(-\\s+)?(buckets|quantiles):";
    regex::Regex::new(old).expect("a pattern").is_match(config)
}

/// Whether the file must load; `None` if statsd_exporter's result is a defect that the bridge does not share.
fn must_load(case: &Value) -> Option<bool> {
    let config = case["config"].as_str().expect("a case has a file");
    let head = &case["observed"]["HEAD"];
    // A text in place of an object means that the result is that of HEAD.
    let released = if case["observed"]["0.30.0"].is_string() { head } else { &case["observed"]["0.30.0"] };
    let loads = |answer: &Value| answer["load_ok"].as_bool().expect("an answer says whether it loads");
    let must_load = loads(head) || (has_old_key(config) && loads(released));
    let error = head["error"].as_str().unwrap_or_default();
    let short_label = error.rsplit_once("invalid label key: ").is_some_and(|(_, key)| key.chars().count() == 1);
    let odd_buckets = must_load && config.contains("buckets:") && config.contains("[2");
    if short_label || odd_buckets { None } else { Some(must_load) }
}

fn expect_verdicts(corpus: &str) {
    let (corpus, files) = (shared_corpus(corpus), Files::new());
    let cases = corpus["cases"].as_array().expect("the corpus has cases");
    assert!(cases.len() >= 40);
    for case in cases {
        let Some(must_load) = must_load(case) else { continue };
        let config = case["config"].as_str().expect("a case has a file");
        let report = report(&files.write("case.yml", config));
        assert_eq!(report["errors"] == 0, must_load, "{}: {config}\n{report:#}", case["name"]);
        for finding in report["findings"].as_array().expect("a list") {
            assert!(finding["text"].as_str().is_some_and(|text| !text.is_empty()) && finding["line"].as_u64() > Some(0), "{finding}");
        }
    }
}

#[apply(test)]
fn check_accepts_the_files_that_statsd_exporter_accepts() {
    expect_verdicts("statsd_exporter_mappings.json");
}

#[apply(test)]
fn check_accepts_the_further_files_that_statsd_exporter_accepts() {
    expect_verdicts("statsd_exporter_mappings_extra.json");
}

#[apply(test)]
fn files_in_use_load_as_they_are() {
    for (name, rules, old_keys) in [("airflow-chart", 21, 0), ("envoy", 9, 8), ("envoy-ratelimit", 14, 10), ("openstack-swift", 26, 0)] {
        let report = report(&shared_mapping(&format!("{name}.yml")).display().to_string());
        assert_eq!((&report["errors"], &report["rules"]), (&0.into(), &rules.into()), "{name}: {report:#}");
        let findings = report["findings"].as_array().expect("a list");
        assert_eq!(findings.iter().filter(|finding| finding["code"] == "old_key").count(), old_keys, "{name}: {report:#}");
    }
}
