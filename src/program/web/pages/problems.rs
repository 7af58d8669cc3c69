//! Limits that were hit and names in conflict, a line each, for the landing page. Plain text: whoever shows it escapes it. Knows no
//! HTML.

use std::sync::Arc;

use crate::bridge::Bridge;
use crate::options::Overflow;
use crate::registry::{Conflict, Limited};

/// How many of each are shown.
const SHOWN: usize = 5;

/// The worst problems of what is sent.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Limits that were hit, most samples first.
    pub(super) limits: Vec<String>,
    /// Names in conflict, most samples first.
    pub(super) conflicts: Vec<String>,
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
        Self {
            more: limits.len().saturating_sub(SHOWN) + conflicts.len().saturating_sub(SHOWN),
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

fn conflict(conflict: &Conflict) -> String {
    format!("{}: {}; {}", conflict.name, conflict.reason.policy(), conflict.came.example)
}
