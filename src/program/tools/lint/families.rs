//! Finds families that several rules describe differently: type, buckets, help, labels.
//!
//! Must not know which samples arrive.

use std::collections::BTreeMap;

use super::places::{and_lines, place};
use crate::mapping::spec::{Action, Becomes, Config, MetricKind, Rule};
use crate::mapping::unit;
use crate::options::{Observer, Options};
use crate::program::tools::{Remark, Severity};

pub(super) fn families(config: &Config, options: &Options) -> Vec<Remark> {
    let mut by_name: BTreeMap<String, Vec<&Rule>> = BTreeMap::new();
    for rule in config.rules.iter().filter(|rule| rule.action == Action::Map && !rule.name.contains('$')) {
        by_name.entry(family_name(rule)).or_default().push(rule);
    }
    let mut remarks = Vec::new();
    for (name, rules) in &by_name {
        for (place, other) in rules.iter().enumerate() {
            let mut before = rules.iter().take(place);
            remarks.extend(before.clone().find_map(|earlier| type_clash(name, earlier, other, config, options)));
            remarks.extend(before.find_map(|earlier| help_clash(name, earlier, other)));
        }
    }
    remarks.extend(label_drifts(&by_name));
    remarks
}

fn family_name(rule: &Rule) -> String {
    match rule.unit {
        Some(unit) => unit::name_with_unit(&rule.name, unit).into_owned(),
        None => rule.name.clone(),
    }
}

/// The type of a rule's family, as far as the rule defines it.
struct KnownType {
    counter_gauge_or_set: Option<&'static str>,
    observer: Option<Observer>,
}

fn known_type(rule: &Rule, config: &Config, options: &Options) -> KnownType {
    let plain = |name| KnownType { counter_gauge_or_set: Some(name), observer: None };
    match (rule.becomes, rule.kind) {
        (Some(Becomes::Gauge), _) | (None, Some(MetricKind::Gauge)) => plain("gauge"),
        (Some(Becomes::Counter), _) | (None, Some(MetricKind::Counter)) => plain("counter"),
        // A set is exposed as a gauge, but the registry distinguishes them.
        (None, Some(MetricKind::Set)) => plain("set"),
        (None, Some(MetricKind::Observer) | None) => {
            let stated = rule.observer.clone().or_else(|| config.defaults.observer.clone());
            let observer = stated.unwrap_or_else(|| rule.observer_options.over(&options.observer));
            KnownType { counter_gauge_or_set: None, observer: Some(observer) }
        }
    }
}

fn observer_name(observer: &Observer) -> &'static str {
    match observer {
        Observer::Histogram { .. } => "histogram",
        Observer::Summary(_) => "summary",
    }
}

fn type_clash(name: &str, earlier: &Rule, later: &Rule, config: &Config, options: &Options) -> Option<Remark> {
    let (before, after) = (known_type(earlier, config, options), known_type(later, config, options));
    let at = place(earlier, later);
    let clash = |before: &str, after: &str| {
        let text = format!(
            "the family `{name}` is a {after} here and a {before} at {at}: samples of the second type are rejected; give one of them another name"
        );
        Some(Remark::new(Severity::Warning, "type_differs", &later.position, text))
    };
    match ((before.counter_gauge_or_set, before.observer), (after.counter_gauge_or_set, after.observer)) {
        ((Some(before), _), (Some(after), _)) if before != after => clash(before, after),
        // A rule for all kinds may never match an observer.
        ((Some(before), _), (_, Some(after))) if later.kind.is_some() => clash(before, observer_name(&after)),
        ((_, Some(before)), (Some(after), _)) if earlier.kind.is_some() => clash(observer_name(&before), after),
        ((_, Some(before)), (_, Some(after))) if observer_name(&before) != observer_name(&after) => {
            clash(observer_name(&before), observer_name(&after))
        }
        ((_, Some(before)), (_, Some(after))) if before != after => {
            let what = if matches!(after, Observer::Summary(_)) { "quantiles" } else { "buckets" };
            let text =
                format!("the family `{name}` has other {what} at {at}: a family has one set of {what}; write the same in both rules");
            Some(Remark::new(Severity::Warning, "options_differ", &later.position, text))
        }
        _ => None,
    }
}

fn help_clash(name: &str, earlier: &Rule, later: &Rule) -> Option<Remark> {
    let (Some(before), Some(after)) = (&earlier.help, &later.help) else { return None };
    let text =
        || format!("the family `{name}` has another help at {}: only one is exposed; write the same in both rules", place(earlier, later));
    (before != after).then(|| Remark::new(Severity::Warning, "help_differs", &later.position, text()))
}

/// A set of label names, with the rules of a family that give it.
struct LabelSet<'a> {
    labels: Vec<&'a str>,
    rules: Vec<&'a Rule>,
}

/// The families whose rules give different labels. Families of one file with the same label sets share a remark.
fn label_drifts(by_name: &BTreeMap<String, Vec<&Rule>>) -> Vec<Remark> {
    let drifts = by_name.iter().filter_map(|(name, rules)| Some((name, label_sets(rules)?)));
    let mut groups: Vec<Vec<(&String, Vec<LabelSet<'_>>)>> = Vec::new();
    for (name, sets) in drifts {
        let labels = |sets: &[LabelSet<'_>]| sets.iter().map(|set| set.labels.join(",")).collect::<Vec<_>>();
        let file = |sets: &[LabelSet<'_>]| drifting(sets).map(|rule| rule.position.file.clone());
        let is_same = |known: &&mut Vec<(&String, Vec<LabelSet<'_>>)>| {
            known.first().is_some_and(|(_, known)| labels(known) == labels(&sets) && file(known) == file(&sets))
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.push((name, sets)),
            None => groups.push(vec![(name, sets)]),
        }
    }
    groups.into_iter().filter_map(|group| drift_remark(&group)).collect()
}

/// The different label sets of a family, in the order of their first rules; `None` if all rules give the same labels.
fn label_sets<'a>(rules: &[&'a Rule]) -> Option<Vec<LabelSet<'a>>> {
    // The labels of tags are not known, so rules about tags are left out.
    let is_about_tags = |rule: &Rule| !rule.match_tags.is_empty() || !rule.label_steps.is_empty();
    let mut sets: Vec<LabelSet<'a>> = Vec::new();
    for rule in rules.iter().copied().filter(|rule| !is_about_tags(rule)) {
        let mut labels: Vec<&str> = rule.labels.iter().map(|(name, _)| name.as_str()).collect();
        labels.sort_unstable();
        match sets.iter_mut().find(|set| set.labels == labels) {
            Some(set) => set.rules.push(rule),
            None => sets.push(LabelSet { labels, rules: vec![rule] }),
        }
    }
    (sets.len() > 1).then_some(sets)
}

/// The first rule whose labels differ from the labels of the family's first rule.
fn drifting<'a>(sets: &[LabelSet<'a>]) -> Option<&'a Rule> {
    sets.get(1)?.rules.first().copied()
}

fn drift_remark(group: &[(&String, Vec<LabelSet<'_>>)]) -> Option<Remark> {
    let ((name, sets), others) = group.split_first()?;
    let here = drifting(sets)?;
    let sets: Vec<String> = sets.iter().map(|set| format!("{{{}}} {}", set.labels.join(", "), listed(&set.rules, here))).collect();
    let lines: Vec<u32> = others.iter().filter_map(|(_, sets)| Some(drifting(sets)?.position.line)).collect();
    let text = format!(
        "the rules of the family `{name}` give different labels: {}; unless tags add the missing labels, a query by one of them misses \
         series; a fixed value such as \"none\" makes the labels equal{}",
        sets.join(", "),
        and_lines(&lines),
    );
    Some(Remark::new(Severity::Note, "labels_differ", &here.position, text))
}

/// The places of rules in a remark on `here`, with a limit.
fn listed(rules: &[&Rule], here: &Rule) -> String {
    const SHOWN: usize = 10;
    let is_here = |rule: &Rule| rule.position == here.position;
    let shown = rules.iter().take(SHOWN).map(|rule| if is_here(rule) { "here".to_owned() } else { format!("at {}", place(rule, here)) });
    let shown: Vec<String> = shown.collect();
    let more = rules.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(" and ")) } else { shown.join(" and ") }
}
