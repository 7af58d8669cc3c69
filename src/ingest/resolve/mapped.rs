//! Applies the mapping to an identity: finds its rule, the family's name, the labels, the kind and the factor of its values.
//!
//! A rule's settings come first, then the defaults of the mapping file, then the flags. Knows neither limits nor conflicts of the
//! registry.

use std::sync::Arc;

use crate::engine::RulesInForce;
use crate::hits::Slot;
use crate::ingest::protocol::{Identity, Kind, TagErrors, TagSink};
use crate::mapping::spec::{Action, Becomes, MetricKind, Rule};
use crate::mapping::{Factor, Rules, label_steps, unit};
use crate::name::{NameValidation, RENAMED};
use crate::options::{NativeHistograms, Observer, Options, OriginLabel, SignedGauges, TagKey, Ttl};
use crate::registry::cell::Bounds;
use crate::registry::{FamilyKind, Labels};

/// A mapped identity.
pub(super) struct Mapped<'r> {
    pub(super) rule: Option<&'r Rule>,
    pub(super) name: String,
    pub(super) kind: FamilyKind,
    pub(super) factor: Factor,
    /// Whether a signed value sets a gauge.
    pub(super) signed_sets: bool,
}

/// Maps identities under its current rules.
pub(super) struct Mapper {
    pub(super) current: RulesInForce,
    observer: Observer,
    native: NativeHistograms,
    signed_gauges: SignedGauges,
    /// Whether counters get the suffix `_total`, where neither rule nor file states it.
    total_suffix: bool,
    /// The label of the origin.
    origin: Option<OriginLabel>,
    parts: NameAndTags,
    /// The labels of the last mapped identity.
    pub(super) labels: Labels,
}

/// Name and tags of an identity. The keys of the tags are label names, renamed where they are reserved.
pub(crate) struct NameAndTags {
    names: NameValidation,
    /// The key of the tag that becomes an exemplar and no label.
    exemplar_tag: Option<TagKey>,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
    renamed: u64,
}

impl NameAndTags {
    pub(crate) fn new(options: &Options) -> Self {
        let (names, exemplar_tag) = (options.names, options.exemplar_tag.clone());
        Self { names, exemplar_tag, name: String::new(), tags: Vec::new(), renamed: 0 }
    }
}

impl TagSink for NameAndTags {
    fn name(&mut self, piece: &str) {
        self.name.push_str(piece);
    }

    fn tag(&mut self, key: &str, value: &str) {
        if self.exemplar_tag.as_deref() == Some(key) {
            // The tag is in the name. The pipeline cuts it out of fields only.
            return;
        }
        let mut escaped = String::with_capacity(key.len());
        self.renamed += u64::from(self.names.push_label(key, &mut escaped));
        self.tags.push((escaped, value.to_owned()));
    }

    fn renamed_tag(&mut self, key: &str, value: &str) {
        self.renamed += 1;
        self.tags.push((format!("{RENAMED}{key}"), value.to_owned()));
    }
}

impl Mapper {
    pub(super) fn new(options: &Options, current: RulesInForce) -> Self {
        let (observer, native, signed_gauges) = (options.observer.clone(), options.native, options.signed_gauges);
        let (total_suffix, parts) = (options.counters_total_suffix, NameAndTags::new(options));
        let (origin, labels) = (options.origin_label.clone(), Labels::new(options.names));
        Self { current, observer, native, signed_gauges, total_suffix, origin, parts, labels }
    }

    /// Number of renamed labels of the current identity.
    pub(super) fn renamed(&self) -> u64 {
        self.parts.renamed
    }

    /// The raw name of the current identity.
    pub(super) fn name(&self) -> &str {
        &self.parts.name
    }

    /// Reads name and tags of an identity, for the next [`map`](Self::map). Returns its malformed tags, and whether it has others.
    pub(super) fn read(&mut self, identity: &Identity<'_>) -> (TagErrors, bool) {
        self.parts.name.clear();
        self.parts.tags.clear();
        self.parts.renamed = 0;
        let tag_errors = identity.visit(&mut self.parts);
        (tag_errors, !self.parts.tags.is_empty())
    }

    /// The index of the rule that matches the identity that was read last.
    #[cfg(feature = "cli")]
    pub(super) fn rule_of(&self, rules: &Rules, kind: Kind) -> Option<usize> {
        rules.find(&self.parts.name, metric_kind(kind), &self.parts.tags).map(|found| found.rule)
    }

    /// Maps the identity that was read last; `Err` if a rule drops it. The labels are in `labels` then, with that of the `origin` if it is
    /// known. No rule sees it.
    pub(super) fn map<'r>(&mut self, rules: &'r Rules, kind: Kind, origin: Option<&str>) -> Result<(Mapped<'r>, Slot), Slot> {
        let config = rules.config();
        let found = rules.find(&self.parts.name, metric_kind(kind), &self.parts.tags);
        let rule = found.as_ref().and_then(|found| config.rules.get(found.rule));
        let slot = match &found {
            Some(found) => self.current.hits.of_rule(found.rule),
            None => self.current.hits.of_name(&self.parts.name),
        };
        if rule.is_some_and(|rule| rule.action == Action::Drop) {
            return Err(slot);
        }
        let mut name = String::new();
        let mut joined = std::mem::take(&mut self.parts.tags);
        match &found {
            Some(found) => {
                found.name(&mut name);
                let mut of_rule = Vec::new();
                found.labels(&mut of_rule);
                if rule.is_some_and(|rule| rule.honor_labels) {
                    of_rule.retain(|(key, _)| joined.iter().all(|(tag, _)| tag != key));
                }
                joined.extend(of_rule);
            }
            None => name.push_str(&self.parts.name),
        }
        if let Some(rule) = rule {
            label_steps::apply(&rule.label_steps, &mut joined);
        }
        let (family_kind, name) = (self.kind(kind, rule), self.family_name(name, rule));
        let mapped = Mapped {
            rule,
            name: if family_kind == FamilyKind::Counter { self.counter_name(name, rule) } else { name },
            kind: family_kind,
            factor: factor(kind, rule),
            signed_sets: signed_sets(rule, rules, self.signed_gauges),
        };
        self.labels.clear();
        // Also where the sender is not known: no tag may look like its label.
        let is_origin = |key: &str| self.origin.as_ref().is_some_and(|label| label.name() == key);
        for (key, value) in joined.iter().chain(&config.constant_labels) {
            if mapped.kind.reserves(key) || is_origin(key) {
                self.parts.renamed += 1;
                self.labels.push(&format!("{RENAMED}{key}"), value);
            } else {
                self.labels.push(key, value);
            }
        }
        if let (Some(label), Some(value)) = (&self.origin, origin) {
            self.labels.push(label.name(), value);
        }
        self.labels.finish();
        Ok((mapped, slot))
    }

    fn family_name(&self, mut name: String, rule: Option<&Rule>) -> String {
        if let Some(unit) = rule.and_then(|rule| rule.unit) {
            let mut escaped = String::new();
            self.parts.names.push_name(&name, &mut escaped);
            name = unit::name_with_unit(&escaped, unit).into_owned();
        }
        match &*self.current.rules.config().prefix {
            _ if name.is_empty() => name,
            prefix => format!("{prefix}{name}"),
        }
    }

    /// The name with the suffix `_total`, if counters get it, unless the escaped name already has it. This step is the last one, so
    /// that the checks of reserved names and of conflicts see the result.
    fn counter_name(&self, name: String, rule: Option<&Rule>) -> String {
        let stated = rule.and_then(|rule| rule.total_suffix).or(self.current.rules.config().defaults.total_suffix);
        let mut escaped = String::new();
        self.parts.names.push_name(&name, &mut escaped);
        let is_whole = !stated.unwrap_or(self.total_suffix) || name.is_empty() || escaped.ends_with("_total");
        if is_whole { name } else { format!("{name}_total") }
    }

    /// The kind of the family.
    fn kind(&self, kind: Kind, rule: Option<&Rule>) -> FamilyKind {
        match rule.and_then(|rule| rule.becomes) {
            Some(Becomes::Gauge) => return FamilyKind::Gauge,
            Some(Becomes::Counter) => return FamilyKind::Counter,
            None => {}
        }
        match kind {
            Kind::Counter => FamilyKind::Counter,
            Kind::Gauge => FamilyKind::Gauge,
            Kind::Set => FamilyKind::Set,
            Kind::Timer | Kind::Histogram | Kind::Distribution => {
                let defaults = &self.current.rules.config().defaults;
                let stated = rule.and_then(|rule| rule.observer.as_ref()).or(defaults.observer.as_ref());
                let options = rule.map_or(&defaults.observer_options, |rule| &rule.observer_options);
                match stated.cloned().unwrap_or_else(|| options.over(&self.observer)) {
                    Observer::Histogram { buckets, native } => {
                        let native = self.native.options(native);
                        FamilyKind::Histogram { bounds: Bounds::shared(&buckets, native) }
                    }
                    Observer::Summary(summary) => FamilyKind::Summary(Arc::new(summary)),
                }
            }
        }
    }
}

pub(crate) fn metric_kind(kind: Kind) -> MetricKind {
    match kind {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge => MetricKind::Gauge,
        Kind::Set => MetricKind::Set,
        Kind::Timer | Kind::Histogram | Kind::Distribution => MetricKind::Observer,
    }
}

/// Whether a signed value sets a gauge.
pub(crate) fn signed_sets(rule: Option<&Rule>, rules: &Rules, flag: SignedGauges) -> bool {
    let of_rule = rule.and_then(|rule| rule.signed_gauges);
    of_rule.or(rules.config().defaults.signed_gauges).unwrap_or(flag) == SignedGauges::Absolute
}

/// The conversion to the base unit: from the unit of the rule, else from milliseconds for timers. Then the scale of the rule.
pub(crate) fn factor(kind: Kind, rule: Option<&Rule>) -> Factor {
    let base = match rule.and_then(|rule| rule.unit) {
        Some(unit) => unit::factor(unit),
        None if kind == Kind::Timer => Factor { divide: 1000.0, multiply: 1.0 },
        None => Factor::default(),
    };
    Factor { multiply: base.multiply * rule.and_then(|rule| rule.scale).unwrap_or(1.0), ..base }
}

/// Milliseconds without a sample after which a series of this kind expires; 0 for never.
pub(crate) fn ttl_ms(kind: &FamilyKind, rule: Option<&Rule>, rules: &Rules, options: &Options) -> u64 {
    let levels = [rule.map(|rule| rule.ttl), Some(rules.config().defaults.ttl), Some(options.ttl)];
    let of_kind = |ttl: Ttl| match kind {
        FamilyKind::Counter => ttl.counter_ms,
        FamilyKind::Gauge => ttl.gauge_ms,
        FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => ttl.observer_ms,
        FamilyKind::Set => ttl.set_ms,
    };
    levels.into_iter().flatten().find_map(of_kind).unwrap_or(0)
}
