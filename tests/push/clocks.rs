//! The bridge's wall clock is set: timestamps increase, none is later than the clock has been, and no increase is lost.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::receiver::{Reaction, Receiver, Seen};
use super::{expect_sums, metric, pushing, target};
use crate::harness::{Launch, Running, until};
use crate::peers;

/// Two hours, in seconds.
const HOURS: i64 = 7200;

/// The wall clock of a bridge.
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
    offset: i64,
    latest: i64,
}

impl Clock {
    /// A right clock.
    pub fn new(library: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut clock = Self { library: library.to_owned(), folder, offset: 0, latest: 0 };
        clock.set(0);
        clock
    }

    /// A bridge with this clock.
    pub fn of(&self, launch: Launch) -> Launch {
        launch
            .env("LD_PRELOAD", &self.library.display().to_string())
            .env("FAKETIME_TIMESTAMP_FILE", &self.folder.path().join("clock").display().to_string())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Sets the clock this many seconds ahead of the right time.
    pub fn set(&mut self, offset: i64) {
        // The file is never empty while the bridge reads it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{offset:+}\n")).expect("a file in a temporary directory");
        std::fs::rename(new, self.folder.path().join("clock")).expect("a file in a temporary directory");
        (self.offset, self.latest) = (offset, self.latest.max(offset));
    }

    /// Seconds ahead of the right time.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The largest offset so far.
    pub fn latest(&self) -> i64 {
        self.latest
    }
}

fn pushed(receiver: &Receiver, name: &str, value: f64) {
    until(&format!("{name} is {value}"), || (receiver.last(name) == Some(value)).then_some(()));
}

fn start(clock: &Clock, receiver: &Receiver) -> Running {
    let bridge = clock.of(pushing(&receiver.url())).start();
    bridge.send("hits:5|c");
    pushed(receiver, "hits", 5.0);
    bridge
}

#[apply(test)]
fn push_waits_for_a_clock_that_was_set_back_and_says_so() {
    let mut clock = Clock::new(&peers::libfaketime());
    let receiver = Receiver::start(|_| Reaction::Write);
    receiver.accept_ahead(HOURS * 1000);
    let bridge = start(&clock, &receiver);
    clock.set(HOURS);
    bridge.send("hits:5|c");
    pushed(&receiver, "hits", 10.0);
    until("a cycle at the later time", || receiver.seen().iter().any(|seen| is_ahead(seen, HOURS - 60)).then_some(()));
    clock.set(0);
    bridge.process.logs("push waits until the wall clock, which was set back, passes the last cycle");
    let wait = until("the API says so", || target(&bridge)["clock_wait_seconds"].as_f64().filter(|wait| *wait > 60.0));
    assert!((HOURS - 600..=HOURS + 2).contains(&(wait as i64)), "{wait}");
    bridge.page_when("the metrics say so", |page| {
        metric(page, "push_clock_wait_seconds") > 60.0
            && page.sum_where("statsd_bridge_push_cycles_skipped_total", "reason", "clock") > 2.0
            // Not the age by a clock that is wrong.
            && metric(page, "push_lag_seconds") > 2.0
    });
    bridge.send("hits:5|c");
    assert_eq!(bridge.process.log().matches("push waits until").count(), 1, "once a minute");
    receiver.accept_ahead((HOURS + 60) * 1000);
    clock.set(HOURS + 60);
    pushed(&receiver, "hits", 15.0);
    assert_eq!((receiver.increase("hits"), receiver.faults()), (15.0, vec![]));
    assert_eq!(target(&bridge)["clock_wait_seconds"], 0.0);
    expect_sums(&bridge);
    bridge.stop();
}

/// Whether a request has a sample that is so many seconds ahead of the right time.
fn is_ahead(seen: &Seen, seconds: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    seen.content.series.iter().flat_map(|series| &series.points).any(|point| point.time > now + seconds * 1000)
}

#[apply(test)]
fn push_goes_on_at_once_if_the_receiver_has_rejected_the_future() {
    let mut clock = Clock::new(&peers::libfaketime());
    let nothing = || vec![("X-Prometheus-Remote-Write-Samples-Written", "0".to_owned())];
    let receiver = Receiver::start(move |seen| if is_ahead(seen, 600) { Reaction::Answer(400, nothing()) } else { Reaction::Write });
    let bridge = start(&clock, &receiver);
    clock.set(HOURS);
    until("the future is rejected", || (super::samples(&bridge, "rejected") > 0).then_some(()));
    bridge.send("hits:5|c\nborn:3|c");
    bridge.page_at(3);
    let cycles = |bridge: &Running| metric(&bridge.page(), "push_cycles_total");
    let before = cycles(&bridge);
    until("both are made at the wrong time", || (cycles(&bridge) > before + 1.0).then_some(()));
    clock.set(0);
    pushed(&receiver, "hits", 10.0);
    pushed(&receiver, "born", 3.0);
    bridge.process.logs("push goes on at the time of the wall clock");
    // The counter that began meanwhile still begins at 0.
    assert_eq!((receiver.increase("hits"), receiver.increase("born"), receiver.faults()), (10.0, 3.0, vec![]));
    assert_eq!(target(&bridge)["clock_wait_seconds"], 0.0);
    expect_sums(&bridge);
    bridge.stop();
}
