//! The families of a mapping with what is known about them. Must not know the syntax of the output.

use super::names::Name;
use crate::mapping::Rules;
use crate::mapping::spec::{Action, Becomes, Config, MetricKind, Position, Rule, Unit};
use crate::options::{Observer, Options};
use crate::program::cli::UntypedChoice;
use crate::program::tools::{Remark, Severity};
use crate::registry::SET_TIME_SUFFIX;

/// The kind of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram {
        /// Whether it can have native buckets.
        is_native: bool,
    },
    Summary,
    Set,
}

impl Kind {
    /// Its name in comments and messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram { .. } => "histogram",
            Self::Summary => "summary",
            Self::Set => "set",
        }
    }

    /// What follows the family's name in the names of its series.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Set => &[""],
            Self::Gauge => &["", SET_TIME_SUFFIX],
            Self::Histogram { .. } => &["", "_bucket", "_sum", "_count"],
            Self::Summary => &["", "_sum", "_count"],
        }
    }
}

/// The families of a rule.
#[derive(Debug, Clone)]
pub(super) struct Families {
    pub(super) name: Name,
    pub(super) kind: Kind,
    /// The rule's position and pattern.
    pub(super) position: Position,
    pub(super) pattern: String,
    /// Names of series of other families, which may match too.
    pub(super) others: Vec<Other>,
    /// Whether a family whose name ends in a capture has lines that end in `_sum` and `_count`.
    pub(super) has_open_sums: bool,
}

/// Names of series of another family.
#[derive(Debug, Clone)]
pub(super) struct Other {
    /// One of these names.
    pub(super) example: String,
    /// All of them.
    pub(super) regex: String,
}

/// The families of all rules in their order, and warnings about rules that are left out.
pub(super) fn families(rules: &Rules, options: &Options, untyped: UntypedChoice) -> (Vec<Families>, Vec<Remark>) {
    let (mut found, mut remarks) = (Vec::<Families>::new(), Vec::new());
    for (index, rule) in rules.config().rules.iter().enumerate().filter(|(_, rule)| rule.action == Action::Map) {
        let captures = (rules.captures_len(index), &*rules.capture_names(index));
        let name = Name::of(rule, rules.config(), options.names, captures);
        match family(rule, name, (rules.config(), options), untyped) {
            Ok(family) => match found.iter().find(|known| known.name == family.name) {
                None => found.push(family),
                Some(known) if known.kind.as_str() == family.kind.as_str() => {}
                Some(known) => remarks.push(other_kind(known, &family)),
            },
            Err(remark) => remarks.push(*remark),
        }
    }
    let all = found.clone();
    let has_open_sums = all.iter().any(|other| other.kind.suffixes().contains(&"_sum") && other.name.is_open());
    for family in &mut found {
        (family.others, family.has_open_sums) = (others(family, &all), has_open_sums);
    }
    (found, remarks)
}

fn family(rule: &Rule, name: Name, (config, options): (&Config, &Options), untyped: UntypedChoice) -> Result<Families, Box<Remark>> {
    let warning = |code, text| Box::new(Remark::new(Severity::Warning, code, &rule.position, text));
    if !name.is_selective() {
        let text = "no rules are written for these families, because their names have no text that is always the same; \
                    write a prefix before the capture";
        return Err(warning("name_without_text", text.to_owned()));
    }
    let Some(kind) = kind(rule, &name, (config, options), untyped) else {
        let text = "no rules are written for this family, because its kind is not known; write `match_metric_type` in this rule, or use \
                    --untyped=counter or --untyped=gauge";
        return Err(warning("untyped_family", text.to_owned()));
    };
    let has_total = rule.total_suffix.or(config.defaults.total_suffix).unwrap_or(options.counters_total_suffix);
    let name = if kind == Kind::Counter && has_total { name.with_total() } else { name };
    Ok(Families { name, kind, position: rule.position.clone(), pattern: rule.pattern.clone(), others: Vec::new(), has_open_sums: false })
}

/// The kind of a rule's families, as far as rule and name tell.
fn kind(rule: &Rule, name: &Name, (config, options): (&Config, &Options), untyped: UntypedChoice) -> Option<Kind> {
    let is_time = matches!(rule.unit, Some(Unit::Seconds | Unit::Milliseconds | Unit::Microseconds | Unit::Nanoseconds));
    let observer = || {
        let stated = rule.observer.as_ref().or(config.defaults.observer.as_ref());
        match stated.cloned().unwrap_or_else(|| rule.observer_options.over(&options.observer)) {
            Observer::Histogram { native, .. } => Kind::Histogram { is_native: options.native.options(native).is_some() },
            Observer::Summary(_) => Kind::Summary,
        }
    };
    match (rule.becomes, rule.kind) {
        (Some(Becomes::Counter), _) | (None, Some(MetricKind::Counter)) => Some(Kind::Counter),
        (Some(Becomes::Gauge), _) | (None, Some(MetricKind::Gauge)) => Some(Kind::Gauge),
        (None, Some(MetricKind::Set)) => Some(Kind::Set),
        (None, Some(MetricKind::Observer)) => Some(observer()),
        (None, None) if name.ends_with("_total") => Some(Kind::Counter),
        (None, None) if is_time || name.ends_with("_seconds") => Some(observer()),
        (None, None) => match untyped {
            UntypedChoice::Skip => None,
            UntypedChoice::Counter => Some(Kind::Counter),
            UntypedChoice::Gauge => Some(Kind::Gauge),
        },
    }
}

fn other_kind(known: &Families, later: &Families) -> Remark {
    let text = format!(
        "rules are written for the {} of {} only, and not for this {}: both have the same name, and a bridge keeps the first type",
        known.kind.as_str(),
        known.position,
        later.kind.as_str()
    );
    Remark::new(Severity::Warning, "type_differs", &later.position, text)
}

/// The names of other families that match those of `family`. Of two names with captures, the one that the other matches is the special
/// case, whose families have rules of their own.
fn others(family: &Families, all: &[Families]) -> Vec<Other> {
    let is_special = |other: &&Families| match other.name.fixed() {
        Some(_) => true,
        None => family.name.matches(&other.name.joined()) && !other.name.matches(&family.name.joined()),
    };
    if family.name.fixed().is_some() {
        return Vec::new();
    }
    let lines = |other: &Families| -> Vec<Other> {
        let line =
            |suffix: &&str| Other { example: format!("{}{suffix}", other.name.joined()), regex: format!("{}{suffix}", other.name.regex()) };
        other.kind.suffixes().iter().map(line).collect()
    };
    all.iter().filter(is_special).flat_map(lines).collect()
}
