//! Native buckets in protobuf: the first scrape that has them, and whether their counts are integers or floats.

use statsd_bridge::options::{NativeHistograms, NativeWhen};
use statsd_bridge::{Bridge, Options, Timestamp};

use super::messages::{Histogram, Metric};
use super::{NOW, protobuf};

fn metrics(bridge: &Bridge, family: &str) -> Vec<Metric> {
    protobuf(bridge).into_iter().filter(|one| one.name.as_deref() == Some(family)).flat_map(|one| one.metric).collect()
}

/// The only series of a family of histograms.
fn histogram(bridge: &Bridge, family: &str) -> Histogram {
    let mut metrics = metrics(bridge, family);
    assert_eq!(metrics.len(), 1, "{family}");
    metrics.remove(0).histogram.expect("a histogram")
}

#[apply(test)]
fn a_histogram_that_nobody_sends_to_any_more_is_native_from_the_first_scrape_on() {
    let bridge = Bridge::new(Options::default());
    let mut worker = bridge.worker();
    worker.ingest(b"idle:0.3|h\nidle:0.4|h\nidle:70|h", NOW);
    for _ in 0..2 {
        let idle = histogram(&bridge, "idle");
        assert_eq!((idle.schema, idle.count, idle.count_float), (Some(3), Some(3), None));
        // The counts come from classic buckets: two at the bound 0.5, and one right above the last bound.
        assert_eq!((idle.positive_span.len(), &idle.positive_delta[..]), (2, &[2, -1][..]));
    }
    worker.ingest(b"idle:0.5|h", NOW);
    let idle = histogram(&bridge, "idle");
    assert_eq!((idle.count, &idle.positive_delta[..]), (Some(4), &[3, -2][..]), "it goes on");
}

#[apply(test)]
fn where_native_buckets_are_never_kept_there_are_none() {
    let native = NativeHistograms { when: NativeWhen::Never, ..NativeHistograms::default() };
    let bridge = Bridge::new(Options::default().with(|options| options.native = native));
    bridge.worker().ingest(b"h:0.3|h", NOW);
    for _ in 0..2 {
        assert_eq!(histogram(&bridge, "h").schema, None);
    }
}

#[apply(test)]
fn counts_are_floats_from_the_first_fraction_on() {
    for when in [NativeWhen::Asked, NativeWhen::Always] {
        let native = NativeHistograms { when, ..NativeHistograms::default() };
        let bridge = Bridge::new(Options::default().with(|options| options.native = native));
        let mut worker = bridge.worker();
        for nth in 1..=10 {
            worker.ingest(b"f:1|h|@0.3", NOW);
            let f = histogram(&bridge, "f");
            assert!(f.count_float.is_some_and(|count| (count - f64::from(nth) / 0.3).abs() < 1e-9), "{when:?}, {nth}: {f:?}");
            assert!(f.zero_count_float.is_some() && f.zero_count.is_none(), "{when:?}, {nth}: {f:?}");
            assert!(f.positive_delta.is_empty() && f.positive_count.len() == 1, "{when:?}, {nth}: {f:?}");
        }
    }
}

#[apply(test)]
fn the_bridges_own_counters_and_histograms_say_when_they_began() {
    let started = Timestamp::from_millis(1_699_999_999_500);
    for started in [None, Some(started)] {
        let bridge = Bridge::new(Options::default().with(|options| options.started = started));
        let _ = protobuf(&bridge);
        let wanted = started.map(|_| (1_699_999_999, 500_000_000));
        let mut kinds = [0; 2];
        for family in protobuf(&bridge) {
            let is_process = family.name.as_deref().is_some_and(|name| name.starts_with("process_"));
            for metric in &family.metric {
                let created = match (&metric.counter, &metric.histogram) {
                    (Some(counter), None) => counter.created.clone(),
                    (None, Some(histogram)) => histogram.created.clone(),
                    _ => continue,
                };
                kinds[usize::from(metric.histogram.is_some())] += 1;
                let created = created.map(|time| (time.seconds, time.nanos));
                assert_eq!(created, wanted.filter(|_| !is_process), "{:?}", family.name);
            }
        }
        assert!(kinds[0] > 10 && kinds[1] > 0, "{kinds:?}");
    }
}
