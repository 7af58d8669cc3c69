//! resolve: what a new identity leads to. Runs once for each route, and holds everything that depends on the identity alone.
//!
//! Sizes, UTF-8, tag styles, mapping, escaping, label order, own names, type and limits are settled here, in this order; later
//! samples of the same bytes only follow the route.

use std::sync::Arc;

use crate::hits::{Hits, Slot};
use crate::mapping::spec::{Action, Becomes, MetricKind, Rule, Ttl};
use crate::mapping::{Factor, Rules, labels, unit};
use crate::name::{FamilyName, NameValidation, RENAMED};
use crate::options::{Dialect, Limits, Observer, Options};
use crate::protocol::{Identity, Kind, Sample, SampleError, TagErrors, TagSink, Value};
use crate::registry::{Arrival, CellHandle, Conflict, FamilyKind, Labels, Limited, Membership, NotAdmitted, Reason, Request, Series};
use crate::telemetry::{Refusal, Tally};
use crate::value::Bounds;
use crate::{Bridge, Source, Timestamp};

/// How many routes that lead to no cell of their own a worker keeps. A flood of new identities beyond a limit would
/// otherwise push out the routes of healthy series.
const MAX_SIDE_ROUTES: usize = 1 << 14;

/// What the raw bytes of an identity resolved to.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) target: Target,
    /// What few routes have.
    pub(crate) extra: Option<Box<Extra>>,
    /// Where samples are counted by rule, or by name if unmapped.
    pub(crate) slot: Slot,
    pub(crate) is_mapped: bool,
    pub(crate) is_tagged: bool,
    pub(crate) scale: Scale,
}

/// What few routes have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Where samples are folded into the family's overflow series.
    pub(crate) folded: Option<Arc<Limited>>,
    pub(crate) tag_errors: TagErrors,
    pub(crate) factor: Factor,
    /// Where exemplars are noted, once a sample brought one.
    pub(crate) series: Option<Arc<Series>>,
}

/// What a number is converted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    One,
    /// Milliseconds on the wire, seconds on the page.
    Thousandth,
    /// The factor in [`Extra`].
    Factor,
}

/// Where a sample goes.
#[derive(Debug)]
pub(crate) enum Target {
    Cell(CellHandle),
    LineRefused(SampleError),
    Refused(Refusal),
    Limited(Refusal, Arc<Limited>),
    Conflict(Arc<Conflict>),
    /// A rule said so.
    Dropped,
}

/// The sample that asks for a route.
struct Incoming<'a> {
    sample: &'a Sample<'a>,
    source: &'a Source,
    now: Timestamp,
}

/// What mapping made of an identity.
struct Mapped<'r> {
    rule: Option<&'r Rule>,
    name: String,
    kind: FamilyKind,
    factor: Factor,
}

/// What a route reaches beside its cell.
#[derive(Default)]
struct Reached {
    folded: Option<Arc<Limited>>,
    series: Option<Arc<Series>>,
}

/// Makes routes for one worker.
pub(crate) struct Resolver {
    bridge: Bridge,
    dialect: Dialect,
    limits: Limits,
    membership: Membership,
    rules: Arc<Rules>,
    generation: u64,
    hits: Arc<Hits>,
    side_routes: usize,
    /// Whether the route at hand is to lead to its series, too.
    wants_series: bool,
    parts: Parts,
    labels: Labels,
}

/// Name and tags of an identity; tags with their keys as labels have them, renamed where they are reserved.
pub(crate) struct Parts {
    names: NameValidation,
    /// The key of the tag that is no label.
    exemplar_tag: Option<Arc<str>>,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
    renamed: u64,
}

impl Parts {
    pub(crate) fn new(options: &Options) -> Self {
        let (names, exemplar_tag) = (options.names, options.exemplar_tag.clone());
        Self { names, exemplar_tag, name: String::new(), tags: Vec::new(), renamed: 0 }
    }
}

impl<'a> TagSink<'a> for Parts {
    fn name(&mut self, piece: &'a str) {
        self.name.push_str(piece);
    }

    fn tag(&mut self, key: &'a str, value: &'a str) {
        if self.exemplar_tag.as_deref() == Some(key) {
            // In the name, where it cannot be cut out beforehand.
            return;
        }
        let mut escaped = String::with_capacity(key.len());
        self.renamed += u64::from(self.names.push_label(key, &mut escaped));
        self.tags.push((escaped, value.to_owned()));
    }
}

impl Resolver {
    pub(crate) fn new(bridge: &Bridge) -> Self {
        let options = bridge.options();
        let current = bridge.rules();
        Self {
            bridge: bridge.clone(),
            dialect: options.dialect,
            limits: options.limits,
            membership: bridge.registry().join(),
            rules: current.rules,
            generation: current.generation,
            hits: current.hits,
            side_routes: 0,
            wants_series: false,
            parts: Parts::new(options),
            labels: Labels::new(options.names),
        }
    }

    /// The worker's place among the writers.
    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Where hits are counted under the rules in use.
    pub(crate) fn hits(&self) -> &Arc<Hits> {
        &self.hits
    }

    /// Takes over new rules, if there are any; then all routes are to be found anew.
    pub(crate) fn follow_rules(&mut self) -> bool {
        if self.bridge.generation() == self.generation {
            return false;
        }
        let current = self.bridge.rules();
        (self.rules, self.generation, self.hits) = (current.rules, current.generation, current.hits);
        true
    }

    /// Whether the route is to be kept; counts those that lead to no cell of their own.
    pub(crate) fn keeps(&mut self, route: &Route) -> bool {
        use Refusal::{NameTooLong, NegativeCounter, TagsTooLong, ValueOverflow};
        // Too large to be kept, or a matter of the value and not of the identity.
        if matches!(route.target, Target::Refused(NameTooLong | TagsTooLong | NegativeCounter | ValueOverflow)) {
            return false;
        }
        if !route.is_side() {
            return true;
        }
        let has_room = self.side_routes < MAX_SIDE_ROUTES;
        self.side_routes += usize::from(has_room);
        has_room
    }

    /// To be called when a route that was to be kept is so no more.
    pub(crate) fn forgot(&mut self, route: &Route) {
        self.side_routes -= usize::from(route.is_side()).min(self.side_routes);
    }

    /// To be called when all routes were forgotten.
    pub(crate) fn forgot_all(&mut self) {
        self.side_routes = 0;
    }

    /// As [`resolve`](Self::resolve), of a sample that brings an exemplar: the route leads to the series, too.
    pub(crate) fn resolve_with_series(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Route {
        self.wants_series = true;
        let route = self.resolve(sample, source, now, tally);
        self.wants_series = false;
        route
    }

    /// The route of an identity; `source` sent the sample that asks for it.
    pub(crate) fn resolve(&mut self, sample: &Sample<'_>, source: &Source, now: Timestamp, tally: &mut Tally) -> Route {
        if sample.name.len() > self.limits.name_bytes {
            return Route::refused(Refusal::NameTooLong);
        }
        if sample.tags.len() > self.limits.tags_bytes {
            return Route::refused(Refusal::TagsTooLong);
        }
        match Identity::of(sample, &self.dialect) {
            Ok(identity) => self.resolve_identity(&identity, &Incoming { sample, source, now }, tally),
            Err(refused) => {
                let mut route = Route::to(Target::LineRefused(refused.error));
                route.set_extra(Reached::default(), TagErrors { name: refused.tag_errors, fields: 0 }, Factor::default());
                route
            }
        }
    }

    fn resolve_identity(&mut self, identity: &Identity<'_>, incoming: &Incoming<'_>, tally: &mut Tally) -> Route {
        self.parts.name.clear();
        self.parts.tags.clear();
        self.parts.renamed = 0;
        let tag_errors = identity.visit(&mut self.parts);
        let is_tagged = !self.parts.tags.is_empty();
        let rules = Arc::clone(&self.rules);
        let mut route = match self.map(&rules, incoming.sample.kind) {
            Ok((mapped, slot)) => {
                let (target, reached) = self.target(&mapped, incoming);
                tally.labels_renamed += self.parts.renamed;
                let mut route = Route { is_mapped: mapped.rule.is_some(), slot, ..Route::to(target) };
                route.set_extra(reached, tag_errors, mapped.factor);
                route
            }
            Err(slot) => {
                let mut route = Route { is_mapped: true, slot, ..Route::to(Target::Dropped) };
                route.set_extra(Reached::default(), tag_errors, Factor::default());
                route
            }
        };
        route.is_tagged = is_tagged;
        route
    }

    /// Name, labels, kind and factor by the rules; `Err` where a rule drops it. Leaves the labels in `self.labels`.
    fn map<'r>(&mut self, rules: &'r Rules, kind: Kind) -> Result<(Mapped<'r>, Slot), Slot> {
        let config = rules.config();
        let found = rules.find(&self.parts.name, metric_kind(kind), &self.parts.tags);
        let rule = found.as_ref().and_then(|found| config.rules.get(found.rule));
        let slot = match &found {
            Some(found) => self.hits.of_rule(found.rule),
            None => self.hits.of_name(&self.parts.name),
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
            labels::apply(&rule.label_steps, &mut joined);
        }
        let mapped = Mapped { rule, name: self.family_name(name, rule), kind: self.kind(kind, rule), factor: factor(kind, rule) };
        self.labels.clear();
        for (key, value) in joined.iter().chain(&config.constant_labels) {
            if mapped.kind.reserves(key) {
                self.parts.renamed += 1;
                self.labels.push(&format!("{RENAMED}{key}"), value);
            } else {
                self.labels.push(key, value);
            }
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
        match &*self.rules.config().prefix {
            _ if name.is_empty() => name,
            prefix => format!("{prefix}{name}"),
        }
    }

    /// The rule's word first, then the file's, then the flags'.
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
                let defaults = &self.rules.config().defaults;
                let stated = rule.and_then(|rule| rule.observer.as_ref()).or(defaults.observer.as_ref());
                let options = rule.map_or(&defaults.observer_options, |rule| &rule.observer_options);
                match stated.cloned().unwrap_or_else(|| options.over(&self.bridge.options().observer)) {
                    Observer::Histogram { bounds } => FamilyKind::Histogram { bounds: Bounds::shared(&bounds) },
                    Observer::Summary(summary) => FamilyKind::Summary(summary),
                }
            }
        }
    }

    fn target(&self, mapped: &Mapped<'_>, incoming: &Incoming<'_>) -> (Target, Reached) {
        let registry = self.bridge.registry();
        let arrival = Arrival { text: &|| incoming.sample.to_string(), source: *incoming.source, now: incoming.now };
        let Some(name) = FamilyName::new(&mapped.name, self.parts.names) else {
            return (Target::Conflict(registry.settle(Reason::EmptyName, "", &mapped.kind, &arrival)), Reached::default());
        };
        if self.bridge.owns_name(name.as_str()) {
            return (Target::Conflict(registry.settle(Reason::OwnName, name.as_str(), &mapped.kind, &arrival)), Reached::default());
        }
        if self.labels.len() > self.limits.tags {
            return (Target::Refused(Refusal::TooManyTags), Reached::default());
        }
        if let Some(refusal) = refusal_of_value(incoming.sample, mapped) {
            return (Target::Refused(refusal), Reached::default());
        }
        if self.parts.renamed > 0 {
            registry.settle(Reason::ReservedLabel, name.as_str(), &mapped.kind, &arrival).count();
        }
        let request = Request {
            name: &name,
            kind: &mapped.kind,
            labels: &self.labels,
            help: mapped.rule.and_then(|rule| rule.help.as_deref()).map(Arc::from),
            unit: mapped.rule.and_then(|rule| rule.unit).and_then(unit::base),
            origin: mapped.rule.map_or("", |rule| &rule.pattern),
            ttl_ms: ttl_ms(&mapped.kind, mapped.rule, (&self.rules, self.bridge.options())),
            limits: mapped.rule.map(|rule| rule.limits).unwrap_or_default(),
            generation: self.generation,
            worker: self.membership.id(),
            created: arrival.now,
            arrival,
        };
        match registry.admit(&request) {
            Ok(admitted) => {
                let has_exemplars = matches!(mapped.kind, FamilyKind::Counter | FamilyKind::Histogram { .. });
                let series = (self.wants_series && has_exemplars).then_some(admitted.series);
                (Target::Cell(admitted.cell), Reached { folded: admitted.folded, series })
            }
            Err(NotAdmitted::Conflict(conflict)) => (Target::Conflict(conflict), Reached::default()),
            Err(NotAdmitted::Limited(refusal, limited)) => (Target::Limited(refusal, limited), Reached::default()),
        }
    }
}

// Together with the 9 bytes that the table of routes keeps beside it, it fits a cache line.
const _: () = assert!(size_of::<Route>() <= 48, "a route has grown");

impl Route {
    fn to(target: Target) -> Self {
        Self { target, extra: None, slot: Slot::NONE, is_mapped: false, is_tagged: false, scale: Scale::One }
    }

    fn refused(refusal: Refusal) -> Self {
        Self::to(Target::Refused(refusal))
    }

    fn set_extra(&mut self, Reached { folded, series }: Reached, tag_errors: TagErrors, factor: Factor) {
        self.scale = match factor {
            Factor { divide, multiply } if divide == 1.0 && multiply == 1.0 => Scale::One,
            Factor { divide, multiply } if divide == 1000.0 && multiply == 1.0 => Scale::Thousandth,
            _ => Scale::Factor,
        };
        if folded.is_some() || series.is_some() || tag_errors != TagErrors::default() || self.scale == Scale::Factor {
            self.extra = Some(Box::new(Extra { folded, tag_errors, factor, series }));
        }
    }

    /// A number of the wire as the page shows it.
    #[inline(always)]
    pub(crate) fn convert(&self, number: f64) -> f64 {
        match self.scale {
            Scale::One => number,
            Scale::Thousandth => number / 1000.0,
            Scale::Factor => self.extra.as_ref().map_or(number, |extra| extra.factor.apply(number)),
        }
    }

    /// The series whose exemplars a sample of it may be.
    pub(crate) fn series(&self) -> Option<&Arc<Series>> {
        self.extra.as_ref()?.series.as_ref()
    }

    /// Whether it leads to no cell of its own, so that it may lead elsewhere once there is room.
    pub(crate) fn is_side(&self) -> bool {
        let is_folded = self.extra.as_ref().is_some_and(|extra| extra.folded.is_some());
        is_folded || !matches!(self.target, Target::Cell(_) | Target::Dropped)
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

/// The unit that a rule states, else milliseconds for the kind that says so; then the rule's scale.
pub(crate) fn factor(kind: Kind, rule: Option<&Rule>) -> Factor {
    let base = match rule.and_then(|rule| rule.unit) {
        Some(unit) => unit::factor(unit),
        None if kind == Kind::Timer => Factor { divide: 1000.0, multiply: 1.0 },
        None => Factor::default(),
    };
    Factor { multiply: base.multiply * rule.and_then(|rule| rule.scale).unwrap_or(1.0), ..base }
}

/// The rule's word first, then the file's, then the flags'.
pub(crate) fn ttl_ms(kind: &FamilyKind, rule: Option<&Rule>, (rules, options): (&Rules, &Options)) -> u64 {
    let levels = [rule.map(|rule| rule.ttl), Some(rules.config().defaults.ttl), Some(options.ttl)];
    let of_kind = |ttl: Ttl| match kind {
        FamilyKind::Counter => ttl.counter_ms,
        FamilyKind::Gauge => ttl.gauge_ms,
        FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => ttl.observer_ms,
        FamilyKind::Set => ttl.set_ms,
    };
    levels.into_iter().flatten().find_map(of_kind).unwrap_or(0)
}

/// Why a sample would be refused by the cell of a new series, so that no series comes to be for nothing.
fn refusal_of_value(sample: &Sample<'_>, mapped: &Mapped<'_>) -> Option<Refusal> {
    let (Value::Number(value) | Value::Signed(value)) = sample.value else { return None };
    let value = mapped.factor.apply(value);
    match &mapped.kind {
        FamilyKind::Counter if value < 0.0 => Some(Refusal::NegativeCounter),
        FamilyKind::Gauge if sample.kind == Kind::Gauge => (!value.is_finite()).then_some(Refusal::ValueOverflow),
        _ => (!(value * sample.weight).is_finite()).then_some(Refusal::ValueOverflow),
    }
}
