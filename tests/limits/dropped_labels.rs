//! At a limit of values or series, the label with too many values is dropped, and the other labels stay.

use statsd_bridge::options::{Limits, Overflow};
use statsd_bridge::{Bridge, Options};

use super::{NOW, bridge, page_of};

#[apply(test)]
fn drop_label_keeps_the_other_labels() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.values_per_label = 3;
        limits.overflow = Overflow::DropLabel;
    }));
    let mut worker = bridge.worker();
    for i in 0..100 {
        let line = format!("hits:1|c|#site:s{},user:u{i}\ntook:10|ms|#site:s{},user:u{i}\nload:1|g|#user:u{i}", i % 2, i % 2);
        worker.ingest(line.as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.value(r#"hits{site="s0",user="u0"}"#), Some(1.0));
    assert_eq!(page.value(r#"hits{site="s0",user="_overflow_"}"#), Some(48.0));
    assert_eq!(page.value(r#"hits{site="s1",user="_overflow_"}"#), Some(49.0));
    assert_eq!(page.sum("hits"), 100.0);
    assert_eq!(page.value(r#"took_count{site="s1",user="_overflow_"}"#), Some(49.0));
    assert_eq!(
        page.family("load").expect("the first gauges").lines.len(),
        3,
        "new gauges are rejected, because their last value would be of a random series"
    );
    let named = r#"statsd_bridge_limited_samples_total{action="drop_label",family="hits",label="user",limit="values_per_label"}"#;
    assert_eq!(page.value(named), Some(97.0));
    assert!(bridge.accounting().adds_up());
}

/// The limit on the series of a family keeps the other labels too.
#[apply(test)]
fn at_the_limit_of_a_family_only_the_widest_label_is_dropped() {
    let bridge = bridge(Limits::default().with(|limits| limits.series_per_family = 20));
    let mut worker = bridge.worker();
    for i in 0..1_000 {
        worker.ingest(format!("hits:1|c|#site:s{},user:u{i}", i % 4).as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    for site in 0..4 {
        assert_eq!(page.value(&format!(r#"hits{{site="s{site}",user="_overflow_"}}"#)), Some(245.0), "s{site}");
    }
    assert_eq!((page.sum("hits"), page.sum("statsd_bridge_series")), (1_000.0, 24.0));
    let named = r#"statsd_bridge_limited_samples_total{action="drop_label",family="hits",label="user",limit="series_per_family"}"#;
    assert_eq!(page.value(named), Some(980.0));
}

/// Series without the dropped label have a separate limit: a sixteenth of the family's limit, and at least 16. Samples over it are
/// folded, and counted as folded.
#[apply(test)]
fn beyond_the_limit_of_series_without_a_label_samples_are_folded() {
    let bridge = bridge(Limits::default().with(|limits| limits.values_per_label = 40));
    let mut worker = bridge.worker();
    let limits = Limits::default().with(|limits| {
        limits.values_per_label = 100;
        limits.series_per_family = 320;
    });
    let small = Bridge::new(Options::default().with(|options| options.limits = limits));
    let mut small_worker = small.worker();
    for i in 0..2_000 {
        let line = format!("hits:1|c|#site:s{},user:u{i}", i % 30);
        worker.ingest(line.as_bytes(), NOW);
        small_worker.ingest(line.as_bytes(), NOW);
    }
    let (roomy, small) = (page_of(&bridge), page_of(&small));
    assert_eq!((roomy.sum("hits"), roomy.value(r#"hits{site="_overflow_",user="_overflow_"}"#)), (2_000.0, None));
    assert_eq!(small.sum("hits"), 2_000.0);
    let dropped = small.lines().filter(|line| line.series.contains(r#"",user="_overflow_"}"#)).count();
    assert_eq!(dropped, 20 + 1, "a sixteenth of 320, and the overflow series");
    let folded = small.value(r#"hits{site="_overflow_",user="_overflow_"}"#);
    let named = r#"statsd_bridge_limited_samples_total{action="fold",family="hits",label="user",limit="values_per_label"}"#;
    assert!(folded.is_some_and(|folded| folded > 500.0));
    assert_eq!(small.value(named), folded, "the counter says that they were folded");
}

/// The limit on label names holds beside the limit on label values.
#[apply(test)]
fn label_names_beside_a_dropped_label_are_limited() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.values_per_label = 2;
        limits.labels_per_family = 5;
    }));
    let mut worker = bridge.worker();
    (0..500).for_each(|i| worker.ingest(format!("n:1|c|#user:u{i},key{i}:v").as_bytes(), NOW));
    let page = page_of(&bridge);
    let names: std::collections::HashSet<_> =
        page.lines().filter(|line| line.name == "n").flat_map(|line| line.labels.iter().map(|(name, _)| name.clone())).collect();
    assert_eq!((page.sum("n"), names.len()), (500.0, 5), "{names:?}");
}

#[apply(test)]
fn several_labels_over_their_limits_are_dropped_together() {
    let limits = Limits::default().with(|limits| {
        limits.values_per_label = 50;
        limits.series_per_family = 1_600;
        limits.overflow = Overflow::DropLabel;
    });
    let bridge = bridge(limits);
    let mut worker = bridge.worker();
    for i in 0..30_000_u64 {
        worker.ingest(format!("n:1|c|#a:a{},b:b{},c:c{}", i * 7 % 300, i * 13 % 300, i % 40).as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.sum("n"), 30_000.0);
    let series = page.sum("statsd_bridge_series");
    assert!(series <= 1_700.0, "the family's limit, and a sixteenth of it for series without a label: {series}");
}
