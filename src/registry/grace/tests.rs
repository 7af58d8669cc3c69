//! Series that expire, return within their grace period, are deleted in it, or outlive it.

use super::*;
use crate::bridge::Bridge;
use crate::ingest::pipeline::Worker;
use crate::mapping::Rules;
use crate::mapping::config::{MappingText, load};
use crate::options::{Options, Ttl};

const START: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn bridge(limits: Limits) -> Bridge {
    let second = Some(1_000);
    let ttl = Ttl { counter_ms: second, gauge_ms: second, observer_ms: second, set_ms: second };
    Bridge::new(Options { ttl, limits, grace_ms: 10_000, ..Options::default() })
}

/// Expires all series without a sample for a second.
fn pass(bridge: &Bridge, worker: &mut Worker, now: Timestamp) -> usize {
    bridge.expire(now);
    worker.tick();
    bridge.expire(now)
}

fn exposition(bridge: &Bridge, now: Timestamp) -> String {
    let mut out = Vec::new();
    bridge.render(now, &mut out);
    String::from_utf8(out).expect("an exposition is UTF-8")
}

#[test]
fn sums_continue_and_gauges_and_sets_start_again() {
    let bridge = bridge(Limits::default());
    let (mut worker, mut other) = (bridge.worker(), bridge.worker());
    worker.ingest(b"c:5|c|#a:b\nh:1|h\ng:7|g\ns:x|s\n", at(0));
    other.ingest(b"c:3|c|#a:b", at(0));
    assert_eq!(pass(&bridge, &mut worker, at(2_000)), 4);
    assert!(!exposition(&bridge, at(2_000)).contains("# TYPE c "), "expired, with its name");
    assert_eq!((bridge.registry().in_grace(), bridge.registry().series()), (2, 0));
    worker.ingest(b"c:1|c|#a:b\nh:1|h\ng:+1|g\ns:y|s\n", at(3_000));
    let text = exposition(&bridge, at(3_000));
    for line in ["c{a=\"b\"} 9", "h_count 2", "g 1", "s 1"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    other.ingest(b"c:1|c|#a:b", at(3_000));
    let text = exposition(&bridge, at(3_000));
    assert_eq!(text.matches("\nc{a=\"b\"} ").count(), 1, "{text}");
    assert!(text.contains("c{a=\"b\"} 10"));
    assert_eq!(bridge.registry().in_grace(), 0);
}

#[test]
fn a_series_that_expires_and_returns_between_two_expositions_is_in_them_once() {
    let bridge = bridge(Limits::default());
    let mut worker = bridge.worker();
    for round in 0..3 {
        worker.ingest(b"c:1|c|#a:b\nstays:1|c", at(round * 2_000));
        if round == 0 {
            exposition(&bridge, at(0));
        }
        worker.ingest(b"stays:1|c", at(round * 2_000 + 1_500));
        pass(&bridge, &mut worker, at(round * 2_000 + 1_600));
    }
    worker.ingest(b"c:1|c|#a:b", at(6_000));
    let text = exposition(&bridge, at(6_000));
    assert_eq!(text.matches("\nc{a=\"b\"} 4\n").count(), 1, "{text}");
}

#[test]
fn the_grace_period_ends_by_time_and_by_another_type() {
    let bridge = bridge(Limits::default());
    let mut worker = bridge.worker();
    worker.ingest(b"a:5|c\nb:5|c", at(0));
    pass(&bridge, &mut worker, at(2_000));
    worker.ingest(b"b:1|g", at(3_000));
    pass(&bridge, &mut worker, at(5_000));
    worker.ingest(b"b:1|c", at(6_000));
    assert!(exposition(&bridge, at(6_000)).contains("\nb 1\n"), "the name had another type in between");
    pass(&bridge, &mut worker, at(13_000));
    worker.ingest(b"a:1|c", at(13_000));
    assert!(exposition(&bridge, at(13_000)).contains("\na 1\n"), "the grace period is over");
}

#[test]
fn deletion_finds_series_in_their_grace_period() {
    let bridge = bridge(Limits::default());
    let mut worker = bridge.worker();
    worker.ingest(b"c:500|c|#a:old\nc:7|c|#a:other\nh:1|h|#a:old\ng:1|g|#a:old", at(0));
    pass(&bridge, &mut worker, at(2_000));
    worker.ingest(b"lives:1|c|#a:old", at(2_000));
    let old = |_: &str, labels: &[(&str, String)]| labels.iter().any(|(name, value)| (*name, &**value) == ("a", "old"));
    let expected = ["lives{a=\"old\"}", "c{a=\"old\"}", "h{a=\"old\"}"];
    for dry_run in [true, false] {
        let mut deleted = bridge.delete_series(&old, dry_run);
        deleted.examples.sort_by_key(|example| expected.iter().position(|known| known == example));
        assert_eq!((deleted.series, &deleted.examples[..]), (3, &expected.map(str::to_owned)[..]), "{dry_run}");
    }
    assert_eq!((bridge.registry().in_grace(), bridge.delete_series(&old, false).series), (1, 0));
    worker.ingest(b"c:1|c|#a:old\nc:1|c|#a:other\nh:2|h|#a:old", at(2_100));
    let text = exposition(&bridge, at(2_100));
    for line in ["c{a=\"old\"} 1", "c{a=\"other\"} 8", "h_sum{a=\"old\"} 2"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    pass(&bridge, &mut worker, at(4_000));
    assert_eq!(bridge.delete_series(&|_, _| true, false).series, 3);
    pass(&bridge, &mut worker, at(20_000));
    assert_eq!(lock(&bridge.registry().grace.kept).bytes, 0, "nothing is counted twice");
}

#[test]
fn the_oldest_are_dropped_where_there_is_no_room() {
    for limits in [Limits { resting_series: 10, ..Limits::default() }, Limits { series_bytes: 40 * 300, ..Limits::default() }] {
        let bridge = bridge(limits);
        let mut worker = bridge.worker();
        for round in 0..30 {
            worker.ingest(format!("c:1|c|#n:{round}").as_bytes(), at(round * 100));
            pass(&bridge, &mut worker, at(round * 100));
        }
        pass(&bridge, &mut worker, at(5_000));
        assert!((8..=20).contains(&bridge.registry().in_grace()), "{}", bridge.registry().in_grace());
        worker.ingest(b"c:1|c|#n:0\nc:1|c|#n:29", at(5_100));
        let text = exposition(&bridge, at(5_100));
        assert!(text.contains("c{n=\"0\"} 1\n") && text.contains("c{n=\"29\"} 2\n"), "{text}");
    }
}

/// A label of empty value does not identify a series. A series that returns without this label keeps its old labels.
#[test]
fn a_series_returns_without_its_labels_of_empty_value() {
    let rule = |name: &str, labels: &str| format!("- {{match: {name}, name: c, labels: {{{labels}}}}}\n");
    let text = format!("mappings:\n{}{}", rule("with", "a: b, e: ''"), rule("without", "a: b"));
    let (config, findings) = load(&[MappingText { name: "test".into(), text }], &|_| None);
    for [first, second] in [["with", "without"], ["without", "with"]] {
        let bridge = bridge(Limits::default());
        let config = config.clone().unwrap_or_else(|| panic!("{findings:?}"));
        bridge.replace_rules(Rules::compile(config).expect("the rules are sound"));
        let mut worker = bridge.worker();
        worker.ingest(format!("{first}:2|c").as_bytes(), at(0));
        pass(&bridge, &mut worker, at(2_000));
        worker.ingest(format!("{second}:3|c").as_bytes(), at(2_000));
        let text = exposition(&bridge, at(2_000));
        let labels = if first == "with" { "a=\"b\",e=\"\"" } else { "a=\"b\"" };
        assert!(text.contains(&format!("\nc{{{labels}}} 5\n")), "{text}");
        pass(&bridge, &mut worker, at(4_000));
        pass(&bridge, &mut worker, at(20_000));
        drop(worker);
        assert_eq!(bridge.registry().series_bytes(), 0);
    }
}

/// With a budget of a few bytes, the grace period is full even without series.
#[test]
fn a_very_small_budget_ends() {
    let saving = bridge(Limits::default());
    let mut worker = saving.worker();
    worker.ingest(b"c:5|c", at(0));
    pass(&saving, &mut worker, at(2_000));
    let small = bridge(Limits { series_bytes: 1, ..Limits::default() });
    let saved: Result<(), ()> = saving.save(at(2_000), &mut |family| {
        small.restore(family.clone(), at(2_000));
        Ok(())
    });
    assert_eq!((saved, small.registry().in_grace()), (Ok(()), 1));
}

#[test]
fn series_that_expire_and_return_leave_nothing_behind() {
    let ttl = Ttl { counter_ms: Some(1_000), ..Ttl::default() };
    let limits = Limits { resting_series: 100, ..Limits::default() };
    let bridge = Bridge::new(Options { ttl, limits, grace_ms: u64::MAX / 2, ..Options::default() });
    let mut worker = bridge.worker();
    for round in 0..500 {
        worker.ingest(b"a:1|c\nb:1|c", at(round * 2_000));
        pass(&bridge, &mut worker, at(round * 2_000 + 1_500));
    }
    let order = lock(&bridge.registry().grace.kept).order.len();
    assert!((1..=200).contains(&order), "{order} places of the 1,000 entries that were made");
    worker.ingest(b"a:0|c\nb:0|c", at(1_000_000));
    let text = exposition(&bridge, at(1_000_000));
    assert!(text.contains("\na 500\n") && text.contains("\nb 500\n"), "{text}");
}
