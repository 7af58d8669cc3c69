//! Edge cases of observer options. Files that statsd_exporter accepts have the same meaning. All others are errors.

use std::sync::Arc;

use super::{MappingText, code, load};
use crate::mapping::spec::{Config, Finding};
use crate::options::{DEFAULT_BOUNDS, Observer, Quantiles, SummaryOptions};

fn read(head: &str, options: &str) -> (Option<Config>, Vec<Finding>) {
    let text = format!("{head}mappings:\n- match: a\n  name: n\n  {options}\n");
    load(&[MappingText { name: Arc::from("f.yml"), text }], &|_| None)
}

type Bounds = (Vec<f64>, Vec<String>);
type Mistake = (u32, u32, String);

/// Returns the bounds of a list with the texts of the warnings, or the position and the text of the error.
fn bounds(list: &str) -> Result<Bounds, Mistake> {
    let (config, findings) = read("", &format!("observer_type: histogram\n  histogram_options: {{buckets: {list}}}"));
    match config {
        Some(config) => {
            let Some(Observer::Histogram { buckets, .. }) = &config.rules[0].observer else { panic!("{list}: no histogram") };
            Ok((buckets.to_vec(), findings.into_iter().map(|finding| finding.text).collect()))
        }
        None => {
            let Finding { position, text, .. } = findings.into_iter().find(|finding| finding.is_error).expect("an error");
            Err((position.line, position.column, text))
        }
    }
}

#[test]
fn buckets_are_parsed_like_in_statsd_exporter() {
    for (list, wanted, warned) in [
        ("[.inf]", &[][..], 0),
        ("[+.INF]", &[], 0),
        ("[1, .Inf]", &[1.0], 0),
        ("[]", &DEFAULT_BOUNDS, 0),
        ("~", &DEFAULT_BOUNDS, 0),
        ("[-1, 0, 1e3]", &[-1.0, 0.0, 1e3], 0),
        ("[010, 1_1]", &[8.0, 11.0], 0),
        ("[-.inf]", &[], 1),
        ("[-.inf, 1]", &[1.0], 1),
        ("[.nan]", &[], 1),
        ("[1, .NaN, 2]", &[1.0, 2.0], 1),
        ("[~, 1]", &[0.0, 1.0], 1),
    ] {
        let (bounds, warnings) = bounds(list).unwrap_or_else(|error| panic!("{list}: {error:?}"));
        assert_eq!((bounds.as_slice(), warnings.len()), (wanted, warned), "{list}: {warnings:?}");
    }
    // The list begins in column 32.
    for (list, column, says) in [
        ("[1, 1]", 36, "1 follows 1"),
        ("[1, 3, 2]", 39, "2 follows 3"),
        ("[0, -0.0]", 36, "0 follows 0"),
        ("[.inf, .inf]", 39, ".inf follows .inf"),
        ("[.inf, 1]", 39, "1 follows .inf"),
        ("[~, 0]", 36, "0 follows 0"),
        ("[inf]", 33, "a number, without quotes, not `inf`"),
        ("[1e400]", 33, "not `1e400`"),
        ("[\".inf\"]", 33, "not `.inf`"),
        ("['1']", 33, "not `1`"),
        ("[1, [2]]", 36, "not a list"),
        ("1", 32, "`buckets` takes a list, not `1`"),
        ("{}", 32, "not a map"),
    ] {
        let (line, at, text) = bounds(list).expect_err(list);
        assert_eq!((line, at, text.contains(says)), (5, column, true), "{list}: {text}");
    }
}

#[test]
fn summaries_are_parsed_like_in_statsd_exporter() {
    let summary = |options: &str| {
        let (config, findings) = read("", &format!("observer_type: summary\n  summary_options: {options}"));
        let config = config.unwrap_or_else(|| panic!("{options}: {findings:?}"));
        let Some(Observer::Summary(summary)) = config.rules[0].observer.clone() else { panic!("{options}: no summary") };
        (summary, findings.len())
    };
    let with =
        |quantiles: &[f64]| SummaryOptions { quantiles: Quantiles::new(quantiles.iter().copied()).unwrap(), ..SummaryOptions::default() };
    let default = SummaryOptions::default();
    for (options, wanted, warned) in [
        ("{quantiles: []}", default.clone(), 0),
        ("{quantiles: [{quantile: 0.9}, {quantile: 0.5, error: 1}, {quantile: 0.9}]}", with(&[0.5, 0.9]), 0),
        ("{quantiles: [{quantile: 0.5}, {quantile: 1.5}, {quantile: -1}]}", with(&[0.5]), 2),
        ("{quantiles: [{quantile: .nan}, {quantile: .inf}]}", with(&[]), 2),
        ("{quantiles: [{quantile: 0.5, error: .nan}]}", with(&[0.5]), 1),
        ("{quantiles: [{error: 0.1}]}", with(&[0.0]), 1),
        ("{quantiles: [~]}", with(&[0.0]), 1),
        ("{max_age: 0, age_buckets: 0, buf_cap: 0}", default.clone(), 0),
        ("{age_buckets: 2.0}", SummaryOptions { age_buckets: 2, ..default.clone() }, 0),
        ("{age_buckets: 2.5}", SummaryOptions { age_buckets: 2, ..default.clone() }, 1),
        ("{age_buckets: 5000}", SummaryOptions { age_buckets: 1000, ..default.clone() }, 1),
        ("{max_age: 1h}", SummaryOptions { max_age_ms: 3_600_000, ..default }, 0),
    ] {
        assert_eq!(summary(options), (wanted, warned), "{options}");
    }
    for (options, code) in [
        ("{max_age: -1s}", code::BAD_DURATION),
        ("{max_age: 10}", code::BAD_DURATION),
        ("{age_buckets: -1}", code::BAD_TYPE),
        ("{age_buckets: 4294967296}", code::BAD_TYPE),
        ("{age_buckets: .inf}", code::BAD_TYPE),
        ("{buf_cap: -1}", code::BAD_TYPE),
        ("{quantiles: [0.5]}", code::BAD_TYPE),
        ("{quantiles: [{quantile: \"0.5\"}]}", code::BAD_TYPE),
        ("{quantiles: 0.5}", code::BAD_TYPE),
    ] {
        let (config, findings) = read("", &format!("summary_options: {options}"));
        assert_eq!((config.is_none(), findings[0].code), (true, code), "{options}: {findings:?}");
    }
}

/// Mistakes that are warnings for the sake of statsd_exporter are errors in the extended syntax.
#[test]
fn mistakes_that_are_only_warnings_become_errors_in_the_extended_syntax() {
    for (options, code) in [
        ("histogram_options: {buckets: [-.inf, 1]}", code::BAD_BUCKETS),
        ("histogram_options: {buckets: [.nan]}", code::BAD_BUCKETS),
        ("histogram_options: {buckets: [~]}", code::BAD_BUCKETS),
        ("summary_options: {quantiles: [{quantile: 2}]}", code::BAD_QUANTILE),
        ("summary_options: {quantiles: [{}]}", code::BAD_QUANTILE),
        ("summary_options: {age_buckets: 2.5}", code::BAD_VALUE),
    ] {
        let (config, findings) = read("syntax: extended\n", options);
        assert_eq!((config.is_none(), findings.len(), findings[0].code), (true, 1, code), "{options}: {findings:?}");
        let (config, findings) = read("", options);
        assert_eq!((config.is_some(), findings.len(), findings[0].code), (true, 1, code), "{options}: {findings:?}");
    }
}

#[test]
fn an_empty_help_is_ignored() {
    for (help, wanted) in [("''", None), ("\"\"", None), ("~", None), ("", None), ("|\n", None), ("' '", Some(" ")), ("a", Some("a"))] {
        let (config, findings) = read("", &format!("help: {help}"));
        assert_eq!(findings, [], "{help}");
        assert_eq!(config.expect("it loads").rules[0].help.as_deref(), wanted, "{help}");
    }
}
