//! Native buckets from sample to series: when they start, which families have them, several workers, and a restart.

use super::{Family, FamilyKind, Series};
use crate::bridge::Bridge;
use crate::ingest::pipeline::Worker;
use crate::mapping::Rules;
use crate::mapping::config::{MappingText, load};
use crate::options::Options;
use crate::options::{NativeHistograms, NativeWhen};
use crate::registry::cell::{Bounds, HistogramSnapshot, NativeSnapshot};
use crate::time::Timestamp;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn bridge(when: NativeWhen) -> Bridge {
    Bridge::new(Options { native: NativeHistograms { when, ..NativeHistograms::default() }, ..Options::default() })
}

fn send(worker: &mut Worker, lines: &str) {
    worker.ingest(lines.as_bytes(), NOW);
}

fn family(bridge: &Bridge, name: &str) -> Arc<Family> {
    bridge.registry().families().into_iter().find(|family| family.name().as_str() == name).expect("the family was sent")
}

fn bounds(family: &Family) -> &Bounds {
    let FamilyKind::Histogram { bounds } = family.kind() else { panic!("a histogram was sent") };
    bounds
}

/// Both kinds of buckets of the family's only series, and whether a cell has native ones. Their weights must be equal.
fn read(bridge: &Bridge, name: &str) -> (HistogramSnapshot, NativeSnapshot, bool) {
    let family = family(bridge, name);
    let bounds = bounds(&family);
    let options = bounds.native().expect("the family may have native buckets");
    let (mut classic, mut native) = (HistogramSnapshot::new(bounds.len()), NativeSnapshot::new(options));
    let series: Vec<Arc<Series>> = family.series().to_vec();
    assert_eq!(series.len(), 1);
    let has_native = series[0].histogram_with_native(bounds, &mut classic, &mut native);
    assert_eq!(native.weight(), classic.buckets.iter().sum::<f64>());
    (classic, native, has_native)
}

fn positive(native: &NativeSnapshot) -> Vec<f64> {
    native.positive().map(|(_, weight)| weight).collect()
}

#[test]
fn native_buckets_start_on_request() {
    let bridge = bridge(NativeWhen::Asked);
    let (mut first, mut second) = (bridge.worker(), bridge.worker());
    send(&mut first, "h:0.3|h\nh:0.4|h|@0.5");
    send(&mut second, "h:70|h");
    let (_, native, has_native) = read(&bridge, "h");
    // The weights are in the native buckets of the classic bounds 0.5 and 10.
    assert!(!has_native && positive(&native) == [3.0, 1.0]);
    bridge.want_native_histograms();
    // Histogram and distribution samples of the first worker have the same cell.
    send(&mut first, "h:0.3|h\nh:0.3|d");
    let (classic, native, has_native) = read(&bridge, "h");
    assert!(has_native && positive(&native) == [2.0, 3.0, 1.0]);
    assert!((classic.sum - (0.3 * 3.0 + 0.8 + 70.0)).abs() < 1e-9);
    send(&mut second, "h:70|h\nh:0.3|h");
    // A new family has native buckets, too.
    send(&mut second, "other:0.3|h");
    assert_eq!(positive(&read(&bridge, "h").1), [3.0, 3.0, 1.0, 1.0]);
    assert!(read(&bridge, "other").2);
    assert!(bridge.accounting().adds_up() && bridge.accounting().recorded == 8);
}

#[test]
fn always_and_never_need_no_request() {
    for (when, options) in [(NativeWhen::Always, true), (NativeWhen::Never, false)] {
        let bridge = bridge(when);
        if when == NativeWhen::Never {
            bridge.want_native_histograms();
        }
        send(&mut bridge.worker(), "h:0.3|h");
        assert_eq!(bounds(&family(&bridge, "h")).native().is_some(), options);
        assert!(!options || read(&bridge, "h").2);
    }
}

#[test]
fn a_rule_can_change_or_disable_native_buckets() {
    let rule = |name: &str, factor: &str| format!("- match: {name}\n  name: {name}\n  histogram_options: {{{factor}}}\n");
    let text = format!(
        "mappings:\n{}{}{}",
        rule("a", "native_histogram_bucket_factor: 2, native_histogram_max_buckets: 20"),
        rule("b", "native_histogram_bucket_factor: 1"),
        rule("c", "buckets: [1]"),
    );
    let (config, findings) = load(&[MappingText { name: "test".into(), text }], &|_| None);
    let rules = Rules::compile(config.unwrap_or_else(|| panic!("{findings:?}"))).expect("the rules are sound");
    let bridge = bridge(NativeWhen::Always);
    bridge.replace_rules(rules);
    send(&mut bridge.worker(), "a:3|h\nb:3|h\nc:3|h");
    let options = |name| bounds(&family(&bridge, name)).native().map(|options| (options.schema, options.max_buckets));
    assert_eq!(["a", "b", "c"].map(options), [Some((0, 20)), None, Some((3, 160))]);
}

#[test]
fn a_restart_keeps_native_buckets() {
    let before = bridge(NativeWhen::Asked);
    before.want_native_histograms();
    let lines: String = (1..200).map(|i| format!("h:{}|h\n", f64::from(i * i) / 7.0)).collect();
    send(&mut before.worker(), &lines);
    let after = bridge(NativeWhen::Asked);
    let mut series = 0;
    let result: Result<(), ()> = before.save(NOW, &mut |family| {
        series += after.restore(family.clone(), NOW).series;
        Ok(())
    });
    assert!(result.is_ok() && series == 1);
    assert_eq!(read(&after, "h"), read(&before, "h"));
    for bridge in [&before, &after] {
        send(&mut bridge.worker(), "h:0.001|h\nnew:1|h");
        assert!(read(bridge, "new").2);
    }
    assert_eq!(read(&after, "h"), read(&before, "h"));
}

#[test]
fn classic_buckets_are_restored_into_native_ones() {
    let (before, after) = (bridge(NativeWhen::Asked), bridge(NativeWhen::Always));
    send(&mut before.worker(), "h:0.3|h\nh:70|h");
    let result: Result<(), ()> = before.save(NOW, &mut |family| {
        assert_eq!(after.restore(family.clone(), NOW).series, 1);
        Ok(())
    });
    assert!(result.is_ok());
    let (classic, native, has_native) = read(&after, "h");
    assert!(
        has_native
            && (classic, native) == {
                let (classic, native, _) = read(&before, "h");
                (classic, native)
            }
    );
}

/// Restores all series of a bridge into a new bridge.
fn restarted(before: &Bridge, when: NativeWhen) -> Bridge {
    let after = bridge(when);
    let result: Result<(), ()> = before.save(NOW, &mut |family| {
        assert_eq!(after.restore(family.clone(), NOW).rejected, 0);
        Ok(())
    });
    assert!(result.is_ok());
    after
}

#[test]
fn a_series_with_a_fractional_count_stays_a_float_histogram() {
    let first = bridge(NativeWhen::Always);
    let workers = &mut [first.worker(), first.worker()];
    send(&mut workers[0], "f:1|h\nf:1|h|@0.5\ng:1|h");
    assert!(read(&first, "f").1.is_whole());
    // After every third sample, the count is a whole number again.
    for nth in 0..9 {
        send(&mut workers[nth % 2], "f:1|h|@0.3");
        assert!(!read(&first, "f").1.is_whole(), "{nth}");
    }
    assert!(read(&first, "g").1.is_whole());
    // The series stays a float histogram after restarts, whatever is sent next.
    let second = restarted(&first, NativeWhen::Always);
    send(&mut second.worker(), "f:1|h");
    let third = restarted(&second, NativeWhen::Asked);
    third.want_native_histograms();
    for bridge in [&second, &third] {
        assert!(!read(bridge, "f").1.is_whole());
        assert!(read(bridge, "g").1.is_whole());
        send(&mut bridge.worker(), "f:1|h\ng:1|h");
        assert!(!read(bridge, "f").1.is_whole());
        assert!(read(bridge, "g").1.is_whole());
    }
}

#[test]
fn native_counts_from_fractional_classic_buckets_are_floats() {
    let bridge = bridge(NativeWhen::Asked);
    let mut worker = bridge.worker();
    send(&mut worker, "f:1|h|@0.3\ng:1|h|@0.5");
    bridge.want_native_histograms();
    for _ in 0..2 {
        assert!(!read(&bridge, "f").1.is_whole());
        assert!(read(&bridge, "g").1.is_whole());
        send(&mut worker, "f:1|h|@0.3\nf:1|h|@0.3\ng:1|h");
    }
}
