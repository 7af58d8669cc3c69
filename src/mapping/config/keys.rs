//! Lists the keys of the format by section, and suggests corrections for unknown keys.

use super::nearest::{nearest, snake, synonym_of};

/// A section: one kind of map in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    /// The name that findings use.
    pub(super) name: &'static str,
    /// The keys, without old spellings.
    pub(super) keys: &'static [&'static str],
    /// Pairs of an old key and the key that replaces it.
    pub(super) old_keys: &'static [(&'static str, &'static str)],
}

const OLD_OBSERVER_KEYS: &[(&str, &str)] =
    &[("timer_type", "observer_type"), ("buckets", "histogram_options.buckets"), ("quantiles", "summary_options.quantiles")];

pub(super) const TOP: Section =
    Section { name: "the file", keys: &["syntax", "labels", "prefix", "defaults", "mappings", "tests"], old_keys: &[] };

pub(super) const DEFAULTS: Section = Section {
    name: "`defaults`",
    keys: &[
        "observer_type",
        "match_type",
        "glob_disable_ordering",
        "strict_order",
        "ttl",
        "signed_gauges",
        "total_suffix",
        "summary_options",
        "histogram_options",
    ],
    old_keys: OLD_OBSERVER_KEYS,
};

pub(super) const RULE: Section = Section {
    name: "a rule",
    keys: &[
        "match",
        "match_type",
        "match_metric_type",
        "match_tags",
        "action",
        "name",
        "labels",
        "honor_labels",
        "help",
        "observer_type",
        "summary_options",
        "histogram_options",
        "ttl",
        "scale",
        "unit",
        "as",
        "signed_gauges",
        "total_suffix",
        "keep_labels",
        "drop_labels",
        "rename_labels",
        "set_labels",
        "map_values",
        "limits",
    ],
    old_keys: OLD_OBSERVER_KEYS,
};

pub(super) const SUMMARY_OPTIONS: Section =
    Section { name: "`summary_options`", keys: &["quantiles", "max_age", "age_buckets", "buf_cap"], old_keys: &[] };

pub(super) const QUANTILE: Section = Section { name: "a quantile", keys: &["quantile", "error"], old_keys: &[] };

pub(super) const HISTOGRAM_OPTIONS: Section = Section {
    name: "`histogram_options`",
    keys: &["buckets", "native_histogram_bucket_factor", "native_histogram_max_buckets"],
    old_keys: &[],
};

pub(super) const TTL: Section = Section { name: "`ttl`", keys: &["counters", "gauges", "observers", "sets"], old_keys: &[] };

pub(super) const LIMITS: Section = Section { name: "`limits`", keys: &["overflow", "series", "values_per_label"], old_keys: &[] };

pub(super) const TEST: Section = Section { name: "a test", keys: &["send", "expect", "absent"], old_keys: &[] };

/// Every section.
pub(super) const ALL: [Section; 9] = [TOP, DEFAULTS, RULE, SUMMARY_OPTIONS, QUANTILE, HISTOGRAM_OPTIONS, TTL, LIMITS, TEST];

/// Names that other tools use for keys of a rule, and the correction.
const RULE_KEY_SYNONYMS: [(&[&str], &str); 10] = [
    (&["tags", "tag"], "write `labels` for labels that the rule gives; tags of the wire are labels by themselves"),
    (&["description", "desc", "doc", "documentation", "comment", "help_text"], "write `help`"),
    (&["metric", "metric_name", "to", "target", "rename"], "write `name`"),
    (&["regex", "regexp", "match_re", "match_regex"], "write `match`, and `match_type: regex`"),
    (&["pattern", "glob", "source", "from", "expr", "statsd_metric"], "write `match`"),
    (&["drop", "ignore"], "write `action: drop`"),
    (&["expire", "expiry", "timeout", "max_idle", "stale_after"], "write `ttl`"),
    (&["bucket", "histogram_buckets"], "write `histogram_options`, and `buckets` in it"),
    (&["quantile", "percentiles"], "write `summary_options`, and `quantiles` in it"),
    (&["timer"], "write `observer_type`"),
];

/// Returns the correction for `type` in a rule, which depends on its value.
fn type_instead(value: &str) -> &'static str {
    match synonym_of(value, ["counter", "gauge", "observer", "set"].into_iter()).unwrap_or(value) {
        _ if matches!(value, "histogram" | "summary") => {
            "write `observer_type`; for the kind of samples that the rule is for, `match_metric_type`"
        }
        "counter" | "gauge" | "observer" | "set" => "write `match_metric_type`; for what timers become, `observer_type`",
        _ => "write `match_metric_type` for the kind of samples that the rule is for, or `observer_type` for what timers become",
    }
}

/// Returns the correction for a key that `section` does not have. `value` is the value of the key if it is a text, else empty.
pub(super) fn advice(key: &str, value: &str, section: Section) -> String {
    if section == TOP && matches!(key, "apiVersion" | "kind" | "metadata" | "data" | "spec") {
        return "this is a Kubernetes object: write the text that stands in its `data` into a file of its own".to_owned();
    }
    if let Some(near) = nearest(key, section.keys.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    if let Some(near) = nearest(key, section.old_keys.iter().map(|(old, _)| *old)) {
        let new = section.old_keys.iter().find(|(old, _)| *old == near).map_or(near, |(_, new)| new);
        return format!("did you mean `{new}`?");
    }
    if let Some(other) = ALL.iter().find(|other| other.keys.contains(&key)).filter(|other| **other != QUANTILE) {
        return match other.name {
            "a rule" if section == TOP => {
                "it is a key of a rule; write it below `mappings:`, as `- match: ...` and what follows it".to_owned()
            }
            "a rule" => "it is a key of a rule".to_owned(),
            name => format!("it is a key of {name}; write it below {name}, indented deeper"),
        };
    }
    let name = snake(key);
    if section == RULE && matches!(name.as_str(), "type" | "metric_type" | "metrics_type" | "kind") {
        return type_instead(value).to_owned();
    }
    if let Some((_, instead)) = RULE_KEY_SYNONYMS.iter().find(|(names, _)| section == RULE && names.contains(&name.as_str())) {
        return (*instead).to_owned();
    }
    match synonym_of(key, section.keys.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its keys are {}", section.keys.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_key_is_suggested() {
        assert_eq!(advice("lables", "", RULE), "did you mean `labels`?");
        assert_eq!(advice("observer-type", "", RULE), "did you mean `observer_type`?");
        assert_eq!(advice("scale", "", DEFAULTS), "it is a key of a rule");
        assert!(advice("foo", "", LIMITS).ends_with("series, values_per_label"));
        assert_eq!(advice("hist", "", RULE), "did you mean `histogram_options`?");
        assert_eq!(advice("timertype", "", RULE), "did you mean `observer_type`?");
        assert!(advice("type", "count", RULE).starts_with("write `match_metric_type`;"));
        assert!(advice("type", "histogram", RULE).starts_with("write `observer_type`;"));
        assert!(advice("metricType", "x", RULE).contains(", or `observer_type`"));
        assert_eq!(advice("matchMetricType", "", RULE), "did you mean `match_metric_type`?");
    }
}
