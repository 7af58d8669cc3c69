//! `/api/v1/rules` and `/api/v1/unmapped`: what rules do.

use serde_json::{Value, json};

use super::success;
use crate::bridge::Bridge;
use crate::bridge::RuleUse;
use crate::mapping::spec::{Action, MatchType};

/// Names that one answer lists.
const TOP: usize = 100;

/// `/api/v1/rules`: each rule in force with the samples that it matched since; how many never did.
pub(in crate::program::web) fn rules(bridge: &Bridge) -> Value {
    let RuleUse { rules, .. } = bridge.rule_use();
    let never = rules.iter().filter(|(_, samples)| *samples == 0).count();
    let list: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(number, (rule, samples))| {
            json!({
                "rule": number + 1,
                "position": rule.position.to_string(),
                "match": rule.pattern,
                "match_type": match rule.match_type { MatchType::Regex => "regex", MatchType::Glob => "glob" },
                "action": match rule.action { Action::Map => "map", Action::Drop => "drop" },
                "name": rule.name,
                "samples": samples,
            })
        })
        .collect();
    success(json!({ "rules": list, "never_matched": never }))
}

/// `/api/v1/unmapped`: the names that no rule matched, most samples first.
pub(in crate::program::web) fn unmapped(bridge: &Bridge) -> Value {
    let RuleUse { unmapped, unmapped_others, .. } = bridge.rule_use();
    let names: Vec<Value> = unmapped.iter().take(TOP).map(|(name, samples)| json!({ "name": name, "samples": samples })).collect();
    let further: u64 = unmapped.iter().skip(TOP).map(|(_, samples)| samples).sum();
    success(json!({ "names": names, "names_known": unmapped.len(), "samples_of_other_names": further + unmapped_others }))
}
