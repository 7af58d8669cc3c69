//! What needs attention, in short: rejected input, limits hit, conflicting names and unmapped names. Plain text.

use std::sync::Arc;

use crate::bridge::{Bridge, RuleUse};
use crate::options::Overflow;
use crate::registry::{Conflict, Limited};
use crate::rejections::Rejection;

/// The number of entries shown of each kind.
const SHOWN: usize = 5;

/// The problems with the most samples.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Limits hit, most samples first.
    pub(super) limits: Vec<String>,
    /// Conflicting names, most samples first.
    pub(super) conflicts: Vec<String>,
    /// Reasons for rejected lines and samples, most frequent first.
    pub(super) rejections: Vec<String>,
    /// Unmapped names in one line, most samples first; empty if there are none.
    pub(super) unmapped: Vec<String>,
    /// The number of entries not shown.
    pub(super) more: usize,
}

impl Problems {
    pub(super) fn of(bridge: &Bridge) -> Self {
        let registry = bridge.registry();
        let family_limits = registry.families().into_iter().flat_map(|family| family.limited());
        let mut limits: Vec<Arc<Limited>> = registry.limited().into_iter().chain(family_limits).collect();
        limits.sort_by_key(|hit| std::cmp::Reverse(hit.samples()));
        let mut conflicts = bridge.conflicts();
        conflicts.sort_by_key(|conflict| std::cmp::Reverse(conflict.samples()));
        let rejections = bridge.rejections();
        let more = [limits.len(), conflicts.len(), rejections.len()].iter().map(|count| count.saturating_sub(SHOWN)).sum();
        Self {
            more,
            rejections: rejections.iter().take(SHOWN).map(rejection).collect(),
            unmapped: unmapped(&bridge.rule_use()),
            limits: limits.iter().take(SHOWN).map(|hit| limit(hit)).collect(),
            conflicts: conflicts.iter().take(SHOWN).map(|entry| conflict(entry)).collect(),
        }
    }
}

fn limit(hit: &Limited) -> String {
    let family = if hit.family.is_empty() { "new families" } else { &hit.family };
    let label = if hit.label.is_empty() { String::new() } else { format!(", label {}", hit.label) };
    let examples = hit.examples().join(", ");
    let examples = if examples.is_empty() { String::new() } else { format!("for example {examples}; ") };
    let action = if hit.action == Overflow::Reject { "rejected" } else { "folded" };
    format!("{family}{label}: {}; samples {action}: {}; {examples}first source {}", hit.limit.as_str(), hit.samples(), hit.source)
}

fn rejection(rejection: &Rejection) -> String {
    let last = rejection.last.as_ref().map(|last| format!("; last: {} from {}", last.input, last.source));
    format!("{}: {}{}", rejection.reason, rejection.count, last.unwrap_or_default())
}

fn unmapped(usage: &RuleUse) -> Vec<String> {
    let names = usage.unmapped.iter().take(SHOWN).map(|(name, samples)| match samples {
        _ if usage.rules.is_empty() => name.clone(),
        samples => format!("{name} ({samples})"),
    });
    let names: Vec<_> = names.collect();
    let more = usage.unmapped.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if names.is_empty() { Vec::new() } else { vec![format!("{}{more}", names.join(", "))] }
}

fn conflict(conflict: &Conflict) -> String {
    format!("{}: {}; for example {}", conflict.name, conflict.reason.policy(), conflict.came.example)
}
