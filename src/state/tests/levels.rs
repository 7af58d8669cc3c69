//! Restarts after a crash, and restarts with counters that start at 0.

use super::*;

#[test]
fn a_zero_that_was_not_delivered_is_shown_after_a_restart() {
    let limits = Limits { series_per_family: 1, overflow: Overflow::Fold, ..Limits::default() };
    let with = || Bridge::new(Options { limits, counters_start_at_zero: Some(10_000), ..Options::default() });
    let before = with();
    before.worker().ingest(b"old:1|c|#z:1\nold:2|c|#z:2", at(0));
    exposition(&before, at(1_000));
    before.worker().ingest(b"held:1|c", at(2_000));
    exposition(&before, at(5_000));
    before.worker().ingest(b"new:1|c", at(12_000));
    let after = with();
    restore(&after, &bytes_of(&before, at(12_000)), at(12_500)).expect("a good snapshot");
    for (now, held, new) in [(13_000, 0, 0), (14_999, 0, 0), (15_000, 1, 0), (22_000, 1, 0), (23_000, 1, 1)] {
        let text = exposition(&after, at(now));
        let lines = [format!("held {held}"), format!("new {new}"), "old{z=\"1\"} 1".to_owned(), "old{z=\"_overflow_\"} 2".to_owned()];
        assert!(lines.iter().all(|line| text.contains(&format!("\n{line}\n"))), "{now}: {lines:?} in {text}");
    }
    // Without the option, expositions have shown the value already.
    let without = Bridge::new(Options::default());
    without.worker().ingest(b"c:7|c", at(0));
    let after = with();
    restore(&after, &bytes_of(&without, at(0)), at(1)).expect("a good snapshot");
    assert!(exposition(&after, at(1)).contains("c 7\n"));
    // After a crash, the counter is new.
    let (crashed, bytes, mut restored) = (with(), bytes_of(&after, at(1)), Restored::default());
    read_frames(&mut &bytes[HEADER_BYTES..], |family| restored += crashed.restore_levels(family, at(2))).expect("good frames");
    crashed.worker().ingest(b"c:2|c", at(3));
    assert!(exposition(&crashed, at(4)).contains("c 0\n") && exposition(&crashed, at(11_000)).contains("c 2\n"));
}

/// After a crash, no value looks like a reset to Prometheus.
#[test]
fn gauges_and_sets_continue_and_sums_start_at_zero() {
    for (options, kind) in [(Options::default(), "histogram"), (summaries(), "summary")] {
        let second = Some(1_000);
        let ttl = Ttl { counter_ms: second, ..Ttl::default() };
        let options = Options { ttl, grace_ms: 60_000, created_lines: true, ..options };
        let before = Bridge::new(options.clone());
        let mut worker = before.worker();
        worker.ingest(b"rests:9|c", at(0));
        before.expire(at(2_000));
        worker.tick();
        assert_eq!(before.expire(at(2_000)), 1);
        worker.ingest(b"c:5|c|#a:b\nh:3|h|#a:b\ng:7|g|#a:b\ns:x|s\ns:y|s", at(2_000));
        let after = Bridge::new(options);
        let (mut restored, bytes) = (Restored::default(), bytes_of(&before, at(2_000)));
        read_frames(&mut &bytes[HEADER_BYTES..], |family| restored += after.restore_levels(family, at(2_500))).expect("good frames");
        assert_eq!(restored, Restored { series: 4, expired: 1, ..Restored::default() });
        let text = exposition(&after, at(2_500));
        for line in ["c{a=\"b\"} 0", "h_sum{a=\"b\"} 0", "h_count{a=\"b\"} 0", "g{a=\"b\"} 7", "s 2", &format!("# TYPE h {kind}")] {
            assert!(text.contains(&format!("\n{line}\n")) || text.starts_with(line), "{line} in {text}");
        }
        assert!(!text.contains("rests"), "{text}");
        let created: Vec<_> =
            after.registry().families().iter().map(|family| (family.name().to_string(), family.series()[0].created())).collect();
        assert!(created.iter().all(|(name, time)| (*name == "g" || *name == "s") != (*time == at(2_500))), "{created:?}");
        after.worker().ingest(b"c:1|c|#a:b\nh:2|h|#a:b\nrests:1|c", at(2_600));
        let text = exposition(&after, at(2_600));
        assert!(text.contains("c{a=\"b\"} 1\n") && text.contains("h_sum{a=\"b\"} 2\n") && text.contains("rests 1\n"), "{text}");
    }
}

#[test]
fn an_overflow_series_starts_at_zero_too() {
    let limits = Limits { series_per_family: 1, overflow: Overflow::Fold, ..Limits::default() };
    let (before, after) = [(); 2].map(|()| Bridge::new(Options { limits, ..Options::default() })).into();
    before.worker().ingest(b"c:1|c|#z:1\nc:2|c|#z:2\nc:3|c|#z:3", at(0));
    let (mut restored, bytes) = (Restored::default(), bytes_of(&before, at(0)));
    read_frames(&mut &bytes[HEADER_BYTES..], |family| restored += after.restore_levels(family, at(1))).expect("good frames");
    assert_eq!(restored, Restored { series: 2, ..Restored::default() });
    after.worker().ingest(b"c:4|c|#z:3", at(1));
    assert_eq!(exposition(&after, at(1)).matches("_overflow_\"} 4\n").count(), 1);
    assert!(exposition(&after, at(1)).contains("c{z=\"1\"} 0\n"));
}

#[test]
fn a_restart_does_not_change_the_end_of_a_grace_period() {
    let ttl = Ttl { counter_ms: Some(1_000), ..Ttl::default() };
    let options = Options { ttl, grace_ms: 10_000, ..Options::default() };
    let [before, after] = [(); 2].map(|()| Bridge::new(options.clone()));
    let mut worker = before.worker();
    let expire = |bridge: &Bridge, worker: &mut crate::Worker, now| {
        bridge.expire(now);
        worker.tick();
        bridge.expire(now);
    };
    // `a` is first by name, `z` by the end of its grace period.
    worker.ingest(b"z:5|c", at(0));
    expire(&before, &mut worker, at(1_000));
    worker.ingest(b"a:5|c", at(1_000));
    expire(&before, &mut worker, at(5_000));
    let restored = restore(&after, &bytes_of(&before, at(5_000)), at(6_000)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 2, ..Restored::default() });
    let mut worker = after.worker();
    after.expire(at(12_000));
    worker.ingest(b"a:1|c\nz:1|c", at(12_000));
    let text = exposition(&after, at(12_000));
    assert!(text.contains("\na 6\n"), "its grace period continues: {text}");
    assert!(text.contains("\nz 1\n"), "its grace period has ended: {text}");
}
