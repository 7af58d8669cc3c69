//! engine: the state of one bridge: options, registry, self-metrics and the rules in force.
//!
//! `Bridge` owns the engine. Ingest and exposition borrow the engine or a part of it, and do not depend on `Bridge`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::arrivals::Arrivals;
use crate::events::EventLog;
use crate::hits::Hits;
use crate::logged::LoggedNames;
use crate::mapping::spec::{Action, Rule};
use crate::mapping::{Rules, unit};
use crate::name::{Escaping, FamilyName, is_prometheus_name};
use crate::options::{NativeWhen, Options};
use crate::registry::{Registry, Reserved};
use crate::rejections::Rejections;
use crate::sources::Sources;
#[cfg(feature = "cli")]
use crate::tap::Taps;
use crate::telemetry::{Owner, Telemetry};

/// One bridge's state. Workers and renderers share it by reference.
pub(crate) struct Engine {
    options: Options,
    registry: Registry,
    telemetry: Arc<Telemetry>,
    rules: RwLock<RulesInForce>,
    generation: AtomicU64,
    /// Whether a rule in force states a unit.
    has_units: AtomicBool,
    logged_names: LoggedNames,
    rejections: Rejections,
    sources: Arc<Sources>,
    events: EventLog,
    arrivals: Arrivals,
    #[cfg(feature = "cli")]
    taps: Arc<Taps>,
}

/// The rules in force.
#[derive(Clone)]
pub(crate) struct RulesInForce {
    pub(crate) rules: Arc<Rules>,
    /// Increases by 1 with each change of rules. The empty set at start has 0.
    pub(crate) generation: u64,
    pub(crate) hits: Arc<Hits>,
}

impl Engine {
    /// Makes an engine without series and without rules, with the self-metrics of its owner.
    pub(crate) fn new(options: Options, owner: Owner) -> Self {
        let registry = Registry::new(options.limits, options.grace_ms, options.counters_start_at_zero.is_some());
        let registry = if options.gauges_set_time { registry.with_set_times(options.names) } else { registry };
        let telemetry = Arc::new(Telemetry::new(options.prefix, owner));
        if options.native.when == NativeWhen::Always {
            registry.want_native();
        }
        let sources = Arc::new(Sources::new(options.sources, telemetry.sources.clone()));
        let events = EventLog::new(&options.limits);
        let rules = RulesInForce { rules: Arc::default(), generation: 0, hits: Arc::new(Hits::new(0)) };
        Self {
            options,
            registry,
            telemetry,
            rules: RwLock::new(rules),
            generation: AtomicU64::new(0),
            has_units: AtomicBool::new(false),
            logged_names: LoggedNames::default(),
            rejections: Rejections::default(),
            sources,
            events,
            arrivals: Arrivals::new(owner == Owner::Program),
            #[cfg(feature = "cli")]
            taps: Arc::default(),
        }
    }

    /// Replaces the rules in force. Each worker uses the new rules from its next batch on.
    pub(crate) fn replace_rules(&self, rules: Arc<Rules>) {
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        let has_unit = |rule: &Rule| rule.action != Action::Drop && rule.unit.and_then(unit::base).is_some();
        self.has_units.store(rules.config().rules.iter().any(has_unit), Ordering::Relaxed);
        *current = RulesInForce { hits: Arc::new(Hits::new(rules.config().rules.len())), rules, generation };
        self.generation.store(generation, Ordering::Release);
    }

    /// Returns the rules in force and their hits.
    pub(crate) fn rules(&self) -> RulesInForce {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a rule in force states a unit.
    pub(crate) fn has_units(&self) -> bool {
        self.has_units.load(Ordering::Relaxed)
    }

    /// The generation of the rules in force, read without a lock.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns the owner of a reserved name: the bridge or Prometheus. A name is reserved if it, or its escaped form, is the name of a
    /// self-metric or of a series that Prometheus writes. Samples must not have it.
    pub(crate) fn reserves(&self, name: &FamilyName) -> Option<Reserved> {
        let owner = |name: &str| {
            if self.telemetry.owns_name(name, !self.options.without_process_metrics) {
                Some(Reserved::Own)
            } else {
                (is_prometheus_name(name) && !self.options.prometheus_names).then_some(Reserved::Prometheus)
            }
        };
        let escaped = || {
            let mut escaped = String::new();
            // Only this scheme maps other characters to a single `_`, so only its result can equal a reserved name.
            Escaping::Underscores.push_name(name.as_str(), &mut escaped);
            owner(&escaped)
        };
        owner(name.as_str()).or_else(|| if name.is_legacy() { None } else { escaped() })
    }

    /// Names of families that a log message has named.
    pub(crate) fn logged_names(&self) -> &LoggedNames {
        &self.logged_names
    }

    /// The last rejected input of each reason.
    pub(crate) fn rejections(&self) -> &Rejections {
        &self.rejections
    }

    /// What each sender sent.
    pub(crate) fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// The last DogStatsD events.
    pub(crate) fn events(&self) -> &EventLog {
        &self.events
    }

    /// Raw names that arrived.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// The viewers of lines.
    #[cfg(feature = "cli")]
    pub(crate) fn taps(&self) -> &Arc<Taps> {
        &self.taps
    }

    /// The options of the bridge.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The registry of families and series.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The self-metrics.
    pub(crate) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
}
