//! The self-metrics: names, help texts and labels. No other module defines a self-metric.
//!
//! The `metrics` facade passes them to a recorder of this module, never to the global one. A receiving thread counts in a plain
//! [`Tally`] and flushes it once a batch; rarer events use the handles directly. Metrics that statsd_exporter has, too, have its
//! names and reasons. Knows no sockets and no series.

mod described;
mod ingest_counters;
mod process;
#[cfg(feature = "cli")]
mod push_metrics;
mod recorder;
mod rule_metrics;
mod runtime_metrics;
mod scrape;
mod self_family;
mod source_metrics;
mod state_metrics;
mod tally;
mod tls_metrics;
mod transport;
mod web_metrics;

use metrics::{Counter, Gauge, counter, describe_gauge, gauge};

use self::ingest_counters::{IngestCounters, ingest_counters};
#[cfg(feature = "cli")]
pub(crate) use self::process::NAMES as PROCESS_METRICS;
pub(crate) use self::process::process_families;
#[cfg(feature = "cli")]
pub(crate) use self::push_metrics::{PushMetrics, PushOutcome, PushReloads, PushResult, PushSkip};
use self::recorder::SelfRecorder;
pub(crate) use self::rule_metrics::RuleMetrics;
use self::rule_metrics::rule_metrics;
pub(crate) use self::runtime_metrics::RuntimeMetrics;
use self::runtime_metrics::runtime_metrics;
pub(crate) use self::scrape::Scrape;
#[cfg(feature = "cli")]
pub(crate) use self::scrape::ScrapeCut;
use self::scrape::{families_left_out, scrape};
pub(crate) use self::self_family::{SelfFamily, SelfKind, SelfSeries, SelfValue};
pub(crate) use self::source_metrics::SourceMetrics;
use self::source_metrics::source_metrics;
pub(crate) use self::state_metrics::StateMetrics;
use self::state_metrics::state_metrics;
pub use self::tally::SampleRejection;
pub(crate) use self::tally::{Recorded, Tally};
#[cfg(feature = "cli")]
pub(crate) use self::tls_metrics::{HandshakeError, StreamTlsErrors, TlsReloads};
#[cfg(feature = "cli")]
pub(crate) use self::transport::{Datagrams, Streams};
pub(crate) use self::transport::{RelayCounters, Transport};
use self::transport::{relay_counters, transport};
#[cfg(feature = "cli")]
pub(crate) use self::web_metrics::RequestRejection;
pub(crate) use self::web_metrics::WebMetrics;
use self::web_metrics::web_metrics;
use crate::events::EventsChange;
use crate::options::Prefix;

/// The owner of the self-metrics that an exposition shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A program that embeds the library: only the metrics of the library.
    Library,
    /// The program `statsd-bridge`: also the metrics of its listeners, web server, mapping files, state file and log.
    #[cfg_attr(not(any(feature = "cli", test)), allow(dead_code))]
    Program,
}

/// The handles of self-metrics, and the flush of the metrics that are counted per sample.
pub(crate) struct Telemetry {
    prefix: Prefix,
    recorder: SelfRecorder,
    ingest: IngestCounters,
    /// Families left out of an exposition because another family has the same escaped name.
    pub families_left_out: Counter,
    /// The list of senders.
    pub sources: SourceMetrics,
    /// Datagrams and connections.
    pub transport: Transport,
    /// Expositions and HTTP connections.
    pub scrape: Scrape,
    /// Mapping rules.
    pub rules: RuleMetrics,
    /// The state file.
    pub state: StateMetrics,
    /// TLS, authentication and the limits of requests.
    pub web: WebMetrics,
    /// The program itself.
    pub runtime: RuntimeMetrics,
}

impl Telemetry {
    /// New self-metrics, all 0. For the library, the handles of the program's metrics have no effect.
    pub(crate) fn new(prefix: Prefix, owner: Owner) -> Self {
        let seconds = format!("{}scrape_duration_seconds", prefix.as_str());
        let recorder = SelfRecorder::new(&seconds, &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]);
        let of_library = || (ingest_counters(prefix), families_left_out(prefix), source_metrics(prefix));
        let (ingest, families_left_out, sources) = metrics::with_local_recorder(&recorder, of_library);
        let of_program = || {
            let (transport, scrape, rules) = (transport(prefix), scrape(prefix), rule_metrics(prefix));
            (transport, scrape, rules, state_metrics(prefix), web_metrics(prefix), runtime_metrics(prefix))
        };
        let (transport, scrape, rules, state, web, runtime) = match owner {
            Owner::Library => metrics::with_local_recorder(&metrics::NoopRecorder, of_program),
            Owner::Program => metrics::with_local_recorder(&recorder, of_program),
        };
        Self { prefix, recorder, ingest, families_left_out, sources, transport, scrape, rules, state, web, runtime }
    }

    /// The prefix of all names except `process_*`.
    pub(crate) fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Whether a name belongs to the self-metrics: it is one of them, or has their prefix.
    ///
    /// The names `process_*` belong to them unless the exposition leaves these out: see
    /// [`Options::without_process_metrics`](crate::options::Options::without_process_metrics).
    pub(crate) fn owns_name(&self, name: &str, has_process_metrics: bool) -> bool {
        name.starts_with(self.prefix.as_str()) || has_process_metrics && process::NAMES.contains(&name)
    }

    /// The metrics of one UDP socket: bytes of receive buffer granted (a gauge), and datagrams that the kernel dropped (a counter).
    pub(crate) fn udp_socket(&self, address: &str, worker: usize) -> (Gauge, Counter) {
        let labels = [("address", address.to_owned()), ("worker", worker.to_string())];
        let p = self.prefix.as_str();
        metrics::with_local_recorder(&self.recorder, || {
            (gauge!(format!("{p}udp_receive_buffer_bytes"), &labels), counter!(format!("{p}udp_kernel_drops_total"), &labels))
        })
    }

    /// The gauge of the queue of the Unix datagram socket at `path`.
    pub(crate) fn unixgram_queue(&self, path: &str) -> Gauge {
        let labels = [("path", path.to_owned())];
        metrics::with_local_recorder(&self.recorder, || gauge!(format!("{}unixgram_queue_datagrams", self.prefix.as_str()), &labels))
    }

    /// Counters of the relay to `target`.
    pub(crate) fn relay(&self, target: &str) -> RelayCounters {
        metrics::with_local_recorder(&self.recorder, || relay_counters(self.prefix, target))
    }

    /// Metrics of the push configuration file.
    #[cfg(feature = "cli")]
    pub(crate) fn push_reloads(&self) -> PushReloads {
        metrics::with_local_recorder(&self.recorder, || push_metrics::push_reloads(self.prefix))
    }

    /// Metrics of the push target of this name.
    #[cfg(feature = "cli")]
    pub(crate) fn push(&self, target: &str) -> PushMetrics {
        metrics::with_local_recorder(&self.recorder, || push_metrics::push_metrics(self.prefix, target))
    }

    /// Leaves out the metrics of the push target of this name, which is gone.
    #[cfg(feature = "cli")]
    pub(crate) fn push_ended(&self, target: &str) {
        let first = format!("{}push_", self.prefix.as_str());
        let has_label = |key: &metrics::Key| key.labels().any(|label| label.key() == "target" && label.value() == target);
        self.recorder.leave_out(|key| key.name().starts_with(&first) && has_label(key));
    }

    /// Sets the gauge `build_info` to 1, with version and revision as labels.
    pub(crate) fn describe_build(&self, version: &str, revision: &str) {
        let full = format!("{}build_info", self.prefix.as_str());
        let labels = [("revision", revision.to_owned()), ("version", version.to_owned())];
        metrics::with_local_recorder(&self.recorder, || {
            describe_gauge!(full.clone(), "1, with version and revision of the program as labels.");
            gauge!(full, &labels).set(1.0);
        });
    }

    /// Adds the counts of a batch to the metrics, and sets the tally to 0.
    pub(crate) fn flush(&self, tally: &mut Tally) {
        self.ingest.add(tally);
        *tally = Tally::default();
    }

    /// Counts a kept event, and those that made room for it.
    pub(crate) fn event_kept(&self, change: EventsChange) {
        self.ingest.events_kept.increment(change.kept as f64);
        self.ingest.events_kept_bytes.increment(change.bytes as f64);
        self.ingest.events_evicted.increment(change.evicted);
    }

    /// Counts series that expired.
    pub(crate) fn expired(&self, series: u64) {
        if series > 0 {
            self.ingest.expired.increment(series);
        }
    }

    /// Counts series that were deleted on request.
    pub(crate) fn deleted(&self, series: usize) {
        if series > 0 {
            self.ingest.deleted.increment(series as u64);
        }
    }

    /// Puts the observations of histograms into buckets. Call it every few seconds, or observations take memory until the next scrape.
    pub(crate) fn run_upkeep(&self) {
        self.recorder.run_upkeep();
    }

    /// All families of the facade, with their values: families sorted by name, series by labels.
    pub(crate) fn families(&self) -> Vec<SelfFamily> {
        self.recorder.families()
    }

    /// The sum of all counters of this name, which is given without the prefix.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        self.recorder.sum(&self.full(name), |_| true)
    }

    /// The counter of this name whose label has this value.
    pub(crate) fn count(&self, name: &str, (label, value): (&str, &str)) -> u64 {
        self.recorder.sum(&self.full(name), |key| key.labels().any(|of| of.key() == label && of.value() == value))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix.as_str())
    }

    /// The value of a series of the self-metrics, written as in a text exposition: `name` or `name{labels}`.
    #[cfg(test)]
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
        self.families().iter().find(|family| family.name() == name)?.value(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::protocol::SampleError;

    #[test]
    fn families_come_sorted_whatever_the_recorder_does() {
        let telemetry = Telemetry::new(Prefix::Bridge, Owner::Program);
        let mut tally = Tally { lines: 3, ..Tally::default() };
        telemetry.flush(&mut tally);
        assert_eq!(tally.lines, 0, "a flush leaves nothing behind");
        let (first, second) = (telemetry.families(), telemetry.families());
        assert_eq!(first, second);
        assert!(first.is_sorted_by(|a, b| a.name() < b.name()));
        let lines = first.iter().find(|family| family.name() == "statsd_bridge_lines_total").expect("registered");
        assert_eq!(lines.value(""), Some(3.0));
        assert_eq!((lines.head.kind, &*lines.head.help), (SelfKind::Counter, "Lines received, empty ones included."));
        assert_eq!(telemetry.sum("lines_total"), 3);
    }

    #[test]
    fn every_reason_is_exposed_from_the_start() {
        let families = Telemetry::new(Prefix::Exporter, Owner::Library).families();
        let errors = families.iter().find(|f| f.name() == "statsd_exporter_sample_errors_total").expect("registered");
        assert_eq!(errors.series.len(), SampleError::ALL.len());
    }
}
