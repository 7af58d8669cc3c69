//! Files with statsd_exporter's answers, and files in use. They lie beside the repository; where they do not, the tests say so
//! and pass, unless `STATSD_BRIDGE_REQUIRE_PEERS=1`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{MappingText, code, load};

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("STATSD_BRIDGE_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "needs {}, which is absent, and STATSD_BRIDGE_REQUIRE_PEERS=1", path.display());
    eprintln!("skipped: needs {}, which is absent", path.display());
    None
}

fn file(name: &str, text: &str) -> MappingText {
    MappingText { name: Arc::from(name), text: text.to_owned() }
}

/// Whether a file has an old key, which release 0.30.0 takes and the next does not.
fn has_old_key(config: &str) -> bool {
    let old = "(?m)timer_type|match_metric_type:\\s*['\"]?timer|^\\s+(-\\s+)?(buckets|quantiles):";
    regex::Regex::new(old).is_ok_and(|old| old.is_match(config))
}

/// Whether the file must load; `None` where statsd_exporter's answer is a defect that is not taken over.
fn wanted(case: &Value) -> Option<bool> {
    let config = case["config"].as_str().expect("a case has a file");
    let head = &case["observed"]["HEAD"];
    // A text in place of an object says: as HEAD.
    let released = if case["observed"]["0.30.0"].is_string() { head } else { &case["observed"]["0.30.0"] };
    let loads = |answer: &Value| answer["load_ok"].as_bool().expect("an answer says whether it loads");
    let wanted = loads(head) || (has_old_key(config) && loads(released));
    let error = head["error"].as_str().unwrap_or_default();
    let short_label = error.rsplit_once("invalid label key: ").is_some_and(|(_, key)| key.chars().count() == 1);
    let odd_buckets = wanted && config.contains("buckets:") && config.contains("[2");
    if short_label || odd_buckets { None } else { Some(wanted) }
}

#[test]
fn what_statsd_exporter_takes_is_taken_and_what_it_refuses_is_refused() {
    for corpus in ["statsd_exporter_mappings.json", "statsd_exporter_mappings_extra.json"] {
        let Some(path) = shared("corpus").map(|folder| folder.join(corpus)) else { return };
        let text = std::fs::read_to_string(&path).expect("the corpus can be read");
        let corpus: Value = serde_json::from_str(&text).expect("the corpus is JSON");
        let cases = corpus["cases"].as_array().expect("the corpus has cases");
        assert!(cases.len() >= 40);
        for case in cases {
            let Some(wanted) = wanted(case) else { continue };
            let config = case["config"].as_str().expect("a case has a file");
            let (loaded, findings) = load(&[file("case", config)], &|_| None);
            assert_eq!(loaded.is_some(), wanted, "{}: {config}\n{findings:#?}", case["name"]);
            assert!(wanted || findings.iter().all(|finding| !finding.text.is_empty() && finding.position.line > 0));
        }
    }
}

#[test]
fn files_in_use_load_as_they_are() {
    for (name, rules, old_keys) in [("airflow-chart", 21, 0), ("envoy", 9, 8), ("envoy-ratelimit", 14, 10), ("openstack-swift", 26, 0)] {
        let Some(path) = shared(&format!("mappings/{name}.yml")) else { return };
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let (config, findings) = load(&[file(name, &text)], &|_| None);
        let config = config.unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        assert_eq!(config.rules.len(), rules, "{name}");
        let old = findings.iter().filter(|finding| finding.code == code::OLD_KEY).count();
        assert_eq!((old, findings.len()), (old_keys, old_keys), "{name}: {findings:#?}");
    }
}
