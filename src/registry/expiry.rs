//! Expiry: marks series without a sample for their ttl with a tombstone, and removes them once no worker can write to them.
//!
//! The owner of the bridge calls it, with times of ingest, with or without scrapes. One step checks a limited number of series, so
//! that it does not delay ingest. [`Workers`](super::workers) determines when no worker can miss the tombstones of a round.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::budget::Budget;
use super::expired_names::{ExpiredNames, Expiring};
use super::families::Families;
use super::family::Family;
use super::series::Series;
use super::workers::Workers;
use crate::lock::lock;
use crate::time::Timestamp;

/// Series checked in one step.
const STEP: usize = 50_000;

/// Removes series in two steps: it sets tombstones, and, when all calls that may have missed them have ended, removes the series that
/// still have one.
#[derive(Default)]
pub(super) struct Expiry {
    round: Mutex<Round>,
    /// Whether any series ever had a ttl. Without one there is nothing to search.
    has_ttl: AtomicBool,
    names: ExpiredNames,
}

/// Series with tombstones that a worker in a call may have missed, and the position of the search.
#[derive(Default)]
struct Round {
    epoch: u64,
    marked: Vec<(Arc<Family>, Vec<Arc<Series>>)>,
    /// Series that were removed without waiting for their ttl. They have tombstones, but a worker that wrote at the same time may
    /// have cleared one.
    ended: Vec<Arc<Series>>,
    /// The series that the search checked last.
    position: Option<Position>,
}

/// The position of the search in the order of families and series.
struct Position {
    family: Box<str>,
    labels: Box<str>,
}

impl Expiry {
    /// The families of which series expired last.
    #[cfg(feature = "cli")]
    pub(super) fn names(&self) -> &ExpiredNames {
        &self.names
    }

    /// Notes that a series with a ttl exists or is being created.
    pub(super) fn expect_ttl(&self) {
        self.has_ttl.store(true, Relaxed);
    }

    /// Executes one step. Returns the number of removed series. Calls `gone` with each of them once no worker can write to it.
    pub(super) fn step(
        &self,
        families: &Families,
        workers: &Workers,
        budget: &Budget<'_>,
        now: Timestamp,
        mut gone: impl FnMut(&Series),
    ) -> usize {
        let mut round = lock(&self.round);
        let is_waiting = !round.marked.is_empty() || !round.ended.is_empty();
        if is_waiting && !workers.all_have_seen(round.epoch) {
            return 0;
        }
        let mut count = 0;
        for (family, series) in std::mem::take(&mut round.marked) {
            let out = family.remove_expired(&series, budget, now);
            out.iter().for_each(|series| gone(series));
            if !out.is_empty() {
                let series = out.iter().map(|series| Expiring { labels: series.labels(), ttl_ms: series.ttl_ms() });
                self.names.note(family.name().as_str(), series, now);
            }
            if family.is_gone() {
                families.forget(&family);
            }
            count += out.len();
        }
        round.ended.retain(|series| !series.is_expired());
        round.ended.iter().for_each(|series| series.expire_now());
        if self.has_ttl.load(Relaxed) {
            round.mark(families, now);
        }
        if !round.marked.is_empty() || !round.ended.is_empty() {
            round.epoch = workers.begin();
        }
        count
    }

    /// Makes sure that no worker keeps writing to series that were removed without waiting for their ttl.
    pub(super) fn end(&self, series: Vec<Arc<Series>>, workers: &Workers) {
        let mut round = lock(&self.round);
        round.ended.extend(series);
        round.epoch = workers.begin();
    }
}

impl Round {
    /// Sets tombstones on series without a sample for their ttl, from the position of the last step on.
    fn mark(&mut self, families: &Families, now: Timestamp) {
        let mut left = STEP;
        let position = self.position.take();
        for family in families.from(position.as_ref().map(|position| &*position.family)) {
            let all = family.series();
            let within = position.as_ref().filter(|position| *position.family == *family.name().as_str());
            let is_before = |series: &Arc<Series>| within.is_some_and(|position| series.labels() <= &*position.labels);
            let (_, rest) = all.split_at(all.partition_point(is_before));
            let (some, _) = rest.split_at(left.min(rest.len()));
            let old: Vec<_> = some.iter().filter(|series| series.expire_if_unseen(now)).map(Arc::clone).collect();
            if !old.is_empty() {
                self.marked.push((Arc::clone(&family), old));
            }
            left -= some.len();
            if let Some(last) = some.last().filter(|_| left == 0) {
                self.position = Some(Position { family: family.name().as_str().into(), labels: last.labels().into() });
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::{Observer, Options, SummaryOptions, Ttl};

    const START: u64 = 1_700_000_000_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(START + millis)
    }

    fn bridge(counter_ms: u64) -> Bridge {
        let ttl = Ttl { counter_ms: Some(counter_ms), gauge_ms: Some(0), ..Ttl::default() };
        Bridge::new(Options { ttl, ..Options::default() })
    }

    fn exposition(bridge: &Bridge) -> String {
        let mut out = Vec::new();
        bridge.render(at(0), &mut out);
        String::from_utf8(out).expect("an exposition is UTF-8")
    }

    #[test]
    fn an_expired_series_frees_its_name_type_and_place() {
        let bridge = bridge(1000);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c|#a:1\nc:1|c|#a:2\ng:1|g\nh:1|h", at(0));
        worker.ingest(b"c:1|c|#a:2", at(900));
        assert_eq!(bridge.expire(at(1000)), 0, "it has a tombstone");
        assert_eq!(bridge.expire(at(1001)), 1);
        let text = exposition(&bridge);
        assert!(!text.contains("c{a=\"1\"}") && text.contains("c{a=\"2\"} 2") && text.contains("\ng 1\n") && text.contains("h_count 1"));
        assert_eq!((bridge.registry().series(), bridge.registry().families().len()), (3, 3));
        bridge.expire(at(5000));
        assert_eq!(bridge.expire(at(5001)), 1);
        assert_eq!((bridge.registry().series(), bridge.registry().families().len()), (2, 2));
        worker.ingest(b"c:5|g", at(5002));
        assert!(exposition(&bridge).contains("# TYPE c gauge\nc 5\n"), "the name is free for another type");
    }

    #[test]
    fn a_sample_between_tombstone_and_removal_keeps_the_series() {
        let bridge = bridge(1000);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c", at(0));
        bridge.expire(at(1000));
        worker.ingest(b"c:1|c", at(1001));
        assert_eq!(bridge.expire(at(1002)), 0);
        assert!(exposition(&bridge).contains("\nc 2\n"));
    }

    #[test]
    fn a_rejected_sample_does_not_keep_a_series_from_expiring() {
        let ttl = Ttl { counter_ms: Some(1000), gauge_ms: Some(1000), observer_ms: Some(1000), ..Ttl::default() };
        for observer in [Observer::default(), Observer::Summary(SummaryOptions::default())] {
            let bridge = Bridge::new(Options { ttl, observer, ..Options::default() });
            let mut worker = bridge.worker();
            worker.ingest(b"c:1|c\ng:1|g\nh:1|h", at(0));
            worker.ingest(b"c:-1|c\nc:1e20|c\ng:+1e20|g\nh:1e20|h\nh:1|h|@1e-20", at(900));
            assert_eq!(bridge.accounting().samples_rejected, 5);
            bridge.expire(at(1000));
            assert_eq!(bridge.expire(at(1000)), 3);
        }
    }

    #[test]
    fn folded_samples_get_the_series_of_one_that_expired() {
        let mut options = Options { ttl: Ttl { counter_ms: Some(1000), ..Ttl::default() }, ..Options::default() };
        options.limits.values_per_label = 1;
        let bridge = Bridge::new(options);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c|#a:1\nc:1|c|#a:2", at(0));
        worker.ingest(b"c:1|c|#a:2", at(900));
        assert!(exposition(&bridge).contains("c{a=\"_overflow_\"} 2"));
        bridge.expire(at(1000));
        assert_eq!(bridge.expire(at(1001)), 1);
        worker.ingest(b"c:1|c|#a:2", at(1002));
        assert!(exposition(&bridge).contains("c{a=\"2\"} 1"));
    }

    /// Workers write while series expire: the values of expired and remaining series add up to all that was sent.
    #[test]
    fn no_sample_is_added_to_a_series_that_no_exposition_will_show() {
        let bridge = bridge(1);
        let (sent, gone) = churn(&bridge);
        assert!(gone > 0.0, "series expired while they were written to");
        assert_eq!(gone + left(&bridge), sent as f64);
        assert!(bridge.accounting().adds_up());
    }

    /// Series expire and return within a grace period: they keep their values, and nothing is lost.
    #[test]
    fn series_that_return_within_the_grace_period_keep_every_sample() {
        let ttl = Ttl { counter_ms: Some(1), ..Ttl::default() };
        let bridge = Bridge::new(Options { ttl, grace_ms: u64::MAX / 2, ..Options::default() });
        let (sent, gone) = churn(&bridge);
        assert!(gone > 0.0, "series expired while they were written to");
        // All series return, with a sample of 0.
        let mut worker = bridge.worker();
        for name in 0..3 {
            (0..40).for_each(|tag| worker.ingest(format!("n{name}:0|c|#a:{tag}").as_bytes(), at(u64::MAX >> 20)));
        }
        assert_eq!(left(&bridge), sent as f64);
        assert_eq!(bridge.registry().in_grace(), 0);
    }

    fn left(bridge: &Bridge) -> f64 {
        bridge.registry().families().iter().flat_map(|family| family.series().to_vec()).map(|series| series.number()).sum()
    }

    /// Three workers and one thread that expires series. Returns the number of samples, and the sum of the expired values.
    fn churn(bridge: &Bridge) -> (u64, f64) {
        /// Minimum of samples per worker. Workers continue until enough series have expired, so that the test passes on a busy
        /// machine.
        const ROUNDS: u64 = 20_000;
        const EXPIRED_AT_LEAST: u64 = 50;
        const ROUNDS_AT_MOST: u64 = 2_000_000;
        let (clock, stop, expired) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let (clock, expired) = (&clock, &expired);
            let write = move |number: u64| {
                let mut worker = bridge.worker();
                for round in 0..ROUNDS_AT_MOST {
                    if round >= ROUNDS && expired.load(Relaxed) >= EXPIRED_AT_LEAST {
                        return round;
                    }
                    let line = format!("n{}:1|c|#a:{}", (round + number) % 3, (round / 100 + number) % 40);
                    worker.ingest(line.as_bytes(), at(clock.load(Relaxed)));
                    if round % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
                ROUNDS_AT_MOST
            };
            let workers: Vec<_> = (0..3u64).map(|number| scope.spawn(move || write(number))).collect();
            let sweeper = scope.spawn(|| {
                let mut sum = 0.0;
                while !stop.load(Relaxed) {
                    let now = clock.fetch_add(1, Relaxed) + 1;
                    let count = bridge.registry().expire(at(now), |series| sum += series.number());
                    expired.fetch_add(count as u64, Relaxed);
                }
                sum
            });
            let sent = workers.into_iter().map(|worker| worker.join().expect("a worker ends")).sum::<u64>();
            stop.store(true, Relaxed);
            (sent, sweeper.join().expect("the sweeper ends"))
        })
    }
}
