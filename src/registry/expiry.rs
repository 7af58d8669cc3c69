//! Expiry: series unseen for their ttl are marked, and taken out once no worker can be writing to them any more.
//!
//! Driven by whoever owns the bridge, on ingest time, with or without scrapes; a bounded number of series is looked at in one
//! step, so that no step holds up ingest for long. [`Workers`](super::workers) says when a round of marks has been seen by all.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::budget::Budget;
use super::families::Families;
use super::family::Family;
use super::series::Series;
use super::workers::Workers;
use crate::lock::lock;
use crate::time::Timestamp;

/// Series looked at in one step.
const STEP: usize = 50_000;

/// Ends series in two steps: marks first, and what bears the mark still when all workers have seen it goes.
#[derive(Default)]
pub(super) struct Expiry {
    round: Mutex<Round>,
    /// Whether any series ever had a ttl; without, there is nothing to look for.
    has_ttl: AtomicBool,
}

/// What is marked and waits for all workers to have seen it, and how far the look at all series has come.
#[derive(Default)]
struct Round {
    epoch: u64,
    marked: Vec<(Arc<Family>, Vec<Arc<Series>>)>,
    /// Series that were ended at once. They bear the mark; a worker that wrote in the same instant may have taken it off.
    ended: Vec<Arc<Series>>,
    /// The family that was looked at last, and the labels of its series that was.
    after: Option<(Box<str>, Box<str>)>,
}

impl Expiry {
    /// A series with a ttl is there, or is about to be.
    pub(super) fn expect_ttl(&self) {
        self.has_ttl.store(true, Relaxed);
    }

    /// One step. Returns how many series went; each is shown to `gone` once nothing can be added to it any more.
    pub(super) fn step(
        &self,
        (families, workers): (&Families, &Workers),
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
            let out = family.take_out(&series, budget, now);
            out.iter().for_each(|series| gone(series));
            if family.is_gone() {
                families.forget(&family);
            }
            count += out.len();
        }
        round.ended.retain(|series| !series.is_retired());
        round.ended.iter().for_each(|series| series.retire_now());
        if self.has_ttl.load(Relaxed) {
            round.mark(families, now);
        }
        if !round.marked.is_empty() || !round.ended.is_empty() {
            round.epoch = workers.begin();
        }
        count
    }

    /// Sees to it that nobody goes on writing to series that were ended at once.
    pub(super) fn end(&self, series: Vec<Arc<Series>>, workers: &Workers) {
        let mut round = lock(&self.round);
        round.ended.extend(series);
        round.epoch = workers.begin();
    }
}

impl Round {
    /// Marks old series, from where the last step ended.
    fn mark(&mut self, families: &Families, now: Timestamp) {
        let mut room = STEP;
        let after = self.after.take();
        for family in families.from(after.as_ref().map(|(name, _)| &**name)) {
            let all = family.series();
            let seen = after.as_ref().filter(|(name, _)| **name == *family.name().as_str());
            let from = seen.map_or(0, |(_, labels)| all.partition_point(|series| series.labels() <= &**labels));
            let rest = all.get(from..).unwrap_or_default();
            let some = rest.get(..room).unwrap_or(rest);
            let old: Vec<_> = some.iter().filter(|series| series.retire_if_unseen(now)).map(Arc::clone).collect();
            if !old.is_empty() {
                self.marked.push((Arc::clone(&family), old));
            }
            room -= some.len();
            if let Some(last) = some.last().filter(|_| room == 0) {
                self.after = Some((family.name().as_str().into(), last.labels().into()));
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

    fn page(bridge: &Bridge) -> String {
        let mut page = Vec::new();
        bridge.render(at(0), &mut page);
        String::from_utf8(page).expect("a page is UTF-8")
    }

    #[test]
    fn a_series_unseen_goes_with_its_name_type_and_place() {
        let bridge = bridge(1000);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c|#a:1\nc:1|c|#a:2\ng:1|g\nh:1|h", at(0));
        worker.ingest(b"c:1|c|#a:2", at(900));
        assert_eq!(bridge.expire(at(1000)), 0, "marked, and this worker has not passed since");
        assert_eq!(bridge.expire(at(1000)), 0);
        worker.tick();
        assert_eq!(bridge.expire(at(1001)), 1);
        let text = page(&bridge);
        assert!(!text.contains("c{a=\"1\"}") && text.contains("c{a=\"2\"} 2") && text.contains("\ng 1\n") && text.contains("h_count 1"));
        assert_eq!((bridge.registry().series(), bridge.registry().families().len()), (3, 3));
        bridge.expire(at(5000));
        worker.tick();
        assert_eq!(bridge.expire(at(5001)), 1);
        assert_eq!((bridge.registry().series(), bridge.registry().families().len()), (2, 2));
        worker.ingest(b"c:5|g", at(5002));
        assert!(page(&bridge).contains("# TYPE c gauge\nc 5\n"), "the name is free for another type");
    }

    #[test]
    fn a_sample_between_mark_and_end_keeps_the_series() {
        let bridge = bridge(1000);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c", at(0));
        bridge.expire(at(1000));
        worker.ingest(b"c:1|c", at(1001));
        worker.tick();
        assert_eq!(bridge.expire(at(1002)), 0);
        assert!(page(&bridge).contains("\nc 2\n"));
    }

    #[test]
    fn a_rejected_sample_keeps_no_series() {
        let ttl = Ttl { counter_ms: Some(1000), gauge_ms: Some(1000), observer_ms: Some(1000), ..Ttl::default() };
        for observer in [Observer::default(), Observer::Summary(SummaryOptions::default())] {
            let bridge = Bridge::new(Options { ttl, observer, ..Options::default() });
            let mut worker = bridge.worker();
            worker.ingest(b"c:1|c\ng:1|g\nh:1|h", at(0));
            worker.ingest(b"c:-1|c\nc:1e20|c\ng:+1e20|g\nh:1e20|h\nh:1|h|@1e-20", at(900));
            assert_eq!(bridge.accounting().samples_refused, 5);
            bridge.expire(at(1000));
            worker.tick();
            assert_eq!(bridge.expire(at(1000)), 3);
        }
    }

    #[test]
    fn places_that_come_free_are_given_to_what_was_folded() {
        let mut options = Options { ttl: Ttl { counter_ms: Some(1000), ..Ttl::default() }, ..Options::default() };
        options.limits.values_per_label = 1;
        let bridge = Bridge::new(options);
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c|#a:1\nc:1|c|#a:2", at(0));
        worker.ingest(b"c:1|c|#a:2", at(900));
        assert!(page(&bridge).contains("c{a=\"_overflow_\"} 2"));
        bridge.expire(at(1000));
        worker.tick();
        assert_eq!(bridge.expire(at(1001)), 1);
        worker.ingest(b"c:1|c|#a:2", at(1002));
        assert!(page(&bridge).contains("c{a=\"2\"} 1"));
    }

    /// Workers that pause and come back while series expire under them: what went and what is left is all that was sent.
    #[test]
    fn no_sample_is_added_to_a_series_that_no_page_will_show() {
        let bridge = bridge(1);
        let (sent, gone) = churn(&bridge);
        assert!(gone > 0.0, "series expired while they were written to");
        assert_eq!(gone + left(&bridge), sent as f64);
        assert!(bridge.accounting().adds_up());
    }

    /// The same where series come back with their values: nothing ever goes.
    #[test]
    fn series_that_rest_and_come_back_keep_every_sample() {
        let ttl = Ttl { counter_ms: Some(1), ..Ttl::default() };
        let bridge = Bridge::new(Options { ttl, grace_ms: u64::MAX / 2, ..Options::default() });
        let (sent, gone) = churn(&bridge);
        assert!(gone > 0.0, "series expired while they were written to");
        // All come back at once, with a sample of 0.
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

    /// Three workers and an expirer; how many samples were sent, and the sum of what expired.
    fn churn(bridge: &Bridge) -> (u64, f64) {
        /// Samples of each worker at least; they go on until enough series expired, however busy the machine is.
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
