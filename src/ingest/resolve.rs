//! resolve: creates the binding of a new identity. Runs once for each binding and does all that depends on the identity alone.
//!
//! It checks sizes, UTF-8 and tag styles, applies mapping, escapes names, sorts labels, and checks reserved names, type and limits, in
//! this order. Later samples with the same bytes use the binding. `mapped` applies the mapping, `binding` is the result, and this file is
//! the only one that calls the registry. Knows neither sockets nor expositions.

mod binding;
mod mapped;

use std::sync::Arc;

use self::binding::Links;
pub(crate) use self::binding::{Binding, Outcome, Target, change_of_gauge};
pub(crate) use self::mapped::ttl_ms;
use self::mapped::{Mapped, Mapper};
#[cfg(feature = "cli")]
pub(crate) use self::mapped::{NameAndTags, factor, metric_kind, signed_sets};
use crate::arrivals::{Arrived, Verdict};
use crate::engine::Engine;
use crate::hits::Hits;
use crate::ingest::origin;
use crate::ingest::protocol::{Identity, Kind, Sample, TagErrors, Value};
use crate::mapping::{Factor, unit};
use crate::name::{FamilyName, NameValidation};
use crate::options::{Dialect, Limits};
use crate::registry::{Admitted, Arrival, FamilyKind, Membership, NotAdmitted, Reason, Request, WorkerCell};
use crate::source::Source;
use crate::sources::{ClientField, SourceLimit};
#[cfg(feature = "cli")]
use crate::tap::Mapping;
use crate::telemetry::{SampleRejection, Tally};
use crate::time::Timestamp;

/// Maximum number of a worker's bindings whose samples are folded or rejected. A flood of new identities beyond a limit would
/// otherwise evict the bindings of other series.
const MAX_BINDINGS_WITHOUT_SERIES: usize = 1 << 14;

/// The sample that needs a binding.
struct Incoming<'a> {
    sample: &'a Sample<'a>,
    source: &'a Source,
    now: Timestamp,
}

/// Creates bindings for one worker.
pub(crate) struct Resolver {
    engine: Arc<Engine>,
    dialect: Dialect,
    limits: Limits,
    membership: Membership,
    names: NameValidation,
    mapper: Mapper,
    bindings_without_series: usize,
    /// Whether the current binding must also refer to its series.
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
            bindings_without_series: 0,
            wants_series: false,
        }
    }

    /// The worker's entry among the writers.
    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The hits of the rules in use.
    pub(crate) fn hits(&self) -> &Arc<Hits> {
        &self.mapper.current.hits
    }

    /// Switches to new rules. Returns whether there were any; all bindings are outdated then.
    pub(crate) fn update_rules(&mut self) -> bool {
        if self.engine.generation() == self.mapper.current.generation {
            return false;
        }
        self.mapper.current = self.engine.rules();
        true
    }

    /// Whether the worker keeps the binding. Counts the kept bindings whose samples are folded or rejected.
    pub(crate) fn keep(&mut self, binding: &Binding) -> bool {
        use SampleRejection::{NameTooLong, NegativeCounter, SourceSeriesLimit, TagsTooLong, ValueOverflow, ValueTooLarge};
        // The key is too large, or the sample is rejected for its value or its sender and not for its identity.
        if let Target::Outcome(Outcome::Rejected(
            NameTooLong | TagsTooLong | NegativeCounter | ValueOverflow | ValueTooLarge | SourceSeriesLimit,
        )) = binding.target
        {
            return false;
        }
        if !binding.lacks_own_series() {
            return true;
        }
        let has_room = self.bindings_without_series < MAX_BINDINGS_WITHOUT_SERIES;
        self.bindings_without_series += usize::from(has_room);
        has_room
    }

    /// Call it when the worker removes a binding that [`keep`](Self::keep) accepted.
    pub(crate) fn removed(&mut self, binding: &Binding) {
        let lacks_series = usize::from(binding.lacks_own_series());
        debug_assert!(self.bindings_without_series >= lacks_series, "a binding that was never counted");
        self.bindings_without_series = self.bindings_without_series.saturating_sub(lacks_series);
    }

    /// Call it when the worker removes all bindings.
    pub(crate) fn removed_all(&mut self) {
        self.bindings_without_series = 0;
    }

    /// As [`resolve`](Self::resolve), for a sample with an exemplar: the binding also refers to the series.
    pub(crate) fn resolve_with_series(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Binding {
        self.wants_series = true;
        let binding = self.resolve(sample, source, now, tally);
        self.wants_series = false;
        binding
    }

    /// Creates the binding of an identity; `source` is the sender of the sample.
    pub(crate) fn resolve(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Binding {
        if sample.name.len() > self.limits.name_bytes {
            return Binding::without_cell(Outcome::Rejected(SampleRejection::NameTooLong));
        }
        if sample.tags.len() > self.limits.tags_bytes {
            return Binding::without_cell(Outcome::Rejected(SampleRejection::TagsTooLong));
        }
        match Identity::of(sample, &self.dialect) {
            Ok(identity) => self.resolve_identity(&identity, &Incoming { sample, source, now }, tally),
            Err(rejected) => {
                let mut binding = Binding::without_cell(Outcome::LineRejected(rejected.error));
                binding.set_extra(Links::default(), TagErrors { name: rejected.tag_errors, fields: 0 }, Factor::default());
                binding
            }
        }
    }

    fn resolve_identity(&mut self, identity: &Identity<'_>, incoming: &Incoming<'_>, tally: &mut Tally) -> Binding {
        let (tag_errors, is_tagged) = self.mapper.read(identity);
        let rules = Arc::clone(&self.mapper.current.rules);
        let origin_label = self.engine.options().origin_label.as_ref();
        let origin = origin_label.and_then(|label| origin::value(label.value(), incoming.source, incoming.sample));
        let mut binding = match self.mapper.map(&rules, incoming.sample.kind, origin.as_deref()) {
            Ok((mapped, slot)) => {
                let admitted = self.admit(&mapped, incoming);
                if self.engine.arrivals().is_on() {
                    self.note_arrival(&mapped.name, verdict(&admitted), incoming);
                }
                let (target, links) = match admitted {
                    Ok((cell, links)) => (Target::Cell(cell), links),
                    Err(outcome) => (Target::Outcome(outcome), Links::default()),
                };
                tally.labels_renamed += self.mapper.renamed();
                let mut binding =
                    Binding { is_mapped: mapped.rule.is_some(), signed_sets: mapped.signed_sets, slot, ..Binding::to(target) };
                binding.set_extra(links, tag_errors, mapped.factor);
                binding
            }
            Err(slot) => {
                if self.engine.arrivals().is_on() {
                    self.note_arrival("", Verdict::Dropped, incoming);
                }
                let mut binding = Binding { is_mapped: true, slot, ..Binding::without_cell(Outcome::Dropped) };
                binding.set_extra(Links::default(), tag_errors, Factor::default());
                binding
            }
        };
        binding.is_tagged = is_tagged;
        if let Some(field) = self.client_field(incoming.sample) {
            binding.set_client(field);
        }
        binding
    }

    /// Notes the name that was read last, for reports.
    #[inline(never)]
    fn note_arrival(&self, family: &str, verdict: Verdict, incoming: &Incoming<'_>) {
        let (kind, source, now) = (incoming.sample.kind, *incoming.source, incoming.now);
        self.engine.arrivals().note(&Arrived { name: self.mapper.name(), kind, family, verdict, source, now });
    }

    /// What the rules make of a sample, for a viewer; `None` if its identity is not valid. Counts nothing.
    #[cfg(feature = "cli")]
    pub(crate) fn mapping_of(&mut self, sample: &Sample<'_>, source: &Source) -> Option<Mapping> {
        let identity = Identity::of(sample, &self.dialect).ok()?;
        self.mapper.read(&identity);
        let rules = Arc::clone(&self.mapper.current.rules);
        let origin_label = self.engine.options().origin_label.as_ref();
        let origin = origin_label.and_then(|label| origin::value(label.value(), source, sample));
        let number = self.mapper.rule_of(&rules, sample.kind);
        let rule = number.and_then(|number| Some((number + 1, rules.config().rules.get(number)?.position.to_string())));
        let Ok((mapped, _)) = self.mapper.map(&rules, sample.kind, origin.as_deref()) else {
            return Some(Mapping { rule, ..Mapping::default() });
        };
        let family = FamilyName::new(&mapped.name, self.names).map(|name| name.as_str().to_owned());
        let labels = self.mapper.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Mapping { family, labels, rule, is_folded: false })
    }

    /// The number that a client reports about itself with this sample, whatever the rules make of its name.
    fn client_field(&self, sample: &Sample<'_>) -> Option<ClientField> {
        ClientField::of_name(sample.name).filter(|_| sample.kind == Kind::Counter && self.engine.sources().is_on())
    }

    /// The cell of the series, or why its samples reach none.
    fn admit(&self, mapped: &Mapped<'_>, incoming: &Incoming<'_>) -> Result<(WorkerCell, Links), Outcome> {
        let registry = self.engine.registry();
        let arrival = Arrival { text: &|| incoming.sample.to_string(), source: *incoming.source, now: incoming.now };
        let Some(name) = FamilyName::new(&mapped.name, self.names) else {
            let conflict = registry.note_reserved(Reason::EmptyName, "", &mapped.kind, &arrival);
            return Err(Outcome::Conflict(SampleRejection::EmptyName, conflict));
        };
        if let Some(reserved) = self.engine.reserves(&name) {
            let conflict = registry.note_reserved(reserved.reason(), name.as_str(), &mapped.kind, &arrival);
            return Err(Outcome::Conflict(reserved.rejection(), conflict));
        }
        if self.mapper.labels.len() > self.limits.tags {
            return Err(Outcome::Rejected(SampleRejection::TooManyTags));
        }
        if let Some(rejection) = rejection_of_value(incoming.sample, mapped, self.limits.sample_value.get()) {
            return Err(Outcome::Rejected(rejection));
        }
        if self.exceeds_new_series(&name, incoming) {
            return Err(Outcome::Rejected(SampleRejection::SourceSeriesLimit));
        }
        if self.mapper.renamed() > 0 {
            registry.note_reserved(Reason::ReservedLabel, name.as_str(), &mapped.kind, &arrival).count();
        }
        let request = Request {
            name: &name,
            kind: &mapped.kind,
            labels: &self.mapper.labels,
            help: mapped.rule.and_then(|rule| rule.help.as_deref()).map(Arc::from),
            unit: mapped.rule.and_then(|rule| rule.unit).and_then(unit::base),
            origin: mapped.rule.map_or("", |rule| &rule.pattern),
            ttl_ms: ttl_ms(&mapped.kind, mapped.rule, &self.mapper.current.rules, self.engine.options()),
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
                Ok((admitted.cell, Links { folded: admitted.folded, series }))
            }
            Err(NotAdmitted::Conflict(conflict)) => Err(Outcome::Conflict(SampleRejection::Conflict, conflict)),
            Err(NotAdmitted::Limited(limited)) => Err(Outcome::Limited(limited)),
        }
    }
}

impl Resolver {
    /// Whether the series is new and its sender exceeds its limit of new series.
    fn exceeds_new_series(&self, name: &FamilyName, incoming: &Incoming<'_>) -> bool {
        let sources = self.engine.sources();
        sources.has(SourceLimit::NewSeries)
            && !self.engine.registry().has_series(name.as_str(), self.mapper.labels.text())
            && !sources.admit(SourceLimit::NewSeries, *incoming.source, 1, incoming.now)
    }

    /// Warns once for each family whose first sample lowers a gauge from 0: a DogStatsD client means to set the gauge.
    fn warn_of_change(&self, family: &str, mapped: &Mapped<'_>, Incoming { sample, now, .. }: &Incoming<'_>, admitted: &Admitted) {
        let (WorkerCell::Gauge(cell), Kind::Gauge, Value::Signed(value)) = (&admitted.cell, sample.kind, sample.value) else { return };
        let is_first = admitted.series.created() == self.engine.registry().wall().of(*now) && cell.get() == 0.0;
        if mapped.signed_sets || value >= 0.0 || !is_first || !self.engine.logged_names().first_time(family) {
            return;
        }
        tracing::warn!(
            family, sample = %sample,
            "the first sample of a gauge lowers it from 0; if the client means to set it, as those of DogStatsD do, \
             start with --statsd.signed-gauges=absolute or write `signed_gauges: absolute` in its rule"
        );
    }
}

/// What becomes of the samples of an identity.
fn verdict(admitted: &Result<(WorkerCell, Links), Outcome>) -> Verdict {
    match admitted {
        Ok((_, Links { folded: Some(_), .. })) => Verdict::Folded,
        Ok(_) => Verdict::Recorded,
        Err(Outcome::Dropped) => Verdict::Dropped,
        Err(Outcome::Rejected(rejection) | Outcome::Conflict(rejection, _)) => Verdict::Rejected(rejection.as_str()),
        Err(Outcome::Limited(limited)) => Verdict::Rejected(limited.limit.rejection().as_str()),
        Err(Outcome::LineRejected(error)) => Verdict::Rejected(error.as_str()),
    }
}

/// Why the cell of a new series would reject the sample. A rejected first sample creates no series.
fn rejection_of_value(sample: &Sample<'_>, mapped: &Mapped<'_>, most: f64) -> Option<SampleRejection> {
    let (Value::Number(value) | Value::Signed(value)) = sample.value else { return None };
    let value = mapped.factor.apply(value);
    let too_large = |added: f64| (!(0.0..=most).contains(&added.abs())).then(|| SampleRejection::of_large(added));
    match &mapped.kind {
        _ if !value.is_finite() => Some(SampleRejection::ValueOverflow),
        FamilyKind::Counter if value * sample.weight < 0.0 => Some(SampleRejection::NegativeCounter),
        FamilyKind::Counter => too_large(value * sample.weight),
        FamilyKind::Gauge => change_of_gauge(sample, value, mapped.signed_sets).and_then(too_large),
        FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => too_large(value * sample.weight).or(too_large(sample.weight)),
        FamilyKind::Set => None,
    }
}
