//! bridge: the interface for programs that embed the library. All other code takes the engine, or a part of it.

use std::fmt;
use std::sync::Arc;

use crate::engine::{Engine, RulesInForce};
#[cfg(feature = "cli")]
use crate::events::EventHook;
use crate::events::KeptEvents;
use crate::exposition::{Exposition, Format, OpenMetricsOffer};
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::SampleError;
use crate::ingest::resolve;
use crate::mapping::Rules;
use crate::mapping::spec::{Action, MatchType, Position, Rule};
use crate::name::{Escaping, FamilyName, NameValidation};
use crate::options::Options;
use crate::registry::{Cardinality, Conflict, Deleted, Reserved, RestoreRules, Restored, SavedFamily, Wanted, save};
use crate::rejections::Rejection;
use crate::sources::SourcesReport;
#[cfg(feature = "cli")]
use crate::tap::Taps;
#[cfg(any(feature = "cli", test))]
use crate::telemetry::Telemetry;
use crate::telemetry::{Owner, SampleRejection};
use crate::time::Timestamp;

/// The bridge: registry, options and self-metrics. Cheap to clone; all clones are one bridge. Every method may be called from any thread.
#[derive(Clone)]
pub struct Bridge {
    engine: Arc<Engine>,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

impl Bridge {
    /// A bridge without series and without rules.
    pub fn new(options: Options) -> Self {
        Self { engine: Arc::new(Engine::new(options, Owner::Library)) }
    }

    /// Creates the bridge of the program, with the program's self-metrics.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn of_program(options: Options) -> Self {
        Self { engine: Arc::new(Engine::new(options, Owner::Program)) }
    }

    /// Replaces the rules in force, from each worker's next batch. Series continue: samples that map to a series of the same name and
    /// labels are added to it, and the series takes the new help, ttl and limits. A family whose rule now gives it another type, other
    /// buckets or other quantiles ends and starts again.
    pub fn replace_rules(&self, rules: Rules) {
        self.engine.replace_rules(Arc::new(rules));
    }

    /// As [`replace_rules`](Self::replace_rules), with the rules of another bridge.
    #[cfg(feature = "cli")]
    pub(crate) fn share_rules(&self, rules: Arc<Rules>) {
        self.engine.replace_rules(rules);
    }

    /// Number of rules in force.
    pub fn rule_count(&self) -> usize {
        self.engine.rules().rules.len()
    }

    /// Samples by rule and by unmapped name since the rules took effect.
    pub fn rule_use(&self) -> RuleUse {
        let RulesInForce { rules, hits, .. } = self.engine.rules();
        let config = rules.config();
        let rules = config.rules.iter().zip(hits.rules()).map(|(rule, samples)| RuleCount::new(rule, samples)).collect();
        let (unmapped, unmapped_others) = hits.unmapped();
        RuleUse { rules, unmapped, unmapped_others }
    }

    /// Sets how many milliseconds the wall clock is ahead of the caller's timeline; 0 at first, and every number is valid. A program whose
    /// timeline is the wall clock never calls it. Call it when the wall clock was set, or the timeline stood still in a suspended
    /// machine. The offset applies to exemplars, snapshots and the created timestamps of new series, and to no duration.
    pub fn set_wall_offset(&self, millis: i64) {
        self.engine.registry().wall().set(millis);
    }

    /// One step of expiry: removes series without samples for their ttl; returns how many. Call it about once a second, if
    /// [`Options::ttl`] or a rule has a ttl or there is a grace period; otherwise no series expires. A series is marked in one step and
    /// removed in a later one, when every call of [`Worker::ingest`] has ended that began before the mark. Idle workers delay nothing.
    pub fn expire(&self, now: Timestamp) -> usize {
        let gone = self.engine.registry().expire(now, |_| {});
        self.engine.telemetry().expired(gone as u64);
        self.engine.registry().exemplars().forget_gone();
        gone
    }

    /// Numbers of series and bytes with their limits, and the `top` families with the most series.
    pub fn cardinality(&self, top: usize) -> Cardinality {
        self.engine.registry().cardinality(top)
    }

    /// Conflicting names, and conflicts that were resolved when a series was created: at most 100, then `_other_`.
    pub fn conflicts(&self) -> Vec<Arc<Conflict>> {
        self.engine.registry().conflicts()
    }

    /// Why lines and samples were rejected, how often, and the last input of each reason with its sender; most first.
    pub fn rejections(&self) -> Vec<Rejection> {
        let of_grammar = SampleError::ALL.into_iter().map(|error| ("sample_errors_total", error.as_str()));
        let of_samples = SampleRejection::ALL.into_iter().map(|rejection| ("events_error_total", rejection.as_str()));
        let counted = of_grammar.chain(of_samples).map(|(name, reason)| (reason, self.engine.telemetry().count(name, ("reason", reason))));
        let rejected = counted.filter(|(_, count)| *count > 0);
        let mut all: Vec<_> = rejected
            .map(|(reason, count)| Rejection { reason: reason.to_owned(), count, last: self.engine.rejections().last(reason) })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        all
    }

    /// The `top` senders with the most lines, and the sums of all others. Empty unless [`Options::sources`] has a number of senders. All
    /// numbers together are the sums of the self-metrics.
    pub fn sources(&self, top: usize) -> SourcesReport {
        self.engine.sources().report(top)
    }

    /// Adds the counts of processes that have ended, and were senders of their own, to those of their users.
    #[cfg(feature = "cli")]
    pub(crate) fn end_processes(&self, has_ended: impl Fn(u32) -> bool) {
        self.engine.sources().end_processes(has_ended);
    }

    /// At most `most` of the last DogStatsD events, newest first, within [`Limits::events`](crate::options::Limits::events) and
    /// [`Limits::event_bytes`](crate::options::Limits::event_bytes).
    pub fn events(&self, most: usize) -> KeptEvents {
        self.engine.events().newest(most)
    }

    /// The viewers of lines.
    #[cfg(feature = "cli")]
    pub(crate) fn taps(&self) -> &Arc<Taps> {
        self.engine.taps()
    }

    /// Passes each DogStatsD event to `hook` from now on. It must not block. Only the first call has an effect.
    #[cfg(feature = "cli")]
    pub(crate) fn on_event(&self, hook: EventHook) {
        self.engine.events().set_hook(hook);
    }

    /// Deletes the series for which `wanted` returns true, given the family's name and the labels. The next sample of a deleted series
    /// starts it again. With `dry_run`, it only counts the series. For a [`Selector`](crate::Selector), `wanted` is
    /// `&|name, labels| selector.matches(name, labels)`.
    pub fn delete_series(&self, wanted: Wanted<'_>, dry_run: bool) -> Deleted {
        let deleted = self.engine.registry().delete(wanted, dry_run);
        self.engine.telemetry().deleted(if dry_run { 0 } else { deleted.series });
        deleted
    }

    /// Passes every series to `each`, family by family in pieces of bounded size, for a program that keeps them over a restart. Workers
    /// may ingest meanwhile: each value is that of the moment when it is read.
    ///
    /// # Errors
    ///
    /// The first error that `each` returns. It is not called again after it.
    pub fn save<E>(&self, now: Timestamp, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
        save(self.engine.registry(), now, each)
    }

    /// Writes all series as a snapshot, in constant memory. An exposition after the snapshot may show higher counters: see
    /// [`restore_levels`](Self::restore_levels) for the effect on a restart.
    ///
    /// # Errors
    ///
    /// Errors of `out`.
    #[cfg(feature = "state")]
    pub fn write_state(&self, now: Timestamp, out: &mut impl std::io::Write) -> std::io::Result<crate::state::format::Counts> {
        self.write_marked_state(now, crate::state::format::Mark::Running, out)
    }

    /// Writes a snapshot, with the mark of the last snapshot of a clean shutdown, or without it.
    #[cfg(feature = "state")]
    pub(crate) fn write_marked_state(
        &self,
        now: Timestamp,
        mark: crate::state::format::Mark,
        out: &mut impl std::io::Write,
    ) -> std::io::Result<crate::state::format::Counts> {
        crate::state::format::write(self.engine.registry(), (now, mark), out)
    }

    /// Restores a piece that [`save`](Self::save) passed, within the limits in force: what exceeds them is folded or rejected, as new
    /// samples would be. Call it after [`replace_rules`](Self::replace_rules) and before the first sample, from one thread.
    ///
    /// Counters continue from their values, so these must be at least those of the last exposition: Prometheus takes a lower value for a
    /// reset and counts all of it again. Where they may be lower, call [`restore_levels`](Self::restore_levels).
    pub fn restore(&self, family: SavedFamily, now: Timestamp) -> Restored {
        self.restore_with(family, now, false)
    }

    /// As [`restore`](Self::restore), but counters, histograms and summaries start at 0 with the created timestamp `now`; gauges and sets
    /// have their values, and series in their grace period are left out. For pieces that were saved before the last exposition, as by a
    /// program that crashed.
    pub fn restore_levels(&self, family: SavedFamily, now: Timestamp) -> Restored {
        self.restore_with(family, now, true)
    }

    /// The reason why no sample may have this name, if there is one.
    fn reserves(&self, name: &str) -> Option<Reserved> {
        self.engine.reserves(&FamilyName::new(name, NameValidation::Utf8)?)
    }

    fn restore_with(&self, family: SavedFamily, now: Timestamp, sums_from_zero: bool) -> Restored {
        if self.reserves(&family.name).is_some() {
            return Restored { rejected: family.series.len() as u64, ..Restored::default() };
        }
        let rules = self.engine.rules().rules;
        let rule = rules.config().rules.iter().find(|rule| !family.origin.is_empty() && *rule.pattern == *family.origin);
        let kind = family.kind.restore();
        let ttl_ms = kind.map_or(0, |kind| resolve::ttl_ms(&kind, rule, &rules, self.engine.options()));
        let limits = rule.map(|rule| rule.limits).unwrap_or_default();
        let rules = RestoreRules { ttl_ms, limits, names: self.engine.options().names, sums_from_zero };
        family.restore(self.engine.registry(), rules, now)
    }

    /// A new worker. Give each receiving thread a separate one.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.engine))
    }

    /// Makes histograms keep native buckets beside the classic ones, each from its next sample, where [`Options::native`] and the
    /// rules allow it. [`exposition`](Self::exposition) calls it for [`Format::Protobuf`]. Further calls have no effect.
    pub fn want_native_histograms(&self) {
        self.engine.registry().want_native();
    }

    /// Appends the exposition in text format 0.0.4: families, then self-metrics. It counts as delivered.
    pub fn render(&self, now: Timestamp, out: &mut Vec<u8>) {
        self.exposition(Format::Text, now).render(out);
    }

    /// The exposition in text format 0.0.4 as text, as [`render`](Self::render) appends it.
    pub fn text(&self, now: Timestamp) -> String {
        let mut out = Vec::new();
        self.render(now, &mut out);
        String::from_utf8(out).unwrap_or_else(|error| {
            debug_assert!(false, "an exposition in text is UTF-8");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }

    /// An exposition, written in parts or at once, with or without self-metrics. Names that are not legacy names are escaped with
    /// underscores.
    pub fn exposition(&self, format: Format, now: Timestamp) -> Exposition {
        self.exposition_escaped(format, Escaping::default(), now)
    }

    /// Which scrapers get OpenMetrics, by [`Options::openmetrics`] and the rules in force: an argument of
    /// [`Negotiated::of`](crate::Negotiated::of).
    pub fn openmetrics_offer(&self) -> OpenMetricsOffer {
        OpenMetricsOffer::of(&self.engine)
    }

    /// As [`exposition`](Self::exposition), with another escaping of names. Under
    /// [`NameValidation::Legacy`](crate::options::NameValidation) no name needs escaping.
    pub fn exposition_escaped(&self, format: Format, escaping: Escaping, now: Timestamp) -> Exposition {
        Exposition::new(&self.engine, (format, escaping), now)
    }

    /// The sums since start, read from the same counters as the self-metrics.
    pub fn accounting(&self) -> Accounting {
        let telemetry = self.engine.telemetry();
        let sum = |name| telemetry.sum(name);
        let of_lines = SampleError::ALL.into_iter().filter(|error| error.rejects_line());
        let lines_rejected = of_lines.map(|error| telemetry.count("sample_errors_total", ("reason", error.as_str()))).sum();
        Accounting {
            lines: sum("lines_total"),
            lines_empty: sum("lines_empty_total"),
            lines_parsed: sum("lines_parsed_total"),
            lines_rejected,
            events_and_checks: sum("dogstatsd_events_total") + sum("dogstatsd_service_checks_total"),
            samples: sum("samples_total"),
            recorded: sum("events_total"),
            dropped: telemetry.count("events_actions_total", ("action", "drop")),
            samples_rejected: sum("sample_errors_total").saturating_sub(lines_rejected) + sum("events_error_total"),
        }
    }

    /// The state, for readers of the registry that the program runs.
    #[cfg(feature = "cli")]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The rules in force, with their hits.
    #[cfg(feature = "cli")]
    pub(crate) fn rules(&self) -> RulesInForce {
        self.engine.rules()
    }

    /// Whether a name is one of the self-metrics in any exposition.
    #[cfg(feature = "cli")]
    pub(crate) fn owns_name(&self, name: &str) -> bool {
        self.reserves(name) == Some(Reserved::Own)
    }

    /// The self-metrics.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn telemetry(&self) -> &Arc<Telemetry> {
        self.engine.telemetry()
    }

    /// The options that it was made with.
    pub fn options(&self) -> &Options {
        self.engine.options()
    }

    #[cfg(any(feature = "cli", test))]
    pub(crate) fn registry(&self) -> &crate::registry::Registry {
        self.engine.registry()
    }
}

/// Samples by rule, and by name where no rule matched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RuleUse {
    /// The rules, in their order.
    pub rules: Vec<RuleCount>,
    /// At most 1,000 names that no rule matched with their samples, most samples first. Without rules all names are here in alphabetical
    /// order, and their samples are 0, because a bridge without rules does not count samples by name.
    pub unmapped: Vec<(String, u64)>,
    /// Samples of all other names that no rule matched.
    pub unmapped_others: u64,
}

/// One rule and its samples.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RuleCount {
    /// The place of its `match` in the mapping file.
    pub position: Position,
    /// Its pattern as written.
    pub pattern: String,
    /// How the pattern is read.
    pub match_type: MatchType,
    /// Whether it maps or drops samples.
    pub action: Action,
    /// The template of the family's name as written; empty for a rule that drops.
    pub name: String,
    /// Samples that it matched since the rules took effect.
    pub samples: u64,
}

impl RuleCount {
    fn new(rule: &Rule, samples: u64) -> Self {
        Self {
            position: rule.position.clone(),
            pattern: rule.pattern.clone(),
            match_type: rule.match_type,
            action: rule.action,
            name: rule.name.clone(),
            samples,
        }
    }
}

/// Sums since start. [`Accounting::adds_up`] checks that they agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accounting {
    /// Lines received.
    pub lines: u64,
    /// Empty lines.
    pub lines_empty: u64,
    /// Lines that contained samples.
    pub lines_parsed: u64,
    /// Lines rejected.
    pub lines_rejected: u64,
    /// DogStatsD events and service checks.
    pub events_and_checks: u64,
    /// Samples received.
    pub samples: u64,
    /// Samples recorded.
    pub recorded: u64,
    /// Samples that a rule dropped.
    pub dropped: u64,
    /// Samples rejected.
    pub samples_rejected: u64,
}

impl Accounting {
    /// Whether every line and every sample is accounted for exactly once.
    pub fn adds_up(&self) -> bool {
        self.lines == self.lines_empty + self.lines_parsed + self.lines_rejected + self.events_and_checks
            && self.samples == self.recorded + self.dropped + self.samples_rejected
    }
}
