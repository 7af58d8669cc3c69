//! Compares the compiled matcher with a linear search of the rules. The alphabet is so small that rules often match the same names.

use std::cell::RefCell;
use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const SEGMENTS: [&str; 14] = ["a", "b", "ab", "*", "*", "**", "a*", "*b", "a*b", "*a*", "{a,b}", "{a,ab}*", "{,a}", "{,a}*{b,}"];
const REGEXES: [&str; 7] = ["a", r"^a\.(.*)$", "b$", "^(a|b)(b)?", r"\.([a-z]*)\.", "^$", "q"];
const NAMES: [&str; 9] = ["a", "b", "ab", "aab", "", "*", "ba", "abb", "é"];
const KINDS: [MetricKind; 4] = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Observer, MetricKind::Set];
const TAGS: [&str; 4] = ["x", "*", "y*", "{x,z}"];
const VALUES: [&str; 4] = ["x", "y1", "z", "x.y"];

fn a_rule() -> impl Strategy<Value = Rule> {
    let glob = proptest::collection::vec(proptest::sample::select(&SEGMENTS[..]), 1..5).prop_map(|all| glob(&all.join(".")));
    let pattern = prop_oneof![5 => glob, 1 => proptest::sample::select(&REGEXES[..]).prop_map(regex)];
    let kind = proptest::option::weighted(0.3, proptest::sample::select(&KINDS[..2]));
    let tag = proptest::option::weighted(0.2, proptest::sample::select(&TAGS[..]));
    (pattern, kind, tag).prop_map(|(mut rule, kind, tag)| {
        rule.kind = kind;
        match tag {
            Some(value) => with_tag(rule, "t", value),
            None => rule,
        }
    })
}

/// Name, kind and tags.
type Asking = (String, MetricKind, Vec<(String, String)>);

fn samples() -> impl Strategy<Value = Vec<Asking>> {
    let name = proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..5).prop_map(|all| all.join("."));
    let value = proptest::option::of(proptest::sample::select(&VALUES[..]));
    let tags = value.prop_map(|value| value.map(|value| pairs(&[("t", value)])).unwrap_or_default());
    proptest::collection::vec((name, proptest::sample::select(&KINDS[..]), tags), 12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_do_what_the_rules_say(
        all in proptest::collection::vec(a_rule(), 1..9),
        samples in samples(),
        disable_ordering: bool,
        strict_order in proptest::bool::weighted(0.3),
    ) {
        let mut config = Config { rules: all, ..Config::default() };
        config.defaults.glob_disable_ordering = disable_ordering;
        config.defaults.strict_order = strict_order;
        let rules = Rules::compile(config.clone()).expect("good rules");
        for (name, kind, tags) in &samples {
            let found = rules.find(name, *kind, tags);
            let want = linear(&config, name, *kind, tags);
            prop_assert_eq!(found.as_ref().map(|found| found.rule), want, "{} {:?} {:?}", name, kind, tags);
            if let Some(found) = &found {
                let want = captures(&config.rules[found.rule], name);
                prop_assert_eq!(Some(found.captures().into_iter().map(str::to_owned).collect()), want, "{}", name);
            }
            agrees_with_tried(&rules, &config, (name, *kind, tags));
        }
    }
}

fn agrees_with_tried(rules: &Rules, config: &Config, (name, kind, tags): (&str, MetricKind, &[(String, String)])) {
    let winner = rules.find(name, kind, tags).map(|found| found.rule);
    for Tried { rule, outcome } in rules.tried(name, kind, tags) {
        let fits = holds(&config.rules[rule], kind, tags) && captures(&config.rules[rule], name).is_some();
        match outcome {
            Outcome::Matched => assert_eq!(winner, Some(rule)),
            Outcome::Hidden { by } => assert!(fits && winner == Some(by) && by != rule),
            other => assert!(!fits, "{rule}: {other}"),
        }
    }
}

/// The rule that applies, found by a linear search.
fn linear(config: &Config, name: &str, kind: MetricKind, tags: &[(String, String)]) -> Option<usize> {
    let fitting = |match_type: MatchType| {
        let fits = move |rule: &Rule| rule.match_type == match_type && holds(rule, kind, tags) && captures(rule, name).is_some();
        config.rules.iter().enumerate().filter(move |(_, rule)| fits(rule)).map(|(index, _)| index)
    };
    let (first_glob, first_regex) = (fitting(MatchType::Glob).next(), fitting(MatchType::Regex).next());
    if config.defaults.strict_order {
        return first_glob.into_iter().chain(first_regex).min();
    }
    if config.defaults.glob_disable_ordering {
        let known = prefixes(config);
        let ranked = fitting(MatchType::Glob).filter_map(|index| Some((rank(&config.rules[index].pattern, name, &known)?, index)));
        return ranked.min().map(|(_, index)| index).or(first_regex);
    }
    first_glob.or(first_regex)
}

fn holds(rule: &Rule, kind: MetricKind, tags: &[(String, String)]) -> bool {
    let holds = |condition: &TagCondition| {
        let pattern = anchored(&condition.value, "(.*)", "(.*)");
        tags.iter().any(|(key, value)| *key == condition.key && pattern.is_match(value))
    };
    rule.kind.is_none_or(|wants| wants == kind) && rule.match_tags.iter().all(holds)
}

/// The captures of the rule's pattern, read as the equivalent regular expression.
fn captures(rule: &Rule, name: &str) -> Option<Vec<String>> {
    let pattern = match rule.match_type {
        MatchType::Glob => anchored(&rule.pattern, "([^.]*)", r"([^.]*(?:\.[^.]*)*)"),
        MatchType::Regex => expression(&rule.pattern),
    };
    let found = pattern.captures(name)?;
    Some(found.iter().skip(1).map(|group| group.map_or(String::new(), |group| group.as_str().to_owned())).collect())
}

fn anchored(glob: &str, star: &str, many: &str) -> ::regex::Regex {
    let mut text = glob.replace('.', r"\.").replace("**", "\0").replace('*', star).replace('\0', many);
    text = text.replace('{', "(").replace('}', ")");
    // Commas occur in groups only.
    expression(&format!("^{}$", text.replace(',', "|")))
}

/// Compiled expressions are kept, because compiling takes longer than everything else.
fn expression(text: &str) -> ::regex::Regex {
    thread_local!(static KNOWN: RefCell<HashMap<String, ::regex::Regex>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| known.entry(text.to_owned()).or_insert_with(|| ::regex::Regex::new(text).expect("legal")).clone())
}

type Rank = Vec<(u8, i64, usize)>;

/// The rank of the most specific way in which `pattern` matches `name`. Each segment of the name adds its class, the length of its
/// literal text, and the first use of the path.
fn rank(pattern: &str, name: &str, known: &[Vec<String>]) -> Option<Rank> {
    let parts: Vec<&str> = name.split('.').collect();
    written_out(pattern).iter().filter_map(|path| rank_from(path, 0, &parts, known)).min()
}

fn rank_from(path: &[String], at: usize, parts: &[&str], known: &[Vec<String>]) -> Option<Rank> {
    let (Some(segment), Some((part, rest))) = (path.get(at), parts.split_first()) else {
        return (at == path.len() && parts.is_empty()).then(Vec::new);
    };
    let class = match segment.as_str() {
        "**" => {
            let ways = (1..=parts.len()).filter_map(|length| {
                let after = rank_from(path, at + 1, &parts[length..], known)?;
                let mut rank = vec![(3, 0, 0)];
                rank.resize(length, (4, 0, 0));
                rank.extend(after);
                Some(rank)
            });
            return ways.min();
        }
        "*" => (2, 0, 0),
        partial if partial.contains('*') => {
            let first = known.iter().position(|other| other.get(..=at) == path.get(..=at)).expect("it is one of them");
            (1, -i64::try_from(partial.replace('*', "").len()).expect("short"), first)
        }
        _ => (0, 0, 0),
    };
    if !anchored(segment, "(.*)", "(.*)").is_match(part) {
        return None;
    }
    let mut rank = vec![class];
    rank.extend(rank_from(path, at + 1, rest, known)?);
    Some(rank)
}

/// The paths of all globs, in the order of the file.
fn prefixes(config: &Config) -> Vec<Vec<String>> {
    config.rules.iter().filter(|rule| rule.match_type == MatchType::Glob).flat_map(|rule| written_out(&rule.pattern)).collect()
}

fn written_out(pattern: &str) -> Vec<Vec<String>> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.split('.').map(str::to_owned).collect()] };
    let (choices, after) = rest.split_once('}').expect("closed");
    choices.split(',').flat_map(|choice| written_out(&format!("{before}{choice}{after}"))).collect()
}
