//! Series expire while workers are idle, because a worker delays expiry only during a call.

use statsd_bridge::options::{Options, Ttl};
use statsd_bridge::{Bridge, Timestamp, Worker};

const START: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn bridge(ttl_ms: u64) -> Bridge {
    let ttl = Some(ttl_ms);
    Bridge::new(Options::default().with(|options| {
        options.ttl = Ttl { counter_ms: ttl, gauge_ms: ttl, ..Ttl::default() };
        options.grace_ms = u64::MAX / 2;
    }))
}

/// Expires series. The first step marks them, and the second one removes them.
fn expire(bridge: &Bridge, now: Timestamp) -> usize {
    assert_eq!(bridge.expire(now), 0, "series are marked first");
    bridge.expire(now)
}

fn text(bridge: &Bridge, now: Timestamp) -> String {
    let mut out = Vec::new();
    bridge.exposition(statsd_bridge::Format::Text, now).without_self_metrics().render(&mut out);
    String::from_utf8(out).expect("an exposition is UTF-8")
}

#[apply(test)]
fn idle_workers_delay_no_expiry() {
    let bridge = bridge(1_000);
    let _never_used = bridge.worker();
    let mut first = bridge.worker();
    let mut second = bridge.worker();
    first.ingest(b"c:1|c\ng:1|g", at(0));
    second.ingest(b"c:2|c", at(0));
    assert_eq!(expire(&bridge, at(2_000)), 2);
    assert_eq!(text(&bridge, at(2_000)), "");
    // The bindings of both workers are outdated. The counter returns within its grace period.
    first.ingest(b"c:4|c", at(2_000));
    second.ingest(b"c:5|c", at(2_000));
    assert!(text(&bridge, at(2_000)).ends_with("\nc 12\n"), "{}", text(&bridge, at(2_000)));
    assert!(bridge.accounting().adds_up());
}

/// The iterator of datagrams runs during the worker's call.
#[apply(test)]
fn a_worker_delays_expiry_during_a_call() {
    let bridge = bridge(1_000);
    let mut worker = bridge.worker();
    worker.ingest(b"c:1|c", at(0));
    let datagrams = [&b"other:1|c"[..]].into_iter().inspect(|_| {
        assert_eq!(expire(&bridge, at(2_000)), 0, "the worker is in a call that began before the mark");
    });
    worker.ingest_batch(datagrams, at(2_000));
    assert_eq!(bridge.expire(at(2_000)), 1, "the call has ended");
}

/// Workers move between threads. Only the move orders the calls of one thread before the calls of the next.
#[apply(test)]
fn no_sample_is_lost_while_idle_workers_come_and_go() {
    const ROUNDS: u64 = 2_000;
    let bridge = bridge(1);
    let _never_used = bridge.worker();
    let write = |mut worker: Worker| {
        for round in 0..ROUNDS {
            worker.ingest(format!("c:1|c|#a:{}", round % 7).as_bytes(), at(round));
            if round % 50 == 0 {
                worker = std::thread::scope(|scope| scope.spawn(move || worker).join().expect("the worker comes back"));
            }
        }
    };
    let expired: usize = std::thread::scope(|scope| {
        let writers = [bridge.worker(), bridge.worker()].map(|worker| scope.spawn(|| write(worker)));
        let mut expired = 0;
        while writers.iter().any(|writer| !writer.is_finished()) {
            expired += bridge.expire(at(ROUNDS * 2));
        }
        expired + bridge.expire(at(ROUNDS * 2)) + bridge.expire(at(ROUNDS * 2))
    });
    assert!(expired > 0, "series expired");
    let mut worker = bridge.worker();
    (0..7).for_each(|tag| worker.ingest(format!("c:0|c|#a:{tag}").as_bytes(), at(ROUNDS * 2)));
    let sum: f64 = text(&bridge, at(ROUNDS * 2))
        .lines()
        .filter(|line| line.starts_with("c{"))
        .map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a value"))
        .sum();
    assert_eq!(sum, 2.0 * ROUNDS as f64);
}
