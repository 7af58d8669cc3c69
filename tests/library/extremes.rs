//! No value that the types accept makes the bridge hang, overflow or lose a sample. In a debug build, an overflow panics.

use statsd_bridge::options::{Limits, NativeHistograms, NativeWhen, Observer, SummaryOptions, TagKey, Ttl};
use statsd_bridge::{Bridge, Format, Options, Timestamp};

const LINES: &[u8] = b"c:1|c|#trace:x\nh:0.5|h|#trace:y\ng:1|g\ng:+1|g\ns:a|s\nd:3|d|@0.1\nms:7|ms|#k:v";

const TIMES: [u64; 5] = [0, 1_700_000_000_000, 253_402_300_799_999, u64::MAX / 2, u64::MAX];

fn summary() -> Observer {
    Observer::Summary(SummaryOptions { max_age_ms: u64::MAX, age_buckets: u32::MAX, ..SummaryOptions::default() })
}

fn options(observer: Observer, millis: u64) -> Options {
    let all = Some(millis);
    Options::default().with(|options| {
        options.ttl = Ttl { counter_ms: all, gauge_ms: all, observer_ms: all, set_ms: all };
        options.grace_ms = millis;
        options.counters_start_at_zero = all;
        options.created_lines = true;
        options.gauges_set_time = true;
        options.started = Some(Timestamp::from_millis(millis));
        options.observer = observer;
        options.native = NativeHistograms { when: NativeWhen::Always, ..NativeHistograms::default() };
        options.exemplar_tag = TagKey::new("trace").ok();
    })
}

/// Ingests and expires, renders every format, and restarts, all at these times.
fn live(options: &Options, (first, second): (u64, u64), offset: i64) {
    let bridge = Bridge::new(options.clone());
    bridge.set_wall_offset(offset);
    let mut worker = bridge.worker();
    for millis in [first, second] {
        let now = Timestamp::from_millis(millis);
        worker.ingest(LINES, now);
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let (mut exposition, mut out) = (bridge.exposition(format, now), Vec::new());
            while exposition.more(&mut out) {}
            exposition.delivered(now);
            assert!(!out.is_empty());
        }
        bridge.expire(now);
        worker.tick();
        bridge.expire(now);
        let restarted = Bridge::new(options.clone());
        restarted.set_wall_offset(offset.checked_neg().unwrap_or(i64::MAX));
        let saved = bridge.save(now, &mut |family| {
            restarted.restore(family.clone(), Timestamp::from_millis(second));
            restarted.restore_levels(family.clone(), now);
            Ok::<(), ()>(())
        });
        assert_eq!(saved, Ok(()));
        restarted.worker().ingest(LINES, now);
        assert!(restarted.accounting().adds_up());
    }
    let accounting = bridge.accounting();
    assert!(accounting.adds_up() && accounting.samples == 14 && accounting.recorded == 14, "{first} {second} {offset}: {accounting:?}");
}

#[apply(test)]
fn no_time_makes_the_bridge_hang_or_overflow() {
    for first in TIMES {
        for second in TIMES {
            live(&options(Observer::default(), 1), (first, second), 0);
            live(&options(summary(), u64::MAX), (first, second), 0);
        }
    }
}

#[apply(test)]
fn no_wall_offset_makes_the_bridge_hang_or_overflow() {
    for offset in [i64::MIN, -1, 1, i64::MAX] {
        for time in TIMES {
            live(&options(Observer::default(), u64::MAX), (time, time), offset);
            live(&options(summary(), 1), (time, time), offset);
        }
    }
}

#[apply(test)]
fn no_duration_makes_the_bridge_hang_or_overflow() {
    for millis in TIMES {
        live(&options(Observer::default(), millis), (1_700_000_000_000, 1_700_000_001_000), 0);
        live(&options(summary(), millis), (1_700_000_000_000, 1_700_000_001_000), 0);
    }
}

fn all_limits(number: usize) -> Limits {
    Limits::default().with(|limits| {
        limits.series = number;
        limits.families = number;
        limits.series_per_family = number;
        limits.values_per_label = number;
        limits.labels_per_family = number;
        limits.series_bytes = number;
        limits.line_bytes = number;
        limits.name_bytes = number;
        limits.tags_bytes = number;
        limits.tags = number;
        limits.resting_series = number;
        limits.exemplar_series = number;
    })
}

#[apply(test)]
fn no_limit_overflows() {
    for number in [0, 1, 2, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let options = options(Observer::default(), 1_000).with(|options| options.limits = all_limits(number));
        let bridge = Bridge::new(options);
        let mut worker = bridge.worker();
        for second in 1..5 {
            let now = Timestamp::from_millis(second * 1_000);
            worker.ingest(LINES, now);
            worker.ingest(format!("c:1|c|#k:{second},l:{second}\nn{second}:1|c\ns:{second}|s").as_bytes(), now);
            bridge.expire(now);
            worker.tick();
            bridge.render(now, &mut Vec::new());
        }
        let accounting = bridge.accounting();
        assert!(accounting.adds_up() && accounting.lines == 40, "{number}: {accounting:?}");
        assert_eq!(accounting.samples > 0 && accounting.recorded == accounting.samples, number > 2, "{number}: {accounting:?}");
        bridge.cardinality(number);
    }
}
