//! Globs and names that sometimes match: the compiled rules agree with trying each rule separately, and captures are valid.
//!
//! The input has patterns, one per line, then an empty line, then names. A pattern that starts with `~` is a regular expression.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::{Config, MetricKind, Rule};
use statsd_bridge::mapping::{MatchType, Position, Rules};

fn rule(pattern: &str) -> Rule {
    let (match_type, pattern) = pattern.strip_prefix('~').map_or((MatchType::Glob, pattern), |regex| (MatchType::Regex, regex));
    let position = Position { file: Arc::from("rules"), line: 1, column: 1 };
    let labels = vec![("l".to_owned(), "$1$2".to_owned())];
    Rule { name: "n_$1_${2}".to_owned(), labels, ..Rule::new(position, match_type, pattern) }
}

fn compiled(rules: Vec<Rule>, strict_order: bool) -> Option<Rules> {
    let mut config = Config { rules, ..Config::default() };
    config.defaults.strict_order = strict_order;
    Rules::compile(config).ok()
}

fuzz_target!(|text: &str| {
    let (patterns, names) = text.split_once("\n\n").unwrap_or((text, "a.b.c\na.b\nab"));
    // Skip patterns that do not compile, so that the others are tested.
    let rules: Vec<Rule> = patterns.lines().take(12).map(rule).filter(|rule| compiled(vec![rule.clone()], true).is_some()).collect();
    let Some(all) = compiled(rules.clone(), true) else { return };
    let Some(globs_first) = compiled(rules.clone(), false) else { return };
    let alone: Vec<Rules> = rules.iter().filter_map(|rule| compiled(vec![rule.clone()], true)).collect();
    for name in names.lines().take(12) {
        let fits = |number: &usize| alone[*number].find(name, MetricKind::Counter, &[]).is_some();
        let first = (0..alone.len()).find(fits);
        let found = all.find(name, MetricKind::Counter, &[]);
        assert_eq!(found.as_ref().map(|found| found.rule), first, "{name:?} in {patterns:?}");
        let is_glob = |number: &usize| rules[*number].match_type == MatchType::Glob;
        let by_glob = (0..alone.len()).filter(is_glob).find(fits);
        let other = globs_first.find(name, MetricKind::Counter, &[]).map(|found| found.rule);
        assert_eq!(other, by_glob.or(first), "{name:?} in {patterns:?}, globs first");
        if let Some(found) = found {
            let (mut family, mut labels) = (String::new(), Vec::new());
            found.name(&mut family);
            found.labels(&mut labels);
            assert!(family.starts_with("n_") && labels.len() == 1);
        }
        let _ = all.tried(name, MetricKind::Counter, &[]);
    }
});
