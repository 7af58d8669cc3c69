//! bridge: the facade, what an embedding program calls. Everything behind it takes the engine, or less.

use std::sync::Arc;

use crate::engine::{Engine, RulesInForce};
use crate::exposition::{Exposition, Format, OpenMetricsOffer};
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::SampleError;
use crate::ingest::resolve;
use crate::mapping::Rules;
use crate::mapping::spec::Rule;
use crate::name::{Escaping, FamilyName, NameValidation};
use crate::options::Options;
use crate::registry::{Cardinality, Conflict, Deleted, Reason, RestoreRules, Restored, SavedFamily, Wanted, save};
use crate::rejections::Rejection;
use crate::telemetry::{Refusal, Telemetry};
use crate::time::Timestamp;

/// The bridge: registry, options and self-metrics. Cheap to clone; all clones are one bridge.
#[derive(Clone)]
pub struct Bridge {
    engine: Arc<Engine>,
}

impl Bridge {
    /// A bridge without series.
    pub fn new(options: Options) -> Self {
        Self { engine: Arc::new(Engine::new(options)) }
    }

    /// Puts these rules in the place of those in force, at once for each worker's next batch. Series go on: samples that lead
    /// to a series of the same name and labels are added to it, and it takes over help, ttl and limits. A family whose own
    /// rule now makes it another type, or gives it other buckets or quantiles, ends and begins anew.
    pub fn replace_rules(&self, rules: Rules) {
        self.engine.replace_rules(rules);
    }

    /// How many rules are in force.
    pub fn rule_count(&self) -> usize {
        self.engine.rules().rules.config().rules.len()
    }

    /// Samples by rule and by unmapped name since the rules are in force: see [`RuleUse`].
    pub fn rule_use(&self) -> RuleUse {
        let RulesInForce { rules, hits, .. } = self.engine.rules();
        let config = rules.config();
        let rules = config.rules.iter().zip(hits.rules()).map(|(rule, samples)| (rule.clone(), samples)).collect();
        let (unmapped, unmapped_others) = hits.unmapped();
        RuleUse { rules, unmapped, unmapped_others }
    }

    /// Says how many milliseconds the wall clock is ahead of the timeline that times are given on; 0 unless it was set since, or the
    /// caller's clock stood still meanwhile. To be called when that changes. What is measured, such as a ttl, does not depend on it.
    /// Exemplars, snapshots and the created timestamps of series to come are said in wall time.
    pub fn set_wall_offset(&self, millis: i64) {
        self.engine.registry().wall().set(millis);
    }

    /// One step of expiry: series unseen for their ttl go. To be called about once a second; returns how many went.
    pub fn expire(&self, now: Timestamp) -> usize {
        let gone = self.engine.registry().expire(now, |_| {});
        self.engine.telemetry().expired(gone as u64);
        self.engine.registry().exemplars().forget_gone();
        gone
    }

    /// Series against their limits, and the `top` families that have the most.
    pub fn cardinality(&self, top: usize) -> Cardinality {
        self.engine.registry().cardinality(top)
    }

    /// What names mean something else already, or were settled otherwise: at most 100, then `_other_`.
    pub fn conflicts(&self) -> Vec<Arc<Conflict>> {
        self.engine.registry().conflicts()
    }

    /// Why lines and samples were rejected, how often, and the last input of each reason with its sender; most first.
    pub fn rejections(&self) -> Vec<Rejection> {
        let of_grammar = SampleError::ALL.into_iter().map(|error| ("sample_errors_total", error.as_str()));
        let of_samples = Refusal::ALL.into_iter().map(|refusal| ("events_error_total", refusal.as_str()));
        let counted = of_grammar.chain(of_samples).map(|(name, reason)| (reason, self.engine.telemetry().count(name, ("reason", reason))));
        let rejected = counted.filter(|(_, count)| *count > 0);
        let mut all: Vec<_> = rejected
            .map(|(reason, count)| Rejection { reason: reason.to_owned(), count, last: self.engine.rejections().last(reason) })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        all
    }

    /// Deletes the series for which `wanted` says so, given the family's name and the labels. A series to which samples are
    /// still sent begins anew. With `dry_run` nothing is deleted.
    pub fn delete_series(&self, wanted: Wanted<'_>, dry_run: bool) -> Deleted {
        let deleted = self.engine.registry().delete(wanted, dry_run);
        self.engine.telemetry().deleted(if dry_run { 0 } else { deleted.series });
        deleted
    }

    /// Shows every series to `each`, family by family in pieces of bounded size, so that they can be kept over a restart. Workers
    /// may go on meanwhile: each value is that of the moment when it is read.
    ///
    /// # Errors
    ///
    /// The first one that `each` returned; nothing more is shown then.
    pub fn save<E>(&self, now: Timestamp, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
        save(self.engine.registry(), now, each)
    }

    /// Writes all series as a snapshot. The memory that it takes does not grow with their number. Who restores it later shows counters
    /// that may be lower than those of an exposition after it: see [`restore_levels`](Self::restore_levels).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    #[cfg(feature = "state")]
    pub fn write_state(&self, now: Timestamp, out: &mut impl std::io::Write) -> std::io::Result<crate::state::format::Counts> {
        self.write_marked_state((now, crate::state::format::Mark::Running), out)
    }

    /// The same, with the mark that says whether it is the last one of an orderly end.
    #[cfg(feature = "state")]
    pub(crate) fn write_marked_state(
        &self,
        (now, mark): (Timestamp, crate::state::format::Mark),
        out: &mut impl std::io::Write,
    ) -> std::io::Result<crate::state::format::Counts> {
        crate::state::format::write(self.engine.registry(), (now, mark), out)
    }

    /// Takes up a piece that [`save`](Self::save) showed, within the limits in force: what exceeds them is folded or refused, as
    /// new samples would be. To be called once rules are in force and before the first sample, from one thread: nobody else may
    /// write to what is being restored.
    ///
    /// Counters go on from their values, so these must be no lower than those of any exposition before; else Prometheus takes the
    /// value for a reset and counts all of it again. Where they may be lower, [`restore_levels`](Self::restore_levels) is right.
    pub fn restore(&self, family: SavedFamily, now: Timestamp) -> Restored {
        self.restore_with(family, now, false)
    }

    /// The same, but counters, histograms and summaries begin at 0, with their counting begun at `now`; gauges and sets have their
    /// values. Series in their grace period are left out. For what was saved before the last exposition, as by a program that crashed.
    pub fn restore_levels(&self, family: SavedFamily, now: Timestamp) -> Restored {
        self.restore_with(family, now, true)
    }

    /// Why no sample may have a name, whatever is sent.
    fn reserves(&self, name: &str) -> Option<Reason> {
        self.engine.reserves(&FamilyName::new(name, NameValidation::Utf8)?)
    }

    fn restore_with(&self, family: SavedFamily, now: Timestamp, sums_from_zero: bool) -> Restored {
        if self.reserves(&family.name).is_some() {
            return Restored { refused: family.series.len() as u64, ..Restored::default() };
        }
        let rules = self.engine.rules().rules;
        let rule = rules.config().rules.iter().find(|rule| !family.origin.is_empty() && *rule.pattern == *family.origin);
        let kind = family.kind.restore();
        let ttl_ms = kind.map_or(0, |kind| resolve::ttl_ms(&kind, rule, (&rules, self.engine.options())));
        let limits = rule.map(|rule| rule.limits).unwrap_or_default();
        let rules = RestoreRules { ttl_ms, limits, names: self.engine.options().names, sums_from_zero };
        family.restore(self.engine.registry(), rules, now)
    }

    /// A new worker. It is the only writer of its cells: give each receiving thread its own.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.engine))
    }

    /// From now on histograms keep native buckets beside the classic ones, where [`Options::native`] and the rules let them: each
    /// from its next sample on. To be called when somebody asks for a format that shows them. It costs nothing when repeated.
    pub fn want_native_histograms(&self) {
        self.engine.registry().want_native();
    }

    /// Appends the exposition, text format 0.0.4: families, then self-metrics. It counts as delivered.
    pub fn render(&self, now: Timestamp, out: &mut Vec<u8>) {
        let mut exposition = self.exposition(Format::Text, now);
        while exposition.more(out) {}
        exposition.delivered(now);
    }

    /// The exposition, to be taken a part at a time, names escaped by underscores where they need it.
    pub fn exposition(&self, format: Format, now: Timestamp) -> Exposition {
        self.exposition_escaped(format, Escaping::default(), now)
    }

    /// To whom OpenMetrics is offered by [`Options::openmetrics`] and the rules in force, for [`Negotiated::of`](crate::Negotiated::of).
    pub fn openmetrics_offer(&self) -> OpenMetricsOffer {
        OpenMetricsOffer::of(&self.engine)
    }

    /// The exposition, to be taken a part at a time, names escaped as it is said. Under
    /// [`NameValidation::Legacy`](crate::options::NameValidation) none needs it.
    pub fn exposition_escaped(&self, format: Format, escaping: Escaping, now: Timestamp) -> Exposition {
        Exposition::new(&self.engine, (format, escaping), now)
    }

    /// The sums since start, read from the same counters as the self-metrics.
    pub fn accounting(&self) -> Accounting {
        let telemetry = self.engine.telemetry();
        let sum = |name| telemetry.sum(name);
        let of_lines = SampleError::ALL.into_iter().filter(|error| error.rejects_line());
        let lines_refused = of_lines.map(|error| telemetry.count("sample_errors_total", ("reason", error.as_str()))).sum();
        Accounting {
            lines: sum("lines_total"),
            lines_empty: sum("lines_empty_total"),
            lines_parsed: sum("lines_parsed_total"),
            lines_refused,
            events_and_checks: sum("dogstatsd_events_total") + sum("dogstatsd_service_checks_total"),
            samples: sum("samples_total"),
            recorded: sum("events_total"),
            dropped: telemetry.count("events_actions_total", ("action", "drop")),
            samples_refused: sum("sample_errors_total").saturating_sub(lines_refused) + sum("events_error_total"),
        }
    }

    /// The rules in force, with their hits.
    #[cfg(feature = "cli")]
    pub(crate) fn rules(&self) -> RulesInForce {
        self.engine.rules()
    }

    /// Whether a name is one of the self-metrics in any exposition.
    #[cfg(feature = "cli")]
    pub(crate) fn owns_name(&self, name: &str) -> bool {
        self.reserves(name) == Some(Reason::OwnName)
    }

    /// The self-metrics.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        self.engine.telemetry()
    }

    /// What it was made with.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn options(&self) -> &Options {
        self.engine.options()
    }

    #[cfg(any(feature = "cli", test))]
    pub(crate) fn registry(&self) -> &crate::registry::Registry {
        self.engine.registry()
    }
}

/// What rules do: samples by rule, and by name where no rule matched. Bounded: beyond 1,000 names all are counted together.
#[derive(Debug, Clone)]
pub struct RuleUse {
    /// Each rule with its samples, in the order of the rules.
    pub rules: Vec<(Rule, u64)>,
    /// Names that no rule matched, most samples first. Without rules all names by alphabet, and no samples: these are counted by rule
    /// only.
    pub unmapped: Vec<(String, u64)>,
    /// Samples of further names.
    pub unmapped_others: u64,
}

/// Sums since start; [`Accounting::adds_up`] says how they belong together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Lines received.
    pub lines: u64,
    /// Empty lines.
    pub lines_empty: u64,
    /// Lines that held samples.
    pub lines_parsed: u64,
    /// Lines refused.
    pub lines_refused: u64,
    /// DogStatsD events and service checks.
    pub events_and_checks: u64,
    /// Samples received.
    pub samples: u64,
    /// Samples recorded.
    pub recorded: u64,
    /// Samples that a rule dropped.
    pub dropped: u64,
    /// Samples refused.
    pub samples_refused: u64,
}

impl Accounting {
    /// Whether every line and every sample is accounted for exactly once.
    pub fn adds_up(&self) -> bool {
        self.lines == self.lines_empty + self.lines_parsed + self.lines_refused + self.events_and_checks
            && self.samples == self.recorded + self.dropped + self.samples_refused
    }
}
