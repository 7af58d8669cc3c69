//! Checks within one family.

use std::collections::HashSet;

use super::Family;
use super::line::{Labels, Sample, number};

const KINDS: [&str; 8] = ["counter", "gauge", "gaugehistogram", "histogram", "info", "stateset", "summary", "unknown"];

pub(super) fn family(family: &Family) -> Result<(), String> {
    if !KINDS.contains(&family.kind()) {
        return Err(format!("unknown type {:?}", family.kind()));
    }
    if let Some(unit) = family.unit.as_deref().filter(|unit| !unit.is_empty()) {
        if !family.name.ends_with(&format!("_{unit}")) {
            return Err("the name does not end in the unit".to_owned());
        }
        if ["info", "stateset"].contains(&family.kind()) {
            return Err("a unit where there can be none".to_owned());
        }
    }
    for sample in &family.samples {
        self::sample(family, sample).map_err(|what| format!("{what} ({sample:?})"))?;
    }
    groups(family)?;
    if ["histogram", "gaugehistogram"].contains(&family.kind()) {
        histogram(family)?;
    }
    Ok(())
}

/// Checks one sample by itself.
fn sample(family: &Family, sample: &Sample) -> Result<(), String> {
    let suffix = &sample.name[family.name.len()..];
    let kind = family.kind();
    let float = |label: &str| sample.label(label).and_then(|text| number(text).ok());
    if suffix == "_bucket" {
        match (float("le"), sample.label("le")) {
            (Some(le), Some(text)) if !le.is_nan() && (le != f64::INFINITY || text == "+Inf") => {}
            _ => return Err("bad le".to_owned()),
        }
    }
    if kind == "summary" && suffix.is_empty() {
        if !float("quantile").is_some_and(|q| (0.0..=1.0).contains(&q)) {
            return Err("bad quantile".to_owned());
        }
        if sample.value < 0.0 {
            return Err("a negative quantile".to_owned());
        }
    }
    if ["_bucket", "_count", "_gcount"].contains(&suffix) && sample.value.fract() != 0.0 {
        return Err("a count that is not whole".to_owned());
    }
    if ["_total", "_sum", "_count", "_bucket", "_gcount"].contains(&suffix) && (sample.value < 0.0 || sample.value.is_nan()) {
        return Err("a sum or count that is negative or no number".to_owned());
    }
    if suffix == "_gsum" && sample.value.is_nan() {
        return Err("a sum that is no number".to_owned());
    }
    match kind {
        "stateset" if sample.label(&family.name).is_none() => return Err("a state without its label".to_owned()),
        "stateset" if ![0.0, 1.0].contains(&sample.value) => return Err("a state that is neither 0 nor 1".to_owned()),
        "info" if sample.value != 1.0 => return Err("an info that is not 1".to_owned()),
        _ => {}
    }
    let may_have_exemplar = match kind {
        "histogram" | "gaugehistogram" => suffix == "_bucket",
        "counter" => suffix == "_total",
        _ => false,
    };
    if sample.has_exemplar && !may_have_exemplar { Err("an exemplar where there can be none".to_owned()) } else { Ok(()) }
}

/// The labels that identify the series of a sample.
fn group_of(family: &Family, sample: &Sample) -> Labels {
    let suffix = &sample.name[family.name.len()..];
    let own = match family.kind() {
        "info" => return Labels::new(),
        "summary" if suffix.is_empty() => "quantile",
        "stateset" => &family.name,
        "histogram" | "gaugehistogram" if suffix == "_bucket" => "le",
        _ => "",
    };
    sorted(sample.labels.iter().filter(|(key, _)| key != own).cloned().collect())
}

fn sorted(mut labels: Labels) -> Labels {
    labels.sort();
    labels
}

/// Checks that the samples of a series are adjacent, that all or none have timestamps, in order, and that no sample occurs twice.
fn groups(family: &Family) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut lines = HashSet::new();
    let mut last: Option<(Labels, Option<f64>)> = None;
    for sample in &family.samples {
        let group = group_of(family, sample);
        match &last {
            Some((same, before)) if *same == group => {
                if before.is_some() != sample.timestamp.is_some() {
                    return Err("timestamps on some samples of a series".to_owned());
                }
                if family.kind() != "info" && *before > sample.timestamp {
                    return Err("timestamps go backwards".to_owned());
                }
            }
            _ if !seen.insert(group.clone()) => return Err(format!("the series {group:?} in two places")),
            _ => {}
        }
        if sample.timestamp.is_none() && !lines.insert((sample.name.clone(), sorted(sample.labels.clone()))) {
            return Err(format!("{} {:?} twice", sample.name, sample.labels));
        }
        last = Some((group, sample.timestamp));
    }
    Ok(())
}

/// Checks buckets, sum and count of each series of a histogram.
fn histogram(family: &Family) -> Result<(), String> {
    for of_one in family.samples.chunk_by(|a, b| a.timestamp == b.timestamp && group_of(family, a) == group_of(family, b)) {
        let find = |suffixes: &[&str]| {
            of_one.iter().find(|sample| suffixes.contains(&&sample.name[family.name.len()..])).map(|sample| sample.value)
        };
        let is_bucket = |sample: &&Sample| sample.name[family.name.len()..] == *"_bucket";
        let le = |sample: &Sample| sample.label("le").and_then(|text| number(text).ok()).unwrap_or(f64::NAN);
        let buckets: Vec<(f64, f64)> = of_one.iter().filter(is_bucket).map(|sample| (le(sample), sample.value)).collect();
        if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
            return Err("buckets out of order".to_owned());
        }
        let Some((_, all)) = buckets.last().filter(|(le, _)| *le == f64::INFINITY) else { return Err("no +Inf".to_owned()) };
        let (count, sum, gsum) = (find(&["_count", "_gcount"]), find(&["_sum"]), find(&["_gsum"]));
        if count.is_some_and(|count| count != *all) {
            return Err("the count is not the +Inf bucket".to_owned());
        }
        if count.is_some() != (sum.is_some() || gsum.is_some()) {
            return Err("a sum without count, or a count without sum".to_owned());
        }
        let has_negative = buckets.iter().any(|(le, _)| *le < 0.0);
        if has_negative && sum.is_some() || !has_negative && gsum.is_some_and(|sum| sum < 0.0) {
            return Err("a sum that cannot be".to_owned());
        }
    }
    Ok(())
}
