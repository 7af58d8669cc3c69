//! Compares native buckets with those of Prometheus' Go client. The client's results are in a file beside the repository, or in the
//! folder that `STATSD_BRIDGE_SHARED` names.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::exponential::Exponential;
use super::*;
use crate::options::DEFAULT_BOUNDS;

const START_MS: u64 = 1_700_000_000_000;

fn corpus() -> Value {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("STATSD_BRIDGE_SHARED").map_or_else(beside, PathBuf::from);
    let path = folder.join("corpus/client_golang_native_histograms.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the corpus is JSON")
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("+Inf") => f64::INFINITY,
        Some("-Inf") => f64::NEG_INFINITY,
        Some("NaN") => f64::NAN,
        _ => value.as_f64().unwrap_or(0.0),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().map_or_else(Vec::new, |all| all.iter().map(number).collect())
}

/// Classic and native buckets after observations at intervals of one minute, the first one a minute after the cell was created. The
/// native buckets are `None` if the factor disables them.
fn observed(options: Option<NativeOptions>, observations: &[f64]) -> (HistogramSnapshot, Option<NativeSnapshot>) {
    let bounds = Bounds::shared(&DEFAULT_BOUNDS, options);
    let mut classic = HistogramSnapshot::new(bounds.len());
    let cell = HistogramCell::new(bounds.len());
    let at = |minute: usize| Timestamp::from_millis(START_MS + 60_000 * minute as u64);
    let Some(cell) = NativeCell::new(cell.clone(), &bounds, at(0)) else {
        observations.iter().for_each(|value| assert!(cell.observe(&bounds, *value, 1.0)));
        cell.merge_into(&mut classic);
        return (classic, None);
    };
    let options = options.expect("a cell has options");
    let mut native = NativeSnapshot::new(&options);
    let sum: f64 = observations.iter().sum();
    if sum.is_finite() {
        for (index, value) in observations.iter().enumerate() {
            assert!(cell.observe(*value, 1.0, at(index + 1)));
        }
        cell.merge_into(&mut classic, &mut native);
    } else {
        // A cell rejects a sample that makes its sum infinite; the arithmetic does not.
        let mut shape = Exponential::new(options.schema, options.zero_threshold);
        for value in observations {
            shape.add(*value, 1.0);
            let is_over = shape.populated() > options.max_buckets as usize;
            assert!(!is_over || shape.halve());
        }
        native.add((&shape, false), 0, usize::MAX);
        (classic.sum, classic.buckets[0]) = (sum, observations.len() as f64);
    }
    (classic, Some(native))
}

fn assert_side(spans: &Spans, want: &Value, side: &str, name: &str) {
    let got: Vec<Vec<f64>> = spans.spans.iter().map(|(offset, length)| vec![f64::from(*offset), f64::from(*length)]).collect();
    let wanted: Vec<Vec<f64>> = want[format!("{side}_span")].as_array().into_iter().flatten().map(numbers).collect();
    assert_eq!(got, wanted, "{side} spans of {name}");
    let deltas: Vec<f64> = spans.deltas().map(|delta| delta as f64).collect();
    assert_eq!(deltas, numbers(&want[format!("{side}_delta")]), "{side} deltas of {name}");
}

fn assert_native(native: &NativeSnapshot, want: &Value, name: &str) {
    assert_eq!(f64::from(native.schema()), number(&want["schema"]), "{name}");
    assert_eq!(native.zero_threshold(), number(&want["zero_threshold"]), "{name}");
    assert_eq!(native.zero_weight(), number(&want["zero_count"]), "{name}");
    assert_side(&native.positive_spans(), want, "positive", name);
    assert_side(&native.negative_spans(), want, "negative", name);
    assert!(native.is_whole(), "{name}");
}

/// Converts the client's limit, where 0 means no limit. A histogram never has `u32::MAX` buckets.
fn max_buckets(case: &Value) -> u32 {
    let most = case["max_buckets"].as_u64().expect("a case has a limit");
    if most == 0 { u32::MAX } else { u32::try_from(most).expect("the limit is small") }
}

#[test]
#[ignore = "needs the cases in ../shared/corpus; --include-ignored runs it"]
fn observations_fall_where_the_client_library_has_them() {
    let corpus = corpus();
    let cases = corpus["observe"].as_array().expect("the corpus has cases");
    assert_eq!(cases.len(), 16);
    for case in cases {
        let name = case["name"].as_str().expect("a case has a name");
        let zero_threshold = match number(&case["zero_threshold_opt"]) {
            0.0 => ZERO_THRESHOLD,
            threshold => threshold.max(0.0),
        };
        let options = schema_of(number(&case["factor"])).map(|schema| NativeOptions {
            schema,
            max_buckets: max_buckets(case),
            zero_threshold,
            min_reset_ms: case["min_reset_duration_ns"].as_u64().expect("a case has a duration") / 1_000_000,
            max_zero_threshold: number(&case["max_zero_threshold"]),
        });
        let (classic, native) = observed(options, &numbers(&case["observations"]));
        let want = &case["want"];
        assert_eq!(classic.buckets.iter().sum::<f64>(), number(&want["sample_count"]), "{name}");
        let sum = number(&want["sample_sum"]);
        assert!(classic.sum == sum || (classic.sum - sum).abs() < 1e-9, "{name}: {}", classic.sum);
        match native {
            Some(native) => {
                assert_native(&native, want, name);
                let created_ns = want["created"]["now_plus_ns"].as_u64().expect("a case says when it began");
                let reset = native.reset_ms().map_or(0, |millis| millis - START_MS);
                assert_eq!(reset * 1_000_000, created_ns, "{name}");
            }
            None => {
                let wanted = want["bucket"].as_array().expect("without native buckets there are classic ones");
                let cumulative = classic.buckets.iter().scan(0.0, |all, weight| {
                    *all += weight;
                    Some(*all)
                });
                let got: Vec<Vec<f64>> = DEFAULT_BOUNDS.into_iter().zip(cumulative).map(|(bound, all)| vec![bound, all]).collect();
                assert_eq!(got, wanted.iter().map(numbers).collect::<Vec<_>>(), "{name}");
            }
        }
    }
}

#[test]
#[ignore = "needs the cases in ../shared/corpus; --include-ignored runs it"]
fn all_resolutions_and_limits_give_the_buckets_of_the_client_library() {
    let corpus = corpus();
    let golden = &corpus["golden"];
    let cases = golden["cases"].as_array().expect("the corpus has cases");
    assert_eq!(cases.len() as u64, corpus["count_golden"].as_u64().expect("the corpus says how many"));
    for case in cases {
        let name = format!("{} {} {}", case["set"], case["factor"], case["max_buckets"]);
        let set = case["set"].as_str().expect("a case names its set");
        let observations = numbers(&golden["sets"][set]);
        assert!(!observations.is_empty());
        let schema = schema_of(number(&case["factor"])).expect("the factor is above 1");
        let options = NativeOptions { schema, max_buckets: max_buckets(case), ..NativeOptions::default() };
        let (classic, native) = observed(Some(options), &observations);
        assert_eq!(classic.buckets.iter().sum::<f64>(), number(&case["want"]["count"]), "{name}");
        assert_native(&native.expect("it has native buckets"), &case["want"], &name);
    }
}

#[test]
#[ignore = "needs the cases in ../shared/corpus; --include-ignored runs it"]
fn keys_end_where_the_client_library_has_them() {
    let corpus = corpus();
    let cases = corpus["upper_bound_of_key"].as_array().expect("the corpus has keys");
    assert_eq!(cases.len(), 9);
    for case in cases {
        let (key, schema) = (case["key"].as_i64().expect("a key") as i32, case["schema"].as_i64().expect("a schema") as i8);
        assert_eq!(scale::upper_bound(key, schema), number(&case["upper_bound"]), "{case}");
    }
}
