//! Finds references to captures that do not exist, and captures that no template uses. Must not know whether a rule can match.

use std::collections::{BTreeMap, BTreeSet};

use super::places::and_lines;
use crate::mapping::Rules;
use crate::mapping::spec::{Action, MatchType, Rule};
use crate::mapping::template::{Reference, references};
use crate::program::tools::{Remark, Severity};

pub(super) fn captures(rules: &Rules) -> Vec<Remark> {
    let (mut remarks, mut with_unused) = (Vec::new(), Vec::new());
    for (index, rule) in rules.config().rules.iter().enumerate().filter(|(_, rule)| rule.action == Action::Map) {
        let templates = || std::iter::once(("the name", &rule.name)).chain(rule.labels.iter().map(|(name, value)| (name.as_str(), value)));
        let known =
            Known { count: rules.captures_len(index), names: rules.capture_names(index), is_glob: rule.match_type == MatchType::Glob };
        for (of, template) in templates() {
            let of = if of == "the name" { of.to_owned() } else { format!("the label `{of}`") };
            let bad = references(template).into_iter().filter_map(|reference| known.fault(&reference));
            remarks.extend(bad.map(|fault| Remark::new(Severity::Warning, "no_such_capture", &rule.position, format!("{of} {fault}"))));
        }
        let used: BTreeSet<usize> = templates()
            .flat_map(|(_, template)| references(template))
            .filter_map(|reference| if let Reference::Number(number) = reference { Some(number) } else { None })
            .collect();
        with_unused.push((rule, unused(rule, known.count, &used)));
    }
    remarks.extend(unused_remarks(&with_unused));
    remarks
}

struct Known<'a> {
    count: usize,
    names: Vec<&'a str>,
    is_glob: bool,
}

impl Known<'_> {
    /// The problem of a reference.
    fn fault(&self, reference: &Reference) -> Option<String> {
        let has = match (self.count, self.is_glob) {
            (0, true) => "the pattern has no wildcard".to_owned(),
            (1, true) => "the pattern has one wildcard".to_owned(),
            (count, true) => format!("the pattern has {count} wildcards"),
            (0, false) => "the regex has no group".to_owned(),
            (1, false) => "the regex has one group".to_owned(),
            (count, false) => format!("the regex has {count} groups"),
        };
        match reference {
            Reference::Number(number) if *number > self.count => Some(format!("uses ${number}, but {has}; it expands to nothing")),
            Reference::Name(name) if !self.names.contains(&name.as_str()) => {
                Some(format!("uses ${name}, but no group has this name; it expands to nothing: write $$ for a dollar sign"))
            }
            _ => None,
        }
    }
}

/// The captures of a glob that no template uses. Regular expressions are left out, because a group may exist for its alternatives.
fn unused(rule: &Rule, count: usize, used: &BTreeSet<usize>) -> Vec<usize> {
    if rule.match_type == MatchType::Regex || rule.pattern.contains('{') {
        return Vec::new();
    }
    (1..=count).filter(|number| !used.contains(number)).collect()
}

/// One remark for all rules of a file that leave out the same captures, such as a host at the start of every name.
fn unused_remarks(rules: &[(&Rule, Vec<usize>)]) -> Vec<Remark> {
    // Rules by file and capture, in order.
    let mut by_capture: BTreeMap<(&str, usize), Vec<&Rule>> = BTreeMap::new();
    for (rule, unused) in rules {
        for number in unused {
            by_capture.entry((&rule.position.file, *number)).or_default().push(rule);
        }
    }
    let mut remarks: Vec<(Vec<&Rule>, Vec<usize>)> = Vec::new();
    for ((_, number), of) in by_capture {
        let is_same =
            |known: &&mut (Vec<&Rule>, Vec<usize>)| known.0.iter().map(|rule| &rule.position).eq(of.iter().map(|rule| &rule.position));
        match remarks.iter_mut().find(is_same) {
            Some((_, numbers)) => numbers.push(number),
            None => remarks.push((of, vec![number])),
        }
    }
    remarks.into_iter().filter_map(|(of, numbers)| unused_remark(&of, &numbers)).collect()
}

fn unused_remark(rules: &[&Rule], numbers: &[usize]) -> Option<Remark> {
    let (first, others) = rules.split_first()?;
    let numbers: Vec<String> = numbers.iter().map(|number| format!("${number}")).collect();
    let lines: Vec<u32> = others.iter().map(|rule| rule.position.line).collect();
    let text = format!(
        "no template uses {} of `{}`: names that differ only there become one series (counters add up, gauges overwrite each other); \
         put it into a label unless this is intended{}",
        numbers.join(", "),
        first.pattern,
        and_lines(&lines),
    );
    Some(Remark::new(Severity::Note, "unused_capture", &first.position, text))
}
