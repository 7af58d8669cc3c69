//! Random schedules of faults, crashes of the bridge and restarts of the receiver: the increases that a database sees add up to what
//! was sent, nothing is written twice, and nothing is in the future.

use std::time::{Duration, Instant};

use super::clocks::Clock;
use super::receiver::{Reaction, Receiver, Seen};
use super::{add_up, expect_sums, pushing, target};
use crate::harness::{Launch, Running, number_of, until};

/// A small generator of pseudorandom numbers (SplitMix64), so that a failed schedule can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Half of the requests are written; the others meet each kind of fault.
fn faulty(mut random: Random, is_old: bool) -> impl FnMut(&Seen) -> Reaction + Send {
    move |_| match random.below(16) {
        0 => Reaction::Answer(500, vec![]),
        1 => Reaction::Answer(503, vec![("Retry-After", "1".to_owned())]),
        2 => Reaction::Answer(429, vec![("Retry-After", "0".to_owned())]),
        3 => Reaction::CutBefore,
        4 | 5 => Reaction::CutAfter,
        6 => Reaction::Slow(Duration::from_millis(1500)),
        7 => Reaction::Answer(502, vec![]),
        _ if is_old => Reaction::WriteOld,
        _ => Reaction::Write,
    }
}

fn launch(receiver: &Receiver, clock: Option<&Clock>) -> Launch {
    // Short, so that a slow answer counts as none.
    let launch = pushing(&receiver.url()).arg("--push.timeout=1s").arg("--push.self-metrics=false");
    clock.map_or(launch, |clock| clock.of(pushing(&receiver.url())).arg("--push.timeout=1s").arg("--push.self-metrics=false"))
}

/// One schedule, with steps of the wall clock if there is a clock.
fn schedule(seed: u64, is_old: bool, mut clock: Option<Clock>) {
    let mut random = Random(seed);
    let receiver = Receiver::start(faulty(Random(seed ^ 1), is_old));
    let mut bridge = launch(&receiver, clock.as_ref()).start();
    let mut sent = 0.0;
    let mut in_this_process = 0.0;
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        let count = 1 + random.below(20);
        bridge.send(format!("hits:{count}|c"));
        sent += count as f64;
        in_this_process += count as f64;
        if let Some(clock) = clock.as_mut().filter(|_| random.below(4) == 0) {
            step(clock, &mut random, &receiver);
        }
        if random.below(12) == 0 {
            clock.iter_mut().for_each(|clock| catch_up(clock, &receiver));
            // A crash loses what was not pushed: so it waits until everything is.
            wait_until_pushed(&receiver, in_this_process);
            bridge = crash(bridge, &receiver, clock.as_ref());
            in_this_process = 0.0;
        }
        std::thread::sleep(Duration::from_millis(random.below(600)));
    }
    clock.iter_mut().for_each(|clock| catch_up(clock, &receiver));
    wait_until_pushed(&receiver, in_this_process);
    assert_eq!(receiver.increase("hits"), sent, "seed {seed}: {:?}", receiver.points("hits", ("job", "statsd-bridge")));
    assert_eq!(receiver.faults(), [""; 0], "seed {seed}");
    expect_sums(&bridge);
    assert!(add_up(&bridge).is_ok());
}

/// Sets the clock forward by up to six hours, or back by a part of what it is ahead.
fn step(clock: &mut Clock, random: &mut Random, receiver: &Receiver) {
    let offset = match random.below(2) {
        0 => clock.offset() + 60 + random.below(21_600) as i64,
        _ => random.below(clock.offset().unsigned_abs() + 1) as i64,
    };
    receiver.accept_ahead(clock.latest().max(offset) * 1000);
    clock.set(offset);
}

/// Sets the clock to a time that it has not had.
fn catch_up(clock: &mut Clock, receiver: &Receiver) {
    let offset = clock.latest() + 60;
    receiver.accept_ahead(offset * 1000);
    clock.set(offset);
}

fn wait_until_pushed(receiver: &Receiver, value: f64) {
    until("the counter is pushed", || (receiver.last("hits") == Some(value) || value == 0.0).then_some(()));
}

/// Kills the bridge and starts another. Its first cycle comes before its first sample, and so shows the counter's reset.
fn crash(mut bridge: Running, receiver: &Receiver, clock: Option<&Clock>) -> Running {
    bridge.process.signal(rustix::process::Signal::KILL);
    bridge.process.wait();
    // What the killed process has sent is written before what the next one sends, as in a database on another machine.
    receiver.wait_until_idle();
    let bridge = launch(receiver, clock).start();
    until("the first cycle", || target(&bridge)["last_written_cycle"].as_str().map(drop));
    bridge
}

#[apply(test)]
fn increases_add_up_over_faults_and_crashes() {
    let first = number_of("STATSD_BRIDGE_PUSH_SEED").unwrap_or(1);
    let runs = number_of("STATSD_BRIDGE_PUSH_SCHEDULES").unwrap_or(6);
    std::thread::scope(|scope| {
        for seed in first..first + runs {
            scope.spawn(move || schedule(seed, seed % 2 == 0, None));
        }
    });
}

#[apply(test)]
fn increases_add_up_over_faults_crashes_and_steps_of_the_clock() {
    let library = crate::peers::libfaketime();
    let first = number_of("STATSD_BRIDGE_PUSH_SEED").unwrap_or(1);
    let runs = number_of("STATSD_BRIDGE_PUSH_SCHEDULES").unwrap_or(4);
    std::thread::scope(|scope| {
        for seed in first..first + runs {
            let library = &library;
            scope.spawn(move || schedule(seed, seed % 2 == 0, Some(Clock::new(library))));
        }
    });
}

#[apply(test)]
fn an_outage_costs_no_increase_even_if_the_queue_overflows() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = pushing(&receiver.url()).arg("--push.queue-bytes=65536").arg("--push.timeout=1s").start();
    until("the first push", || receiver.last("up"));
    receiver.script(|_| Reaction::Answer(503, vec![]));
    // New series in every cycle of the outage: each needs its 0.
    let mut series = 0;
    until("values are dropped", || {
        series += 1;
        bridge.send(format!("hits:{series}|c|#n:{series}\nhits:{series}|c|#n:{series}"));
        std::thread::sleep(Duration::from_millis(100));
        (super::samples(&bridge, "dropped_full") > 0).then_some(())
    });
    receiver.script(|_| Reaction::Write);
    for n in 1..=series {
        let label = n.to_string();
        until(&format!("series {n} is pushed"), || {
            let points = receiver.points("hits", ("n", &label));
            points.last().filter(|last| last.value == f64::from(2 * n)).map(drop)
        });
        let points = receiver.points("hits", ("n", &label));
        assert_eq!(points.first().map(|point| point.value), Some(0.0), "series {n} begins at 0: {points:?}");
    }
    assert_eq!(receiver.faults(), [""; 0]);
}
