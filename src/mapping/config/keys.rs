//! Every key of the format, by the map that it stands in, and the nearest one to a key that is none.

/// A kind of map in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    /// As it is called in a finding.
    pub(super) name: &'static str,
    /// Its keys; old ones are not among them.
    pub(super) keys: &'static [&'static str],
    /// Keys of older files, and how they are spelt now.
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

/// All of them.
pub(super) const ALL: [Section; 9] = [TOP, DEFAULTS, RULE, SUMMARY_OPTIONS, QUANTILE, HISTOGRAM_OPTIONS, TTL, LIMITS, TEST];

/// What to say of a key that `section` does not have.
pub(super) fn advice(key: &str, section: Section) -> String {
    if let Some(near) = nearest(key, section.keys.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match ALL.iter().find(|other| other.keys.contains(&key)) {
        Some(other) => format!("it is a key of {}", other.name),
        None => format!("its keys are {}", section.keys.join(", ")),
    }
}

/// The candidate that `text` most likely means: at most a third of its letters differ, and no more than three.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The longest key has 30 letters: what is far longer is near to none.
    if text.len() > 64 {
        return None;
    }
    let text = text.to_lowercase().replace('-', "_");
    let most = (text.chars().count() / 3).clamp(1, 3);
    let distances = candidates.map(|candidate| (distance(&text, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Letters to add, remove, replace, or swap with the next one, to get from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, letter) in a.chars().enumerate() {
        let mut now = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&last, column) + usize::from(letter != *other);
            let mut best = replaced.min(cell(&last, column + 1) + 1).min(cell(&now, column) + 1);
            let left = column.checked_sub(1).and_then(|left| b.get(left));
            if previous == Some(*other) && left == Some(&letter) {
                best = best.min(cell(&before, column - 1) + 1);
            }
            now.push(best);
        }
        previous = Some(letter);
        before = std::mem::replace(&mut last, now);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, apart) in
            [("", "", 0), ("", "ab", 2), ("match", "match", 0), ("macth", "match", 1), ("lables", "labels", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), apart, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        assert_eq!(advice("lables", RULE), "did you mean `labels`?");
        assert_eq!(advice("observer-type", RULE), "did you mean `observer_type`?");
        assert_eq!(advice("scale", DEFAULTS), "it is a key of a rule");
        assert!(advice("foo", LIMITS).ends_with("series, values_per_label"));
        assert_eq!(nearest(&"a".repeat(1000), ["a"].into_iter()), None);
    }
}
