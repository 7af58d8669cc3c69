//! Restarts: a bridge that restores a snapshot has the exposition of the bridge that wrote it.

mod clocks;
mod damage;
mod levels;

use super::format::{HEADER_BYTES, ReadError, read_frames, read_header};
use crate::bridge::Bridge;
use crate::options::{Limits, NameValidation, Observer, Options, Overflow, SummaryOptions, Ttl};
use crate::registry::Restored;
use crate::time::Timestamp;

const START_MS: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START_MS + millis)
}

fn summaries() -> Options {
    Options { observer: Observer::Summary(SummaryOptions::default()), ..Options::default() }
}

fn bytes_of(bridge: &Bridge, now: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    bridge.write_state(now, &mut bytes).expect("memory takes everything");
    bytes
}

/// Restores a snapshot as the program does: checks it as a whole first.
fn restore(bridge: &Bridge, bytes: &[u8], now: Timestamp) -> Result<Restored, ReadError> {
    let mut input = bytes;
    read_header(&mut input)?;
    read_frames(&mut input.to_owned().as_slice(), drop)?;
    let mut all = Restored::default();
    read_frames(&mut input, |family| all += bridge.restore(family, now))?;
    Ok(all)
}

/// The exposition without self-metrics, which differ.
fn exposition(bridge: &Bridge, now: Timestamp) -> String {
    let mut out = Vec::new();
    bridge.render(now, &mut out);
    let text = String::from_utf8(out).expect("an exposition is UTF-8");
    text.split_once("# HELP process_").expect("self-metrics").0.to_owned()
}

/// A bridge with series of all kinds, sent to two workers.
fn busy(options: Options) -> Bridge {
    let bridge = Bridge::new(options);
    let mut workers = [bridge.worker(), bridge.worker()];
    for i in 0..300_u64 {
        let text = format!(
            "c:2|c|#n:{}\nc2:0.5|c|@0.1\ng:{i}|g|#a:x\\\"y\ng:-1|g\nh:{}|ms|#k:v,e:\nh:{}|h\nsmall:{}|s\nlarge:{}|s\nlarge:x{i}|s",
            i % 7,
            i * 3,
            i as f64 / 8.0 - 9.0,
            i % 5,
            i
        );
        workers[i as usize % 2].ingest(text.as_bytes(), at(i * 1000));
    }
    for i in 0..4000 {
        workers[i % 2].ingest(format!("large:y{i}|s").as_bytes(), at(300_000));
    }
    bridge
}

#[test]
fn an_exposition_is_the_same_after_a_restart_and_continues() {
    for options in [Options::default(), summaries()] {
        let before = busy(options.clone());
        let now = at(310_000);
        // An exposition sorts the series; after it, both snapshots have the same order.
        exposition(&before, now);
        let after = Bridge::new(options);
        let bytes = bytes_of(&before, now);
        let restored = restore(&after, &bytes, now).expect("a good snapshot");
        assert_eq!(restored, Restored { series: before.registry().series() as u64, ..Restored::default() });
        assert_eq!(exposition(&after, now), exposition(&before, now));
        assert!(bytes_of(&after, now) == bytes, "the next snapshot is the same, too");
        // A restored series has one cell. Before, it had one for each of the two workers.
        let (after_bytes, before_bytes) = (after.registry().series_bytes(), before.registry().series_bytes());
        assert!(after_bytes * 2 > before_bytes && after_bytes <= before_bytes, "{after_bytes} after {before_bytes}");
        for bridge in [&before, &after] {
            let mut worker = bridge.worker();
            worker.ingest(b"c:1|c|#n:3\ng:+4|g\nh:7|h\nsmall:new|s\nlarge:x7|s\nother:1|c", at(320_000));
        }
        assert_eq!(exposition(&after, at(320_000)), exposition(&before, at(320_000)));
    }
}

#[test]
fn the_first_worker_continues_with_the_restored_cells() {
    let after = Bridge::new(Options::default());
    let bytes = bytes_of(&busy(Options::default()), at(310_000));
    restore(&after, &bytes, at(310_000)).expect("a good snapshot");
    let (mut first, mut second) = (after.worker(), after.worker());
    let before: f64 = 300.0 * 2.0;
    for round in 1..=3 {
        first.ingest(b"c:1|c|#n:3", at(320_000));
        second.ingest(b"c:1|c|#n:3", at(320_000));
        let text = exposition(&after, at(320_000));
        let sum: f64 =
            text.lines().filter(|line| line.starts_with("c{")).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum();
        assert_eq!(sum, before + 2.0 * f64::from(round));
    }
}

#[test]
fn series_beyond_the_limits_are_folded_or_rejected_and_totals_stay() {
    let before = Bridge::new(Options::default());
    let mut worker = before.worker();
    for i in 0..100 {
        worker.ingest(format!("c:{i}|c|#n:{i}\nh:{i}|h|#n:{i}\ns:{i}|s|#n:{i}\ng:{i}|g|#n:{i}").as_bytes(), at(0));
    }
    let limits = Limits { values_per_label: 10, ..Limits::default() };
    let after = Bridge::new(Options { limits, ..Options::default() });
    let restored = restore(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 40, folded: 270, rejected: 90, expired: 0 });
    let text = exposition(&after, at(0));
    let sum: f64 =
        text.lines().filter(|line| line.starts_with("c{")).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    assert_eq!(sum, 4950.0);
    assert!(text.contains("s{n=\"_overflow_\"} 90\n") && text.contains("h_count{n=\"_overflow_\"} 90\n"), "{text}");
    assert!(!text.contains("g{n=\"_overflow_\"}"));

    // An overflow series is restored as an overflow series, and does not count as a series.
    let again = Bridge::new(Options { limits, ..Options::default() });
    let restored = restore(&again, &bytes_of(&after, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 43, ..Restored::default() });
    assert_eq!((exposition(&again, at(0)), again.registry().series()), (text, 40));
    again.worker().ingest(b"c:1|c|#n:new", at(1));
    assert!(exposition(&again, at(1)).contains("c{n=\"_overflow_\"}"));
    assert_eq!(again.registry().series(), 40);
}

/// Series with an overflow value have a separate limit, which also applies to restored series.
#[test]
fn series_with_an_overflow_value_are_restored_within_their_own_limit() {
    let limits = Limits { series_per_family: 320, ..Limits::default() };
    let [before, after] = [(); 2].map(|()| Bridge::new(Options { limits, ..Options::default() }));
    let mut worker = before.worker();
    // 320 series of users, 20 series of sites with an overflow value (the limit of such series), and the overflow series.
    for i in 0..2_000 {
        worker.ingest(format!("c:1|c|#site:s{},user:u{i}", i % 40).as_bytes(), at(0));
    }
    let restored = restore(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 341, ..Restored::default() });
    assert_eq!(exposition(&after, at(0)), exposition(&before, at(0)));
    for bridge in [&before, &after] {
        bridge.worker().ingest(b"c:1|c|#site:new,user:new\nc:1|c|#site:s1,user:new", at(1));
    }
    assert_eq!(exposition(&after, at(1)), exposition(&before, at(1)), "both are at the limit");
    assert_eq!(after.registry().series(), 340);
}

#[test]
fn the_overflow_keeps_the_labels_of_the_first_series() {
    let limits = Limits { series_per_family: 2, overflow: Overflow::Fold, ..Limits::default() };
    let (before, after) = [(); 2].map(|()| Bridge::new(Options { limits, ..Options::default() })).into();
    before.worker().ingest(b"c:1|c|#z:1\nc:1|c|#a:1,b:2", at(0));
    restore(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    for bridge in [&before, &after] {
        bridge.worker().ingest(b"c:1|c|#q:3", at(1));
    }
    assert!(exposition(&before, at(1)).contains("c{z=\"_overflow_\"} 1\n"));
    assert_eq!(exposition(&after, at(1)), exposition(&before, at(1)));
}

#[test]
fn a_ttl_continues_from_the_last_sample() {
    let ttl = |ms| Options { ttl: Ttl { counter_ms: Some(ms), ..Ttl::default() }, ..Options::default() };
    let before = Bridge::new(ttl(10_000));
    before.worker().ingest(b"old:1|c\ng:1|g", at(0));
    before.worker().ingest(b"new:1|c", at(5_000));
    let bytes = bytes_of(&before, at(6_000));
    let after = Bridge::new(ttl(10_000));
    let restored = restore(&after, &bytes, at(12_000)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 2, expired: 1, ..Restored::default() });
    let gone = |bridge: &Bridge, now| bridge.expire(now) + bridge.expire(now);
    assert_eq!((gone(&after, at(14_999)), gone(&after, at(15_000))), (0, 1));
    assert!(!exposition(&after, at(15_000)).contains("new"));
    // With the clock set back by an hour, the ttl starts now.
    let back = Bridge::new(ttl(10_000));
    let now = Timestamp::from_millis(START_MS - 3_600_000);
    assert_eq!(restore(&back, &bytes, now).expect("a good snapshot").series, 3);
    assert_eq!(gone(&back, Timestamp::from_millis(now.as_millis() + 10_000)), 2);
    // A new ttl applies to series that had none.
    let without = Bridge::new(Options::default());
    without.worker().ingest(b"old:1|c", at(0));
    assert_eq!(restore(&Bridge::new(ttl(10_000)), &bytes_of(&without, at(0)), at(10_000)).expect("a good snapshot").expired, 1);
}

#[test]
fn grace_periods_continue_and_created_timestamps_stay() {
    let second = Some(1_000);
    let ttl = Ttl { counter_ms: second, observer_ms: second, ..Default::default() };
    let options = || Options { ttl, grace_ms: 60_000, counters_start_at_zero: Some(0), ..Options::default() };
    let before = Bridge::new(options());
    let mut worker = before.worker();
    worker.ingest(b"c:5|c|#a:b\nh:1|h\nold:1|c", at(0));
    worker.ingest(b"lives:5|c", at(4_900));
    exposition(&before, at(4_900));
    before.expire(at(5_000));
    worker.tick();
    assert_eq!(before.expire(at(5_000)), 3);
    let bytes = bytes_of(&before, at(5_000));
    let after = Bridge::new(options());
    assert_eq!(restore(&after, &bytes, at(5_100)).expect("a good snapshot").series, 4);
    assert_eq!((after.registry().in_grace(), after.registry().series()), (3, 1));
    after.worker().ingest(b"c:1|c|#a:b\nh:2|h\nlives:1|c", at(5_200));
    let text = exposition(&after, at(5_200));
    assert!(text.contains("c{a=\"b\"} 6\n") && text.contains("h_sum 3\n") && text.contains("lives 6\n"), "{text}");
    let created = |name: &str| {
        let families = after.registry().families();
        families.iter().find(|family| family.name().as_str() == name).map(|family| family.series()[0].created())
    };
    assert_eq!((created("c"), created("lives")), (Some(at(0)), Some(at(4_900))));
    let late = Bridge::new(options());
    restore(&late, &bytes, at(70_000)).expect("a good snapshot");
    assert_eq!(late.registry().in_grace(), 0, "the grace period is over");
}

#[test]
fn valid_names_are_restored_and_others_are_rejected() {
    let utf8 = || Options { names: NameValidation::Utf8, ..summaries() };
    let bridge = Bridge::new(utf8());
    bridge.worker().ingest("my.name:2|c|#l.x:v,\"\\+\":w\nné:3|g\nplain:4|c|#a:b\nt.t:5|ms|#é:1".as_bytes(), at(1000));
    let (before, bytes) = (exposition(&bridge, at(1000)), bytes_of(&bridge, at(1000)));
    let back = Bridge::new(utf8());
    let restored = restore(&back, &bytes, at(1000)).expect("good");
    assert_eq!(restored, Restored { series: 4, ..Restored::default() });
    assert_eq!(exposition(&back, at(1000)), before);
    back.worker().ingest("my.name:1|c|#l.x:v,\"\\+\":w".as_bytes(), at(1000));
    assert!(exposition(&back, at(1000)).contains("my_name{exported_____=\"w\",l_x=\"v\"} 3\n"), "{}", exposition(&back, at(1000)));

    let legacy = Bridge::new(summaries());
    let restored = restore(&legacy, &bytes, at(1000)).expect("good");
    assert_eq!(restored, Restored { series: 1, rejected: 3, ..Restored::default() });
}

#[test]
fn names_in_conflict_are_rejected() {
    let before = Bridge::new(Options { prefix: crate::options::Prefix::Exporter, prometheus_names: true, ..Options::default() });
    before.worker().ingest(b"statsd_bridge_lines_total:1|c\nup:0|g\nx_sum:1|c\ny:1|c", at(0));
    let after = Bridge::new(Options::default());
    after.worker().ingest(b"x:1|h\ny:1|g", at(0));
    let restored = restore(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { rejected: 4, ..Restored::default() });
}

#[test]
fn the_first_sample_changes_the_type_of_an_observer_to_that_of_new_flags() {
    let before = busy(Options::default());
    let after = Bridge::new(summaries());
    restore(&after, &bytes_of(&before, at(310_000)), at(310_000)).expect("a good snapshot");
    after.replace_rules(crate::mapping::Rules::default());
    assert!(exposition(&after, at(310_000)).contains("# TYPE h histogram\n"));
    after.worker().ingest(b"h:1|h", at(310_000));
    assert!(exposition(&after, at(310_000)).contains("# TYPE h summary\nh{quantile=\"0.5\"} 1\n"));
}
