//! Stale markers: for what the previous cycle had and this one has not.

use super::{Got, STEP, Target, at, drain, plain};
use crate::exposition::write::{HistogramForm, WriteOptions, WriteVersion};
use crate::mapping::Rules;
use crate::options::{Limits, NameValidation};
use crate::{Options, Selector};

use WriteVersion::{V1, V2};

fn expiring() -> Options {
    Options::default().with(|options| {
        options.ttl.counter_ms = Some(1_000);
        options.grace_ms = 600_000;
    })
}

/// Two steps: one marks, one removes.
fn expire(target: &Target) {
    target.bridge.expire(at(target.time - 100));
    target.bridge.expire(at(target.time - 99));
}

#[test]
fn an_expired_series_is_marked_once() {
    for version in [V1, V2] {
        let mut target = Target::new(expiring(), plain(version));
        target.ingest("c:1|c|#a:x\nc:1|c|#a:y\nd:1|c\ng:1|g");
        assert!(target.cycle().stale().is_empty());
        target.ingest("c:1|c|#a:x");
        expire(&target);
        let got = target.cycle();
        assert_eq!(got.stale(), ["c{a=\"y\"}", "d"]);
        assert_eq!((got.value("c{a=\"x\"}"), got.value("g")), (2.0, 1.0));
        target.ingest("c:1|c|#a:x");
        let got = target.cycle();
        assert!(got.stale().is_empty() && got.names() == ["c{a=\"x\"}", "g"]);
    }
}

#[test]
fn every_line_of_a_deleted_family_is_marked() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.bridge.replace_rules(
        Rules::from_yaml(
            "mappings: [{match: h, name: h, observer_type: histogram, buckets: [1]}, {match: s, name: s, observer_type: summary}]",
        )
        .expect("rules"),
    );
    target.ingest("h:1|h|#a:b,z:y\ns:1|h");
    let before: Vec<String> = target.cycle().names().into_iter().map(str::to_owned).collect();
    target.bridge.delete_series(&|_, _| true, false);
    let got = target.cycle();
    assert_eq!(got.stale(), before);
    assert!(got.stale().contains(&"h_bucket{a=\"b\",le=\"+Inf\",z=\"y\"}") && got.stale().contains(&"s{quantile=\"0.5\"}"));
    assert_eq!(got.of_name("h_sum{a=\"b\",z=\"y\"}").metadata.as_ref().map(|of| of.0), Some(3));
    assert!(target.cycle().names().is_empty());
}

#[test]
fn a_series_that_was_made_again_has_no_marker() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.ingest("c:5|c|#a:x\nd:1|c|#a:,b:c\nd:1|c|#e:f");
    target.cycle();
    target.bridge.delete_series(&|_, _| true, false);
    target.ingest("c:1|c|#a:x\nd:1|c|#b:c");
    let got = target.cycle();
    assert_eq!(got.stale(), ["d{e=\"f\"}"], "a label of empty value is no label");
    assert_eq!(got.floats("c{a=\"x\"}"), [(1.0, target.time - STEP)], "and no 0, because the previous cycle had it");
}

#[test]
fn after_a_change_of_type_names_that_exist_again_have_no_marker() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.ingest("x:1|c\nx:1|c|#a:b\ny:1|h\nz_sum:1|g\nq:1|g");
    target.cycle();
    target.bridge.delete_series(&|_, _| true, false);
    // `x` becomes a histogram, `y` a counter, and `z` a histogram with the sum that was a gauge.
    target.ingest("x:1|g\ny:1|c\nz:1|h\nq:1|h");
    let got = target.cycle();
    let stale = got.stale();
    assert!(stale.contains(&"x{a=\"b\"}") && !stale.contains(&"x"));
    assert!(stale.contains(&"y_sum") && stale.contains(&"y_count") && stale.contains(&"y_bucket{le=\"+Inf\"}") && !stale.contains(&"y"));
    assert!(stale.contains(&"q") && !stale.contains(&"z_sum"), "{stale:?}");
    assert_eq!(got.floats("z_sum"), [(1.0, target.time - STEP)], "no 0 at a time that has a sample");
    assert_eq!(got.floats("z_count").len(), 2);
    // Back again.
    target.bridge.delete_series(&|_, _| true, false);
    target.ingest("z_sum:1|g\nq_count:1|c");
    let got = target.cycle();
    let stale = got.stale();
    assert!(stale.contains(&"z_count") && stale.contains(&"q_sum") && !stale.contains(&"z_sum") && !stale.contains(&"q_count"));
    assert_eq!(got.floats("q_count").len(), 1);
}

#[test]
fn bounds_and_quantiles_that_are_gone_are_marked() {
    let rules = |buckets: &str, quantile: &str| {
        let text = format!(
            "mappings: [{{match: h, name: h, observer_type: histogram, buckets: [{buckets}]}}, \
             {{match: s, name: s, observer_type: summary, quantiles: [{{quantile: {quantile}, error: 0.01}}]}}]"
        );
        Rules::from_yaml(&text).expect("rules")
    };
    let mut target = Target::new(Options::default(), plain(V2));
    target.bridge.replace_rules(rules("1, 2", "0.5"));
    target.ingest("h:1|h\ns:1|h");
    target.cycle();
    target.bridge.replace_rules(rules("1, 3", "0.9"));
    target.ingest("h:1|h\ns:1|h");
    let got = target.cycle();
    assert_eq!(got.stale(), ["h_bucket{le=\"2.0\"}", "s{quantile=\"0.5\"}"]);
}

#[test]
fn labels_that_are_escaped_otherwise_are_marked() {
    let options = Options::default().with(|options| options.names = NameValidation::Utf8);
    let mut target = Target::new(options, plain(V1));
    target.ingest("c:1|c|#x.y:1");
    assert_eq!(target.cycle().names(), ["c{x_y=\"1\"}"]);
    target.ingest("c:1|c|#x_y:2");
    let got = target.cycle();
    assert_eq!(got.names(), ["c{exported_x_y=\"1\"}", "c{x_y=\"1\"}", "c{x_y=\"2\"}"]);
    assert_eq!(got.stale(), ["c{x_y=\"1\"}"]);
}

#[test]
fn lost_markers_are_repeated_unless_the_series_exists_again() {
    for histograms in [HistogramForm::Classic, HistogramForm::Nhcb] {
        let labels = vec![("job".to_owned(), "x".to_owned())];
        let mut target = Target::new(Options::default(), WriteOptions { histograms, labels, ..plain(V2) });
        target.ingest("c:1|c\nd:1|c|#a:b\nh:1|h");
        target.cycle();
        target.bridge.delete_series(&|_, _| true, false);
        let batches = target.batches();
        let first = Got::of(V2, &batches);
        let gone: Vec<_> = batches.into_iter().flat_map(|batch| batch.gone).collect();
        assert!(gone.iter().all(|gone| gone.bytes() > gone.name.len()));
        target.memory.markers_lost(gone);
        target.ingest("c:1|c");
        let got = target.cycle();
        let again: Vec<&str> = first.stale().into_iter().filter(|name| !name.starts_with("c{")).collect();
        assert_eq!(got.stale(), again);
        assert_eq!(got.floats("c{job=\"x\"}"), [(1.0, target.time - STEP)], "the marker may have been delivered at the time of the 0");
        assert!(target.cycle().stale().is_empty());
    }
}

#[test]
fn at_an_orderly_end_everything_is_marked() {
    let mut target = Target::new(Options::default(), WriteOptions { self_metrics: true, batch_samples: 7, ..plain(V2) });
    target.ingest("c:1|c\nh:1|h\ng:1|g|#a:b");
    let before = target.cycle();
    let mut end = target.memory.all_gone(target.bridge.engine(), &target.options, at(target.time));
    let batches = drain(&mut end);
    let got = Got::of(V2, &batches);
    assert_eq!(got.stale(), before.0.keys().collect::<Vec<_>>());
    assert!(batches.iter().all(|batch| batch.counts.samples <= 7 && batch.counts.markers == batch.counts.samples));
    assert!(end.into_memory().sent.families.is_empty());
}

#[test]
fn self_metrics_that_are_gone_are_marked() {
    let limits = Limits::default().with(|limits| limits.series_per_family = 1);
    let mut target =
        Target::new(Options::default().with(|options| options.limits = limits), WriteOptions { self_metrics: true, ..plain(V2) });
    target.ingest("c:1|c|#a:1\nc:1|c|#a:2");
    target.cycle();
    target.delete("c");
    let got = target.cycle();
    let stale = got.stale();
    assert!(stale.iter().any(|name| name.starts_with("statsd_bridge_limited_samples_total{")), "{stale:?}");
}

#[test]
fn series_that_no_selector_selects_have_no_marker() {
    let include = vec![Selector::parse("c{a=\"x\"}").expect("a selector")];
    let mut target = Target::new(Options::default(), WriteOptions { include, ..plain(V2) });
    target.ingest("c:1|c|#a:x\nc:1|c|#a:y\nd:1|c");
    assert_eq!(target.cycle().names(), ["c{a=\"x\"}"]);
    target.bridge.delete_series(&|_, labels| labels.iter().all(|(_, value)| value != "x"), false);
    assert!(target.cycle().stale().is_empty());
    target.delete("c");
    assert_eq!(target.cycle().stale(), ["c{a=\"x\"}"]);
}
