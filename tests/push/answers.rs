//! Each answer of a receiver: what the bridge sends next, what it counts, and that no sample is lost or written twice.

use super::receiver::{Reaction, Receiver, Seen, written};
use super::{add_up, after_first_push, expect_sums, five_arrive, metric, once, pushing, samples, target};
use crate::harness::until;

fn retry_after(status: u16, value: &str) -> Reaction {
    Reaction::Answer(status, vec![("Retry-After", value.to_owned())])
}

/// A bridge that pushes to a receiver with this script: after 5 samples of `hits`, the database has them.
fn all_arrive(what: &str, script: impl FnMut(&Seen) -> Reaction + Send + 'static) -> (Receiver, crate::harness::Running) {
    let receiver = Receiver::start(script);
    let bridge = after_first_push(pushing(&receiver.url()));
    five_arrive(what, &receiver, &bridge);
    (receiver, bridge)
}

#[apply(test)]
fn a_request_of_2_0_has_the_headers_of_the_specification() {
    let (receiver, bridge) = all_arrive("2.0", |_| Reaction::Write);
    let seen = receiver.seen();
    for request in &seen {
        assert_eq!(request.path, "/api/v1/write");
        assert_eq!(request.header("content-type"), "application/x-protobuf;proto=io.prometheus.write.v2.Request");
        assert_eq!(request.header("content-encoding"), "snappy");
        assert_eq!(request.header("x-prometheus-remote-write-version"), "2.0.0");
        assert_eq!(request.header("user-agent"), concat!("statsd-bridge/", env!("CARGO_PKG_VERSION")));
        assert_eq!(request.header("retry-attempt"), "");
    }
    assert_eq!(target(&bridge)["protocol_in_use"], "2.0");
    assert_eq!((samples(&bridge, "rejected"), samples(&bridge, "dropped_fallback")), (0, 0));
    assert_eq!(receiver.last("up"), Some(1.0));
    // Each cycle has one timestamp, beside the zeroes of new counters.
    let points = receiver.points("hits", ("job", "statsd-bridge"));
    assert_eq!(points.first().map(|point| (point.value, point.start)), Some((0.0, 0)), "the first point is a 0: {points:?}");
    assert!(points.get(1).is_some_and(|point| point.start > 0 && point.start <= point.time), "{points:?}");
    bridge.stop();
}

#[apply(test)]
fn a_request_of_1_0_has_the_headers_of_the_specification() {
    let receiver = Receiver::start(|_| Reaction::WriteOld);
    let bridge = pushing(&receiver.url()).arg("--push.protocol=1.0").start();
    bridge.send("hits:5|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(5.0)).then_some(()));
    for request in &receiver.seen() {
        assert_eq!(request.header("content-type"), "application/x-protobuf");
        assert_eq!(request.header("x-prometheus-remote-write-version"), "0.1.0");
    }
    until("metadata is sent", || receiver.seen().iter().any(|seen| seen.content.metadata.len() > 10).then_some(()));
    assert_eq!(receiver.faults(), [""; 0]);
    bridge.stop();
}

#[apply(test)]
fn a_receiver_of_1_0_is_recognised() {
    type Script = fn(&Seen) -> Reaction;
    let cases: [(&str, Script); 3] = [
        ("204 without headers", |_| Reaction::WriteOld),
        ("415", |seen| if seen.version == 2 { Reaction::Answer(415, vec![]) } else { Reaction::Write }),
        ("400", |seen| if seen.version == 2 { Reaction::Answer(400, vec![]) } else { Reaction::Write }),
    ];
    for (what, script) in cases {
        let (receiver, bridge) = all_arrive(what, script);
        assert_eq!(receiver.seen().iter().filter(|seen| seen.version == 2).count(), 1, "{what}: the choice is remembered");
        assert_eq!(target(&bridge)["protocol_in_use"], "1.0", "{what}");
        assert!(samples(&bridge, "dropped_fallback") > 0, "{what}");
        assert_eq!(samples(&bridge, "rejected"), 0, "{what}");
        bridge.process.logs("does not know remote write 2.0");
    }
}

#[apply(test)]
fn a_counter_that_begins_before_a_receiver_of_1_0_is_recognised_begins_at_0() {
    let receiver = Receiver::start(|_| Reaction::Answer(503, vec![]));
    let bridge = pushing(&receiver.url()).arg("--push.self-metrics=false").start();
    bridge.send("hits:5|c\nlatency:1|ms");
    bridge.page_at(2);
    let made = || target(&bridge)["samples_made"].as_u64().expect("a number");
    let before = made();
    until("two cycles with the counter", || (made() > before + 30).then_some(()));
    receiver.script(|_| Reaction::WriteOld);
    until("the counter is pushed", || (receiver.last("hits") == Some(5.0)).then_some(()));
    assert_eq!((receiver.increase("hits"), receiver.increase("latency_count"), receiver.faults()), (5.0, 1.0, vec![]));
    bridge.send("hits:2|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(7.0)).then_some(()));
    assert_eq!((receiver.increase("hits"), receiver.faults()), (7.0, vec![]));
    expect_sums(&bridge);
}

#[apply(test)]
fn a_protocol_of_the_configuration_is_kept() {
    let receiver = Receiver::start(|_| Reaction::WriteOld);
    let bridge = pushing(&receiver.url()).arg("--push.protocol=2.0").start();
    until("samples are rejected", || (samples(&bridge, "rejected") > 0).then_some(()));
    until("a second request", || (receiver.seen().len() > 1).then_some(()));
    assert!(receiver.seen().iter().all(|seen| seen.version == 2));
    assert_eq!(samples(&bridge, "written"), 0);
    expect_sums(&bridge);
}

#[apply(test)]
fn a_request_is_sent_again_with_the_same_bytes() {
    let cases = [
        ("500", Reaction::Answer(500, vec![])),
        ("503", retry_after(503, "1")),
        ("429", retry_after(429, "1")),
        ("503 with a date in the past", retry_after(503, "Sun, 06 Nov 1994 08:49:37 GMT")),
        ("a connection that closes before the answer", Reaction::CutBefore),
        ("a connection that closes after writing", Reaction::CutAfter),
    ];
    for (what, reaction) in cases {
        let (receiver, bridge) = all_arrive(what, once(reaction));
        let seen = receiver.seen();
        let again: Vec<&Seen> = seen.iter().filter(|seen| seen.header("retry-attempt") == "1").collect();
        assert_eq!(again.len(), 1, "{what}");
        assert_eq!(seen.iter().filter(|seen| seen.body == again[0].body).count(), 2, "{what}");
        let page = bridge.page();
        assert_eq!(metric(&page, "push_retries_total"), 1.0, "{what}");
        assert_eq!((samples(&bridge, "rejected"), samples(&bridge, "dropped_age")), (0, 0), "{what}");
        let increase = receiver.increase("hits");
        assert_eq!(increase, 5.0, "{what}");
    }
}

#[apply(test)]
fn an_answer_without_a_later_chance_is_final() {
    for status in [400, 401, 403, 404, 405, 409, 422] {
        let what = format!("{status}");
        // Not the first request, which may be a probe for 2.0.
        let (receiver, bridge) = all_arrive(&what, once(Reaction::Answer(status, vec![])));
        assert!(samples(&bridge, "rejected") > 0, "{what}");
        assert!(receiver.seen().iter().all(|seen| seen.header("retry-attempt").is_empty()), "{what}: nothing is sent again");
        bridge.process.logs("the receiver rejected samples");
        let last = &target(&bridge)["last_rejection"];
        assert_eq!((&last["status"], &last["text"]), (&status.into(), &"an answer of the test".into()), "{what}");
    }
}

#[apply(test)]
fn what_a_receiver_wrote_of_a_request_is_counted() {
    let partly = |seen: &Seen| {
        let mut headers = written(&seen.content);
        headers[0].1 = "1".to_owned();
        Reaction::Answer(400, headers)
    };
    let mut first = true;
    let receiver = Receiver::start(move |seen| if std::mem::take(&mut first) { Reaction::Write } else { partly(seen) });
    let bridge = pushing(&receiver.url()).arg("--push.self-metrics=false").start();
    bridge.send("a:1|c\nb:1|g\nc:1|g");
    until("samples are rejected", || (samples(&bridge, "rejected") > 0).then_some(()));
    expect_sums(&bridge);
    let page = bridge.page();
    assert!(page.sum_where("statsd_bridge_push_requests_total", "outcome", "rejected") >= 1.0);
}

#[apply(test)]
fn the_samples_of_another_replica_are_deduplicated() {
    let receiver = Receiver::start(|_| Reaction::Answer(202, vec![]));
    let bridge = pushing(&receiver.url()).start();
    until("samples are deduplicated", || (samples(&bridge, "deduplicated") > 0).then_some(()));
    until("a second request", || (receiver.seen().len() > 1).then_some(()));
    assert!(receiver.seen().iter().all(|seen| seen.version == 2), "202 is no sign of 1.0");
    assert_eq!(samples(&bridge, "rejected") + samples(&bridge, "dropped_fallback"), 0);
    expect_sums(&bridge);
}

#[apply(test)]
fn a_request_that_is_too_large_is_halved() {
    const MOST: usize = 40;
    let points = |seen: &Seen| seen.content.series.iter().map(|series| series.points.len()).sum::<usize>();
    for protocol in ["1.0", "2.0"] {
        let receiver = Receiver::start(move |seen| if points(seen) > MOST { Reaction::Answer(413, vec![]) } else { Reaction::Write });
        let bridge = pushing(&receiver.url()).arg(format!("--push.protocol={protocol}")).start();
        bridge.send((0..300).map(|n| format!("hits:{n}|c|#n:{n}\n")).collect::<String>());
        let total = |receiver: &Receiver| (0..300).filter(|n| !receiver.points("hits", ("n", &n.to_string())).is_empty()).count();
        until("all series are pushed", || (total(&receiver) == 300).then_some(()));
        expect_sums(&bridge);
        assert_eq!((samples(&bridge, "rejected"), receiver.faults()), (0, vec![]), "{protocol}");
        // Later cycles are made of small requests at once.
        let large = |receiver: &Receiver| receiver.seen().iter().filter(|seen| points(seen) > MOST).count();
        let before = large(&receiver);
        let cycles = target(&bridge)["last_cycle"].clone();
        until("two more cycles", || (target(&bridge)["last_cycle"] != cycles && samples(&bridge, "written") > 2000).then_some(()));
        assert!(large(&receiver) <= before + 2, "{protocol}: {before} and then {}", large(&receiver));
    }
}

#[apply(test)]
fn the_last_values_are_sent_at_the_end() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = pushing(&receiver.url()).arg("--push.interval=1h").arg("--push.stale-at-end").start();
    until("the first push", || receiver.last("up"));
    bridge.send("hits:7|c");
    bridge.page_at(1);
    bridge.stop();
    assert_eq!(receiver.last("hits"), Some(7.0));
    assert_eq!(receiver.increase("hits"), 7.0, "with a 0 at the time of the first cycle");
    let points = receiver.points("hits", ("job", "statsd-bridge"));
    assert!(points.last().is_some_and(|last| last.is_stale), "{points:?}");
    assert_eq!(receiver.faults(), [""; 0]);
}

#[apply(test)]
fn a_receiver_that_is_gone_delays_nothing_and_everything_is_counted() {
    let receiver = Receiver::start(|_| Reaction::Slow(std::time::Duration::from_secs(3600)));
    let launch = pushing(&receiver.url()).arg("--push.queue-bytes=65536").arg("--shutdown.drain=200ms");
    let bridge = launch.start();
    for n in 0..20 {
        bridge.send((0..50).map(|m| format!("hits:1|c|#n:{n},m:{m}\n")).collect::<String>());
    }
    bridge.page_at(1000);
    until("values are dropped", || (samples(&bridge, "dropped_full") > 0).then_some(()));
    let bytes = target(&bridge)["queue"]["bytes"].as_u64().expect("a number");
    assert!(bytes <= 65_536 + 65_536, "the limit, and the request that is being sent: {bytes}");
    assert_eq!(add_up(&bridge), Ok(()));
    let log = bridge.stop();
    assert!(log.contains("the last samples were not sent"), "{log}");
}

#[apply(test)]
fn old_values_are_dropped() {
    let receiver = Receiver::start(|_| Reaction::Answer(503, vec![]));
    let bridge = pushing(&receiver.url()).arg("--push.queue-age=2s").start();
    until("values are dropped", || (samples(&bridge, "dropped_age") > 0).then_some(()));
    receiver.script(|_| Reaction::Write);
    bridge.send("hits:3|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(3.0)).then_some(()));
    expect_sums(&bridge);
    bridge.process.logs("the receiver accepts requests again");
}

#[apply(test)]
fn series_that_expire_or_are_deleted_are_marked_as_stale() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = pushing(&receiver.url()).arg("--ttl.gauges=2s").arg("--web.enable-admin-api").start();
    bridge.send("level:5|g\ngone:1|c");
    until("the series are pushed", || receiver.last("level").and(receiver.last("gone")));
    let is_stale = |name| receiver.points(name, ("job", "statsd-bridge")).last().is_some_and(|point| point.is_stale);
    until("the gauge is stale", || is_stale("level").then_some(()));
    let response = crate::harness::request(bridge.web, "POST", "/api/v1/series/delete?match[]=gone", &[]).expect("an answer");
    assert_eq!(response.status, 200, "{}", response.text());
    until("the counter is stale", || is_stale("gone").then_some(()));
    // A series that returns is a new one.
    bridge.send("level:6|g\ngone:2|c");
    until("the series are pushed again", || (receiver.last("level") == Some(6.0) && receiver.last("gone") == Some(2.0)).then_some(()));
    assert_eq!(receiver.faults(), [""; 0]);
}
