//! Native buckets in protobuf: the first scrape that has them, and whether their counts are integers or floats.

use std::time::{SystemTime, UNIX_EPOCH};

use statsd_bridge::options::{NativeHistograms, NativeWhen};
use statsd_bridge::{Bridge, Options, Timestamp};

use super::messages::{self, Histogram, Metric, MetricFamily};
use super::{NOW, protobuf};
use crate::harness::{Launch, request};

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

/// Created timestamps of the self-metrics: how many counters and histograms there are, and the different timestamps of those that do not
/// describe the process.
fn created_of_self_metrics(families: &[MetricFamily]) -> ([usize; 2], Vec<Option<(i64, i32)>>) {
    let (mut kinds, mut all) = ([0; 2], Vec::new());
    for family in families {
        let is_process = family.name.as_deref().is_some_and(|name| name.starts_with("process_"));
        for metric in &family.metric {
            let created = match (&metric.counter, &metric.histogram) {
                (Some(counter), None) => counter.created.clone(),
                (None, Some(histogram)) => histogram.created.clone(),
                _ => continue,
            };
            let created = created.map(|time| (time.seconds, time.nanos));
            if is_process {
                assert_eq!(created, None, "{:?}", family.name);
                continue;
            }
            kinds[usize::from(metric.histogram.is_some())] += 1;
            all.push(created);
        }
    }
    all.sort_unstable();
    all.dedup();
    (kinds, all)
}

#[apply(test)]
fn the_counters_of_the_library_have_its_start_as_created_timestamp() {
    let started = Timestamp::from_millis(1_699_999_999_500);
    for started in [None, Some(started)] {
        let bridge = Bridge::new(Options::default().with(|options| options.started = started));
        let _ = protobuf(&bridge);
        let ([counters, _], created) = created_of_self_metrics(&protobuf(&bridge));
        assert_eq!(created, [started.map(|_| (1_699_999_999, 500_000_000))]);
        assert!(counters > 10, "{counters}");
    }
}

#[apply(test)]
fn the_counters_and_histograms_of_the_program_have_its_start_as_created_timestamp() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() as i64;
    let bridge = Launch::new().start();
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let scrape = || request(bridge.web, "GET", "/metrics", &[("Accept", accept)]).expect("the bridge answers");
    scrape();
    let ([counters, histograms], created) = created_of_self_metrics(&messages::decode(&scrape().body));
    let [Some((seconds, _))] = created[..] else { panic!("one created timestamp: {created:?}") };
    assert!((before..before + 600).contains(&seconds), "{seconds}, not after {before}");
    assert!(counters > 10 && histograms > 0, "{counters} {histograms}");
    bridge.stop();
}
