//! Finds rules that give counters, gauges and timers one name: the first sample decides the type of the family, and other kinds conflict with
//! it.
//!
//! Uses the breadth of a pattern and the words in it. Must not know which samples arrive.

use std::collections::BTreeMap;

use super::include::{glob_includes, is_catch_all, is_catch_all_glob, regex_includes};
use super::places::place;
use crate::mapping::spec::{Action, Config, MatchType, MetricKind, Rule};
use crate::program::tools::{Remark, Severity};

const KINDS: [(MetricKind, &str); 3] = [(MetricKind::Counter, "counters"), (MetricKind::Gauge, "gauges"), (MetricKind::Observer, "timers")];

pub(super) fn kinds(config: &Config) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for (index, rule) in config.rules.iter().enumerate().filter(|(_, rule)| is_for_all(rule)) {
        let before = config.rules.get(..index).unwrap_or_default();
        let breadth = breadth(rule).filter(|breadth| breadth.is_of_the_whole_file(rule, &config.rules));
        remarks.extend(breadth.and_then(|breadth| broad(rule, breadth, before)));
        by_name.entry(&rule.name).or_default().push(rule);
    }
    remarks.extend(by_name.values().filter_map(|rules| clash_of_words(rules)));
    remarks
}

/// Whether the rule matches all kinds and gives a constant name.
fn is_for_all(rule: &Rule) -> bool {
    let is_plain = rule.action == Action::Map && rule.kind.is_none() && rule.becomes.is_none() && rule.unit.is_none();
    is_plain && rule.match_tags.is_empty() && !rule.name.contains('$')
}

enum Breadth<'a> {
    /// Every name.
    All,
    /// Every name that begins with this segment.
    Under(&'a str),
}

impl Breadth<'_> {
    /// Whether the rule gives its name to all names of an application: the name adds nothing to the segment, and the rule's file has no other
    /// segments. A segment beside others is a part of an application, whose samples can be of one kind.
    fn is_of_the_whole_file(&self, rule: &Rule, all: &[Rule]) -> bool {
        let Self::Under(first) = self else { return true };
        if !is_name_of_all(&rule.name, first) {
            return false;
        }
        let begins = |pattern: &str| pattern.trim_start_matches('^').strip_prefix(first).is_some_and(|rest| !rest.starts_with(is_of_name));
        let others = all.iter().filter(|other| other.position.file == rule.position.file && other.action == Action::Map);
        others.map(|other| &other.pattern).all(|pattern| begins(pattern) || pattern.starts_with(['*', '.', '(']))
    }
}

/// Whether `name` is the segment itself, with or without a word without meaning.
fn is_name_of_all(name: &str, segment: &str) -> bool {
    let rest = name.strip_prefix(segment.replace('-', "_").as_str());
    let words = ["", "_all", "_data", "_info", "_metric", "_metrics", "_misc", "_other", "_stat", "_stats", "_statsd", "_value", "_values"];
    rest.is_some_and(|rest| words.contains(&rest))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn breadth(rule: &Rule) -> Option<Breadth<'_>> {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(is_of_name);
    match rule.match_type {
        MatchType::Glob if is_catch_all_glob(&rule.pattern) => Some(Breadth::All),
        MatchType::Glob => {
            let (first, others) = rule.pattern.split_once('.').unwrap_or((&rule.pattern, ""));
            let is_open = others.split('.').all(|segment| matches!(segment, "*" | "**"));
            match first {
                "*" => (others.is_empty() || is_open).then_some(Breadth::All),
                first => (is_open && is_name(first)).then_some(Breadth::Under(first)),
            }
        }
        MatchType::Regex if is_catch_all(&rule.pattern) => Some(Breadth::All),
        MatchType::Regex => {
            let inner = rule.pattern.strip_prefix('^')?;
            let inner = inner.strip_suffix('$').unwrap_or(inner);
            let tail =
                |end: &str| inner.strip_suffix(end).map(|first| first.strip_suffix("\\.").or(first.strip_suffix('.')).unwrap_or(first));
            ["(.*)", "(.+)", ".*", ".+"].into_iter().find_map(tail).filter(|first| is_name(first)).map(Breadth::Under)
        }
    }
}

/// The remark on a broad rule, unless its name implies a kind or earlier rules leave one kind only.
fn broad(rule: &Rule, breadth: Breadth<'_>, before: &[Rule]) -> Option<Remark> {
    let includes = |earlier: &Rule| match (earlier.match_type, rule.match_type) {
        (MatchType::Glob, MatchType::Glob) => glob_includes(&earlier.pattern, &rule.pattern),
        (MatchType::Regex, MatchType::Regex) => regex_includes(&earlier.pattern, &rule.pattern),
        (MatchType::Glob, MatchType::Regex) => is_catch_all_glob(&earlier.pattern),
        (MatchType::Regex, MatchType::Glob) => false,
    };
    let is_taken = |kind| before.iter().any(|earlier| earlier.kind == Some(kind) && earlier.match_tags.is_empty() && includes(earlier));
    let left: Vec<&str> = KINDS.into_iter().filter(|(kind, _)| !is_taken(*kind)).map(|(_, word)| word).collect();
    let kinds = match left.as_slice() {
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        _ => return None,
    };
    if says_its_kind(&rule.name) {
        return None;
    }
    let (severity, names) = match breadth {
        Breadth::All => (Severity::Warning, names_of_all(rule)),
        Breadth::Under(first) => (Severity::Note, format!("all names under `{first}`")),
    };
    let text = format!(
        "{names} become the one family `{}`, with {}: the first sample decides its type, and samples of other types are rejected as a \
         conflict; put a capture into the name, as in `{}_${{1}}`, or write a rule with `match_metric_type` for each kind",
        rule.name, kinds, rule.name,
    );
    Some(Remark::new(severity, "kinds_meet", &rule.position, text))
}

fn names_of_all(rule: &Rule) -> String {
    match rule.pattern.split('.').count() {
        1 if rule.pattern == "*" => "all names of one segment".to_owned(),
        count if rule.match_type == MatchType::Glob && !rule.pattern.contains("**") => format!("all names of {count} segments"),
        _ => "all names".to_owned(),
    }
}

/// Whether the end of a name implies one kind.
fn says_its_kind(name: &str) -> bool {
    let last = name.rsplit_once('_').map_or(name, |(_, last)| last);
    matches!(last, "total" | "count" | "seconds" | "ms" | "milliseconds" | "microseconds" | "duration" | "latency" | "time" | "bytes")
}

/// Two rules for one name, one with a word for times and one with a word for counts.
fn clash_of_words(rules: &[&Rule]) -> Option<Remark> {
    let last = |rule: &&Rule| rule.pattern.trim_end_matches('$').rsplit(['.', '_', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let is_timer = |rule: &&&Rule| matches!(last(rule).as_str(), "timer" | "timing" | "duration" | "latency" | "time" | "elapsed" | "ms");
    let is_counter = |rule: &&&Rule| matches!(last(rule).as_str(), "count" | "counter" | "counts" | "total" | "hits");
    let (timer, counter) = (rules.iter().find(is_timer)?, rules.iter().find(is_counter)?);
    let is_after = timer.position.file != counter.position.file || timer.position.line > counter.position.line;
    let (earlier, later) = if is_after { (counter, timer) } else { (timer, counter) };
    let text = format!(
        "`{}` and `{}` at {} give the same name, `{}`: if they are timers and counters, the first sample decides its type, and samples of the \
         other type are rejected as a conflict; give one of them another name, such as `{}_seconds` or `{}_total`",
        later.pattern,
        earlier.pattern,
        place(earlier, later),
        later.name,
        later.name,
        later.name,
    );
    Some(Remark::new(Severity::Note, "kinds_meet", &later.position, text))
}
