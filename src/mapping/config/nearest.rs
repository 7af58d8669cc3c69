//! Suggests a valid word for an unknown one: a word with a similar spelling, or a synonym.

/// Returns the candidate with the most similar spelling. At most a third of the letters differ, and at most three.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The longest key has 30 letters, so much longer texts are similar to none.
    if text.len() > 64 {
        return None;
    }
    let text = snake(text);
    let max = (text.chars().count() / 3).clamp(1, 3);
    let distances = candidates.map(|candidate| (distance(&text, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= max).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Returns the candidate that `text` abbreviates or is a synonym of: `count` is counter, `timing` is observer.
pub(super) fn synonym_of<'a>(text: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    const WORDS: [(&str, &[&str]); 10] = [
        ("counter", &["c", "rate", "meter", "increment", "incr", "inc", "decrement"]),
        ("gauge", &["g", "level"]),
        ("observer", &["ms", "h", "d", "time", "timer", "timers", "timing", "timings", "histogram", "distribution", "summary", "duration"]),
        ("set", &["s", "unique"]),
        ("regex", &["re", "pcre", "re2", "pattern", "expression"]),
        ("glob", &["wildcard", "exact", "literal", "plain", "simple", "prefix", "string"]),
        ("histogram", &["native", "bucket", "buckets", "heatmap"]),
        ("summary", &["quantile", "quantiles", "percentile", "percentiles"]),
        ("drop", &["delete", "ignore", "skip", "remove", "discard", "deny", "exclude", "reject", "none"]),
        ("map", &["keep", "allow", "include", "accept", "rename"]),
    ];
    let text = snake(text);
    let is_start = |candidate: &&str| text.len() >= 3 && candidate.starts_with(text.as_str());
    let by_word = || {
        let (word, _) = WORDS.iter().find(|(_, others)| others.contains(&text.as_str()))?;
        candidates.clone().find(|candidate| candidate == word)
    };
    candidates.clone().find(is_start).or_else(by_word)
}

/// Converts a name to snake case: `matchMetricType` and `match-metric-type` become `match_metric_type`.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut was_small = false;
    for c in text.chars() {
        if c.is_uppercase() && was_small {
            out.push('_');
        }
        was_small = c.is_lowercase();
        out.extend(c.to_lowercase().map(|c| if c == '-' { '_' } else { c }));
    }
    out
}

/// Returns the edit distance of two texts: how many letters to add, remove, replace, or swap with the next one.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, letter) in a.chars().enumerate() {
        let mut now = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let cell = |row: &[usize], column: usize| {
                debug_assert!(column < row.len(), "a row has a cell for each letter and one more");
                row.get(column).copied().unwrap_or(usize::MAX / 2)
            };
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
    debug_assert!(!last.is_empty(), "a row has a cell for each letter and one more");
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
        assert_eq!(nearest(&"a".repeat(1000), ["a"].into_iter()), None);
    }

    #[test]
    fn synonyms_and_abbreviations_are_recognised() {
        let meant = |text| synonym_of(text, ["counter", "gauge", "observer"].into_iter());
        assert_eq!(
            (meant("count"), meant("Timing"), meant("g"), meant("co"), meant("map")),
            (Some("counter"), Some("observer"), Some("gauge"), None, None)
        );
        assert_eq!((snake("matchMetricType"), snake("Match-TTL")), ("match_metric_type".into(), "match_ttl".into()));
    }
}
