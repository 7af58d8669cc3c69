//! engine: what the facade owns and the stages share: options, registry, self-metrics, the rules in force.
//!
//! Ingest and exposition take it, or a part of it; neither knows the facade.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::hits::Hits;
use crate::mapping::spec::{Action, Rule};
use crate::mapping::{Rules, unit};
use crate::name::{Escaping, FamilyName, is_prometheus_name};
use crate::options::{NativeWhen, Options};
use crate::registry::{Registry, Reserved};
use crate::rejections::Rejections;
use crate::said::Said;
use crate::telemetry::Telemetry;

/// One bridge's state. Shared by reference: whoever ingests or shows series holds the same one.
pub(crate) struct Engine {
    options: Options,
    registry: Registry,
    telemetry: Arc<Telemetry>,
    rules: RwLock<RulesInForce>,
    generation: AtomicU64,
    /// Whether a rule in force states a unit.
    has_units: AtomicBool,
    said: Said,
    rejections: Rejections,
}

/// The rules in force.
#[derive(Clone)]
pub(crate) struct RulesInForce {
    pub(crate) rules: Arc<Rules>,
    /// Rises with each change of rules; 0 is the empty set at start.
    pub(crate) generation: u64,
    pub(crate) hits: Arc<Hits>,
}

impl Engine {
    /// An engine without series and without rules.
    pub(crate) fn new(options: Options) -> Self {
        let registry = Registry::new(options.limits, options.grace_ms, options.counters_start_at_zero.is_some());
        let telemetry = Arc::new(Telemetry::new(options.prefix));
        if options.native.when == NativeWhen::Always {
            registry.want_native();
        }
        let rules = RulesInForce { rules: Arc::default(), generation: 0, hits: Arc::new(Hits::new(0)) };
        Self {
            options,
            registry,
            telemetry,
            rules: RwLock::new(rules),
            generation: AtomicU64::new(0),
            has_units: AtomicBool::new(false),
            said: Said::default(),
            rejections: Rejections::default(),
        }
    }

    /// Puts these rules in the place of those in force. A worker takes them over with its next batch.
    pub(crate) fn replace_rules(&self, rules: Rules) {
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        let has_unit = |rule: &Rule| rule.action != Action::Drop && rule.unit.and_then(unit::base).is_some();
        self.has_units.store(rules.config().rules.iter().any(has_unit), Ordering::Relaxed);
        *current = RulesInForce { hits: Arc::new(Hits::new(rules.config().rules.len())), rules: Arc::new(rules), generation };
        self.generation.store(generation, Ordering::Release);
    }

    /// The rules in force, with their hits.
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

    /// Whose name it is in any exposition, as it is or once it is escaped, so that no sample may have it: the bridge's or Prometheus'.
    pub(crate) fn reserves(&self, name: &FamilyName) -> Option<Reserved> {
        let as_it_is = |name: &str| {
            if self.telemetry.owns_name(name, !self.options.without_process_metrics) {
                Some(Reserved::Own)
            } else {
                (is_prometheus_name(name) && !self.options.prometheus_names).then_some(Reserved::Prometheus)
            }
        };
        let escaped = || {
            let mut escaped = String::new();
            // The only scheme under which two words may have one underscore between them that was none.
            Escaping::Underscores.push_name(name.as_str(), &mut escaped);
            as_it_is(&escaped)
        };
        as_it_is(name.as_str()).or_else(|| if name.is_legacy() { None } else { escaped() })
    }

    /// Families that a message was logged about.
    pub(crate) fn said(&self) -> &Said {
        &self.said
    }

    /// The last input of each reason that was rejected.
    pub(crate) fn rejections(&self) -> &Rejections {
        &self.rejections
    }

    /// What the bridge was made with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Families and series.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The self-metrics.
    pub(crate) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
}
