//! The last 15 minutes of some self-metrics, a point each 5 s, so that an incident is visible after it began.
//!
//! A timer of the program adds the points; the overview of the web page reads them. The ring has a fixed size: 180 points of about
//! 60 numbers, less than 100 KiB. Must not know how it is shown.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::bridge::Bridge;
use crate::ingest::protocol::SampleError;
use crate::lock::lock;
use crate::program::family_history::FamilyHistory;
use crate::telemetry::{SampleRejection, SelfValue, process_families};
use crate::time::Timestamp;

/// Points that are kept.
const POINTS: usize = 180;

/// Milliseconds between two points.
const INTERVAL_MS: u64 = 5_000;

/// Milliseconds over which the current rate is taken, or a little more.
const RATE_MS: u64 = 9_000;

/// A measured number. Counters are sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Datagrams that the kernel dropped.
    KernelDrops,
    /// Datagrams received.
    Datagrams,
    /// Datagrams and frames that were cut, receive calls that failed, and connections that were rejected or evicted.
    ReceiveLosses,
    Lines,
    Samples,
    /// Samples that a rule dropped.
    DroppedByRule,
    Unmapped,
    Recorded,
    /// Lines and samples rejected by the grammar.
    Malformed,
    /// Well-formed samples that were rejected.
    Rejected,
    Scrapes,
    /// Scrapes that were cut or answered 503.
    FailedScrapes,
    /// Samples that push targets accepted.
    Pushed,
    /// Samples that push targets rejected, and that were dropped before they were sent.
    PushLosses,
    Series,
    SeriesBytes,
    Families,
    MemoryBytes,
    CpuSeconds,
}

impl Measure {
    const ALL: [Self; 19] = [
        Self::KernelDrops,
        Self::Datagrams,
        Self::ReceiveLosses,
        Self::Lines,
        Self::Samples,
        Self::DroppedByRule,
        Self::Unmapped,
        Self::Recorded,
        Self::Malformed,
        Self::Rejected,
        Self::Scrapes,
        Self::FailedScrapes,
        Self::Pushed,
        Self::PushLosses,
        Self::Series,
        Self::SeriesBytes,
        Self::Families,
        Self::MemoryBytes,
        Self::CpuSeconds,
    ];

    fn read(self, bridge: &Bridge, process: &[(String, f64)]) -> f64 {
        let telemetry = bridge.telemetry();
        let sum = |names: &[&str]| names.iter().map(|name| telemetry.sum(name)).fold(0, u64::saturating_add);
        let own = |name: &str| process.iter().find(|(known, _)| known == name).map_or(0.0, |(_, value)| *value);
        let count = match self {
            Self::KernelDrops => sum(&["udp_kernel_drops_total"]),
            Self::Datagrams => sum(&["udp_packets_total", "unixgram_packets_total"]),
            Self::ReceiveLosses => sum(&[
                "udp_truncated_packets_total",
                "unixgram_truncated_packets_total",
                "udp_receive_errors_total",
                "unixgram_receive_errors_total",
                "tcp_connections_refused_total",
                "tcp_connections_evicted_total",
                "unix_connections_rejected_total",
                "unix_connections_evicted_total",
                "allow_from_rejected_total",
            ]),
            Self::Lines => sum(&["lines_total"]).saturating_sub(sum(&["lines_empty_total"])),
            Self::Samples => sum(&["samples_total"]),
            Self::DroppedByRule => telemetry.count("events_actions_total", ("action", "drop")),
            Self::Unmapped => sum(&["events_unmapped_total"]),
            Self::Recorded => sum(&["events_total"]),
            Self::Malformed => sum(&["sample_errors_total"]),
            Self::Rejected => sum(&["events_error_total"]),
            Self::Scrapes => sum(&["scrapes_total"]),
            Self::FailedScrapes => sum(&["scrapes_cut_total", "scrapes_refused_total"]),
            Self::Pushed => telemetry.count("push_samples_total", ("result", "written")),
            Self::PushLosses => {
                let lost = ["rejected", "dropped_age", "dropped_full", "dropped_end"];
                lost.iter().map(|result| telemetry.count("push_samples_total", ("result", result))).fold(0, u64::saturating_add)
            }
            Self::Series => bridge.registry().series() as u64,
            Self::SeriesBytes => bridge.registry().series_bytes() as u64,
            Self::Families => bridge.registry().family_count() as u64,
            Self::MemoryBytes => return own("process_resident_memory_bytes"),
            Self::CpuSeconds => return own("process_cpu_seconds_total"),
        };
        count as f64
    }
}

/// All reasons of rejections, those of the grammar first.
pub(super) fn reasons() -> impl Iterator<Item = &'static str> {
    SampleError::ALL.into_iter().map(SampleError::as_str).chain(SampleRejection::ALL.into_iter().map(SampleRejection::as_str))
}

/// All numbers at one moment: the measures, then the rejections by reason.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    numbers: Box<[f64]>,
}

impl Point {
    /// Reads the numbers now.
    pub(super) fn take(bridge: &Bridge, now: Timestamp) -> Self {
        let process: Vec<(String, f64)> = process_families().iter().filter_map(number_of).collect();
        let rejected = |reason: &str| {
            let count = |name| bridge.telemetry().count(name, ("reason", reason));
            count("sample_errors_total").saturating_add(count("events_error_total")) as f64
        };
        let numbers = Measure::ALL.iter().map(|measure| measure.read(bridge, &process)).chain(reasons().map(rejected));
        Self { at: now, numbers: numbers.collect() }
    }

    /// The number of a measure.
    pub(super) fn of(&self, measure: Measure) -> f64 {
        self.numbers.get(measure as usize).copied().unwrap_or_default()
    }

    /// The rejections of the reason at this place of [`reasons`].
    pub(super) fn of_reason(&self, place: usize) -> f64 {
        self.numbers.get(Measure::ALL.len() + place).copied().unwrap_or_default()
    }

    /// The increase of a counter since `earlier`, by second.
    pub(super) fn rate_since(&self, earlier: &Self, read: impl Fn(&Self) -> f64) -> f64 {
        let millis = self.at.millis_since(earlier.at);
        if millis == 0 { 0.0 } else { (read(self) - read(earlier)).max(0.0) * 1000.0 / millis as f64 }
    }
}

fn number_of(family: &crate::telemetry::SelfFamily) -> Option<(String, f64)> {
    let value = match family.series.first()?.value {
        SelfValue::Count(count) => count as f64,
        SelfValue::Number(number) => number,
        SelfValue::Histogram { .. } => return None,
    };
    Some((family.name().to_owned(), value))
}

/// The ring of points, and the families in the same time.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: Mutex<Ring>,
    families: FamilyHistory,
}

#[derive(Debug, Default)]
struct Ring {
    points: VecDeque<Point>,
    /// When the first point was taken.
    began: Option<Timestamp>,
    /// When a scrape or a pushed sample was last seen.
    last_read: Option<Timestamp>,
}

/// The ring at one moment.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// The points, oldest first; the last one is that of now.
    pub(super) points: Vec<Point>,
    /// When the first point was taken.
    pub(super) began: Timestamp,
    /// When a scrape or a pushed sample was last seen.
    pub(super) last_read: Option<Timestamp>,
}

impl History {
    /// Adds a point, unless the last one is younger than 5 s. Call it about once a second.
    pub(super) fn observe(&self, bridge: &Bridge, now: Timestamp) {
        let is_due = lock(&self.ring).points.back().is_none_or(|last| now.millis_since(last.at) >= INTERVAL_MS);
        if !is_due {
            return;
        }
        self.families.observe(bridge.registry(), now);
        let point = Point::take(bridge, now);
        let mut ring = lock(&self.ring);
        ring.note_read(&point);
        ring.began.get_or_insert(now);
        if ring.points.len() >= POINTS {
            ring.points.pop_front();
        }
        ring.points.push_back(point);
    }

    /// New series and rates of families.
    pub(super) fn families(&self) -> &FamilyHistory {
        &self.families
    }

    /// The points so far, and one of now.
    pub(super) fn until_now(&self, bridge: &Bridge, now: Timestamp) -> Past {
        let point = Point::take(bridge, now);
        let mut ring = lock(&self.ring);
        ring.note_read(&point);
        let points = ring.points.iter().cloned().chain([point]).collect();
        Past { points, began: ring.began.unwrap_or(now), last_read: ring.last_read }
    }
}

impl Ring {
    fn note_read(&mut self, point: &Point) {
        let reads = |point: &Point| point.of(Measure::Scrapes) + point.of(Measure::Pushed);
        if reads(point) > self.points.back().map_or(0.0, reads) {
            self.last_read = Some(point.at);
        }
    }
}

impl Past {
    /// The point of now.
    pub(super) fn now(&self) -> Option<&Point> {
        self.points.last()
    }

    /// The current rate of a counter by second, over about 10 s; `None` without an earlier point.
    pub(super) fn rate(&self, read: impl Fn(&Point) -> f64) -> Option<f64> {
        self.rate_over(RATE_MS, read)
    }

    /// The rate of a counter by second, over at least this many milliseconds, if there are points that old.
    pub(super) fn rate_over(&self, millis: u64, read: impl Fn(&Point) -> f64) -> Option<f64> {
        let now = self.points.last()?;
        let mut earlier = self.points.iter().rev().skip(1);
        let reference = earlier.clone().find(|point| now.at.millis_since(point.at) >= millis).or_else(|| earlier.next_back())?;
        Some(now.rate_since(reference, read))
    }

    /// The rates of a counter between the points, each with its age in seconds.
    pub(super) fn rates(&self, read: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
        // The point of now is left out: a rate over a few milliseconds is noise.
        let kept = self.points.get(..self.points.len().saturating_sub(1)).unwrap_or_default();
        kept.windows(2).filter_map(|pair| Some((self.age(pair.last()?), pair.last()?.rate_since(pair.first()?, &read)))).collect()
    }

    /// The values of a gauge, each with its age in seconds.
    pub(super) fn values(&self, read: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (self.age(point), read(point))).collect()
    }

    fn age(&self, point: &Point) -> f64 {
        self.now().map_or(0.0, |now| now.at.millis_since(point.at) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn measures_are_at_their_places() {
        assert!(Measure::ALL.iter().enumerate().all(|(place, measure)| *measure as usize == place));
    }

    #[test]
    fn the_ring_is_bounded_and_has_rates() {
        let (bridge, history) = (Bridge::of_program(Options::default()), History::default());
        let mut worker = bridge.worker();
        for second in 0..1_000 {
            worker.ingest(b"a:1|c\na:1|c\nbad", at(second));
            history.observe(&bridge, at(second));
        }
        let past = history.until_now(&bridge, at(1_000));
        assert_eq!((past.points.len(), past.began, past.last_read), (POINTS + 1, at(0), None));
        let size: usize = past.points.iter().map(|point| size_of::<Point>() + size_of_val::<[f64]>(&point.numbers)).sum();
        assert!(size < 100 << 10, "{size}");
        assert_eq!(past.rate(|point| point.of(Measure::Samples)), Some(2.0 * 9.0 / 10.0), "9 batches since the point of second 990");
        let rates = past.rates(|point| point.of(Measure::Samples));
        assert_eq!(rates.len(), POINTS - 1);
        assert!(rates.iter().all(|(_, rate)| *rate == 2.0), "{rates:?}");
        let malformed = reasons().position(|reason| reason == "malformed_line").expect("a reason");
        assert_eq!(past.now().map(|now| now.of_reason(malformed)), Some(1_000.0));
        bridge.telemetry().scrape.pages.increment(1);
        assert_eq!(history.until_now(&bridge, at(1_002)).last_read, Some(at(1_002)));
        history.observe(&bridge, at(1_005));
        assert_eq!(history.until_now(&bridge, at(1_400)).last_read, Some(at(1_005)));
    }
}
