//! `/api/v1/proposals`: rules for groups of unmapped names that differ in one segment. Each was compiled and tried on the names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::reply::ApiData;
use super::rule_text::{catches, compiled, quoted};
use crate::bridge::Bridge;

/// Names that differ in one segment, so that a rule is proposed.
const ALIKE: usize = 3;

/// Proposals in one answer.
const PROPOSALS: usize = 20;

/// Examples of each.
const EXAMPLES: usize = 5;

/// The proposals that catch most names first.
pub(super) fn proposals(bridge: &Bridge) -> ApiData {
    let unmapped = bridge.rule_use().unmapped;
    let mut left: BTreeMap<&str, u64> = unmapped.iter().map(|(name, samples)| (name.as_str(), *samples)).collect();
    let mut all = Vec::new();
    while all.len() < PROPOSALS {
        let Some(group) = largest_group(left.keys().copied()) else { break };
        let proposal = Proposal::of(&group);
        let rules = compiled(&proposal.yaml);
        let caught: Vec<&str> = left.keys().copied().filter(|name| rules.as_ref().is_some_and(|rules| catches(rules, name))).collect();
        if caught.len() >= ALIKE {
            let samples: u64 = caught.iter().filter_map(|name| left.get(name)).sum();
            all.push(json!({
                "match": proposal.pattern, "yaml": proposal.yaml, "names": caught.len(), "samples": samples,
                "examples": caught.iter().take(EXAMPLES).collect::<Vec<_>>(),
            }));
        }
        // Also names that no glob can match, so that the next group is another one.
        for name in caught.iter().chain(&group.names) {
            left.remove(name);
        }
    }
    all.sort_by_key(|proposal: &Value| std::cmp::Reverse(proposal["names"].as_u64()));
    ApiData::new(json!({ "proposals": all }))
}

/// Names of the same segments except one.
struct Group<'n> {
    names: BTreeSet<&'n str>,
    /// The segments, with `None` for the one that differs.
    segments: Vec<Option<&'n str>>,
}

fn largest_group<'n>(names: impl Iterator<Item = &'n str>) -> Option<Group<'n>> {
    let mut groups: BTreeMap<Vec<Option<&str>>, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        let segments: Vec<&str> = name.split('.').collect();
        if segments.len() < 2 {
            continue;
        }
        for place in 0..segments.len() {
            let key = segments.iter().enumerate().map(|(at, segment)| (at != place).then_some(*segment)).collect();
            groups.entry(key).or_default().insert(name);
        }
    }
    let largest = groups.into_iter().max_by_key(|(_, names)| names.len())?;
    (largest.1.len() >= ALIKE).then_some(Group { segments: largest.0, names: largest.1 })
}

struct Proposal {
    pattern: String,
    yaml: String,
}

impl Proposal {
    fn of(group: &Group<'_>) -> Self {
        let pattern: Vec<&str> = group.segments.iter().map(|segment| segment.unwrap_or("*")).collect();
        let pattern = pattern.join(".");
        let fixed: Vec<&str> = group.segments.iter().flatten().copied().collect();
        let name = identifier(&fixed.join("_"));
        let place = group.segments.iter().position(Option::is_none).unwrap_or_default();
        let before = place.checked_sub(1).and_then(|place| group.segments.get(place)).copied().flatten();
        let label = before.map_or_else(|| "part".to_owned(), identifier);
        let yaml = format!("- match: {}\n  name: {}\n  labels:\n    {}: \"$1\"\n", quoted(&pattern), quoted(&name), quoted(&label));
        Self { pattern, yaml }
    }
}

/// A name that needs no escaping.
fn identifier(text: &str) -> String {
    let escaped: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if escaped.starts_with(|c: char| c.is_ascii_digit()) || escaped.starts_with("__") { format!("of_{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Rules;
    use crate::options::Options;
    use crate::time::Timestamp;

    #[test]
    fn similar_names_get_one_rule_that_catches_them() {
        let bridge = Bridge::of_program(Options::default());
        let mut worker = bridge.worker();
        for name in ["shop.eu.orders", "shop.us.orders", "shop.asia.orders", "other", "db-1.q", "db-2.q", "a.1.b", "a.2.b"] {
            worker.ingest(format!("{name}:1|c").as_bytes(), Timestamp::from_millis(1));
        }
        let found = proposals(&bridge);
        let all = found.data()["proposals"].as_array().expect("a list");
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((&all[0]["match"], &all[0]["names"]), (&"shop.*.orders".into(), &3.into()));
        assert_eq!(all[0]["yaml"], "- match: \"shop.*.orders\"\n  name: \"shop_orders\"\n  labels:\n    \"shop\": \"$1\"\n");
        let yaml = format!("mappings:\n{}", all[0]["yaml"].as_str().expect("a text"));
        bridge.replace_rules(Rules::from_yaml(&yaml).expect("it compiles"));
        worker.ingest(b"shop.eu.orders:1|c\nshop.mars.orders:1|c", Timestamp::from_millis(2));
        assert_eq!((bridge.rule_use().rules[0].samples, bridge.rule_use().unmapped.len()), (2, 0));
    }
}
