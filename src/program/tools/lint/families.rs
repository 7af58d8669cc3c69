//! Finds families that several rules feed and that these rules describe differently: type, buckets, help, labels.
//!
//! Must not know which samples arrive.

use std::collections::HashMap;

use super::places::place;
use crate::mapping::spec::{Action, Becomes, Config, MetricKind, Rule};
use crate::mapping::unit;
use crate::options::{Observer, Options};
use crate::program::tools::{Remark, Severity};

pub(super) fn families(config: &Config, options: &Options) -> Vec<Remark> {
    let mut by_name: HashMap<String, Vec<&Rule>> = HashMap::new();
    for rule in config.rules.iter().filter(|rule| rule.action == Action::Map && !rule.name.contains('$')) {
        by_name.entry(family_name(rule)).or_default().push(rule);
    }
    let mut remarks = Vec::new();
    for (name, rules) in &by_name {
        let Some((first, others)) = rules.split_first() else { continue };
        for other in others {
            remarks.extend(label_drift(name, first, other));
        }
        for (place, other) in rules.iter().enumerate() {
            let before = rules.get(..place).unwrap_or_default();
            remarks.extend(before.iter().find_map(|earlier| type_clash(name, earlier, other, (config, options))));
            remarks.extend(before.iter().find_map(|earlier| help_clash(name, earlier, other)));
        }
    }
    remarks
}

fn family_name(rule: &Rule) -> String {
    match rule.unit {
        Some(unit) => unit::name_with_unit(&rule.name, unit).into_owned(),
        None => rule.name.clone(),
    }
}

/// The type of a rule's family where the rule itself says it; `of_observers` if only observers are known.
struct KnownType {
    counter_gauge_or_set: Option<&'static str>,
    observer: Option<Observer>,
}

fn known_type(rule: &Rule, config: &Config, options: &Options) -> KnownType {
    let plain = |name| KnownType { counter_gauge_or_set: Some(name), observer: None };
    match (rule.becomes, rule.kind) {
        (Some(Becomes::Gauge), _) | (None, Some(MetricKind::Gauge)) => plain("gauge"),
        (Some(Becomes::Counter), _) | (None, Some(MetricKind::Counter)) => plain("counter"),
        // On the page a set is a gauge, but the registry keeps them apart.
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

fn type_clash(name: &str, earlier: &Rule, later: &Rule, of: (&Config, &Options)) -> Option<Remark> {
    let (before, after) = (known_type(earlier, of.0, of.1), known_type(later, of.0, of.1));
    let at = place(earlier, later);
    let clash = |before: &str, after: &str| {
        let text = format!(
            "the family `{name}` is a {after} here and a {before} at {at}: whichever comes second is refused; give one another name"
        );
        Some(Remark::new(Severity::Warning, "type_differs", &later.position, text))
    };
    match ((before.counter_gauge_or_set, before.observer), (after.counter_gauge_or_set, after.observer)) {
        ((Some(before), _), (Some(after), _)) if before != after => clash(before, after),
        // A rule for all kinds may never see an observer.
        ((Some(before), _), (_, Some(after))) if later.kind.is_some() => clash(before, observer_name(&after)),
        ((_, Some(before)), (Some(after), _)) if earlier.kind.is_some() => clash(observer_name(&before), after),
        ((_, Some(before)), (_, Some(after))) if observer_name(&before) != observer_name(&after) => {
            clash(observer_name(&before), observer_name(&after))
        }
        ((_, Some(before)), (_, Some(after))) if before != after => {
            let what = if matches!(after, Observer::Summary(_)) { "quantiles" } else { "buckets" };
            let text =
                format!("the family `{name}` has other {what} at {at}: it can have only one set of them; write the same in both rules");
            Some(Remark::new(Severity::Warning, "options_differ", &later.position, text))
        }
        _ => None,
    }
}

fn help_clash(name: &str, earlier: &Rule, later: &Rule) -> Option<Remark> {
    let (Some(before), Some(after)) = (&earlier.help, &later.help) else { return None };
    let text = || {
        format!("the family `{name}` has another help at {}: a page shows only one; write the same in both rules", place(earlier, later))
    };
    (before != after).then(|| Remark::new(Severity::Warning, "help_differs", &later.position, text()))
}

fn label_drift(name: &str, first: &Rule, other: &Rule) -> Option<Remark> {
    // What tags bring is not known; a rule that is about tags gets its labels from them.
    let is_about_tags = |rule: &Rule| !rule.match_tags.is_empty() || !rule.label_steps.is_empty();
    let (before, after) = (label_names(first), label_names(other));
    if before == after || is_about_tags(first) || is_about_tags(other) {
        return None;
    }
    let text = format!(
        "the family `{name}` gets the labels {} here and {} at {}: unless tags bring the rest, a query by one of them misses series; \
         a fixed value such as \"none\" makes them the same",
        listed(&after),
        listed(&before),
        place(first, other),
    );
    Some(Remark::new(Severity::Note, "labels_differ", &other.position, text))
}

/// Names of the labels that a rule gives, sorted; those of tags are not known.
fn label_names(rule: &Rule) -> Vec<String> {
    rule.labels.iter().map(|(name, _)| name.clone()).collect()
}

fn listed(names: &[String]) -> String {
    format!("{{{}}}", names.join(", "))
}
