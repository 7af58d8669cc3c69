//! Tests of whole files: the resulting configuration and the findings.

use std::sync::Arc;

use proptest::prelude::*;

use super::{MappingText, code, keys, load, load_for};
use crate::mapping::spec::{Action, Becomes, Config, Finding, LabelStep, MatchType, MetricKind, Unit};
use crate::options::{Buckets, NameValidation, NativeChoice, Observer, Quantiles, SummaryOptions, Ttl};

const EXAMPLE: &str = include_str!("../../../config.example.yml");

fn source(name: &str, text: &str) -> MappingText {
    MappingText { name: Arc::from(name), text: text.to_owned() }
}

fn read(text: &str) -> (Option<Config>, Vec<Finding>) {
    load(&[source("f.yml", text)], &|_| None)
}

/// Returns the configuration of a file that must have no findings.
fn good(text: &str) -> Config {
    let (config, findings) = read(text);
    assert_eq!(findings, [], "{text}");
    config.expect("no finding, so a configuration")
}

/// Returns code, line, column and text of the only finding.
fn only(text: &str) -> (&'static str, u32, u32, String) {
    let (config, findings) = read(text);
    let [finding] = findings.as_slice() else { panic!("{text}: {findings:#?}") };
    assert_eq!(config.is_none(), finding.is_error);
    (finding.code, finding.position.line, finding.position.column, finding.text.clone())
}

/// Returns a file with one rule and these additional lines.
fn rule(lines: &str) -> String {
    format!("mappings:\n- match: a.*\n  name: n\n  {}\n", lines.replace('\n', "\n  "))
}

#[test]
fn the_example_file_is_valid_and_shows_every_key() {
    let config = good(EXAMPLE);
    assert!(config.rules.len() >= 8 && config.tests.len() == 2);
    assert_eq!(config.constant_labels, [("env".to_owned(), "dev".to_owned()), ("app".to_owned(), "api".to_owned())]);
    for section in keys::ALL {
        for key in section.keys {
            let shown = EXAMPLE.lines().any(|line| {
                let line = line.trim_start().trim_start_matches("- ");
                line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
            });
            assert!(shown, "`{key}` of {} is not shown", section.name);
        }
    }
}

#[test]
fn the_extended_keys_of_a_rule_are_parsed() {
    let config = good(
        "syntax: extended\nmappings:\n- match: 'a.{b,c}.**'\n  match_metric_type: set\n  match_tags: {k.1: 'x*'}\n  name: n\n  unit: ms\n  as: gauge\n  \
         ttl: {gauges: 1d, counters: 0}\n  limits: {series: 5, values_per_label: 6}\n  set_labels: {s: 1.50}\n  keep_labels: [a-b]\n  \
         map_values: {m: {'{x,y}': z, '*': ''}}\n  drop_labels: d\n  rename_labels: {le: bound}\n- {match: q, action: drop}\n",
    );
    let [rule, drop] = config.rules.as_slice() else { panic!("{config:#?}") };
    assert_eq!((rule.kind, rule.unit, rule.becomes), (Some(MetricKind::Set), Some(Unit::Milliseconds), Some(Becomes::Gauge)));
    assert_eq!((rule.match_tags[0].key.as_str(), rule.match_tags[0].value.as_str()), ("k_1", "x*"));
    assert_eq!(rule.ttl, Ttl { gauge_ms: Some(86_400_000), counter_ms: Some(0), ..Ttl::default() });
    assert_eq!((rule.limits.series, rule.limits.values_per_label), (Some(5), Some(6)));
    let text = |text: &str| text.to_owned();
    assert_eq!(
        rule.label_steps,
        [
            LabelStep::Keep(vec![text("a_b")]),
            LabelStep::Drop(vec![text("d")]),
            LabelStep::Rename(text("exported_le"), text("bound")),
            LabelStep::Set(text("s"), text("1.50")),
            LabelStep::MapValues(text("m"), vec![(text("{x,y}"), text("z")), (text("*"), text(""))]),
        ]
    );
    assert_eq!((drop.action, drop.name.as_str(), drop.position.line), (Action::Drop, "", 16));
}

#[test]
fn scalars_keep_their_text_as_written() {
    let config = good(
        "mappings:\n- &d\n  match: a\n  name: n\n  labels: {x: 1.50, b: yes, c: ~, d: 007, e: \"\\u0041\", f: 0x10}\n- <<: *d\n  match: b\n",
    );
    for rule in &config.rules {
        let values: Vec<&str> = rule.labels.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["yes", "", "007", "A", "0x10", "1.50"]);
    }
    assert_eq!((config.rules[1].pattern.as_str(), config.rules[1].position.line), ("b", 7));
}

#[test]
fn observers_merge_with_the_defaults_of_the_file() {
    let defaults = "defaults:\n  summary_options: {quantiles: [{quantile: 0.9, error: 0.1}], max_age: 1m, age_buckets: 7, buf_cap: 9}\n  histogram_options: {buckets: [1, 2, .inf]}\n";
    let text = format!(
        "{defaults}mappings:\n- {{match: a, name: n, observer_type: summary, summary_options: {{max_age: 5m}}}}\n- {{match: b, name: n, observer_type: histogram}}\n- {{match: c, name: n}}\n"
    );
    let config = good(&text);
    let summary = |max_age_ms| SummaryOptions { quantiles: Quantiles::new([0.9]).unwrap(), max_age_ms, age_buckets: 7 };
    let histogram = Observer::histogram(Buckets::new([1.0, 2.0]).unwrap());
    assert_eq!(config.rules[0].observer, Some(Observer::Summary(summary(300_000))));
    assert_eq!(config.rules[1].observer.as_ref(), Some(&histogram));
    assert_eq!((config.rules[2].observer.as_ref(), config.defaults.observer.as_ref()), (None, None));
    // The command line sets the type, and the file sets the options.
    assert_eq!(config.rules[2].observer_options.over(&Observer::default()), histogram);
    let flags = Observer::Summary(SummaryOptions::default());
    assert_eq!(config.defaults.observer_options.over(&flags), Observer::Summary(summary(60_000)));
    assert_eq!(good("defaults: {observer_type: ''}").defaults.observer, Some(flags));
}

#[test]
fn old_keys_are_accepted_with_a_warning() {
    let (config, findings) = read(
        "defaults:\n  timer_type: summary\n  quantiles: [{quantile: 0.5, error: 0.1}]\nmappings:\n- match: a\n  name: n\n  timer_type: histogram\n  buckets: [1, 2]\n  match_metric_type: timer\n",
    );
    let config = config.expect("warnings only");
    assert_eq!(config.rules[0].observer, Some(Observer::histogram(Buckets::new([1.0, 2.0]).unwrap())));
    assert_eq!(config.rules[0].kind, Some(MetricKind::Observer));
    assert!(matches!(&config.defaults.observer, Some(Observer::Summary(options)) if *options.quantiles == [0.5]));
    assert_eq!(findings.len(), 5);
    assert!(findings.iter().all(|finding| finding.code == code::OLD_KEY && !finding.is_error));
    assert!(findings[0].text.contains("write `observer_type`") && findings[0].position.line == 2);
}

#[test]
fn several_files_are_merged() {
    let one = source(
        "one",
        "prefix: a_\nlabels: {x: '1', y: '2'}\ndefaults: {ttl: 1m, match_type: regex, observer_type: summary, strict_order: true}\nmappings: [{match: '^a$', name: a}]\n",
    );
    let two =
        source("two", "labels: {x: '${V}'}\ndefaults: {ttl: {sets: 2m}}\nmappings: [{match: b, name: b}, {match: c, name: c, ttl: 0}]\n");
    let (config, findings) = load(&[one, two], &|name| (name == "V").then(|| "3".to_owned()));
    let config = config.unwrap_or_else(|| panic!("{findings:#?}"));
    let names: Vec<&str> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!((names.as_slice(), config.prefix.as_str(), config.defaults.strict_order), (["a", "b", "c"].as_slice(), "a_", true));
    assert_eq!((config.rules[0].match_type, config.rules[1].match_type), (MatchType::Regex, MatchType::Glob));
    assert_eq!((config.rules[0].ttl.set_ms, config.rules[1].ttl.set_ms, config.rules[1].ttl.gauge_ms), (Some(60_000), Some(120_000), None));
    assert_eq!(config.rules[2].ttl.gauge_ms, Some(0));
    assert_eq!((config.defaults.ttl.set_ms, config.defaults.ttl.gauge_ms), (Some(120_000), Some(60_000)));
    assert!(config.rules[1].observer.is_none() && matches!(config.defaults.observer, Some(Observer::Summary(_))));
    assert_eq!(config.constant_labels, [("y".to_owned(), "2".to_owned()), ("x".to_owned(), "3".to_owned())]);
}

#[test]
fn only_the_first_document_is_read() {
    let one = rule("ttl: 5m");
    for text in
        [format!("{one}---\n"), format!("---\n{one}...\n# no more\n---\n---"), format!("{one}\n--- # empty\n"), format!("\u{feff}{one}---")]
    {
        assert_eq!(good(&text).rules.len(), 1, "{text}");
    }
    let (config, findings) = read(&format!("{one}---\nmappings:\n- match: [\n"));
    assert_eq!(config.map(|config| config.rules.len()), Some(1), "{findings:?}");
    let (code, line, column, text) = only(&format!("{one}---\n\n  mappings: []\n"));
    assert_eq!((code, line, column), (code::SECOND_DOCUMENT, 7, 3), "{text}");
    assert!(text.contains("only the first is read") && text.contains("one document to a file"), "{text}");
    let (config, findings) = read(&format!("syntax: extended\n{one}---\na: 1\n"));
    assert!(config.is_none() && findings.len() == 1 && findings[0].code == code::SECOND_DOCUMENT, "{findings:?}");
}

#[test]
fn all_mistakes_are_reported_in_order() {
    let (config, findings) = read("mappings:\n- match: a b\n  nam: n\n- match: c\n  name: n\n  ttl: x\nfoo: 1\n");
    assert!(config.is_none());
    let found: Vec<_> = findings.iter().map(|finding| (finding.position.line, finding.code)).collect();
    let wanted = [(2, code::NO_NAME), (2, code::BAD_GLOB), (3, code::UNKNOWN_KEY), (6, code::BAD_DURATION), (7, code::UNKNOWN_KEY)];
    assert_eq!(found, wanted);
    assert_eq!(findings[3].to_string(), "f.yml:6:8: error: `ttl`: `x` is not a duration: write one like 250ms, 30s, 1h30m");
}

#[test]
fn an_excerpt_shows_the_line_and_a_caret() {
    let source = source("f", "mappings:\n- match: a\n  name: a.b\n");
    let (_, findings) = load(std::slice::from_ref(&source), &|_| None);
    assert_eq!(source.excerpt(&findings[0].position).as_deref(), Some("3 |   name: a.b\n  |         ^"));
}

#[test]
fn alias_bombs_and_deep_nesting_are_rejected() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in "bcdefghijk".chars().zip("abcdefghij".chars()) {
        bomb.push_str(&format!("{name}: &{name} [*{before},*{before},*{before},*{before},*{before},*{before},*{before},*{before}]\n"));
    }
    for text in [bomb, "[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "&a [*a]".to_owned()] {
        let (config, findings) = read(&text);
        assert!(config.is_none() && !findings.is_empty());
    }
}

#[test]
fn many_mistakes_and_labels_are_bounded() {
    let old = "- {match: a, name: n, timer_type: summary, buckets: [1], quantiles: [], unknown_key: 1}\n".repeat(2_000);
    let (config, findings) = read(&format!("mappings:\n{old}"));
    let errors = findings.iter().filter(|finding| finding.is_error).count();
    assert_eq!((config.is_none(), errors, findings.len()), (true, 1_000, 2_000));
    let labels: String = (0..100).map(|n| format!("  l{n}: x\n")).collect();
    assert_eq!(only(&format!("labels:\n{labels}")).0, code::BAD_VALUE);
}

/// Generates texts from fragments of mapping files, so that random inputs pass the first checks.
fn yamlish() -> impl Strategy<Value = String> {
    let keys = keys::ALL.iter().flat_map(|section| section.keys).map(|key| format!("{key}:"));
    let mut pieces: Vec<String> = keys.collect();
    let more = [
        "\n",
        "\n  ",
        "\n- ",
        "\n    ",
        " ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "*",
        "&a ",
        "*a",
        "<<: *a",
        "'",
        "\"",
        "|\n",
        "#",
        "~",
        "\t",
        "-1",
        "1.5",
        "30s",
        ".inf",
        "$1",
        "${A}",
        "{a,b}",
        "**",
        "a.b",
        "yes",
        "!!binary ",
        "é",
        "\u{feff}",
        "---\n",
        "? ",
        "0x1",
        "1e999",
        "(",
        "regex",
        "glob",
    ];
    pieces.extend(more.map(str::to_owned));
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![yamlish(), "\\PC{0,80}", yamlish().prop_map(|text| format!("mappings:\n- match: a\n  name: n\n  {text}"))]) {
        let (config, findings) = read(&text);
        prop_assert_eq!(config.is_none(), findings.iter().any(|finding| finding.is_error));
        let source = source("f.yml", &text);
        for finding in &findings {
            prop_assert!(finding.position.line > 0 && finding.position.column > 0);
            let _ = source.excerpt(&finding.position);
        }
    }
}

#[test]
fn names_may_be_any_text_with_utf8_names() {
    let text = "prefix: my.\nlabels: {data.center: a}\nmappings:\n- match: a.*\n  match_tags: {x.y: z}\n  name: 1st.$1\n  labels: {l.x: v}\n  \
                rename_labels: {x.y: y.z}\n";
    let (config, findings) = load_for(&[source("f.yml", text)], NameValidation::Utf8, &|_| None);
    let config = config.unwrap_or_else(|| panic!("{findings:?}"));
    let rule = &config.rules[0];
    assert_eq!((&*config.prefix, &*rule.name, &*rule.labels[0].0, &*rule.match_tags[0].key), ("my.", "1st.$1", "l.x", "x.y"));
    assert_eq!(rule.label_steps, [LabelStep::Rename("x.y".to_owned(), "y.z".to_owned())]);
    assert_eq!(config.constant_labels[0].0, "data.center");

    let (config, findings) = load(&[source("f.yml", text)], &|_| None);
    assert!(config.is_none());
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [code::BAD_NAME, code::BAD_LABEL, code::BAD_NAME, code::BAD_LABEL, code::BAD_LABEL]);
    let bad = "mappings: [{match: a, name: a.$, labels: {__x: v, '': w}}]";
    let (config, _) = load_for(&[source("f.yml", bad)], NameValidation::Utf8, &|_| None);
    assert!(config.is_none(), "a reference to nothing, and a label without a name");
}

#[test]
fn a_rule_can_set_native_buckets() {
    let text = "defaults:\n  histogram_options: {native_histogram_bucket_factor: 1.5, native_histogram_max_buckets: 20}\nmappings:\n- {match: a, name: n, observer_type: histogram, histogram_options: {native_histogram_bucket_factor: 2}}\n- {match: b, name: n, histogram_options: {native_histogram_bucket_factor: 0, native_histogram_max_buckets: 9000}}\n";
    let (config, findings) = read(text);
    let config = config.expect("a warning only");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].text.contains("512") && !findings[0].is_error);
    let choice = |factor, max_buckets| NativeChoice { factor: Some(factor), max_buckets: Some(max_buckets) };
    assert_eq!(config.rules[0].observer, Some(Observer::Histogram { buckets: Buckets::default(), native: choice(2.0, 20) }));
    assert_eq!(config.rules[1].observer_options.native, choice(1.5, 512));
}
