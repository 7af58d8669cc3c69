//! Finds rules that statsd_exporter treats differently: templates that it parses in another way, and rules that its automaton of globs cannot
//! find. Only with `--compat=statsd_exporter`.
//!
//! Must not change the meaning of a rule. Knows statsd_exporter's grammar of templates and its automaton.

use super::automaton::{Automaton, KINDS};
use super::places::place;
use crate::mapping::Rules;
use crate::mapping::config::MappingText;
use crate::mapping::spec::{Action, Config, MatchType, MetricKind, Rule};
use crate::mapping::template::{Reference, spelled};
use crate::program::tools::{Remark, Severity};

/// `dead` are the remarks on rules that never match in the bridge either.
pub(super) fn differences(rules: &Rules, texts: &[MappingText], dead: &[Remark]) -> Vec<Remark> {
    let config = rules.config();
    // statsd_exporter cannot read files with the extended syntax.
    let is_extended = |rule: &Rule| {
        let text = texts.iter().find(|text| text.name == rule.position.file);
        text.is_some_and(|text| text.text.lines().any(|line| line.starts_with("syntax:") && line.contains("extended")))
    };
    let mut remarks = Vec::new();
    for (index, rule) in config.rules.iter().enumerate().filter(|(_, rule)| !is_extended(rule)) {
        if rule.action == Action::Map {
            let captures = Captures { count: rules.captures_len(index), names: rules.capture_names(index) };
            remarks.extend(templates(rule, &captures));
        }
        if !dead.iter().any(|remark| remark.position == rule.position) {
            remarks.extend(lost(config, index, rule));
        }
        remarks.extend(late(config, index, rule));
    }
    if config.defaults.glob_disable_ordering && !config.defaults.strict_order && !config.rules.iter().any(is_extended) {
        remarks.extend(missed(rules));
    }
    remarks
}

fn note(rule: &Rule, text: String) -> Remark {
    Remark::new(Severity::Note, "differs_in_statsd_exporter", &rule.position, text)
}

struct Captures<'a> {
    count: usize,
    names: Vec<&'a str>,
}

/// The rule's templates that statsd_exporter expands differently; `<1>` stands for the text of a capture.
fn templates(rule: &Rule, captures: &Captures<'_>) -> Vec<Remark> {
    let all = std::iter::once((None, &rule.name)).chain(rule.labels.iter().map(|(label, value)| (Some(label), value)));
    let differ = all.filter_map(|(label, template)| {
        let there = |template: &str| match rule.match_type {
            MatchType::Glob => of_glob(template, captures.count),
            MatchType::Regex => Some(of_regex(template, captures)),
        };
        let here = spelled(template, |reference| marked(reference, rule.match_type, captures));
        let other = there(template);
        if other.as_ref() == Some(&here) {
            return None;
        }
        let what = label.map_or_else(|| "the name".to_owned(), |label| format!("the label `{label}`"));
        let gives = other.map_or_else(|| "corrupts it because of its `%`".to_owned(), |other| format!("expands it to `{other}`"));
        let braced = spelled(template, |reference| match reference {
            Reference::Number(number) => format!("${{{number}}}"),
            Reference::Name(name) => format!("${{{name}}}"),
        });
        let advice =
            if there(&braced).as_ref() == Some(&here) { format!("; write `{braced}` for the same result in both") } else { String::new() };
        Some(note(rule, format!("{what} `{template}` expands to `{here}` in the bridge; statsd_exporter {gives}{advice}")))
    });
    differ.collect()
}

fn mark(what: impl std::fmt::Display) -> String {
    format!("<{what}>")
}

fn marked(reference: &Reference, match_type: MatchType, captures: &Captures<'_>) -> String {
    match reference {
        Reference::Number(0) if match_type == MatchType::Glob => String::new(),
        Reference::Number(number) if *number <= captures.count => mark(number),
        Reference::Name(name) if captures.names.contains(&name.as_str()) => mark(name),
        Reference::Number(_) | Reference::Name(_) => String::new(),
    }
}

/// Expands as Go's `regexp.Expand`: without braces, a reference includes all following letters, digits and `_`.
fn of_regex(template: &str, captures: &Captures<'_>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let found = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').filter(|(name, _)| name.chars().all(is_word)),
            None => after.split_at_checked(after.find(|c| !is_word(c)).unwrap_or(after.len())),
        };
        match found.filter(|(name, _)| !name.is_empty()) {
            None => {
                out.push('$');
                rest = after;
            }
            Some((name, after)) => {
                let reference = if name.bytes().all(|b| b.is_ascii_digit()) {
                    Reference::Number(name.parse().unwrap_or(usize::MAX))
                } else {
                    Reference::Name(name.to_owned())
                };
                out.push_str(&marked(&reference, MatchType::Regex, captures));
                rest = after;
            }
        }
    }
    out + rest
}

/// Expands as statsd_exporter's formatter for globs, which parses `\$\{?([a-zA-Z0-9_\$]+)\}?` as references and passes the rest to `Sprintf`;
/// `None` if `Sprintf` parses a `%` as a verb.
fn of_glob(template: &str, count: usize) -> Option<String> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    // References are found in the original template, and replaced everywhere in this order.
    let (mut found, mut rest) = (Vec::new(), template);
    while let Some((_, after)) = rest.split_once('$') {
        let body = after.strip_prefix('{').unwrap_or(after);
        let length = body.find(|c| !is_taken(c)).unwrap_or(body.len());
        if length == 0 {
            rest = after;
            continue;
        }
        let (name, behind) = body.split_at_checked(length)?;
        let after_it = behind.strip_prefix('}').unwrap_or(behind);
        let start = rest.len() - after.len() - 1;
        let whole = rest.get(start..rest.len() - after_it.len())?;
        found.push((whole, name));
        rest = after_it;
    }
    const VERB: &str = "\u{0}";
    let (mut text, mut arguments) = (template.to_owned(), Vec::new());
    for (whole, name) in found {
        match name.parse::<usize>().ok().filter(|number| *number <= count) {
            None => text = text.replace(whole, ""),
            Some(number) => {
                text = text.replace(whole, VERB);
                arguments.push(number);
            }
        }
    }
    if arguments.is_empty() {
        return Some(text);
    }
    if text.contains('%') {
        return None;
    }
    let mut arguments = arguments.into_iter();
    let mut out = String::new();
    for (place, piece) in text.split(VERB).enumerate() {
        if place > 0 {
            out.push_str(&arguments.next().map_or_else(String::new, mark));
        }
        out.push_str(piece);
    }
    Some(out)
}

/// The kinds of statsd_exporter that both rules match.
fn common_kinds(a: &Rule, b: &Rule) -> Vec<MetricKind> {
    let is_for = |rule: &Rule, kind: MetricKind| rule.kind.is_none_or(|own| own == kind);
    KINDS.into_iter().filter(|kind| is_for(a, *kind) && is_for(b, *kind)).collect()
}

fn globs_before(config: &Config, index: usize) -> impl Iterator<Item = (usize, &Rule)> {
    let before = config.rules.iter().enumerate().take(index);
    before.filter(|(_, rule)| rule.match_type == MatchType::Glob)
}

/// A glob that is the start of a longer glob before it: its state exists already, and never gets this rule.
fn lost(config: &Config, index: usize, rule: &Rule) -> Option<Remark> {
    if rule.match_type != MatchType::Glob {
        return None;
    }
    let begins = format!("{}.", rule.pattern);
    let is_longer = |(_, other): &(usize, &Rule)| other.pattern.starts_with(&begins) && !common_kinds(other, rule).is_empty();
    let (_, longer) = globs_before(config, index).find(is_longer)?;
    let kinds = common_kinds(longer, rule);
    let of = match kinds.as_slice() {
        [MetricKind::Counter] if rule.kind.is_none() => " for counters",
        [MetricKind::Gauge] if rule.kind.is_none() => " for gauges",
        [MetricKind::Observer] if rule.kind.is_none() => " for timers",
        _ => "",
    };
    let text = format!(
        "statsd_exporter never uses `{}`{of}, because the longer `{}` at {} is before it; move it before that rule for the same result in \
         both",
        rule.pattern,
        longer.pattern,
        place(longer, rule),
    );
    Some(note(rule, text))
}

/// A duplicate: statsd_exporter uses the first rule, but at the place of the second one, after the rules between them.
fn late(config: &Config, index: usize, rule: &Rule) -> Option<Remark> {
    if rule.match_type != MatchType::Glob || config.defaults.glob_disable_ordering {
        return None;
    }
    let is_same = |other: &Rule| other.pattern == rule.pattern && !common_kinds(other, rule).is_empty();
    let (first_at, first) = globs_before(config, index).find(|(_, other)| is_same(other))?;
    let overlaps = |other: &Rule| {
        let (mut a, mut b) = (first.pattern.split('.'), other.pattern.split('.'));
        let pairs = a.by_ref().zip(b.by_ref()).all(|(a, b)| a == b || a == "*" || b == "*");
        pairs && first.pattern.split('.').count() == other.pattern.split('.').count() && other.pattern != first.pattern
    };
    let (_, between) =
        globs_before(config, index).find(|(at, other)| *at > first_at && overlaps(other) && !common_kinds(first, other).is_empty())?;
    let text = format!(
        "because of this duplicate, statsd_exporter tries `{}` at {} only here, after `{}` at {}; remove the duplicate for the same result in both",
        first.pattern,
        place(first, rule),
        between.pattern,
        place(between, rule),
    );
    Some(note(rule, text))
}

/// Globs that its automaton does not find, because the name starts like a more specific glob and it does not backtrack.
fn missed(rules: &Rules) -> Vec<Remark> {
    /// Limit of rules for this check, because the number of names grows with the square of the number of rules.
    const MAX_RULES: usize = 1_000;
    let all = &rules.config().rules;
    let automaton = Automaton::new(all);
    if automaton.backtracks || all.len() > MAX_RULES {
        return Vec::new();
    }
    let globs = || all.iter().enumerate().filter(|(_, rule)| rule.match_type == MatchType::Glob);
    let is_missed = |(index, rule): (usize, &Rule), other: &Rule| {
        let name = name_beside(&rule.pattern, &other.pattern)?;
        let kind = *common_kinds(rule, other).first()?;
        let is_here = rules.find(&name, kind, &[]).is_some_and(|found| found.rule == index);
        (is_here && automaton.find(&name, kind) != Some(index)).then_some(name)
    };
    let missed = globs().filter_map(|(index, rule)| {
        let (other, name) = globs().find_map(|(_, other)| Some((other, is_missed((index, rule), other)?)))?;
        let text = format!(
            "with `glob_disable_ordering`, statsd_exporter does not backtrack from `{}` at {}: it does not find this rule for `{name}`; remove \
             that key and move more specific rules to the front for the same result in both",
            other.pattern,
            place(other, rule),
        );
        Some(note(rule, text))
    });
    missed.collect()
}

/// A name that `glob` matches, with the plain segments of `other` at the places of its `*`; `None` without such a place.
fn name_beside(glob: &str, other: &str) -> Option<String> {
    if glob.split('.').count() != other.split('.').count() || glob == other {
        return None;
    }
    let both = || glob.split('.').zip(other.split('.'));
    let first = both().position(|(own, other)| own == "*" && other != "*")?;
    let segment = |(place, (own, other)): (usize, (&str, &str))| match own {
        "*" if place <= first && other != "*" => other.to_owned(),
        "*" => "x".to_owned(),
        own => own.to_owned(),
    };
    Some(both().enumerate().map(segment).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glob_templates_expand_as_in_statsd_exporter() {
        for (template, want) in [
            ("a_$1", Some("a_<1>")),
            ("a_${1}_total", Some("a_<1>_total")),
            ("a_$1_total", Some("a_")),
            ("$2$1", Some("")),
            ("${2}${1}", Some("<2><1>")),
            ("$1-$2", Some("<1>-<2>")),
            ("$1.$1", Some("<1>.<1>")),
            ("$0", Some("<0>")),
            ("${0}_$1", Some("<0>_<1>")),
            ("$3", Some("")),
            ("$x", Some("")),
            ("${1", Some("<1>")),
            ("100%", Some("100%")),
            ("$1%", None),
            ("$", Some("$")),
            ("a $ b", Some("a $ b")),
            ("plain", Some("plain")),
        ] {
            assert_eq!(of_glob(template, 2).as_deref(), want, "{template}");
        }
    }

    #[test]
    fn regex_templates_expand_as_in_go() {
        let captures = Captures { count: 3, names: vec!["x"] };
        for (template, want) in [
            ("a_$3", "a_<3>"),
            ("$3_duration", ""),
            ("${3}_duration", "<3>_duration"),
            ("$1x", ""),
            ("$1-$2", "<1>-<2>"),
            ("$0", "<0>"),
            ("$x.${x}", "<x>.<x>"),
            ("$x_a", ""),
            ("$$1", "$1"),
            ("${1", "${1"),
            ("${}", "${}"),
            ("$", "$"),
            ("100%", "100%"),
        ] {
            assert_eq!(of_regex(template, &captures), want, "{template}");
        }
    }
}
