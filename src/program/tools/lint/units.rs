//! Finds names and buckets of timers with another unit than the values: `ms` samples become seconds.
//!
//! The unit of distributions and histograms is not known. A rule that can match counters or gauges gets a note only.

use super::bounds::{are_too_small_for_bytes, look_like_milliseconds, look_like_seconds, times};
use crate::mapping::spec::{Action, Config, MetricKind, Rule, Unit};
use crate::mapping::unit;
use crate::options::{Observer, Options};
use crate::program::tools::{Remark, Severity};

pub(super) fn units(config: &Config, options: &Options) -> Vec<Remark> {
    let may_observe = |rule: &&Rule| {
        let is_for_observers = matches!(rule.kind, None | Some(MetricKind::Observer));
        rule.action == Action::Map && is_for_observers && rule.becomes.is_none()
    };
    config.rules.iter().filter(may_observe).filter_map(|rule| of_rule(rule, stated_bounds(rule, config, options).as_deref())).collect()
}

/// The bounds of its histograms, if the file or the flags set them.
fn stated_bounds(rule: &Rule, config: &Config, options: &Options) -> Option<Vec<f64>> {
    let stated = rule.observer.clone().or_else(|| config.defaults.observer.clone());
    match stated.unwrap_or_else(|| rule.observer_options.over(&options.observer)) {
        Observer::Histogram { buckets, .. } if Observer::default() != Observer::histogram(buckets.clone()) => Some(buckets.to_vec()),
        _ => None,
    }
}

/// A part of a second, with the words for it at the end of names.
struct Part {
    words: &'static [&'static str],
    in_a_second: f64,
    name: &'static str,
    /// The value of a rule's `unit`.
    key: &'static str,
}

const PARTS: [Part; 3] = [
    Part {
        words: &["ms", "msec", "msecs", "millis", "millisec", "millisecs", "millisecond", "milliseconds"],
        in_a_second: 1e3,
        name: "milliseconds",
        key: "ms",
    },
    Part {
        words: &["us", "usec", "usecs", "micros", "microsec", "microsecs", "microsecond", "microseconds"],
        in_a_second: 1e6,
        name: "microseconds",
        key: "us",
    },
    Part {
        words: &["ns", "nsec", "nsecs", "nanos", "nanosec", "nanosecs", "nanosecond", "nanoseconds"],
        in_a_second: 1e9,
        name: "nanoseconds",
        key: "ns",
    },
];

/// The unit that a name implies.
enum ImpliedUnit {
    Part { part: &'static Part, in_seconds: String },
    Seconds,
    Bytes,
    SomeTime,
    Nothing,
}

fn implied_unit(name: &str) -> ImpliedUnit {
    // The unit can be followed by a word for the type of the family.
    let stem = ["_histogram", "_summary", "_timer", "_total"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let Some((before, last)) = stem.rsplit_once('_') else { return ImpliedUnit::Nothing };
    let word = last.to_ascii_lowercase();
    if let Some(part) = PARTS.iter().find(|part| part.words.contains(&&*word)) {
        let suffix = name.get(stem.len()..).unwrap_or_default();
        return ImpliedUnit::Part { part, in_seconds: format!("{before}_seconds{suffix}") };
    }
    match &*word {
        "seconds" | "secs" | "sec" | "second" => ImpliedUnit::Seconds,
        "bytes" | "byte" => ImpliedUnit::Bytes,
        "duration" | "latency" | "time" | "timing" | "elapsed" | "delay" => ImpliedUnit::SomeTime,
        _ => ImpliedUnit::Nothing,
    }
}

/// Whether the last word of a name may not be a unit, but a country or a namespace.
fn is_another_word(rule: &Rule, part: &Part) -> bool {
    const TIMES: [&str; 9] = ["duration", "latency", "time", "timing", "timer", "elapsed", "delay", "pause", "gc"];
    let text = format!("{}_{}", rule.pattern, rule.name).to_ascii_lowercase();
    let has_time = || text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| TIMES.contains(&word));
    let is_short = rule.name.ends_with("_us") || rule.name.ends_with("_ns");
    is_short && part.in_a_second > 1e3 && rule.kind.is_none() && !has_time()
}

fn of_rule(rule: &Rule, bounds: Option<&[f64]>) -> Option<Remark> {
    let severity = if rule.kind == Some(MetricKind::Observer) { Severity::Warning } else { Severity::Note };
    let (code, text) = match (implied_unit(&rule.name), rule.unit) {
        (ImpliedUnit::Part { part, .. }, _) if is_another_word(rule, part) => return None,
        (ImpliedUnit::Part { part, .. }, Some(unit)) if unit::base(unit) == Some("seconds") => ("unit_in_name", twice(rule, unit, part)?),
        (ImpliedUnit::Part { part, in_seconds }, None) if rule.scale.is_none_or(|scale| scale == 1.0) => {
            ("unit_in_name", seconds_under_a_part(&rule.name, part, &in_seconds, bounds))
        }
        (ImpliedUnit::Part { part, .. }, _) => ("buckets_unit", seconds_for_a_part(part, rule, bounds?)?),
        (ImpliedUnit::Seconds, None) if rule.scale.is_none_or(|scale| scale == 1.0) => ("buckets_unit", parts_for_seconds(bounds?)?),
        (ImpliedUnit::Seconds | ImpliedUnit::SomeTime | ImpliedUnit::Nothing, Some(unit)) if unit::base(unit) == Some("seconds") => {
            ("buckets_unit", parts_for_seconds(bounds?)?)
        }
        // The values of histograms and distributions are not converted.
        (ImpliedUnit::SomeTime, None) if rule.scale.is_none_or(|scale| scale == 1.0) => {
            return parts_for_seconds(bounds?)
                .map(|text| Remark::new(Severity::Note, "buckets_unit", &rule.position, format!("if these are sent as `ms`: {text}")));
        }
        (ImpliedUnit::Bytes, unit) if unit != Some(Unit::None) && rule.kind == Some(MetricKind::Observer) => {
            let bounds = bounds.filter(|bounds| are_too_small_for_bytes(bounds))?;
            let text = format!(
                "buckets {} are for times, and bytes are above all of them; write `buckets: [1000, 10000, 100000, 1000000, 10000000]`",
                times(bounds, 1.0),
            );
            ("buckets_unit", text)
        }
        _ => return None,
    };
    Some(Remark::new(severity, code, &rule.position, text))
}

/// The remark on `name: x_ms` with timers in seconds.
fn seconds_under_a_part(name: &str, part: &Part, in_seconds: &str, bounds: Option<&[f64]>) -> String {
    let Part { in_a_second, name: unit, key, .. } = part;
    let buckets = |factor| move |bounds: &[f64]| format!(" and `buckets: {}`", times(bounds, factor));
    let in_parts = bounds.filter(|bounds| look_like_milliseconds(bounds)).map(buckets(1.0 / in_a_second)).unwrap_or_default();
    let in_whole = bounds.filter(|bounds| look_like_seconds(bounds)).map(buckets(*in_a_second)).unwrap_or_default();
    if *key == "ms" {
        return format!(
            "`{name}` implies {unit}, but timers (`ms`) are converted to seconds; write `name: {in_seconds}`{in_parts}, or, to keep the name, \
             `scale: 1000`{in_whole}"
        );
    }
    // Clients can send these units as `ms` only.
    format!(
        "`{name}` implies {unit}, but values sent as `ms` are divided by 1000; write `name: {in_seconds}`{in_parts}, with `unit: {key}` if {unit} \
         are sent; or, to keep the name for {unit}, `scale: 1000`"
    )
}

/// The remark on `unit: ms` with `name: x_ms`.
fn twice(rule: &Rule, unit: Unit, part: &Part) -> Option<String> {
    let family = unit::name_with_unit(&rule.name, unit);
    let word = rule.name.rsplit('_').next().filter(|word| part.words.contains(&word.to_ascii_lowercase().as_str()))?;
    let stem = rule.name.strip_suffix(word)?.trim_end_matches('_');
    Some(format!("`unit` converts the values to seconds and the name to `{family}`; write `name: {stem}`, which becomes `{stem}_seconds`"))
}

/// The remark on buckets in seconds for values in parts of seconds.
fn seconds_for_a_part(part: &Part, rule: &Rule, bounds: &[f64]) -> Option<String> {
    let is_in_parts = rule.unit == Some(Unit::None) || rule.scale == Some(part.in_a_second);
    (is_in_parts && look_like_seconds(bounds)).then(|| {
        format!(
            "buckets {} look like seconds, but the values are {}; write `buckets: {}`",
            times(bounds, 1.0),
            part.name,
            times(bounds, part.in_a_second),
        )
    })
}

/// The remark on buckets in parts of seconds for values in seconds.
fn parts_for_seconds(bounds: &[f64]) -> Option<String> {
    let most = bounds.last().filter(|_| look_like_milliseconds(bounds))?;
    let (name, factor) = if *most > 600_000.0 { ("microseconds", 1e-6) } else { ("milliseconds", 1e-3) };
    Some(
        format!("buckets {} look like {name}, but the values are seconds; write `buckets: {}`", times(bounds, 1.0), times(bounds, factor),),
    )
}
