//! Checks families as a whole: their names, their series, and the groups of histograms and summaries.

use std::collections::HashSet;

use super::{Family, Labels, Line, names_of, parse_value};

pub(super) fn check_families(families: &[Family]) -> Result<(), String> {
    let mut names = HashSet::new();
    for family in families {
        if family.lines.is_empty() {
            return Err(format!("{} has no lines", family.name));
        }
        for name in names_of(family) {
            if !names.insert(name.clone()) {
                return Err(format!("{name} belongs to two families"));
            }
        }
        if !names_of(family).contains(&family.name) && !names.insert(family.name.clone()) {
            return Err(format!("{} belongs to two families", family.name));
        }
        check_series(family)?;
        match &*family.kind {
            "histogram" => check_groups(family, "le")?,
            "summary" => check_groups(family, "quantile")?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks that no series occurs twice (an empty label counts as absent), that `le` of histograms and `quantile` of summaries are
/// only on the lines that need them, and that counters are finite and not negative.
fn check_series(family: &Family) -> Result<(), String> {
    let mut seen = HashSet::new();
    for line in &family.lines {
        let mut labels: Vec<_> = line.labels.iter().filter(|(_, value)| !value.is_empty()).collect();
        labels.sort_unstable();
        if !seen.insert((&line.name, labels)) {
            return Err(format!("{} stands there twice", line.series));
        }
        let has = |key: &str| line.labels.iter().any(|(k, _)| k == key);
        if family.kind == "histogram" && has("le") != line.name.ends_with("_bucket") {
            return Err(format!("{}: le on the wrong line, or missing", line.series));
        }
        if family.kind == "summary" && has("quantile") != (line.name == family.name) {
            return Err(format!("{}: quantile on the wrong line, or missing", line.series));
        }
        let counts = family.kind == "counter" || line.name != family.name && !line.name.ends_with("_sum");
        if counts && !(line.value.is_finite() && line.value >= 0.0) {
            return Err(format!("{} counts {}", line.series, line.value));
        }
    }
    Ok(())
}

/// Checks that the lines of each histogram or summary are adjacent: ascending bounds, then `_sum`, then `_count`.
fn check_groups(family: &Family, key: &str) -> Result<(), String> {
    let rest = |line: &Line| -> Labels { line.labels.iter().filter(|(k, _)| k != key).cloned().collect() };
    let (sum, count) = (format!("{}_sum", family.name), format!("{}_count", family.name));
    let mut lines = family.lines.iter().peekable();
    while let Some(first) = lines.peek() {
        let labels = rest(first);
        let mut steps = Vec::new();
        while let Some(line) = lines.next_if(|l| l.name != sum && l.name != count && rest(l) == labels) {
            let bound = line.labels.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v);
            steps.push((parse_value(bound)?, line.value));
        }
        lines.next_if(|l| l.name == sum && rest(l) == labels).ok_or_else(|| format!("{sum}{labels:?} is missing"))?;
        let total = lines.next_if(|l| l.name == count && rest(l) == labels).ok_or_else(|| format!("{count}{labels:?} is missing"))?;
        if !steps.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(format!("{}{labels:?}: {key} does not ascend", family.name));
        }
        match key {
            "le" => check_buckets(&steps, total)?,
            _ if steps.iter().any(|(q, _)| !(0.0..=1.0).contains(q)) => return Err(format!("{}: quantile out of range", family.name)),
            _ => {}
        }
    }
    Ok(())
}

fn check_buckets(steps: &[(f64, f64)], count: &Line) -> Result<(), String> {
    if !steps.is_sorted_by(|a, b| a.1 <= b.1) {
        return Err(format!("buckets of {} are not cumulative", count.series));
    }
    match steps.last() {
        Some(&(f64::INFINITY, n)) if n == count.value => Ok(()),
        Some(&(f64::INFINITY, n)) => Err(format!("{} is {}, its bucket +Inf {n}", count.series, count.value)),
        _ => Err(format!("no bucket +Inf for {}", count.series)),
    }
}
