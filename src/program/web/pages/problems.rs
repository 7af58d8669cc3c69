//! Rejected input, limits that were hit, names in conflict and names without a rule, for the landing page. Plain text: whoever shows it escapes it. Knows no
//! HTML.

use std::sync::Arc;

use crate::bridge::{Bridge, RuleUse};
use crate::options::Overflow;
use crate::registry::{Conflict, Limited};
use crate::rejections::Rejection;

/// How many of each are shown.
const SHOWN: usize = 5;

/// The worst problems of what is sent.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Limits that were hit, most samples first.
    pub(super) limits: Vec<String>,
    /// Names in conflict, most samples first.
    pub(super) conflicts: Vec<String>,
    /// Why lines and samples were rejected, most first.
    pub(super) rejections: Vec<String>,
    /// Names without a rule, most samples first, in one line; none where there is no name.
    pub(super) unmapped: Vec<String>,
    /// How many more there are.
    pub(super) more: usize,
}

impl Problems {
    pub(super) fn of(bridge: &Bridge) -> Self {
        let registry = bridge.registry();
        let of_families = registry.families().into_iter().flat_map(|family| family.limited());
        let mut limits: Vec<Arc<Limited>> = registry.limited().into_iter().chain(of_families).collect();
        limits.sort_by_key(|hit| std::cmp::Reverse(hit.samples()));
        let mut conflicts = bridge.conflicts();
        conflicts.sort_by_key(|conflict| std::cmp::Reverse(conflict.samples()));
        let rejections = bridge.rejections();
        let more = [limits.len(), conflicts.len(), rejections.len()].iter().map(|known| known.saturating_sub(SHOWN)).sum();
        Self {
            more,
            rejections: rejections.iter().take(SHOWN).map(rejection).collect(),
            unmapped: unmapped(&bridge.rule_use()),
            limits: limits.iter().take(SHOWN).map(|hit| limit(hit)).collect(),
            conflicts: conflicts.iter().take(SHOWN).map(|known| conflict(known)).collect(),
        }
    }
}

fn limit(hit: &Limited) -> String {
    let family = if hit.family.is_empty() { "new families" } else { &hit.family };
    let label = if hit.label.is_empty() { String::new() } else { format!(", label {}", hit.label) };
    let examples = hit.examples().join(", ");
    let such_as = if examples.is_empty() { String::new() } else { format!("such as {examples}; ") };
    let done = if hit.action == Overflow::Refuse { "refused" } else { "folded" };
    format!("{family}{label}: {}; samples {done}: {}; {such_as}first from {}", hit.limit.as_str(), hit.samples(), hit.source)
}

fn rejection(rejection: &Rejection) -> String {
    let last = rejection.last.as_ref().map(|last| format!("; last {} from {}", last.input, last.source));
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
    format!("{}: {}; {}", conflict.name, conflict.reason.policy(), conflict.came.example)
}
