//! What a word that is none most likely means: one that is spelt like it, or one that says the same.

/// The candidate that is spelt most like `text`: at most a third of its letters differ, and no more than three.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The longest key has 30 letters: what is far longer is near to none.
    if text.len() > 64 {
        return None;
    }
    let text = snake(text);
    let most = (text.chars().count() / 3).clamp(1, 3);
    let distances = candidates.map(|candidate| (distance(&text, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// The candidate that `text` says in another word or is the start of: `count` is counter, `timing` observer.
pub(super) fn meant<'a>(text: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
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

/// Small letters, with `_` between words: `matchMetricType` and `match-metric-type` are `match_metric_type`.
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
        assert_eq!(nearest(&"a".repeat(1000), ["a"].into_iter()), None);
    }

    #[test]
    fn words_mean_others() {
        let meant = |text| meant(text, ["counter", "gauge", "observer"].into_iter());
        assert_eq!(
            (meant("count"), meant("Timing"), meant("g"), meant("co"), meant("map")),
            (Some("counter"), Some("observer"), Some("gauge"), None, None)
        );
        assert_eq!((snake("matchMetricType"), snake("Match-TTL")), ("match_metric_type".into(), "match_ttl".into()));
    }
}
