//! Snapshots of a bridge whose wall clock was set while it ran. Their times are in wall time, because the timeline of the next start
//! begins at the wall clock.

use super::*;

const DAYS_MS: i64 = 2 * 86_400_000;

fn options() -> Options {
    let ttl = Ttl { counter_ms: Some(1_000), gauge_ms: Some(10_000), ..Ttl::default() };
    let summary = SummaryOptions { max_age_ms: 60_000, age_buckets: 6, ..SummaryOptions::default() };
    Options { ttl, grace_ms: 10_000, observer: Observer::Summary(summary), counters_start_at_zero: Some(5_000), ..Options::default() }
}

/// Converts a time to the timeline of the next start.
fn by_wall(time: Timestamp, offset_ms: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_add_signed(offset_ms))
}

fn pass(bridge: &Bridge, worker: &mut crate::Worker, now: Timestamp) {
    bridge.expire(now);
    worker.tick();
    bridge.expire(now);
}

#[test]
fn ages_are_right_after_the_wall_clock_was_set() {
    for offset_ms in [DAYS_MS, -DAYS_MS, DAYS_MS + 1] {
        let [before, after] = [(); 2].map(|()| Bridge::new(options()));
        let mut worker = before.worker();
        let mut out = Vec::new();
        worker.ingest(b"rests:9|c", at(0));
        before.render(at(0), &mut out);
        pass(&before, &mut worker, at(1_000));
        worker.ingest(b"early:4|h", at(1_000));
        before.set_wall_offset(offset_ms);
        worker.ingest(b"g:7|g\nlate:5|h\nc:3|c", at(2_000));
        // This exposition delivers the 0, which is shown until 7,000.
        before.render(at(2_000), &mut out);
        let bytes = bytes_of(&before, at(2_500));
        let header = read_header(&mut &bytes[..]).expect("a header");
        assert_eq!(header.written, by_wall(at(2_500), offset_ms));

        let now = |millis| by_wall(at(millis), offset_ms);
        let restored = restore(&after, &bytes, now(2_900)).expect("a good snapshot");
        assert_eq!(restored, Restored { series: 5, ..Restored::default() }, "{offset_ms}");
        let mut worker = after.worker();
        let text = exposition(&after, now(6_500));
        for line in ["c 0", "g 7", "early{quantile=\"0.5\"} 4", "late{quantile=\"0.5\"} 5"] {
            assert!(text.contains(&format!("{line}\n")), "{line} at {offset_ms} in {text}");
        }
        worker.ingest(b"rests:1|c", now(9_000));
        let text = exposition(&after, now(14_500));
        assert!(text.contains("c 3\n") && text.contains("rests 10\n"), "{text}");
        pass(&after, &mut worker, now(12_000));
        let text = exposition(&after, now(75_000));
        assert!(!text.contains("\ng 7\n"), "its ttl has passed: {text}");
        assert!(text.contains("late{quantile=\"0.5\"} NaN\n"), "it left the window: {text}");
    }
}

#[test]
fn a_created_timestamp_never_changes() {
    let [before, after] = [(); 2].map(|()| Bridge::new(options()));
    let mut worker = before.worker();
    worker.ingest(b"early:4|h", at(0));
    before.set_wall_offset(DAYS_MS);
    worker.ingest(b"early:4|h\nlate:5|h", at(100));
    let created = |bridge: &Bridge| -> Vec<u64> {
        bridge.registry().families().iter().map(|family| family.series()[0].created().as_millis() - START_MS).collect()
    };
    let expected = [0, DAYS_MS as u64 + 100];
    assert_eq!(created(&before), expected);
    restore(&after, &bytes_of(&before, at(200)), by_wall(at(300), DAYS_MS)).expect("a good snapshot");
    assert_eq!(created(&after), expected);
    // The clock is set once more, to before the second series was created.
    after.set_wall_offset(-2 * DAYS_MS);
    after.worker().ingest(b"early:4|h\nlate:5|h", by_wall(at(400), DAYS_MS));
    assert_eq!(created(&after), expected);
}

#[test]
fn exemplars_have_wall_time() {
    let bridge = Bridge::new(Options { exemplar_tag: crate::options::TagKey::new("trace").ok(), ..Options::default() });
    bridge.worker().ingest(b"h:0.2|h|#trace:abc", at(0));
    let text = |bridge: &Bridge| {
        let (mut out, mut exposition) = (Vec::new(), bridge.exposition(crate::Format::OpenMetrics, at(0)));
        while exposition.more(&mut out) {}
        String::from_utf8(out).expect("an exposition is UTF-8")
    };
    assert!(text(&bridge).contains("# {trace=\"abc\"} 0.2 1700000000.000\n"), "{}", text(&bridge));
    bridge.set_wall_offset(DAYS_MS);
    assert!(text(&bridge).contains("# {trace=\"abc\"} 0.2 1700172800.000\n"), "{}", text(&bridge));
}
