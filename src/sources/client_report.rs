//! What DogStatsD clients say about themselves in `datadog.dogstatsd.client.*`, beside what arrived from them.
//!
//! A client reports about every ten seconds what it sent since its last report. Its reports are added up. The comparison starts at the
//! first report, which covers a time that the bridge may not have seen, and ends at the last one. What arrived is counted for the same
//! socket, so that other clients of the same host do not hide a loss.

use std::collections::HashMap;

use super::counts::Received;
use crate::source::{Sender, Source};
use crate::time::Timestamp;

/// Clients of one sender that are compared. At the limit, the one whose last report is oldest is no longer compared.
const MAX_CLIENTS: usize = 64;

/// The names of the telemetry, behind a namespace if a client or a proxy puts one before all names.
const NAMESPACE: &[u8] = b"datadog.dogstatsd.client";

/// The largest number that a report can state: up to it, `f64` holds every integer.
const MAX_AMOUNT: f64 = 9_007_199_254_740_992.0;

/// A number that a client reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientField {
    Metrics,
    Events,
    ServiceChecks,
    /// Metrics that a full channel rejected.
    MetricsDropped,
    PacketsSent,
    PacketsDropped,
    PacketsDroppedQueue,
    PacketsDroppedWriter,
    BytesSent,
    BytesDropped,
    BytesDroppedQueue,
    BytesDroppedWriter,
    /// Series that the client sent after it aggregated their samples.
    AggregatedContexts,
}

impl ClientField {
    /// Number of fields.
    pub(crate) const COUNT: usize = Self::AggregatedContexts as usize + 1;

    /// The field of a name as received; `None` if it is no telemetry, or a part of a number that has a field.
    pub(crate) fn of_name(name: &[u8]) -> Option<Self> {
        let dot = name.iter().rposition(|byte| *byte == b'.')?;
        let (namespace, field) = (name.get(..dot)?, name.get(dot + 1..)?);
        let before = namespace.strip_suffix(NAMESPACE)?;
        if !before.is_empty() && !before.ends_with(b".") {
            return None;
        }
        Some(match field {
            b"metrics" => Self::Metrics,
            b"events" => Self::Events,
            b"service_checks" => Self::ServiceChecks,
            b"metric_dropped_on_receive" => Self::MetricsDropped,
            b"packets_sent" => Self::PacketsSent,
            b"packets_dropped" => Self::PacketsDropped,
            b"packets_dropped_queue" => Self::PacketsDroppedQueue,
            b"packets_dropped_writer" => Self::PacketsDroppedWriter,
            b"bytes_sent" => Self::BytesSent,
            b"bytes_dropped" => Self::BytesDropped,
            b"bytes_dropped_queue" => Self::BytesDroppedQueue,
            b"bytes_dropped_writer" => Self::BytesDroppedWriter,
            b"aggregated_context" => Self::AggregatedContexts,
            _ => return None,
        })
    }

    /// The amount of a sample of telemetry; `None` if it is no amount that a client can mean.
    pub(crate) fn amount(value: f64) -> Option<u64> {
        // The range has neither NaN nor a sign, so that the conversion is exact after rounding.
        (0.0..=MAX_AMOUNT).contains(&value).then(|| value.round() as u64)
    }
}

/// A number that clients of one source reported since the last call of [`Sources::add_reports`](super::Sources::add_reports).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) source: Source,
    pub(crate) field: ClientField,
    pub(crate) amount: u64,
}

/// What the clients of one sender reported, and what arrived from them.
#[derive(Debug)]
pub(super) struct Clients {
    sums: [u64; ClientField::COUNT],
    last_report: Timestamp,
    packets: SentAndArrived,
    bytes: SentAndArrived,
    by_source: HashMap<Source, Client>,
}

/// One socket of a client.
#[derive(Debug, Default)]
struct Client {
    packets: Interval,
    bytes: Interval,
}

/// The interval since the last report of a number.
#[derive(Debug, Default, Clone, Copy)]
struct Interval {
    /// The last report; `None` before the first.
    began: Option<Timestamp>,
    arrived: u64,
    /// The usual time between two reports; 0 before the second.
    usual_ms: u64,
}

/// Sums over the intervals that can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentAndArrived {
    /// Complete intervals between two reports.
    pub intervals: u64,
    /// What the clients say they sent in them.
    pub sent: u64,
    /// What arrived from them in the same time.
    pub arrived: u64,
}

impl SentAndArrived {
    /// What was lost on the way. Up to the datagrams of one batch may be missing from a count, or too many, at the first and at the last
    /// report; they do not add up.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrived)
    }

    fn add(&mut self, other: Self) {
        self.intervals += other.intervals;
        self.sent = self.sent.saturating_add(other.sent);
        self.arrived = self.arrived.saturating_add(other.arrived);
    }
}

/// What a report adds to the self-metrics.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Datagrams of an interval.
    pub(crate) packets: SentAndArrived,
    /// Datagrams and frames that the client dropped, for any reason.
    pub(crate) packets_dropped: u64,
}

/// What clients dropped before it was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientDrops {
    /// All of it.
    pub total: u64,
    /// A queue of the client was full.
    pub queue: u64,
    /// The socket took it not, or not in time.
    pub writer: u64,
}

impl Clients {
    pub(super) fn new(now: Timestamp) -> Self {
        let (packets, bytes) = Default::default();
        Self { sums: [0; ClientField::COUNT], last_report: now, packets, bytes, by_source: HashMap::new() }
    }

    /// Adds what arrived from a source.
    pub(super) fn arrived(&mut self, received: &Received) {
        if let Some(client) = self.by_source.get_mut(&received.source) {
            client.packets.arrived += received.datagrams;
            client.bytes.arrived += received.bytes;
        }
    }

    /// Adds a report. What arrived before it has been added.
    pub(super) fn report(&mut self, reported: &Reported, now: Timestamp) -> Growth {
        let Reported { source, field, amount } = *reported;
        self.last_report = self.last_report.max(now);
        if let Some(sum) = self.sums.get_mut(field as usize) {
            *sum = sum.saturating_add(amount);
        }
        let mut growth = Growth::default();
        match field {
            ClientField::PacketsSent if Sender::from(source).sends_datagrams() => {
                growth.packets = self.client(source, now).packets.end(&source, amount, now);
                self.packets.add(growth.packets);
            }
            ClientField::BytesSent => {
                let compared = self.client(source, now).bytes.end(&source, amount, now);
                self.bytes.add(compared);
            }
            // Every client reports the sum, and some the reasons too.
            ClientField::PacketsDropped => growth.packets_dropped = amount,
            _ => {}
        }
        growth
    }

    /// When the last report arrived.
    #[cfg(any(feature = "cli", test))]
    pub(super) fn last_report(&self) -> Timestamp {
        self.last_report
    }

    /// Adds the sums of the clients of a process that has ended, which send nothing more.
    #[cfg(any(feature = "cli", test))]
    pub(super) fn merge(&mut self, ended: &Self) {
        self.sums.iter_mut().zip(ended.sums).for_each(|(sum, ended)| *sum = sum.saturating_add(ended));
        self.last_report = self.last_report.max(ended.last_report);
        self.packets.add(ended.packets);
        self.bytes.add(ended.bytes);
    }

    fn client(&mut self, source: Source, now: Timestamp) -> &mut Client {
        if self.by_source.len() >= MAX_CLIENTS && !self.by_source.contains_key(&source) {
            let last = |client: &Client| client.packets.began.max(client.bytes.began).unwrap_or(now);
            let oldest = self.by_source.iter().min_by_key(|(_, client)| last(client)).map(|(source, _)| *source);
            oldest.map(|oldest| self.by_source.remove(&oldest));
        }
        self.by_source.entry(source).or_default()
    }
}

impl Interval {
    /// Ends an interval at a report, and begins the next one. Returns what can be compared: nothing at the first report, and nothing if
    /// the report before this one was lost, because its numbers are missing.
    fn end(&mut self, source: &Source, sent: u64, now: Timestamp) -> SentAndArrived {
        let interval = std::mem::replace(self, Self { began: Some(now), arrived: 0, ..*self });
        let Some(began) = interval.began else { return SentAndArrived::default() };
        let (passed, usual) = (now.millis_since(began), interval.usual_ms);
        // The kernel loses nothing on a stream or between Unix sockets.
        let has_gap = matches!(source, Source::Udp(_)) && usual > 0 && passed > usual.saturating_add(usual / 2);
        // After one early report, those on time are no gaps for long.
        self.usual_ms = if has_gap { usual.saturating_add(usual / 4).max(usual + 1) } else { passed };
        if has_gap {
            return SentAndArrived::default();
        }
        SentAndArrived { intervals: 1, sent, arrived: interval.arrived }
    }
}

/// What the clients of a sender say about themselves, from the telemetry of DogStatsD clients.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientReport {
    /// Sockets that are compared.
    pub clients: usize,
    /// When the last report arrived.
    pub last_report: Timestamp,
    /// Calls of the application, before the client samples and aggregates them.
    pub metrics: u64,
    /// Events sent.
    pub events: u64,
    /// Service checks sent.
    pub service_checks: u64,
    /// Calls that the client dropped because a channel was full.
    pub metrics_dropped: u64,
    /// Series that the client sent after it aggregated their samples.
    pub aggregated_contexts: u64,
    /// Datagrams or frames that it sent.
    pub packets_sent: u64,
    /// Datagrams or frames that it dropped.
    pub packets_dropped: ClientDrops,
    /// Bytes that it sent.
    pub bytes_sent: u64,
    /// Bytes that it dropped.
    pub bytes_dropped: ClientDrops,
    /// Datagrams sent and arrived; without intervals for streams, whose frames are not counted by sender.
    pub compared_packets: SentAndArrived,
    /// Bytes sent and arrived.
    pub compared_bytes: SentAndArrived,
}

impl From<&Clients> for ClientReport {
    fn from(clients: &Clients) -> Self {
        let of = |field: ClientField| clients.sums.get(field as usize).copied().unwrap_or_default();
        let dropped = |total, queue, writer| {
            let (queue, writer) = (of(queue), of(writer));
            // Some clients report only the sum, and a line of a report may be lost.
            ClientDrops { total: of(total).max(queue.saturating_add(writer)), queue, writer }
        };
        use ClientField as F;
        Self {
            clients: clients.by_source.len(),
            last_report: clients.last_report,
            metrics: of(F::Metrics),
            events: of(F::Events),
            service_checks: of(F::ServiceChecks),
            metrics_dropped: of(F::MetricsDropped),
            aggregated_contexts: of(F::AggregatedContexts),
            packets_sent: of(F::PacketsSent),
            packets_dropped: dropped(F::PacketsDropped, F::PacketsDroppedQueue, F::PacketsDroppedWriter),
            bytes_sent: of(F::BytesSent),
            bytes_dropped: dropped(F::BytesDropped, F::BytesDroppedQueue, F::BytesDroppedWriter),
            compared_packets: clients.packets,
            compared_bytes: clients.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn udp(port: u16) -> Source {
        Source::Udp(([10, 0, 0, 1], port).into())
    }

    fn arrived(clients: &mut Clients, source: Source, datagrams: u64) {
        clients.arrived(&Received { source, datagrams, bytes: 10 * datagrams, lines: datagrams, samples: datagrams });
    }

    fn sent(clients: &mut Clients, source: Source, amount: u64, seconds: u64) -> SentAndArrived {
        clients.report(&Reported { source, field: ClientField::PacketsSent, amount }, at(seconds)).packets
    }

    #[test]
    fn names_are_recognised_as_received() {
        let of = |name: &str| ClientField::of_name(name.as_bytes());
        assert_eq!(of("datadog.dogstatsd.client.metrics"), Some(ClientField::Metrics));
        assert_eq!(of("shop.datadog.dogstatsd.client.packets_sent"), Some(ClientField::PacketsSent));
        for other in [
            "datadog.dogstatsd.client.metrics_by_type",
            "xdatadog.dogstatsd.client.metrics",
            "metrics",
            "datadog.dogstatsd.client",
            "",
            ".",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        let amounts = [0.0, 2.5, -1.0, f64::NAN, f64::INFINITY, 1e300].map(ClientField::amount);
        assert_eq!(amounts, [Some(0), Some(3), None, None, None, None]);
    }

    #[test]
    fn the_first_interval_is_not_compared_and_other_sockets_hide_no_loss() {
        let mut clients = Clients::new(at(0));
        arrived(&mut clients, udp(1), 50);
        assert_eq!(sent(&mut clients, udp(1), 80, 10), SentAndArrived::default());
        arrived(&mut clients, udp(1), 90);
        arrived(&mut clients, udp(2), 1_000);
        assert_eq!(sent(&mut clients, udp(1), 100, 20), SentAndArrived { intervals: 1, sent: 100, arrived: 90 });
        let report = ClientReport::from(&clients);
        assert_eq!((report.packets_sent, report.compared_packets.lost(), report.clients), (180, 10, 1));
        assert_eq!(report.compared_bytes, SentAndArrived::default());
    }

    #[test]
    fn an_interval_with_a_lost_report_is_not_compared() {
        let mut clients = Clients::new(at(0));
        for (seconds, is_compared) in [(10, false), (20, true), (40, false), (50, true), (61, true), (80, false)] {
            arrived(&mut clients, udp(1), 7);
            let compared = sent(&mut clients, udp(1), 7, seconds);
            assert_eq!((compared.intervals, compared.sent), (u64::from(is_compared), if is_compared { 7 } else { 0 }), "{seconds}");
        }
        // Between Unix sockets no report is lost, and several clients may be one source.
        for (seconds, is_compared) in [(10, false), (11, true), (20, true)] {
            assert_eq!(sent(&mut clients, Source::Unixgram, 7, seconds).intervals, u64::from(is_compared), "{seconds}");
        }
    }

    #[test]
    fn clients_are_few_and_numbers_do_not_overflow() {
        let mut clients = Clients::new(at(0));
        for port in 0..1000 {
            sent(&mut clients, udp(port), u64::MAX, 10 + u64::from(port));
        }
        let report = ClientReport::from(&clients);
        assert_eq!((report.clients, report.packets_sent), (MAX_CLIENTS, u64::MAX));
        assert!((936..1000).all(|port| clients.by_source.contains_key(&udp(port))), "the latest stay");
    }
}
