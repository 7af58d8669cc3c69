//! Finds references to captures that do not exist, and wildcards whose text goes nowhere. Must not know whether a rule is ever
//! reached.

use std::collections::BTreeSet;

use crate::mapping::Rules;
use crate::mapping::spec::{Action, MatchType, Rule};
use crate::mapping::template::{Reference, references};
use crate::program::tools::{Remark, Severity};

pub(super) fn captures(rules: &Rules) -> Vec<Remark> {
    let mut remarks = Vec::new();
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
        remarks.extend(unused(rule, known.count, &used));
    }
    remarks
}

struct Known<'a> {
    count: usize,
    names: Vec<&'a str>,
    is_glob: bool,
}

impl Known<'_> {
    /// What is wrong with a reference.
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
            Reference::Number(0) if self.is_glob => {
                Some("uses $0, which a glob does not have; it becomes nothing: the first wildcard is $1".to_owned())
            }
            Reference::Number(number) if *number > self.count => Some(format!("uses ${number}, but {has}; it becomes nothing")),
            Reference::Name(name) if !self.names.contains(&name.as_str()) => {
                Some(format!("uses ${name}, but no group has this name; it becomes nothing: write $$ for a dollar sign"))
            }
            _ => None,
        }
    }
}

/// Only for globs: the group of a regular expression may be there for its alternatives.
fn unused(rule: &Rule, count: usize, used: &BTreeSet<usize>) -> Option<Remark> {
    if rule.match_type == MatchType::Regex || rule.pattern.contains('{') {
        return None;
    }
    let unused: Vec<String> = (1..=count).filter(|number| !used.contains(number)).map(|number| format!("${number}")).collect();
    if unused.is_empty() {
        return None;
    }
    let text = format!(
        "{} of `{}` {} used nowhere: names that differ only there become one series (counters add up, gauges overwrite each other); \
         put it into a label unless that is meant",
        unused.join(", "),
        rule.pattern,
        if unused.len() == 1 { "is" } else { "are" },
    );
    Some(Remark::new(Severity::Note, "unused_capture", &rule.position, text))
}
