//! Every mistake is reported with its code, its position, and a correction.

use std::sync::Arc;

use super::{MappingText, code, load};

/// Returns code, line, column and text of the only finding.
fn only(text: &str) -> (&'static str, u32, u32, String) {
    let (config, findings) = load(&[MappingText { name: Arc::from("f.yml"), text: text.to_owned() }], &|_| None);
    let [finding] = findings.as_slice() else { panic!("{text}: {findings:#?}") };
    assert_eq!(config.is_none(), finding.is_error);
    (finding.code, finding.position.line, finding.position.column, finding.text.clone())
}

/// Returns a file with one rule and these additional lines.
fn rule(lines: &str) -> String {
    format!("mappings:\n- match: a.*\n  name: n\n  {}\n", lines.replace('\n', "\n  "))
}

/// A finding repeats at most the beginning and the end of an input, and names the correction.
#[test]
fn a_finding_does_not_repeat_a_long_input() {
    let long = "é".repeat(500_000);
    let unquoted = [
        (format!("mappings:\n- match: a(.{long}\n  name: n\n"), "write `match_type: regex`"),
        (format!("mappings:\n- match: a({long}\n  match_type: regex\n  name: n\n"), "write `\\(` for the character"),
        (format!("mappings:\n- match: a\n  name: n\n  ? {long}\n  : n\n"), "a key of more than 1024 bytes"),
        (format!("mappings:\n- match: a\n  name: n\n  action: {long}\n"), "it is one of map, drop"),
        (format!("mappings:\n- match: a\n  name: n\n  ttl: {long}\n"), "write one like 250ms, 30s, 1h30m"),
        (format!("mappings:\n- match: a\n  name: n\n  labels:\n    ? {}\n    : b\n", "é".repeat(500)), "is not a legal label"),
        (format!("mappings:\n- match: a\n  name: \"{long}\"\n"), "`"),
        (format!("mappings:\n- match: a.{long}.**.b\n  name: n\n"), ""),
    ];
    for (text, correction) in unquoted {
        let (code, _, _, finding) = only(&text);
        assert!(finding.chars().count() <= 620, "{code}: {} characters", finding.chars().count());
        assert!(finding.contains(correction), "{code}: {finding}");
    }
}

#[test]
fn mistakes_are_reported_with_position_and_correction() {
    let cases = [
        (rule("lables: {a: b}"), code::UNKNOWN_KEY, 4, 3, "did you mean `labels`?"),
        ("defaults: {scale: 1}".to_owned(), code::UNKNOWN_KEY, 1, 12, "it is a key of a rule"),
        (rule("name: m"), code::DOUBLE_KEY, 4, 3, "`name` occurs twice"),
        ("mappings:\n- match: *.foo\n  name: n\n".to_owned(), code::UNQUOTED_STAR, 2, 10, "write \"*.foo\""),
        ("mappings:\n- {match: *.foo.*, name: n}\n".to_owned(), code::UNQUOTED_STAR, 2, 11, "write \"*.foo.*\" ("),
        (rule("<<: *no"), code::YAML, 4, 7, "anchor"),
        ("mappings:\n- match: \"a.\\d\"\n".to_owned(), code::YAML, 2, 10, "write single quotes"),
        (rule("ttl: 30"), code::BAD_DURATION, 4, 8, "write 30s"),
        (rule("ttl: 1d"), code::BAD_DURATION, 4, 8, "write 24h"),
        (rule("honor_labels: \"yes\""), code::BAD_TYPE, 4, 17, "without quotes"),
        (rule("scale: x"), code::BAD_TYPE, 4, 10, "finite number"),
        (rule("observer_type: Histogram"), code::BAD_VALUE, 4, 18, "did you mean histogram?"),
        (rule("match_metric_type: set"), code::BAD_VALUE, 4, 22, "syntax: extended"),
        (rule("histogram_options: {buckets: [2, 1]}\nobserver_type: histogram"), code::BAD_BUCKETS, 4, 36, "1 follows 2"),
        (rule("summary_options: {max_age: -1m}"), code::BAD_DURATION, 4, 30, "is negative"),
        (rule("summary_options: {quantiles: [{quantile: 1.5}]}"), code::BAD_QUANTILE, 4, 44, "left out"),
        (rule("summary_options: {}\nobserver_type: histogram"), code::OBSERVER_CONFLICT, 4, 3, "observer_type: summary"),
        (rule("ttl: -5s"), code::NEGATIVE_TTL, 4, 8, "0 to keep series for ever"),
        (rule("labels: {x.y: b}"), code::BAD_LABEL, 4, 12, "write `x_y`"),
        (rule("labels: {le: b}"), code::RESERVED_LABEL, 4, 12, "exported_le"),
        (rule("set_labels: {__x: b}"), code::RESERVED_LABEL, 4, 16, "keeps the label"),
        (rule("limits: {series: 0}"), code::BAD_VALUE, 4, 20, "action: drop"),
        (rule("map_values: {a: {'{b': c}}"), code::BAD_GLOB, 4, 20, "without its `}`"),
        ("mappings:\n- match: 'a.b*'\n  name: n\n".to_owned(), code::BAD_GLOB, 2, 10, "syntax: extended"),
        ("mappings:\n- match: 'a(?=b)'\n  name: n\n  match_type: regex\n".to_owned(), code::BAD_REGEX, 2, 10, "Go has no look-ahead"),
        ("mappings:\n- match: a\n  name: a.b\n".to_owned(), code::BAD_NAME, 3, 9, "write `a_b`"),
        ("mappings:\n- match: a\n".to_owned(), code::NO_NAME, 2, 3, "no `name`"),
        ("mappings:\n- name: a\n".to_owned(), code::NO_MATCH, 2, 3, "no `match`"),
        ("mappings: 5\n".to_owned(), code::BAD_TYPE, 1, 11, "a list"),
        ("labels: {a: '${NO}'}\n".to_owned(), code::BAD_ENVIRONMENT, 1, 10, "variable NO is not set"),
        ("prefix: 9x\n".to_owned(), code::BAD_NAME, 1, 9, "write `_9x`"),
        ("tests: [{expect: [a]}]\n".to_owned(), code::BAD_TEST, 1, 9, "sends nothing"),
        ("mappings:\n\t- match: a\n".to_owned(), code::YAML, 2, 1, "tab"),
        ("a: [\n".to_owned(), code::YAML, 1, 4, "not closed by `]`"),
        // Texts that need quotes.
        (rule("labels: {x: ${1}}"), code::YAML, 4, 15, "write \"${1}\""),
        (rule("labels: {éé: ${1}}"), code::YAML, 4, 16, "write \"${1}\""),
        (rule("help: \u{e9}t\u{e9} {all}: x"), code::YAML, 4, 9, "needs quotes"),
        (rule("labels: {x: $1, y: a_${2}_b, z: $3}"), code::YAML, 4, 22, "write \"a_${2}_b\""),
        ("mappings: [{match: a.*, name: n_${1}}]\n".to_owned(), code::YAML, 1, 31, "write \"n_${1}\""),
        ("syntax: extended\nmappings:\n- {match: a.{b,c}.d, name: n}\n".to_owned(), code::YAML, 3, 11, "write \"a.{b,c}.d\""),
        ("mappings:\n- match: {a,b}.c\n  name: n\n".to_owned(), code::YAML, 2, 10, "write \"{a,b}.c\""),
        (rule("labels: {x: {$1}}"), code::BAD_TYPE, 4, 15, "needs quotes"),
        (rule("help: [all] requests"), code::YAML, 4, 9, "write \"[all] requests\""),
        (rule("help: Requests: all"), code::YAML, 4, 9, "write \"Requests: all\""),
        (rule("help: @all"), code::YAML, 4, 9, "write \"@all\""),
        (rule("help: `all`"), code::YAML, 4, 9, "write \"`all`\""),
        (rule("help: %all"), code::YAML, 4, 9, "write \"%all\""),
        (rule("help: - all"), code::YAML, 4, 9, "write \"- all\""),
        (rule("help: |all"), code::YAML, 4, 9, "write \"|all\""),
        // Quotes.
        (rule("help: \"all\nttl: 5m"), code::YAML, 4, 9, "not closed on its line"),
        (rule("help: 'all\nttl: 5m"), code::YAML, 4, 9, "write another '"),
        (rule("labels:\n  x: \"$1\n  y: \"$2\""), code::YAML, 5, 8, "write another \""),
        (rule("labels: {x: \"$1}"), code::YAML, 4, 15, "not closed"),
        ("mappings:\n- match: \"a.*\n  name: \"n\"\n- match: \"b\"\n".to_owned(), code::YAML, 2, 10, "not closed"),
        ("mappings:\n- match: 'a.*\"\n  name: n\n".to_owned(), code::YAML, 2, 10, "write another '"),
        (rule("help: 'it's'"), code::YAML, 4, 9, "write \"it's\""),
        (rule("help: \"say \"hi\" now\""), code::YAML, 4, 9, "write 'say \"hi\" now'"),
        (rule("help: \"a\" b"), code::YAML, 4, 9, "behind the closing quote"),
        // Colons and brackets.
        ("mappings:\n- match a.*\n  name: n\n".to_owned(), code::YAML, 2, 3, "write `match: a.*`"),
        (rule("ttl 5m"), code::YAML, 4, 3, "write `ttl: 5m`"),
        ("mappings\n- match: a\n  name: n\n".to_owned(), code::YAML, 1, 1, "write `mappings:`"),
        ("mappings:\n- match:a\n  name:n\n".to_owned(), code::BAD_TYPE, 2, 3, "a space behind each `:`"),
        (rule("labels: {x:$1}"), code::BAD_LABEL, 4, 12, "write `x: $1`"),
        (rule("labels:\n  x:$1"), code::BAD_TYPE, 5, 5, "a space behind each `:`"),
        (rule("labels: x=$1"), code::BAD_TYPE, 4, 11, "write `key: value`"),
        (rule("labels: [x: $1]"), code::BAD_TYPE, 4, 11, "without [ ]"),
        (rule("labels: {x: $1"), code::YAML, 4, 11, "not closed by `}`"),
        (rule("histogram_options: {buckets: [1, 2}"), code::YAML, 4, 32, "not closed by `]`"),
        // Columns.
        (rule("labels:\nx: $1"), code::UNKNOWN_KEY, 5, 3, "belongs to `labels`, it is indented further"),
        (rule("labels:\n  x: $1\ny: $2"), code::UNKNOWN_KEY, 6, 3, "two more spaces"),
        (rule("labels:\nname: $1"), code::DOUBLE_KEY, 5, 3, "if it belongs to `labels`"),
        (rule("match_tags:\nx: a"), code::UNKNOWN_KEY, 5, 3, "belongs to `match_tags`"),
        ("mappings:\n- match: a\n  name: n\n  labels:\n x: $1\n".to_owned(), code::YAML, 5, 2, "write 4 spaces"),
        (rule("labels:\n  x: $1\n y: $2"), code::YAML, 6, 4, "write 4 spaces before it, not 3"),
        (rule("labels:\n  x: $1\n   y: $2"), code::YAML, 6, 6, "write 4 spaces before it, not 5"),
        ("mappings:\n- match: a\n name: n\n".to_owned(), code::YAML, 3, 2, "write 2 spaces before it, not 1"),
        ("mappings:\n- match: a\n   name: n\n".to_owned(), code::YAML, 3, 4, "write 2 spaces before it, not 3"),
        ("mappings:\n  - {match: a, name: n}\n - {match: b, name: m}\n".to_owned(), code::YAML, 3, 2, "write 2 spaces before it, not 1"),
        ("mappings:\n- match: a\n\tname: n\n".to_owned(), code::YAML, 3, 1, "tab"),
        ("mappings:\n- match: a\n  \tname: n\n".to_owned(), code::YAML, 3, 3, "tab"),
        ("- match: a\n  name: n\n".to_owned(), code::BAD_TYPE, 1, 1, "write `mappings:` above it"),
        ("mappings:\n  match: a\n  name: n\n".to_owned(), code::BAD_TYPE, 2, 3, "write `- ` before each `match`"),
        (rule("max_age: 5m"), code::UNKNOWN_KEY, 4, 3, "below `summary_options`"),
        // Names.
        ("mappings:\n- match: a\n  name: \"1foo bar\"\n".to_owned(), code::BAD_NAME, 3, 9, "write `_1foo_bar`"),
        ("mappings:\n- match: a.*\n  name: 1_{$1}.x\n".to_owned(), code::BAD_NAME, 3, 9, "write `_1_$1_x`"),
        ("mappings:\n- match: a.*\n  name: a_*\n".to_owned(), code::BAD_NAME, 3, 9, "write `a_${1}`"),
        ("mappings:\n- match: a.*\n  name: a_$x\n".to_owned(), code::BAD_NAME, 3, 9, "write $1 or ${1}"),
        // Words.
        (rule("match_metric_type: count"), code::BAD_VALUE, 4, 22, "did you mean counter?"),
        (rule("match_metric_type: timing"), code::BAD_VALUE, 4, 22, "did you mean observer?"),
        (rule("match_metric_type: ms"), code::BAD_VALUE, 4, 22, "did you mean observer?"),
        (rule("match_metric_type: summary"), code::BAD_VALUE, 4, 22, "did you mean observer?"),
        (rule("match_metric_type: g"), code::BAD_VALUE, 4, 22, "did you mean gauge?"),
        (rule("observer_type: hist"), code::BAD_VALUE, 4, 18, "did you mean histogram?"),
        (rule("match_type: regexp"), code::BAD_VALUE, 4, 15, "did you mean regex?"),
        (rule("match_type: exact"), code::BAD_VALUE, 4, 15, "did you mean glob?"),
        (rule("action: ignore"), code::BAD_VALUE, 4, 11, "did you mean drop?"),
        (rule("type: counter"), code::UNKNOWN_KEY, 4, 3, "write `match_metric_type`"),
        (rule("type: histogram"), code::UNKNOWN_KEY, 4, 3, "write `observer_type`"),
        (
            rule("metric_type: x"),
            code::UNKNOWN_KEY,
            4,
            3,
            "write `match_metric_type` for the kind of samples that the rule is for, or `observer_type`",
        ),
        (rule("metricType: timer"), code::UNKNOWN_KEY, 4, 3, "write `match_metric_type`"),
        (rule("description: all"), code::UNKNOWN_KEY, 4, 3, "write `help`"),
        (rule("regex: a"), code::UNKNOWN_KEY, 4, 3, "`match_type: regex`"),
        (rule("drop: yes"), code::UNKNOWN_KEY, 4, 3, "write `action: drop`"),
        // Numbers and durations.
        (rule("ttl: 5 minutes"), code::BAD_DURATION, 4, 8, "write 5m"),
        (rule("histogram_options: {buckets: [1 2]}"), code::BAD_TYPE, 4, 33, "1, 2"),
        (rule("histogram_options: {buckets: [100ms]}"), code::BAD_TYPE, 4, 33, "a number of seconds: 0.1"),
        (rule("histogram_options:\n  buckets: 1, 2"), code::BAD_TYPE, 5, 14, "write [1, 2]"),
        // Files that are not mapping files.
        ("apiVersion: v1\n".to_owned(), code::UNKNOWN_KEY, 1, 1, "Kubernetes"),
        ("app.*.requests\nname=\"requests\"\n".to_owned(), code::BAD_TYPE, 1, 1, "write YAML"),
    ];
    let mut wrong = Vec::new();
    for (text, code, line, column, says) in cases {
        let found = only(&text);
        if (found.0, found.1, found.2) != (code, line, column) || !found.3.contains(says) {
            wrong.push(format!("{text}{found:?}, not {:?}", (code, line, column, says)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
