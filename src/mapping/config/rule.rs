//! Parses and checks one entry of `mappings`.

use super::findings::code;
use super::keys::{LIMITS, RULE, TTL};
use super::read::{Fields, File};
use super::tree::{Node, YamlValue};
use super::{labels, observer, pattern};
use crate::mapping::spec::{Action, Becomes, MatchType, MetricKind, Rule, RuleLimits, Unit};
use crate::options::{Overflow, SignedGauges, Ttl};

/// The defaults that a file sets for its rules.
#[derive(Debug, Clone, Default)]
pub(super) struct FileDefaults {
    /// `match_type`.
    pub(super) match_type: Option<MatchType>,
    /// `ttl`.
    pub(super) ttl: Ttl,
    /// `signed_gauges`.
    pub(super) signed_gauges: Option<SignedGauges>,
    /// `total_suffix`.
    pub(super) total_suffix: Option<bool>,
    /// Observer type and options.
    pub(super) observer: observer::ObserverSettings,
}

pub(super) const MATCH_TYPES: [(&str, MatchType); 3] = [("glob", MatchType::Glob), ("regex", MatchType::Regex), ("", MatchType::Glob)];

const ACTIONS: [(&str, Action); 3] = [("map", Action::Map), ("drop", Action::Drop), ("", Action::Map)];

const UNITS: [(&str, Unit); 19] = [
    ("s", Unit::Seconds),
    ("seconds", Unit::Seconds),
    ("ms", Unit::Milliseconds),
    ("milliseconds", Unit::Milliseconds),
    ("us", Unit::Microseconds),
    ("microseconds", Unit::Microseconds),
    ("µs", Unit::Microseconds),
    ("ns", Unit::Nanoseconds),
    ("nanoseconds", Unit::Nanoseconds),
    ("bytes", Unit::Bytes),
    ("kib", Unit::Kibibytes),
    ("KiB", Unit::Kibibytes),
    ("kibibytes", Unit::Kibibytes),
    ("mib", Unit::Mebibytes),
    ("MiB", Unit::Mebibytes),
    ("mebibytes", Unit::Mebibytes),
    ("percent", Unit::Percent),
    ("ratio", Unit::Ratio),
    ("none", Unit::None),
];

/// Parses a rule. Returns `None` if an error makes the rule unusable. Every error is added to the findings.
pub(super) fn read(file: &mut File<'_>, node: &Node, defaults: &FileDefaults) -> Option<Rule> {
    if !matches!(node.value, YamlValue::Map(_)) {
        let is_glued = matches!(&node.value, YamlValue::Scalar(text, _) if text.contains(':'));
        let instead = if is_glued { "; write a space behind each `:`" } else { "" };
        file.findings.error(node.at, code::BAD_TYPE, format!("a rule is a map of keys: `match`, `name` and others{instead}"));
        return None;
    }
    let fields = file.fields(node, RULE)?;
    let match_type = fields.get("match_type").and_then(|node| file.choice(node, "match type", &MATCH_TYPES));
    let match_type = match_type.or(defaults.match_type).unwrap_or(MatchType::Glob);
    let pattern = read_match(file, node, fields, match_type);
    let action = fields.get("action").and_then(|node| file.choice(node, "action", &ACTIONS)).unwrap_or(Action::Map);
    let name = read_name(file, node, fields, action);
    let merged = observer::read(file, fields).or(&defaults.observer);
    observer::check_conflict(file, &merged);
    let at = fields.get("match").map_or(node.at, |node| node.at);
    Some(Rule {
        position: file.findings.position(at),
        kind: read_kind(file, fields),
        match_tags: labels::conditions(file, fields),
        labels: labels::templates(file, fields),
        honor_labels: fields.get("honor_labels").and_then(|node| file.flag(node, "`honor_labels`")).unwrap_or(false),
        // An empty help text is ignored, as in statsd_exporter.
        help: fields.get("help").and_then(|node| file.text(node, "`help`")).filter(|help| !help.is_empty()).map(str::to_owned),
        observer: merged.observer(),
        observer_options: merged.options(),
        ttl: ttl_or(fields.get("ttl").map(|node| ttl(file, node)).unwrap_or_default(), defaults.ttl),
        scale: fields.get("scale").and_then(|node| file.number(node, "`scale`")),
        unit: fields.get("unit").and_then(|node| file.choice(node, "unit", &UNITS)),
        becomes: read_becomes(file, fields),
        signed_gauges: signed_gauges(file, fields).or(defaults.signed_gauges),
        total_suffix: total_suffix(file, fields).or(defaults.total_suffix),
        label_steps: labels::steps(file, fields),
        limits: fields.get("limits").map(|node| limits(file, node)).unwrap_or_default(),
        pattern: pattern?,
        match_type,
        action,
        name: name?,
    })
}

fn read_match(file: &mut File<'_>, rule: &Node, fields: Fields<'_>, match_type: MatchType) -> Option<String> {
    let Some(node) = fields.get("match") else {
        file.findings.error(rule.at, code::NO_MATCH, "a rule has no `match`; write a pattern such as \"app.*.requests\"");
        return None;
    };
    let text = file.text(node, "`match`")?;
    let (checked, code) = match match_type {
        MatchType::Glob => (pattern::check_glob(text, file.extended), code::BAD_GLOB),
        MatchType::Regex => (pattern::check_regex(text), code::BAD_REGEX),
    };
    if let Err(fault) = checked {
        file.findings.error(node.at, code, fault);
    }
    Some(text.to_owned())
}

fn read_name(file: &mut File<'_>, rule: &Node, fields: Fields<'_>, action: Action) -> Option<String> {
    let node = fields.get("name");
    let name = match node {
        Some(node) => file.text(node, "`name`")?,
        None => "",
    };
    let at = node.map_or(rule.at, |node| node.at);
    if !name.is_empty() {
        if let Err(fault) = pattern::check_name(name, file.extended, file.names) {
            file.findings.error(at, code::BAD_NAME, fault);
        }
    } else if action == Action::Map {
        file.findings.error(at, code::NO_NAME, "a rule has no `name`; write the metric's name, such as \"app_requests_total\"");
    } else if !file.extended {
        let text = "a rule has no `name`; statsd_exporter needs one even to drop samples: write `name: dropped`, or `syntax: extended`";
        file.findings.error(at, code::NO_NAME, text);
    }
    Some(name.to_owned())
}

fn read_kind(file: &mut File<'_>, fields: Fields<'_>) -> Option<MetricKind> {
    const KINDS: [(&str, MetricKind); 4] =
        [("counter", MetricKind::Counter), ("gauge", MetricKind::Gauge), ("observer", MetricKind::Observer), ("set", MetricKind::Set)];
    let node = fields.get("match_metric_type")?;
    match file.text(node, "`match_metric_type`")? {
        "timer" => {
            let text = "`match_metric_type: timer` is an old spelling; write `match_metric_type: observer`";
            file.findings.warning(node.at, code::OLD_KEY, text);
            Some(MetricKind::Observer)
        }
        "set" if !file.extended => {
            let text = "`match_metric_type: set` needs `syntax: extended` at the top of the file; statsd_exporter has no sets";
            file.findings.error(node.at, code::BAD_VALUE, text);
            None
        }
        _ => file.choice(node, "metric type", if file.extended { &KINDS } else { &KINDS[..3] }),
    }
}

fn read_becomes(file: &mut File<'_>, fields: Fields<'_>) -> Option<Becomes> {
    let node = fields.get("as")?;
    file.choice(node, "value of `as`", &[("gauge", Becomes::Gauge), ("counter", Becomes::Counter)])
}

/// Parses `signed_gauges`: whether a signed value changes a gauge or sets it.
pub(super) fn signed_gauges(file: &mut File<'_>, fields: Fields<'_>) -> Option<SignedGauges> {
    let node = fields.get("signed_gauges")?;
    file.choice(node, "value of `signed_gauges`", &[("change", SignedGauges::Change), ("absolute", SignedGauges::Absolute)])
}

/// Parses `total_suffix`: whether names of counters get the suffix `_total`.
pub(super) fn total_suffix(file: &mut File<'_>, fields: Fields<'_>) -> Option<bool> {
    file.flag(fields.get("total_suffix")?, "`total_suffix`")
}

/// Parses `ttl`: a duration for all kinds, or a map by kind. A negative ttl is ignored with a warning. statsd_exporter loads it, and
/// then exposes each series for at most one second.
pub(super) fn ttl(file: &mut File<'_>, node: &Node) -> Ttl {
    if !matches!(node.value, YamlValue::Map(_)) {
        let all = one_ttl(file, node);
        return Ttl { counter_ms: all, gauge_ms: all, observer_ms: all, set_ms: all };
    }
    let Some(fields) = file.fields(node, TTL) else { return Ttl::default() };
    let mut of = |key| fields.get(key).and_then(|node| one_ttl(file, node));
    Ttl { counter_ms: of("counters"), gauge_ms: of("gauges"), observer_ms: of("observers"), set_ms: of("sets") }
}

fn one_ttl(file: &mut File<'_>, node: &Node) -> Option<u64> {
    let millis = u64::try_from(file.duration(node, "`ttl`")?);
    if millis.is_err() {
        let text = "a negative ttl is ignored; write one like 30s, or 0 to keep series for ever";
        file.findings.warning(node.at, code::NEGATIVE_TTL, text);
    }
    millis.ok()
}

/// Returns `ttl`, with unset kinds taken from `fallback`.
pub(super) fn ttl_or(ttl: Ttl, fallback: Ttl) -> Ttl {
    Ttl {
        counter_ms: ttl.counter_ms.or(fallback.counter_ms),
        gauge_ms: ttl.gauge_ms.or(fallback.gauge_ms),
        observer_ms: ttl.observer_ms.or(fallback.observer_ms),
        set_ms: ttl.set_ms.or(fallback.set_ms),
    }
}

fn limits(file: &mut File<'_>, node: &Node) -> RuleLimits {
    let Some(fields) = file.fields(node, LIMITS) else { return RuleLimits::default() };
    let mut of = |key: &'static str| {
        let node = fields.get(key)?;
        let limit = file.whole(node, &format!("`{key}`"), u32::MAX)?;
        if limit == 0 {
            file.findings.error(
                node.at,
                code::BAD_VALUE,
                format!("`{key}: 0` rejects every series; write `action: drop` to drop the samples"),
            );
        }
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let (series, values_per_label) = (of("series"), of("values_per_label"));
    let words = [("fold", Overflow::Fold), ("drop-label", Overflow::DropLabel), ("refuse", Overflow::Reject)];
    let overflow = fields.get("overflow").and_then(|node| file.choice(node, "`overflow`", &words));
    RuleLimits { series, values_per_label, overflow }
}
