//! resolve: what a new identity leads to. Runs once for each binding, and holds everything that depends on the identity alone.
//!
//! Sizes, UTF-8, tag styles, mapping, escaping, label order, own names, type and limits are settled here, in this order; later
//! samples of the same bytes only follow the binding. Here a binding is made: what mapping makes of an identity is said in `mapped`, what
//! a binding holds in `binding`; the registry is asked here only. Knows no sockets and no page.

mod binding;
mod mapped;

use std::sync::Arc;

use self::binding::Reached;
pub(crate) use self::binding::{Binding, Target, change_of_gauge};
pub(crate) use self::mapped::ttl_ms;
use self::mapped::{Mapped, Mapper};
#[cfg(feature = "cli")]
pub(crate) use self::mapped::{NameAndTags, factor, metric_kind, signed_sets};
use crate::engine::Engine;
use crate::hits::Hits;
use crate::ingest::protocol::{Identity, Kind, Sample, TagErrors, Value};
use crate::mapping::{Factor, unit};
use crate::name::{FamilyName, NameValidation};
use crate::options::{Dialect, Limits};
use crate::registry::{Admitted, Arrival, CellHandle, FamilyKind, Membership, NotAdmitted, Reason, Request};
use crate::source::Source;
use crate::telemetry::{Refusal, Tally};
use crate::time::Timestamp;

/// How many bindings that lead to no cell of their own a worker keeps. A flood of new identities beyond a limit would
/// otherwise push out the bindings of healthy series.
const MAX_SIDE_ROUTES: usize = 1 << 14;

/// The sample that asks for a binding.
struct Incoming<'a> {
    sample: &'a Sample<'a>,
    source: &'a Source,
    now: Timestamp,
}

/// Makes bindings for one worker.
pub(crate) struct Resolver {
    engine: Arc<Engine>,
    dialect: Dialect,
    limits: Limits,
    membership: Membership,
    names: NameValidation,
    mapper: Mapper,
    side_bindings: usize,
    /// Whether the binding at hand is to lead to its series, too.
    wants_series: bool,
}

impl Resolver {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let options = engine.options();
        Self {
            engine: Arc::clone(engine),
            dialect: options.dialect,
            limits: options.limits,
            membership: engine.registry().join(),
            names: options.names,
            mapper: Mapper::new(options, engine.rules()),
            side_bindings: 0,
            wants_series: false,
        }
    }

    /// The worker's place among the writers.
    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Where hits are counted under the rules in use.
    pub(crate) fn hits(&self) -> &Arc<Hits> {
        &self.mapper.current.hits
    }

    /// Takes over new rules, if there are any; then all bindings are to be found anew.
    pub(crate) fn follow_rules(&mut self) -> bool {
        if self.engine.generation() == self.mapper.current.generation {
            return false;
        }
        self.mapper.current = self.engine.rules();
        true
    }

    /// Whether the binding is to be kept; counts those that lead to no cell of their own.
    pub(crate) fn keeps(&mut self, binding: &Binding) -> bool {
        use Refusal::{NameTooLong, NegativeCounter, TagsTooLong, ValueOverflow, ValueTooLarge};
        // Too large to be kept, or a matter of the value and not of the identity.
        if matches!(binding.target, Target::Refused(NameTooLong | TagsTooLong | NegativeCounter | ValueOverflow | ValueTooLarge)) {
            return false;
        }
        if !binding.is_side() {
            return true;
        }
        let has_room = self.side_bindings < MAX_SIDE_ROUTES;
        self.side_bindings += usize::from(has_room);
        has_room
    }

    /// To be called when a binding that was to be kept is so no more.
    pub(crate) fn forgot(&mut self, binding: &Binding) {
        self.side_bindings -= usize::from(binding.is_side()).min(self.side_bindings);
    }

    /// To be called when all bindings were forgotten.
    pub(crate) fn forgot_all(&mut self) {
        self.side_bindings = 0;
    }

    /// As [`resolve`](Self::resolve), of a sample that brings an exemplar: the binding leads to the series, too.
    pub(crate) fn resolve_with_series(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Binding {
        self.wants_series = true;
        let binding = self.resolve(sample, source, now, tally);
        self.wants_series = false;
        binding
    }

    /// The binding of an identity; `source` sent the sample that asks for it.
    pub(crate) fn resolve(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Binding {
        if sample.name.len() > self.limits.name_bytes {
            return Binding::refused(Refusal::NameTooLong);
        }
        if sample.tags.len() > self.limits.tags_bytes {
            return Binding::refused(Refusal::TagsTooLong);
        }
        match Identity::of(sample, &self.dialect) {
            Ok(identity) => self.resolve_identity(&identity, &Incoming { sample, source, now }, tally),
            Err(refused) => {
                let mut binding = Binding::to(Target::LineRefused(refused.error));
                binding.set_extra(Reached::default(), TagErrors { name: refused.tag_errors, fields: 0 }, Factor::default());
                binding
            }
        }
    }

    fn resolve_identity(&mut self, identity: &Identity<'_>, incoming: &Incoming<'_>, tally: &mut Tally) -> Binding {
        let (tag_errors, is_tagged) = self.mapper.take(identity);
        let rules = Arc::clone(&self.mapper.current.rules);
        let mut binding = match self.mapper.map(&rules, incoming.sample.kind) {
            Ok((mapped, slot)) => {
                let (target, reached) = self.target(&mapped, incoming);
                tally.labels_renamed += self.mapper.renamed();
                let mut binding =
                    Binding { is_mapped: mapped.rule.is_some(), signed_sets: mapped.signed_sets, slot, ..Binding::to(target) };
                binding.set_extra(reached, tag_errors, mapped.factor);
                binding
            }
            Err(slot) => {
                let mut binding = Binding { is_mapped: true, slot, ..Binding::to(Target::Dropped) };
                binding.set_extra(Reached::default(), tag_errors, Factor::default());
                binding
            }
        };
        binding.is_tagged = is_tagged;
        binding
    }

    fn target(&self, mapped: &Mapped<'_>, incoming: &Incoming<'_>) -> (Target, Reached) {
        let registry = self.engine.registry();
        let arrival = Arrival { text: &|| incoming.sample.to_string(), source: *incoming.source, now: incoming.now };
        let Some(name) = FamilyName::new(&mapped.name, self.names) else {
            return (Target::Conflict(registry.settle(Reason::EmptyName, "", &mapped.kind, &arrival)), Reached::default());
        };
        if let Some(reason) = self.engine.reserves(&name) {
            return (Target::Conflict(registry.settle(reason, name.as_str(), &mapped.kind, &arrival)), Reached::default());
        }
        if self.mapper.labels.len() > self.limits.tags {
            return (Target::Refused(Refusal::TooManyTags), Reached::default());
        }
        if let Some(refusal) = refusal_of_value(incoming.sample, mapped, self.limits.sample_value.get()) {
            return (Target::Refused(refusal), Reached::default());
        }
        if self.mapper.renamed() > 0 {
            registry.settle(Reason::ReservedLabel, name.as_str(), &mapped.kind, &arrival).count();
        }
        let request = Request {
            name: &name,
            kind: &mapped.kind,
            labels: &self.mapper.labels,
            help: mapped.rule.and_then(|rule| rule.help.as_deref()).map(Arc::from),
            unit: mapped.rule.and_then(|rule| rule.unit).and_then(unit::base),
            origin: mapped.rule.map_or("", |rule| &rule.pattern),
            ttl_ms: ttl_ms(&mapped.kind, mapped.rule, (&self.mapper.current.rules, self.engine.options())),
            limits: mapped.rule.map(|rule| rule.limits).unwrap_or_default(),
            generation: self.mapper.current.generation,
            worker: self.membership.id(),
            created: registry.wall().of(arrival.now),
            arrival,
        };
        match registry.admit(&request) {
            Ok(admitted) => {
                self.warn_of_change(name.as_str(), mapped, incoming, &admitted);
                let has_exemplars = matches!(mapped.kind, FamilyKind::Counter | FamilyKind::Histogram { .. });
                let series = (self.wants_series && has_exemplars).then_some(admitted.series);
                (Target::Cell(admitted.cell), Reached { folded: admitted.folded, series })
            }
            Err(NotAdmitted::Conflict(conflict)) => (Target::Conflict(conflict), Reached::default()),
            Err(NotAdmitted::Limited(refusal, limited)) => (Target::Limited(refusal, limited), Reached::default()),
        }
    }
}

impl Resolver {
    /// Says once for each family that its first sample lowers a gauge from 0: the clients of DogStatsD mean to set it.
    fn warn_of_change(&self, family: &str, mapped: &Mapped<'_>, Incoming { sample, now, .. }: &Incoming<'_>, admitted: &Admitted) {
        let (CellHandle::Gauge(cell), Kind::Gauge, Value::Signed(value)) = (&admitted.cell, sample.kind, sample.value) else { return };
        let is_first = admitted.series.created() == self.engine.registry().wall().of(*now) && cell.get() == 0.0;
        if mapped.signed_sets || value >= 0.0 || !is_first || !self.engine.said().first_time(family) {
            return;
        }
        tracing::warn!(
            family, sample = %sample,
            "the first sample of a gauge lowers it from 0; if the client means to set it, as those of DogStatsD do, \
             start with --statsd.signed-gauges=absolute or write `signed_gauges: absolute` in its rule"
        );
    }
}

/// Why a sample would be refused by the cell of a new series, so that no series comes to be for nothing.
fn refusal_of_value(sample: &Sample<'_>, mapped: &Mapped<'_>, most: f64) -> Option<Refusal> {
    let (Value::Number(value) | Value::Signed(value)) = sample.value else { return None };
    let value = mapped.factor.apply(value);
    let too_large = |added: f64| (!(0.0..=most).contains(&added.abs())).then(|| Refusal::of_large(added));
    match &mapped.kind {
        _ if !value.is_finite() => Some(Refusal::ValueOverflow),
        FamilyKind::Counter if value * sample.weight < 0.0 => Some(Refusal::NegativeCounter),
        FamilyKind::Counter => too_large(value * sample.weight),
        FamilyKind::Gauge => change_of_gauge(sample, value, mapped.signed_sets).and_then(too_large),
        FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => too_large(value * sample.weight).or(too_large(sample.weight)),
        FamilyKind::Set => None,
    }
}
