//! Limits in force, and what helps against them.

use super::question::Question;
use crate::options::Overflow;
use crate::registry::{Family, Limit, Limited};

/// A limit of a family: its number, what sets it, and what helps.
pub(super) struct InForce {
    pub(super) number: usize,
    /// The flag, or the key with the rule.
    pub(super) set_by: String,
    pub(super) advice: String,
}

impl Question<'_> {
    /// The limit that was hit, as it is in force now.
    pub(super) fn in_force(&self, family: &Family, hit: &Limited) -> InForce {
        let rules = self.live.bridge.rules().rules;
        let rule = rules.config().rules.iter().find(|rule| !family.rule().is_empty() && rule.pattern == family.rule());
        let own = rule.map(|rule| rule.limits).unwrap_or_default();
        let limits = &self.live.bridge.options().limits;
        let (number, key) = match hit.limit {
            Limit::SeriesPerFamily => (limits.series_per_family, own.series.map(|number| (number, "series"))),
            Limit::ValuesPerLabel => (limits.values_per_label, own.values_per_label.map(|number| (number, "values_per_label"))),
            Limit::LabelsPerFamily => (limits.labels_per_family, None),
            Limit::SeriesBytes => (limits.series_bytes, None),
            Limit::Families => (limits.families, None),
            Limit::Series => (limits.series, None),
        };
        let flag = format!("--limits.{}", hit.limit.as_str().replace('_', "-"));
        let (number, set_by) = match (key, rule) {
            (Some((number, key)), Some(rule)) => {
                (number, format!("`{key}` of `limits` in the rule `{}` at {}", rule.pattern, rule.position))
            }
            _ => (number, format!("`{flag}`")),
        };
        let by_rule = match hit.limit {
            _ if key.is_some() => "",
            Limit::SeriesPerFamily => ", or for this family alone `limits: {series: N}` of a rule",
            Limit::ValuesPerLabel => ", or for this family alone `limits: {values_per_label: N}` of a rule",
            _ => "",
        };
        let drop = match &*hit.label {
            "" => " Or drop a label by `drop_labels` of a rule.".to_owned(),
            label => format!(" Or drop the label {label} by a rule: `drop_labels: [{label}]`; the view Cardinality has the rule to copy."),
        };
        let advice = format!("Raise {set_by} above {number}{by_rule}.{drop}{}", self.failed_reload());
        InForce { number, set_by, advice }
    }
}

/// What the limit does with samples of new series.
pub(super) fn effect(action: Overflow) -> &'static str {
    match action {
        Overflow::Fold => "folded into the overflow series",
        Overflow::DropLabel => "folded: the label gets the value _overflow_",
        Overflow::Reject => "rejected",
    }
}
