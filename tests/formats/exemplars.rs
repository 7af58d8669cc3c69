//! Exemplars of every kind of sample, under every mode of native buckets, in both formats that have exemplars.

use statsd_bridge::options::{NativeHistograms, NativeWhen, TagKey};
use statsd_bridge::{Bridge, Options};

use super::messages::Exemplar;
use super::{NOW, openmetrics, protobuf};

/// A kind, its family, the exposed value of a sample of 157.1288, and the bound of its bucket.
const KINDS: [(&str, &str, f64, Option<f64>); 4] = [
    ("c", "m_total", 157.1288, None),
    ("ms", "m", 0.1571288, Some(0.25)),
    ("h", "m", 157.1288, Some(f64::INFINITY)),
    ("d", "m", 157.1288, Some(f64::INFINITY)),
];

/// The steps before the sample with a trace.
const BEFORE: [&str; 4] = ["", "sample", "scrape", "sample, scrape"];

fn bridge(when: NativeWhen) -> Bridge {
    let native = NativeHistograms { when, ..NativeHistograms::default() };
    Bridge::new(Options::default().with(|options| {
        options.exemplar_tag = TagKey::new("trace_id").ok();
        options.native = native;
    }))
}

/// The exemplars of all series of a family in protobuf, each with the bound of its bucket.
fn in_protobuf(bridge: &Bridge, family: &str) -> Vec<(Option<f64>, Exemplar)> {
    let families = protobuf(bridge);
    let metrics = families.into_iter().filter(|one| one.name.as_deref() == Some(family)).flat_map(|one| one.metric);
    let of_metric = |metric: super::messages::Metric| -> Vec<(Option<f64>, Exemplar)> {
        let of_counter = metric.counter.and_then(|counter| counter.exemplar).map(|exemplar| (None, exemplar));
        let buckets = metric.histogram.into_iter().flat_map(|histogram| histogram.bucket);
        of_counter.into_iter().chain(buckets.filter_map(|bucket| Some((bucket.upper_bound, bucket.exemplar?)))).collect()
    };
    metrics.flat_map(of_metric).collect()
}

#[apply(test)]
fn an_exemplar_has_the_value_and_the_bucket_of_its_sample() {
    for when in [NativeWhen::Never, NativeWhen::Asked, NativeWhen::Always] {
        for (kind, family, value, bound) in KINDS {
            for rate in ["", "|@0.5", "|@0.3"] {
                for before in BEFORE {
                    let case = format!("{when:?}, {kind}{rate}, before: {before:?}");
                    let bridge = bridge(when);
                    let mut worker = bridge.worker();
                    if before.contains("sample") {
                        worker.ingest(format!("{family}:2|{kind}{rate}|#path:a").as_bytes(), NOW);
                    }
                    if before.contains("scrape") {
                        protobuf(&bridge);
                    }
                    worker.ingest(format!("{family}:157.1288|{kind}{rate}|#path:a,trace_id:t1").as_bytes(), NOW);

                    let text = openmetrics(&bridge);
                    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" # ")).collect();
                    let [line] = lines[..] else { panic!("{case}: {lines:?}\n{text}") };
                    assert!(line.ends_with(&format!(" # {{trace_id=\"t1\"}} {value} 1700000000.123")), "{case}: {line}");
                    let start = match bound {
                        None => "m_total{path=\"a\"} ".to_owned(),
                        Some(f64::INFINITY) => "m_bucket{path=\"a\",le=\"+Inf\"} ".to_owned(),
                        Some(bound) => format!("m_bucket{{path=\"a\",le=\"{bound}\"}} "),
                    };
                    assert!(line.starts_with(&start), "{case}: {line}");

                    let found = in_protobuf(&bridge, family);
                    let [(of_bucket, exemplar)] = &found[..] else { panic!("{case}: {found:?}") };
                    assert_eq!((*of_bucket, exemplar.value), (bound, Some(value)), "{case}");
                    assert_eq!(exemplar.label[0].value.as_deref(), Some("t1"), "{case}");
                }
            }
        }
    }
}
