//! sources: what each sender sent: datagrams, lines, samples, bytes, rejections. `/api/v1/sources` shows it.
//!
//! ```text
//! client_report   what the clients of one sender say about themselves, beside what arrived from them
//! counts          sums of one sender, or of all that are no longer listed
//! limit           token buckets of one sender
//!   heavy         the senders with the most lines, in bounded memory, with a stated error
//! ```
//! A worker adds its sums once per batch. Knows neither bytes nor sockets.

mod client_report;
mod counts;
mod heavy;
mod limit;

use std::sync::Mutex;

use self::client_report::Growth;
pub use self::client_report::{ClientDrops, ClientReport, SentAndArrived};
pub(crate) use self::client_report::{ClientField, Reported};
use self::counts::Counts;
pub(crate) use self::counts::{Received, RejectedOf};
use self::heavy::{HeavySenders, Tracked};
use self::limit::Excess;
pub(crate) use self::limit::SourceLimit;
use crate::lock::lock;
use crate::options::SourceOptions;
use crate::rejections::RejectedInput;
use crate::source::{Sender, Source};
use crate::telemetry::SourceMetrics;
use crate::time::Timestamp;

/// The senders with the most lines. One for a bridge.
pub(crate) struct Sources {
    options: SourceOptions,
    senders: Mutex<HeavySenders>,
    metrics: SourceMetrics,
}

impl Sources {
    pub(crate) fn new(options: SourceOptions, metrics: SourceMetrics) -> Self {
        Self { options, senders: Mutex::new(HeavySenders::new(options)), metrics }
    }

    /// Whether senders are listed.
    pub(crate) fn is_on(&self) -> bool {
        self.options.max > 0
    }

    /// Whether a limit is in force.
    pub(crate) fn has(&self, limit: SourceLimit) -> bool {
        self.is_on() && self.per_second(limit) > 0
    }

    fn per_second(&self, limit: SourceLimit) -> u64 {
        match limit {
            SourceLimit::Lines => self.options.lines_per_second,
            SourceLimit::NewSeries => self.options.new_series_per_second,
        }
    }

    /// Whether a limit that is in force leaves room for `count` lines or series of a sender. Logs a sender that exceeds it, at a limited
    /// rate.
    pub(crate) fn admit(&self, limit: SourceLimit, source: Source, count: u64, now: Timestamp) -> bool {
        let (is_admitted, excess) = lock(&self.senders).admit(limit, source.into(), count, now);
        if let Some(Excess { sender, rate, rejected }) = excess {
            let per_second = self.per_second(limit);
            match limit {
                SourceLimit::Lines => tracing::warn!(
                    source = %sender, lines_per_second = rate, limit = per_second, rejected,
                    "a sender exceeds the limit of lines per second; its datagrams are rejected"
                ),
                SourceLimit::NewSeries => tracing::warn!(
                    source = %sender, new_series_per_second = rate, limit = per_second, rejected,
                    "a sender exceeds the limit of new series per second; its samples of new series are rejected"
                ),
            }
        }
        is_admitted
    }

    /// Adds the sums of a batch.
    pub(crate) fn add(&self, received: &[Received], rejected: &[RejectedOf], now: Timestamp) {
        let mut senders = lock(&self.senders);
        let before = (senders.len(), senders.evicted());
        for one in received {
            senders.add(one, now);
        }
        for one in rejected {
            senders.reject(one);
        }
        let (tracked, evicted) = (senders.len(), senders.evicted());
        if (tracked, evicted) != before {
            self.metrics.tracked.set(tracked as f64);
            self.metrics.evicted.increment(evicted - before.1);
        }
    }

    /// Adds the sums of processes that have ended to those of their users.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn end_processes(&self, has_ended: impl Fn(u32) -> bool) {
        let processes = lock(&self.senders).processes();
        // It may take long to find out, so the list is not locked meanwhile.
        let ended: Vec<Sender> = processes.into_iter().filter(|sender| sender.pid().is_some_and(&has_ended)).collect();
        if ended.is_empty() {
            return;
        }
        let mut senders = lock(&self.senders);
        ended.into_iter().for_each(|process| senders.end(process));
        self.metrics.tracked.set(senders.len() as f64);
    }

    /// Adds what clients report about themselves. What arrived with the reports has been added.
    pub(crate) fn add_reports(&self, reports: &[Reported], now: Timestamp) {
        let mut senders = lock(&self.senders);
        for reported in reports {
            let Growth { packets, packets_dropped } = senders.report(reported, now);
            self.metrics.clients.datagrams_sent.increment(packets.sent);
            self.metrics.clients.datagrams_arrived.increment(packets.arrived);
            self.metrics.clients.packets_dropped.increment(packets_dropped);
        }
    }

    /// The `top` senders with the most lines.
    pub(crate) fn report(&self, top: usize) -> SourcesReport {
        let senders = lock(&self.senders);
        let mut listed: Vec<&Tracked> = senders.iter().collect();
        listed.sort_by(|a, b| b.counts.lines.cmp(&a.counts.lines).then_with(|| a.first.cmp(&b.first)));
        let mut others = senders.others().clone();
        listed.iter().skip(top).for_each(|tracked| others.merge(&tracked.counts));
        SourcesReport {
            tracked: listed.len(),
            limit: self.options.max,
            evicted: senders.evicted(),
            sources: listed.into_iter().take(top).map(SourceReport::of).collect(),
            others: others.into(),
        }
    }
}

/// The senders with the most lines, and the sums of all others. Together they are the totals since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourcesReport {
    /// Senders that have counts of their own.
    pub tracked: usize,
    /// The limit on them: [`Options::sources`](crate::Options::sources).
    pub limit: usize,
    /// How often a sender gave up its place to a new one.
    pub evicted: u64,
    /// The senders with the most lines, most first.
    pub sources: Vec<SourceReport>,
    /// The sums of all other senders.
    pub others: SourceSums,
}

/// One sender.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceReport {
    /// The sender.
    pub sender: Sender,
    /// Its sums since `first_seen`.
    pub sums: SourceSums,
    /// Up to this many lines of this sender may be among those of `others`, because it gave up its place before `first_seen`. It is at
    /// most the number of all lines divided by the limit, so that every sender with more lines than that is listed.
    pub missing_lines: u64,
    /// When it was listed.
    pub first_seen: Timestamp,
    /// When the last datagram arrived.
    pub last_seen: Timestamp,
    /// The last rejected line or sample, with its reason.
    pub last_rejected: Option<(&'static str, RejectedInput)>,
    /// What its clients say about themselves; `None` without the telemetry of a DogStatsD client.
    pub clients: Option<ClientReport>,
}

/// Sums of one sender or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceSums {
    /// Datagrams. The sender's number is 0 for streams.
    pub datagrams: u64,
    /// Bytes of lines, with the newlines between them.
    pub bytes: u64,
    /// Lines, empty ones included.
    pub lines: u64,
    /// Samples, rejected ones included.
    pub samples: u64,
    /// Lines and samples rejected, by reason, most first.
    pub rejected: Vec<(&'static str, u64)>,
}

impl From<Counts> for SourceSums {
    fn from(counts: Counts) -> Self {
        let Counts { datagrams, bytes, lines, samples, mut rejected } = counts;
        rejected.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        Self { datagrams, bytes, lines, samples, rejected }
    }
}

impl SourceReport {
    fn of(tracked: &Tracked) -> Self {
        Self {
            sender: tracked.sender,
            sums: tracked.counts.clone().into(),
            missing_lines: tracked.missing,
            first_seen: tracked.first,
            last_seen: tracked.last,
            last_rejected: tracked.last_rejected.as_ref().map(|last| (last.reason, last.input())),
            clients: tracked.clients.as_deref().map(ClientReport::from),
        }
    }
}

#[cfg(test)]
mod tests;
