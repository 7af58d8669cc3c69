//! The times at which gauges were set, by the program: pushed as scraped, over a crash with a state file.

use std::time::SystemTime;

use tempfile::TempDir;

use crate::harness::{Launch, Running, until};
use crate::push::receiver::{Reaction, Receiver};

const TIME: &str = "level_last_set_timestamp_seconds";

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs_f64()
}

fn start(folder: &TempDir, receiver: &Receiver) -> Running {
    let state = folder.path().join("state");
    let launch = Launch::new().arg("--gauges.set-time").arg(format!("--state.file={}", state.display())).arg("--state.interval=1s");
    launch.arg(format!("--push.url={}", receiver.url())).arg("--push.interval=1s").start()
}

#[apply(test)]
fn the_time_of_a_gauge_is_scraped_pushed_and_kept_over_a_crash() {
    let folder = TempDir::new().expect("a temporary directory");
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = start(&folder, &receiver);
    let before = now();
    bridge.send("level:7|g");
    let page = bridge.page_when("the gauge is there", |page| page.value("level") == Some(7.0));
    let time = page.value(TIME).expect("its time");
    assert!((before - 0.01..=now() + 0.01).contains(&time), "{before} {time}");
    until("the time is pushed", || (receiver.last(TIME) == Some(time)).then_some(()));
    // A gauge is saved every second, and a crash does not lose it.
    until("the state is saved", || std::fs::metadata(folder.path().join("state")).is_ok_and(|file| file.len() > 0).then_some(()));
    bridge.page_when("the state is saved after the sample", |page| {
        page.value("statsd_bridge_state_snapshot_timestamp_seconds").is_some_and(|saved| saved > time)
    });
    drop(bridge);
    receiver.wait_until_idle();
    let bridge = start(&folder, &receiver);
    let page = bridge.page_when("the gauge is restored", |page| page.value("level") == Some(7.0));
    assert_eq!(page.value(TIME), Some(time), "the time of the sample, not of the start");
    bridge.send("level:+1|g");
    bridge.page_when("the time is a later one", |page| page.value(TIME).is_some_and(|later| later > time));
    bridge.stop();
}
