//! resolve: what a new identity leads to. Runs once for each route, and holds everything that depends on the identity alone.
//!
//! Sizes, UTF-8, tag styles, escaping, label order, own names, type and limits are settled here, in this order; later samples of the
//! same bytes only follow the route.

use std::sync::Arc;

use crate::Bridge;
use crate::name::FamilyName;
use crate::options::{Dialect, Limits, Observer};
use crate::protocol::{Identity, Kind, Sample, SampleError, TagErrors, TagSink, Value};
use crate::registry::{CellHandle, Conflict, FamilyKind, Labels, Limited, NotAdmitted};
use crate::telemetry::{Refusal, Tally};

/// How many routes that lead to no cell of their own a worker keeps. A flood of new identities beyond a limit would
/// otherwise push out the routes of healthy series.
const MAX_SIDE_ROUTES: usize = 1 << 14;

/// What the raw bytes of an identity resolved to.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) target: Target,
    /// Where samples are folded into the family's overflow series.
    pub(crate) folded: Option<Arc<Limited>>,
    pub(crate) tag_errors: TagErrors,
    pub(crate) is_tagged: bool,
    /// Whether tags or errors of tags are to be counted at all.
    pub(crate) has_tag_facts: bool,
}

/// Where a sample goes.
#[derive(Debug)]
pub(crate) enum Target {
    Cell(CellHandle),
    LineRefused(SampleError),
    Refused(Refusal),
    Limited(Refusal, Arc<Limited>),
    Conflict(Arc<Conflict>),
}

/// Makes routes for one worker.
pub(crate) struct Resolver {
    bridge: Bridge,
    dialect: Dialect,
    limits: Limits,
    observer: FamilyKind,
    worker: u32,
    side_routes: usize,
    name: String,
    labels: Labels,
}

impl Resolver {
    pub(crate) fn new(bridge: &Bridge) -> Self {
        let options = bridge.options();
        let observer = match &options.observer {
            Observer::Histogram { bounds } => FamilyKind::Histogram { bounds: Arc::clone(bounds) },
            Observer::Summary(summary) => FamilyKind::Summary(summary.clone()),
        };
        Self {
            bridge: bridge.clone(),
            dialect: options.dialect,
            limits: options.limits,
            observer,
            worker: bridge.registry().worker_id(),
            side_routes: 0,
            name: String::new(),
            labels: Labels::default(),
        }
    }

    /// The number of the worker that it makes routes for.
    pub(crate) fn worker(&self) -> u32 {
        self.worker
    }

    /// Whether the route is to be kept; counts those that lead to no cell of their own.
    pub(crate) fn keeps(&mut self, route: &Route) -> bool {
        use Refusal::{NameTooLong, NegativeCounter, TagsTooLong, ValueOverflow};
        // Too large to be kept, or a matter of the value and not of the identity.
        if matches!(route.target, Target::Refused(NameTooLong | TagsTooLong | NegativeCounter | ValueOverflow)) {
            return false;
        }
        if matches!(route.target, Target::Cell(_)) && route.folded.is_none() {
            return true;
        }
        self.side_routes += 1;
        self.side_routes <= MAX_SIDE_ROUTES
    }

    /// To be called when the table of routes was cleared.
    pub(crate) fn routes_cleared(&mut self) {
        self.side_routes = 0;
    }

    /// The route of an identity.
    pub(crate) fn resolve(&mut self, sample: &Sample<'_>, tally: &mut Tally) -> Route {
        let mut route = Route {
            target: Target::Refused(Refusal::EmptyName),
            folded: None,
            tag_errors: TagErrors::default(),
            is_tagged: false,
            has_tag_facts: false,
        };
        if sample.name.len() > self.limits.name_bytes {
            route.target = Target::Refused(Refusal::NameTooLong);
        } else if sample.tags.len() > self.limits.tags_bytes {
            route.target = Target::Refused(Refusal::TagsTooLong);
        } else {
            match Identity::of(sample, &self.dialect) {
                Ok(identity) => self.resolve_identity(&identity, sample, &mut route),
                Err(refused) => {
                    route.target = Target::LineRefused(refused.error);
                    route.tag_errors.name = refused.tag_errors;
                    route.has_tag_facts = refused.tag_errors > 0;
                }
            }
            tally.labels_renamed += self.labels.renamed();
        }
        route
    }

    fn resolve_identity(&mut self, identity: &Identity<'_>, sample: &Sample<'_>, route: &mut Route) {
        self.name.clear();
        self.labels.clear();
        route.tag_errors = identity.visit(&mut Parts { name: &mut self.name, labels: &mut self.labels });
        self.labels.finish();
        route.is_tagged = !self.labels.is_empty();
        route.has_tag_facts = route.is_tagged || route.tag_errors != TagErrors::default();
        route.target = self.target(sample, &mut route.folded);
    }

    fn target(&self, sample: &Sample<'_>, folded: &mut Option<Arc<Limited>>) -> Target {
        let Some(name) = FamilyName::escape(&self.name) else { return Target::Refused(Refusal::EmptyName) };
        if self.bridge.telemetry().owns_name(name.as_str()) {
            return Target::Refused(Refusal::OwnName);
        }
        if self.labels.len() > self.limits.tags {
            return Target::Refused(Refusal::TooManyTags);
        }
        if let Some(refusal) = refusal_of_value(sample) {
            return Target::Refused(refusal);
        }
        let kind = match sample.kind {
            Kind::Counter => &FamilyKind::Counter,
            Kind::Gauge => &FamilyKind::Gauge,
            Kind::Set => &FamilyKind::Set,
            Kind::Timer | Kind::Histogram | Kind::Distribution => &self.observer,
        };
        match self.bridge.registry().admit(&name, kind, &self.labels, self.worker) {
            Ok(admitted) => {
                *folded = admitted.folded;
                Target::Cell(admitted.cell)
            }
            Err(NotAdmitted::Conflict(conflict)) => Target::Conflict(conflict),
            Err(NotAdmitted::Refused(refusal)) => Target::Refused(refusal),
            Err(NotAdmitted::Limited(refusal, limited)) => Target::Limited(refusal, limited),
        }
    }
}

/// Why a sample would be refused by the cell of a new series, so that no series comes to be for nothing.
fn refusal_of_value(sample: &Sample<'_>) -> Option<Refusal> {
    match (sample.kind, sample.value) {
        (Kind::Counter, Value::Signed(value)) if value < 0.0 => Some(Refusal::NegativeCounter),
        (Kind::Gauge | Kind::Set, _) | (_, Value::Member(_)) => None,
        (_, Value::Number(value) | Value::Signed(value)) => (!(value * sample.weight).is_finite()).then_some(Refusal::ValueOverflow),
    }
}

/// Gathers the parts of an identity.
struct Parts<'p> {
    name: &'p mut String,
    labels: &'p mut Labels,
}

impl<'a> TagSink<'a> for Parts<'_> {
    fn name(&mut self, piece: &'a str) {
        self.name.push_str(piece);
    }

    fn tag(&mut self, key: &'a str, value: &'a str) {
        self.labels.push(key, value);
    }
}
