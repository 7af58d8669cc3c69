//! Tests of compiled rules.

use std::sync::Arc;

use super::*;
use crate::mapping::spec::{Position, TagCondition};

#[path = "rules_differential.rs"]
mod differential;

pub(super) fn rule(match_type: MatchType, pattern: &str) -> Rule {
    let position = Position { file: Arc::from("test.yml"), line: 1, column: 1 };
    Rule { name: "n".to_owned(), ..Rule::new(position, match_type, pattern) }
}

fn glob(pattern: &str) -> Rule {
    rule(MatchType::Glob, pattern)
}

fn regex(pattern: &str) -> Rule {
    rule(MatchType::Regex, pattern)
}

fn named(mut rule: Rule, name: &str, labels: &[(&str, &str)]) -> Rule {
    rule.name = name.to_owned();
    rule.labels = pairs(labels);
    rule
}

fn of_kind(mut rule: Rule, kind: MetricKind) -> Rule {
    rule.kind = Some(kind);
    rule
}

fn with_tag(mut rule: Rule, key: &str, value: &str) -> Rule {
    rule.match_tags.push(TagCondition { key: key.to_owned(), value: value.to_owned() });
    rule
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn compiled(rules: Vec<Rule>) -> Rules {
    Rules::compile(Config { rules, ..Config::default() }).expect("good rules")
}

fn specific(rules: Vec<Rule>) -> Rules {
    let mut config = Config { rules, ..Config::default() };
    config.defaults.glob_disable_ordering = true;
    Rules::compile(config).expect("good rules")
}

fn winner(rules: &Rules, name: &str) -> Option<usize> {
    rules.find(name, MetricKind::Counter, &[]).map(|found| found.rule)
}

#[test]
fn rules_are_shared_between_threads_and_none_match_nothing() {
    fn shared<T: Send + Sync>() {}
    shared::<Rules>();
    for rules in [Rules::default(), compiled(Vec::new())] {
        assert_eq!(winner(&rules, "a"), None);
        assert_eq!(rules.tried("a", MetricKind::Set, &[]), []);
        assert!(rules.config().rules.is_empty());
    }
}

#[test]
fn a_found_rule_gives_name_labels_and_captures() {
    let rules = compiled(vec![
        named(glob("a.*.*"), "n_$2_total$0", &[("x", "$1"), ("y", "${2}%"), ("z", "$3")]),
        named(regex(r"^b\.(?P<one>\w+)(\.q)?"), "$one-$2", &[("all", "$0"), ("none", "$two")]),
    ]);
    let all = |name: &str| {
        let found = rules.find(name, MetricKind::Gauge, &[]).expect(name);
        let (mut text, mut labels) = (String::new(), Vec::new());
        found.name(&mut text);
        found.labels(&mut labels);
        (text, labels, found.captures().join("|"))
    };
    assert_eq!(all("a.b.c-d"), ("n_c-d_totala.b.c-d".into(), pairs(&[("x", "b"), ("y", "c-d%"), ("z", "")]), "b|c-d".into()));
    assert_eq!(all("b.xy.z"), ("xy-".into(), pairs(&[("all", "b.xy"), ("none", "")]), "xy|".into()));
    assert_eq!((rules.captures_len(0), rules.captures_len(1), rules.captures_len(2)), (2, 2, 0));
    assert_eq!(rules.capture_names(1), ["one"]);
}

/// Rules that statsd_exporter's automaton hides or demotes.
#[test]
fn no_rule_is_hidden() {
    for (longer, shorter, name) in [("a.b.c", "a.b", "a.b"), ("a.*.c", "a.*", "a.x")] {
        assert_eq!(winner(&compiled(vec![glob(longer), glob(shorter)]), name), Some(1), "{name}");
    }
    assert_eq!(winner(&compiled(vec![glob("a.*"), glob("*.b"), glob("a.*")]), "a.b"), Some(0), "a duplicate demotes nothing");
    let rules = compiled(vec![glob("a.*")]);
    assert_eq!(rules.find("a.*", MetricKind::Set, &[]).expect("matches").captures(), ["*"]);
}

#[test]
fn a_rule_of_another_kind_or_tag_is_skipped() {
    let tagged = with_tag(glob("a.*"), "env", "prod*");
    let rules = compiled(vec![of_kind(glob("a.*"), MetricKind::Gauge), tagged, glob("*.b"), of_kind(regex("a"), MetricKind::Set)]);
    let find = |name: &str, kind, tags: &[(&str, &str)]| rules.find(name, kind, &pairs(tags)).map(|found| found.rule);
    assert_eq!(find("a.b", MetricKind::Gauge, &[]), Some(0));
    assert_eq!(find("a.b", MetricKind::Counter, &[("env", "production")]), Some(1));
    assert_eq!(find("a.b", MetricKind::Counter, &[("env", "test")]), Some(2));
    assert_eq!(find("a.c", MetricKind::Counter, &[]), None);
    assert_eq!(find("a.c", MetricKind::Set, &[]), Some(3));
    assert_eq!(find("a.b", MetricKind::Counter, &[("env", "prod"), ("env", "test")]), Some(2), "the last of a key counts");
}

#[test]
fn order_follows_the_configuration() {
    let all = || vec![regex("^a"), glob("*.*.c"), glob("*.b.*"), glob("a.*.*"), glob("a.b*.*")];
    assert_eq!(winner(&compiled(all()), "a.b.c"), Some(1));
    assert_eq!(winner(&specific(all()), "a.b.c"), Some(4), "partial before star");
    assert_eq!(winner(&compiled(all()), "a"), Some(0));
    let mut config = Config { rules: all(), ..Config::default() };
    config.defaults.strict_order = true;
    assert_eq!(winner(&Rules::compile(config).expect("good"), "a.b.c"), Some(0));
    assert_eq!(winner(&specific(vec![glob("a.b.*.x"), glob("a.*.c.d")]), "a.b.c.d"), Some(1), "goes back where a literal leads nowhere");
}

/// `\B` matches between the bytes of a character, where no text can start or end.
#[test]
fn a_capture_inside_of_a_character_is_empty() {
    let rules = compiled(vec![named(regex(r"^a?(\B)(.*)"), "n_$1", &[("rest", "$2")]), regex(r"(\B)")]);
    let found = rules.find("aé", MetricKind::Counter, &[]).expect("a match");
    assert!(found.captures().iter().all(|capture| "aé".contains(capture)), "{:?}", found.captures());
    let found = rules.find("é", MetricKind::Counter, &[]).expect("a match");
    assert!(found.captures().iter().all(|capture| "é".contains(capture)), "{:?}", found.captures());
    let inside = compiled(vec![regex(r"a.*(\B)")]);
    let found = inside.find("aé", MetricKind::Counter, &[]).expect("a match");
    assert_eq!(found.captures(), [""]);
}

#[test]
fn mistakes_are_all_found() {
    let mut mapped = glob("a");
    mapped.label_steps = vec![LabelStep::MapValues("x".into(), pairs(&[("{", "y")]))];
    let rules = vec![glob("a..b"), regex("("), glob("ok"), with_tag(glob("a"), "k", "}"), mapped];
    let findings = Rules::compile(Config { rules, ..Config::default() }).expect_err("four mistakes");
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["bad_glob", "bad_regex", "bad_match_tags", "bad_value_map"]);
    assert!(findings.iter().all(|finding| finding.is_error && finding.text.ends_with('.')));
}

#[test]
fn outcomes_are_in_order_of_precedence() {
    let rules = compiled(vec![
        regex("^x"),
        glob("a.*.c"),
        of_kind(glob("a.b"), MetricKind::Gauge),
        with_tag(glob("a.b"), "k", "v"),
        glob("a.*"),
        glob("*.b"),
        glob("z"),
    ]);
    let told = |name: &str| {
        let tried = rules.tried(name, MetricKind::Counter, &pairs(&[("k", "w")]));
        tried.iter().map(|tried| format!("{} {}", tried.rule, tried.outcome)).collect::<Vec<_>>()
    };
    assert_eq!(
        told("a.b"),
        [
            "1 the name has only 2 of 3 segments",
            "2 it is for the kind gauge",
            "3 tag k is `w`, not `v`",
            "4 matched",
            "5 matches too, but rule 5 counts before it",
        ]
    );
    assert_eq!(told("q").last().map(String::as_str), Some("0 the pattern does not match"));
    assert_eq!(told("q").len(), 7);
    let rules = specific(vec![glob("*.b"), glob("a.b")]);
    let tried = rules.tried("a.b", MetricKind::Counter, &[]);
    assert_eq!(tried.iter().map(|tried| tried.rule).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(tried[1].outcome, Outcome::Hidden { by: 1 });
}

/// Without memory of visited states, each search takes exponential time.
#[test]
fn no_search_is_exponential() {
    let name = vec!["a"; 500].join(".");
    let stars = format!("{}.b", vec!["**.a"; 40].join("."));
    assert_eq!(winner(&compiled(vec![glob(&stars)]), &name), None);
    assert_eq!(winner(&specific(vec![glob(&stars)]), &name), None);
    let ways = (0..512).map(|bits| {
        let segments = (0..9).map(|bit| if bits >> bit & 1 == 1 { "*" } else { "a" }).collect::<Vec<_>>().join(".");
        glob(&format!("{segments}.**.b"))
    });
    assert_eq!(winner(&compiled(ways.collect()), &name), None);
}
