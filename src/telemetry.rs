//! Every own metric of the bridge: name, help, labels. Nothing else in the crate names one.
//!
//! Carried by the `metrics` facade into a recorder of this module's own (never the global one). Receiving threads count
//! into a plain [`Tally`] and flush it once a batch; everything rarer uses the handles directly. Names and reasons are those of
//! statsd_exporter where it has one. Knows no sockets and no series.

mod process;
mod scrape;
mod state;
mod tally;
mod web;

use std::borrow::Cow;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use self::process::process_families;
use self::scrape::scrape;
pub use self::scrape::{Scrape, ScrapeCut};
pub use self::state::StateMetrics;
pub use self::tally::{Recorded, Refusal, Tally};
pub use self::web::{HandshakeError, WebMetrics};
use crate::options::Prefix;
use crate::protocol::SampleError;

/// One own family, ready for any page format.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnFamily {
    /// Full name, prefix included.
    pub name: Cow<'static, str>,
    /// One line of help.
    pub help: Cow<'static, str>,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Sample lines as they stand on a text page, in a stable order, without newlines.
    pub lines: Vec<String>,
}

/// Handles of the own metrics that are not counted per sample, and the flush of those that are.
pub struct Telemetry {
    prefix: Prefix,
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    ingest: IngestCounters,
    /// Datagrams and connections.
    pub transport: Transport,
    /// Pages.
    pub scrape: Scrape,
    /// Mapping rules.
    pub rules: RuleMetrics,
    /// The state file.
    pub state: StateMetrics,
    /// Who may read.
    pub web: WebMetrics,
}

/// Counters of datagrams and connections.
pub struct Transport {
    /// UDP datagrams received.
    pub udp_packets: Counter,
    /// UDP datagrams that were longer than the receive buffer.
    pub udp_truncated: Counter,
    /// Errors of a UDP receive call.
    pub udp_errors: Counter,
    /// Unix datagrams received.
    pub unixgram_packets: Counter,
    /// TCP connections accepted.
    pub tcp_connections: Counter,
    /// TCP connections that ended by an error.
    pub tcp_connection_errors: Counter,
    /// TCP connections refused because so many were open.
    pub tcp_connections_refused: Counter,
    /// TCP connections closed after being silent for too long.
    pub tcp_idle_closed: Counter,
    /// TCP connections open now.
    pub tcp_open: Gauge,
    /// Lines that were longer than the limit and arrived over TCP.
    pub tcp_too_long_lines: Counter,
}

/// Counters of a relay, by its target.
#[derive(Clone)]
pub struct RelayCounters {
    /// Lines given to the target.
    pub lines: Counter,
    /// Datagrams sent to the target.
    pub packets: Counter,
    /// Lines too long for a datagram.
    pub long_lines: Counter,
    /// Lines that could not be sent.
    pub lost_lines: Counter,
}

/// What is known of the mapping rules in force.
pub struct RuleMetrics {
    /// Reloads that put rules in force.
    pub reloads_good: Counter,
    /// Reloads refused for a mistake.
    pub reloads_bad: Counter,
    /// 1 if the last reload, or the start, was good.
    pub last_was_good: Gauge,
    /// When rules were last put in force.
    pub last_good_time: Gauge,
    /// Hash of the texts in force.
    pub hash: Gauge,
    /// Rules in force.
    pub loaded: Gauge,
}

struct IngestCounters {
    lines: Counter,
    lines_empty: Counter,
    lines_parsed: Counter,
    events: Counter,
    service_checks: Counter,
    samples: Counter,
    tags: Counter,
    tag_errors: Counter,
    unknown_fields: Counter,
    unmapped: Counter,
    mapped: Counter,
    dropped: Counter,
    labels_renamed: Counter,
    exemplars: Counter,
    exemplars_refused: Counter,
    routes_cleared: Counter,
    expired: Counter,
    deleted: Counter,
    routes: Gauge,
    errors: [Counter; SampleError::ALL.len()],
    recorded: [Counter; Recorded::ALL.len()],
    refused: [Counter; Refusal::ALL.len()],
}

impl Telemetry {
    /// A fresh set, all at zero.
    pub fn new(prefix: Prefix) -> Self {
        let seconds = format!("{}scrape_duration_seconds", prefix.as_str());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(seconds), &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5])
            .map(PrometheusBuilder::build_recorder)
            .unwrap_or_else(|_| PrometheusBuilder::new().build_recorder());
        let handle = recorder.handle();
        let all = || (ingest_counters(prefix), transport(prefix), scrape(prefix), rule_metrics(prefix));
        let (ingest, transport, scrape, rules) = metrics::with_local_recorder(&recorder, all);
        let rest = || (state::state_metrics(prefix), web::web_metrics(prefix));
        let (state, web) = metrics::with_local_recorder(&recorder, rest);
        Self { prefix, recorder, handle, ingest, transport, scrape, rules, state, web }
    }

    /// The prefix of every name here but `process_*`.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Whether a name is, or would be read as, one of the bridge's own.
    ///
    /// The names of its process belong to it wherever they are on the page: see
    /// [`Options::without_process_metrics`](crate::Options::without_process_metrics).
    pub fn owns_name(&self, name: &str, has_process_metrics: bool) -> bool {
        name.starts_with(self.prefix.as_str()) || has_process_metrics && process::NAMES.contains(&name)
    }

    /// Gauges of one bound UDP socket: bytes of receive buffer granted, datagrams the kernel dropped (a counter).
    pub fn udp_socket(&self, address: &str, worker: usize) -> (Gauge, Counter) {
        let labels = [("address", address.to_owned()), ("worker", worker.to_string())];
        let p = self.prefix.as_str();
        metrics::with_local_recorder(&self.recorder, || {
            (gauge!(format!("{p}udp_receive_buffer_bytes"), &labels), counter!(format!("{p}udp_kernel_drops_total"), &labels))
        })
    }

    /// Counters of the relay to `target`.
    pub fn relay(&self, target: &str) -> RelayCounters {
        let counter = |name: &str, help: &'static str| {
            let full = format!("{}{name}", self.prefix.as_str());
            describe_counter!(full.clone(), help);
            counter!(full, "target" => target.to_owned())
        };
        metrics::with_local_recorder(&self.recorder, || RelayCounters {
            lines: counter("relay_lines_relayed_total", "Lines sent to the relay's target."),
            packets: counter("relay_packets_total", "Datagrams sent to the relay's target."),
            long_lines: counter("relay_long_lines_total", "Lines longer than a datagram of the relay, not relayed."),
            lost_lines: counter("relay_lines_lost_total", "Lines not relayed because sending failed."),
        })
    }

    /// Says which build runs: the gauge `build_info`, which is 1.
    pub fn describe_build(&self, version: &str, revision: &str) {
        let full = format!("{}build_info", self.prefix.as_str());
        let labels = [("revision", revision.to_owned()), ("version", version.to_owned())];
        metrics::with_local_recorder(&self.recorder, || {
            describe_gauge!(full.clone(), "1, with version and revision of the program as labels.");
            gauge!(full, &labels).set(1.0);
        });
    }

    /// Adds a batch's counts and sets them to zero.
    pub fn flush(&self, tally: &mut Tally) {
        let c = &self.ingest;
        let add = |counter: &Counter, n: u64| {
            if n > 0 {
                counter.increment(n);
            }
        };
        add(&c.lines, tally.lines);
        add(&c.lines_empty, tally.lines_empty);
        add(&c.lines_parsed, tally.lines_parsed);
        add(&c.events, tally.events);
        add(&c.service_checks, tally.service_checks);
        add(&c.samples, tally.samples);
        add(&c.tags, tally.tagged());
        add(&c.tag_errors, tally.tag_errors);
        add(&c.unknown_fields, tally.unknown_fields);
        add(&c.unmapped, tally.unmapped());
        add(&c.mapped, tally.mapped());
        add(&c.dropped, tally.dropped);
        add(&c.labels_renamed, tally.labels_renamed);
        add(&c.exemplars, tally.exemplars);
        add(&c.exemplars_refused, tally.exemplars_refused);
        add(&c.routes_cleared, tally.routes_cleared);
        if tally.routes != 0 {
            c.routes.increment(tally.routes as f64);
        }
        c.errors.iter().zip(tally.errors).for_each(|(counter, n)| add(counter, n));
        c.recorded.iter().zip(tally.recorded).for_each(|(counter, n)| add(counter, n));
        c.refused.iter().zip(tally.refused).for_each(|(counter, n)| add(counter, n));
        *tally = Tally::default();
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

    /// Folds what the histograms have gathered; to be called every few seconds, so that nothing depends on being scraped.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// All families that the facade carries, sorted by name, each with its lines in a stable order.
    pub fn families(&self) -> Vec<OwnFamily> {
        parse_families(&self.handle.render())
    }
}

/// Reads the small text page of metrics-exporter-prometheus, whose order changes from render to render, into families.
fn parse_families(page: &str) -> Vec<OwnFamily> {
    let mut families: Vec<OwnFamily> = Vec::new();
    let mut help = ("", "");
    for line in page.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            help = (name, text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            let kind = match kind {
                "counter" => "counter",
                "histogram" => "histogram",
                _ => "gauge",
            };
            let help = if help.0 == name { help.1.to_owned() } else { String::new() };
            families.push(OwnFamily { name: name.to_owned().into(), help: help.into(), kind, lines: Vec::new() });
        } else if !line.is_empty()
            && let Some(family) = families.last_mut()
        {
            family.lines.push(line.to_owned());
        }
    }
    for family in &mut families {
        if family.kind != "histogram" {
            family.lines.sort_unstable();
        }
    }
    families.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    families
}

fn described_counter(prefix: Prefix, name: &'static str, help: &'static str) -> Counter {
    let full = format!("{}{name}", prefix.as_str());
    describe_counter!(full.clone(), help);
    counter!(full)
}

fn described_counters<const N: usize>(
    prefix: Prefix,
    (name, help): (&'static str, &'static str),
    label: &'static str,
    values: [&'static str; N],
) -> [Counter; N] {
    let full = format!("{}{name}", prefix.as_str());
    describe_counter!(full.clone(), help);
    values.map(|value| counter!(full.clone(), label => value))
}

fn described_gauge(prefix: Prefix, name: &'static str, help: &'static str) -> Gauge {
    let full = format!("{}{name}", prefix.as_str());
    describe_gauge!(full.clone(), help);
    gauge!(full)
}

fn ingest_counters(p: Prefix) -> IngestCounters {
    let counter = |name, help| described_counter(p, name, help);
    let actions = ("events_actions_total", "Samples that a mapping rule matched, by what it does with them.");
    let [mapped, dropped] = described_counters(p, actions, "action", ["map", "drop"]);
    IngestCounters {
        lines: counter("lines_total", "Lines received, empty ones included."),
        lines_empty: counter("lines_empty_total", "Empty lines."),
        lines_parsed: counter("lines_parsed_total", "Lines that held at least one sample, good or refused."),
        events: counter("dogstatsd_events_total", "DogStatsD events received; they are counted and not kept."),
        service_checks: counter("dogstatsd_service_checks_total", "DogStatsD service checks received; they are counted and not kept."),
        samples: counter("samples_total", "Samples received, refused ones included."),
        tags: counter("tags_total", "Samples that had at least one tag."),
        tag_errors: counter("tag_errors_total", "Tags skipped because key or value is missing."),
        unknown_fields: counter("unknown_fields_total", "Fields of a line skipped because their meaning is not known."),
        unmapped: counter("events_unmapped_total", "Samples that no mapping rule matched."),
        mapped,
        dropped,
        labels_renamed: counter("labels_renamed_total", "Labels of new identities renamed to exported_* because their name is reserved."),
        exemplars: counter("exemplars_total", "Exemplars kept, each in place of an older one."),
        exemplars_refused: counter(
            "exemplars_refused_total",
            "Exemplars not kept because their label is too long or too many series have some; their samples are recorded.",
        ),
        routes_cleared: counter(
            "routes_cleared_total",
            "Routes given up for new ones because a worker's table was full; series are not affected.",
        ),
        expired: counter("series_expired_total", "Series that went because nothing was sent to them for their ttl."),
        deleted: counter("series_deleted_total", "Series deleted on request."),
        routes: described_gauge(p, "routes", "Routes that all workers keep; a route is an identity as it was sent."),
        errors: described_counters(
            p,
            ("sample_errors_total", "Lines and samples refused by the grammar, by reason."),
            "reason",
            SampleError::ALL.map(SampleError::as_str),
        ),
        recorded: described_counters(
            p,
            ("events_total", "Samples recorded, by what they became; a packed line holds several."),
            "type",
            Recorded::ALL.map(Recorded::as_str),
        ),
        refused: described_counters(
            p,
            ("events_error_total", "Well-formed samples refused, by reason."),
            "reason",
            Refusal::ALL.map(Refusal::as_str),
        ),
    }
}

fn transport(p: Prefix) -> Transport {
    let counter = |name, help| described_counter(p, name, help);
    describe_gauge!(
        format!("{}udp_receive_buffer_bytes", p.as_str()),
        "Receive buffer that the kernel granted to a UDP socket, as it counts it (twice what was asked for)."
    );
    describe_counter!(
        format!("{}udp_kernel_drops_total", p.as_str()),
        "Datagrams that the kernel dropped at a UDP socket, mostly because its receive buffer was full."
    );
    Transport {
        udp_packets: counter("udp_packets_total", "UDP datagrams received."),
        udp_truncated: counter("udp_truncated_packets_total", "UDP datagrams cut at the size limit; their last line is refused."),
        udp_errors: counter("udp_receive_errors_total", "Errors of a UDP receive call."),
        unixgram_packets: counter("unixgram_packets_total", "Unix datagrams received."),
        tcp_connections: counter("tcp_connections_total", "TCP connections accepted."),
        tcp_connection_errors: counter("tcp_connection_errors_total", "TCP connections that ended by an error."),
        tcp_connections_refused: counter("tcp_connections_refused_total", "TCP connections closed at once because so many were open."),
        tcp_idle_closed: counter("tcp_idle_closed_total", "TCP connections closed after a silence longer than the limit."),
        tcp_open: described_gauge(p, "tcp_connections_open", "TCP connections open now."),
        tcp_too_long_lines: counter(
            "tcp_too_long_lines_total",
            "Lines over TCP that were skipped because they were longer than the limit.",
        ),
    }
}

fn rule_metrics(p: Prefix) -> RuleMetrics {
    let gauge = |name, help| described_gauge(p, name, help);
    let reloads = ("config_reloads_total", "Reloads of the mapping files, by outcome; the start is none.");
    let [reloads_good, reloads_bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    RuleMetrics {
        reloads_good,
        reloads_bad,
        last_was_good: gauge("config_last_reload_successful", "1 if the last reload of the mapping files, or the start, was good."),
        last_good_time: gauge("config_last_reload_success_timestamp_seconds", "When mapping rules, or none, were last put in force."),
        hash: gauge("config_hash", "Hash of the mapping files in force, the same for the same texts."),
        loaded: gauge("loaded_mappings", "Mapping rules in force."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_come_sorted_whatever_the_recorder_does() {
        let telemetry = Telemetry::new(Prefix::Bridge);
        let mut tally = Tally { lines: 3, ..Tally::default() };
        telemetry.flush(&mut tally);
        assert_eq!(tally.lines, 0, "a flush leaves nothing behind");
        let (first, second) = (telemetry.families(), telemetry.families());
        assert_eq!(first, second);
        assert!(first.is_sorted_by(|a, b| a.name < b.name));
        let lines = first.iter().find(|f| f.name == "statsd_bridge_lines_total").expect("registered");
        assert_eq!(lines.lines, ["statsd_bridge_lines_total 3"]);
        assert_eq!((lines.kind, &*lines.help), ("counter", "Lines received, empty ones included."));
    }

    #[test]
    fn every_reason_is_on_the_page_from_the_start() {
        let families = Telemetry::new(Prefix::Exporter).families();
        let errors = families.iter().find(|f| f.name == "statsd_exporter_sample_errors_total").expect("registered");
        assert_eq!(errors.lines.len(), SampleError::ALL.len());
    }
}
