//! `/api/v1/rules` and `/api/v1/unmapped`: the active rules with the number of samples they matched, and the unmapped names.

use serde_json::{Value, json};

use super::configuration::failed_reloads;
use super::live::Live;
use super::proposals::proposals;
use super::reply::ApiData;
use crate::bridge::Bridge;
use crate::bridge::RuleUse;
use crate::mapping::spec::{Action, MatchType};

/// The maximum number of names in one response.
const MAX_NAMES: usize = 100;

/// `/api/v1/rules`: each active rule with the number of samples it matched, and the number of rules without any.
pub(super) fn rules(bridge: &Bridge) -> ApiData {
    let RuleUse { rules, .. } = bridge.rule_use();
    let never_matched = rules.iter().filter(|rule| rule.samples == 0).count();
    let list: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            json!({
                "rule": number + 1,
                "position": rule.position.to_string(),
                "match": rule.pattern,
                "match_type": match rule.match_type { MatchType::Regex => "regex", MatchType::Glob => "glob" },
                "action": match rule.action { Action::Map => "map", Action::Drop => "drop" },
                "name": rule.name,
                "samples": rule.samples,
            })
        })
        .collect();
    ApiData::new(json!({ "rules": list, "never_matched": never_matched }))
}

/// Both, for the page; and the files whose last reload failed.
pub(super) fn with_unmapped(live: &Live) -> ApiData {
    let bridge = &live.bridge;
    let mut all = rules(bridge).data().clone();
    all["failed_reloads"] = failed_reloads(&live.configuration).into();
    all["unmapped"] = unmapped(bridge).data().clone();
    all["proposals"] = proposals(bridge).data()["proposals"].clone();
    ApiData::new(all)
}

/// `/api/v1/unmapped`: the unmapped names, most samples first. Without rules, samples are not counted by name.
pub(super) fn unmapped(bridge: &Bridge) -> ApiData {
    let RuleUse { rules, unmapped, unmapped_others } = bridge.rule_use();
    let counted = |samples: u64| if rules.is_empty() { Value::Null } else { json!(samples) };
    let entry = |(name, samples): &(String, u64)| json!({ "name": name, "samples": counted(*samples) });
    let names: Vec<Value> = unmapped.iter().take(MAX_NAMES).map(entry).collect();
    let further: u64 = unmapped.iter().skip(MAX_NAMES).map(|(_, samples)| samples).sum();
    ApiData::new(json!({ "names": names, "names_known": unmapped.len(), "samples_of_other_names": counted(further + unmapped_others) }))
}
