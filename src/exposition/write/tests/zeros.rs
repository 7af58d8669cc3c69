//! The 0 before the first value of a new counter.

use super::{START, STEP, Target, at, plain};
use crate::Options;
use crate::exposition::write::{WriteOptions, WriteVersion};
use crate::mapping::Rules;

use WriteVersion::{V1, V2};

#[test]
fn a_new_counter_follows_a_0_at_the_previous_cycle() {
    for version in [V1, V2] {
        let mut target = Target::new(Options::default(), plain(version));
        target.ingest("c:5|c|#a:old");
        assert_eq!(target.cycle().floats("c{a=\"old\"}"), [(5.0, START)], "never in the first cycle");
        target.ingest("c:7|c|#a:new\nc:1|c|#a:old\nd:3|c\ng:1|g\nd:4|c|#a:b");
        let got = target.cycle();
        let now = START + STEP;
        assert_eq!(got.floats("c{a=\"new\"}"), [(0.0, START), (7.0, now)]);
        assert_eq!(got.floats("d"), [(0.0, START), (3.0, now)]);
        assert_eq!(got.floats("d{a=\"b\"}"), [(0.0, START), (4.0, now)]);
        assert_eq!((got.floats("c{a=\"old\"}"), got.floats("g")), (vec![(6.0, now)], vec![(1.0, now)]));
        let starts: Vec<i64> = got.of_name("d").samples.iter().map(|sample| sample.start_timestamp).collect();
        assert_eq!(starts, [0, if version == V2 { now as i64 - 1_000 } else { 0 }]);
        assert_eq!(target.cycle().floats("d"), [(3.0, now + STEP)]);
    }
}

#[test]
fn buckets_sums_and_counts_follow_a_0_and_quantiles_do_not() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.bridge.replace_rules(
        Rules::from_yaml(
            "mappings: [{match: h, name: h, observer_type: histogram, buckets: [1]}, {match: s, name: s, observer_type: summary}]",
        )
        .expect("rules"),
    );
    target.cycle();
    target.ingest("h:3|h\ns:3|h");
    let got = target.cycle();
    let now = START + STEP;
    for (name, value) in
        [("h_bucket{le=\"1.0\"}", 0.0), ("h_bucket{le=\"+Inf\"}", 1.0), ("h_sum", 3.0), ("h_count", 1.0), ("s_sum", 3.0), ("s_count", 1.0)]
    {
        assert_eq!(got.floats(name), [(0.0, START), (value, now)], "{name}");
    }
    assert_eq!(got.floats("s{quantile=\"0.5\"}"), [(3.0, now)]);
}

#[test]
fn the_option_switches_it_off() {
    let mut target = Target::new(Options::default(), WriteOptions { zero_samples: false, ..plain(V2) });
    target.cycle();
    target.ingest("c:5|c");
    assert_eq!(target.cycle().floats("c").len(), 1);
}

#[test]
fn a_series_that_returns_within_its_grace_period_follows_no_0() {
    let options = Options::default().with(|options| {
        options.ttl.counter_ms = Some(1_000);
        options.grace_ms = 600_000;
    });
    let mut target = Target::new(options, plain(V2));
    target.ingest("c:5|c\ng:1|g");
    target.cycle();
    target.bridge.expire(at(target.time));
    target.bridge.expire(at(target.time + 1));
    assert_eq!(target.cycle().stale(), ["c"]);
    target.cycle();
    target.ingest("c:1|c");
    assert_eq!(target.cycle().floats("c"), [(6.0, target.time - STEP)], "its 5 were counted before");
}

#[test]
fn no_0_has_the_time_of_a_stale_marker() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.ingest("c:5|c\nc:1|c|#a:b\nh:1|h");
    target.cycle();
    target.bridge.delete_series(&|_, labels| labels.is_empty(), false);
    assert!(target.cycle().stale().contains(&"h_sum"));
    target.ingest("c:1|c\nc:1|c|#a:new\nh:1|h");
    let got = target.cycle();
    assert_eq!((got.floats("c").len(), got.floats("h_sum").len(), got.floats("c{a=\"new\"}").len()), (1, 1, 2));
    // A cycle later, the marker is older than the 0.
    target.delete("c");
    target.cycle();
    target.cycle();
    target.ingest("c:1|c");
    assert_eq!(target.cycle().floats("c"), [(0.0, target.time - 2 * STEP), (1.0, target.time - STEP)]);
}

#[test]
fn the_zeros_of_scrapes_are_neither_shown_nor_changed() {
    let mut target = Target::new(Options::default().with(|options| options.counters_start_at_zero = Some(10_000)), plain(V2));
    target.ingest("c:5|c");
    assert_eq!(target.cycle().value("c"), 5.0);
    assert!(target.bridge.text(at(target.time)).contains("\nc 0\n"));
}
