//! First zeroes and stale markers in batches of their own.

use super::{Got, START, STEP, Target, plain};
use crate::Options;
use crate::exposition::write::{HistogramForm, WriteBatch, WriteOptions, WriteVersion, separate};
use crate::options::{NativeHistograms, NativeOptions, NativeWhen};

use WriteVersion::{V1, V2};

/// The edges and the values of batches.
fn separated(version: WriteVersion, batches: Vec<WriteBatch>) -> (Vec<WriteBatch>, Vec<WriteBatch>) {
    let (mut edges, mut values) = (Vec::new(), Vec::new());
    for batch in batches {
        let whole = batch.counts;
        let parts = separate(version, batch);
        let counts = |part: &Option<WriteBatch>| part.as_ref().map(|part| part.counts).unwrap_or_default();
        let (edge, value) = (counts(&parts.edges), counts(&parts.values));
        assert_eq!(edge.samples + value.samples, whole.samples);
        assert_eq!(edge.histograms + value.histograms, whole.histograms);
        assert_eq!((edge.exemplars, value.exemplars), (0, whole.exemplars));
        assert_eq!((edge.markers, value.markers), (whole.markers, 0));
        edges.extend(parts.edges);
        values.extend(parts.values);
    }
    (edges, values)
}

#[test]
fn zeroes_and_markers_are_apart_from_values() {
    for version in [V1, V2] {
        let options = Options::default().with(|options| {
            options.exemplar_tag = Some(crate::options::TagKey::new("trace").expect("a key"));
        });
        let write = WriteOptions { legacy_created: true, batch_samples: 3, ..plain(version) };
        let mut target = Target::new(options, write);
        target.ingest("old:1|c\ngone:2|g\nkept:3|g");
        let (edges, _) = separated(version, target.batches());
        assert!(edges.is_empty(), "a first cycle has neither");
        target.delete("gone");
        target.ingest("old:1|c\nnew:5|c|#trace:x,a:b");
        let (edges, values) = separated(version, target.batches());
        let (edges, values) = (Got::of(version, &edges), Got::of(version, &values));
        let now = START + STEP;
        assert_eq!(edges.floats("new{a=\"b\"}"), [(0.0, START)]);
        assert_eq!(values.floats("new{a=\"b\"}"), [(5.0, now)]);
        assert_eq!((edges.stale(), edges.0.len()), (vec!["gone"], 2));
        assert_eq!((values.floats("old"), values.floats("kept")), (vec![(2.0, now)], vec![(3.0, now)]));
        assert!(!values.0.contains_key("gone"));
    }
}

#[test]
fn native_histograms_have_edges_too() {
    let native = NativeHistograms { when: NativeWhen::Always, options: Some(NativeOptions::default()) };
    let options = Options::default().with(|options| options.native = native);
    let mut target = Target::new(options, WriteOptions { histograms: HistogramForm::Native, ..plain(V2) });
    target.batches();
    target.ingest("h:3|h");
    let (edges, values) = separated(V2, target.batches());
    let (edges, values) = (Got::of(V2, &edges), Got::of(V2, &values));
    assert_eq!(edges.of_name("h").histograms.len(), 1);
    assert_eq!(values.of_name("h").histograms.len(), 1);
    target.delete("h");
    let (edges, values) = separated(V2, target.batches());
    assert_eq!((Got::of(V2, &edges).stale(), Got::of(V2, &values).names().len()), (vec!["h"], 0));
}

#[test]
fn labels_of_self_metrics_are_sorted() {
    let mut target = Target::new(Options::default(), WriteOptions { self_metrics: true, ..plain(V2) });
    // Described with the labels target and reason, in this order.
    let _counters = target.bridge.telemetry().relay("udp:h:1");
    let got = target.cycle();
    assert!(got.0.keys().any(|key| key.contains("relay_lines_lost_total")), "{:?}", got.names());
}
