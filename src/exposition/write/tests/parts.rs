//! Batches and their halves.

use std::sync::Arc;

use super::messages::{Request, decode};
use super::{Got, HistogramForm, START, Target, at, drain, plain};
use crate::exposition::write::{WriteBatch, WriteCycle, WriteMemory, WriteOptions, WriteVersion, split};
use crate::options::TagKey;
use crate::{Options, Timestamp};
use prost::Message;

use WriteVersion::{V1, V2};

/// Some of everything: zeros, markers, exemplars, metadata, two forms of histograms.
fn varied(version: WriteVersion, histograms: HistogramForm) -> Target {
    let options = Options::default().with(|options| options.exemplar_tag = Some(TagKey::new("trace_id").expect("a key")));
    let labels = vec![("job".to_owned(), "statsd".to_owned()), ("instance".to_owned(), "é".to_owned())];
    let mut target = Target::new(options, WriteOptions { histograms, labels, self_metrics: true, ..plain(version) });
    target.ingest("gone:1|c|#a:b\nh:1|h|#gone:yes");
    target.cycle();
    target.bridge.delete_series(&|_, labels| !labels.is_empty(), false);
    (0..40).for_each(|n| target.ingest(&format!("c{}:1|c|#n:{n},trace_id:t{n}\nh:{n}|h|#n:{n}\ng:1|g|#n:{n}", n % 3)));
    target
}

fn batches_of(target: &Target, batch_samples: usize, batch_bytes: usize) -> Vec<WriteBatch> {
    let old = &*target.options;
    let (labels, resource, include, exclude) = (old.labels.clone(), Vec::new(), Vec::new(), Vec::new());
    let options = WriteOptions { batch_samples, batch_bytes, labels, resource, include, exclude, ..*old };
    let memory = WriteMemory { sent: Arc::clone(&target.memory.sent), lost: Vec::new() };
    drain(&mut WriteCycle::new(target.bridge.engine(), &Arc::new(options), &memory, at(target.time)))
}

#[test]
fn batches_of_any_size_have_the_same_series() {
    for version in [V1, V2] {
        for form in [HistogramForm::Classic, HistogramForm::Native, HistogramForm::Nhcb] {
            let target = varied(version, form);
            let whole = batches_of(&target, usize::MAX, usize::MAX);
            let all = without_changing(Got::of(version, &whole));
            assert_eq!(whole.len(), 1);
            for samples in [0, 2, 3, 10, 100] {
                let parts = batches_of(&target, samples, usize::MAX);
                assert!(parts.iter().all(|batch| batch.counts.samples + batch.counts.histograms <= samples.max(2)));
                assert!(parts.iter().rev().skip(1).all(|batch| batch.counts.samples + batch.counts.histograms + 1 >= samples.max(2)));
                same(&without_changing(Got::of(version, &parts)), &all);
            }
            let parts = batches_of(&target, usize::MAX, 4_000);
            assert!(parts.len() > 3 && parts.iter().all(|batch| batch.body.len() < 5_500));
            same(&without_changing(Got::of(version, &parts)), &all);
        }
    }
}

/// Compares texts, because a stale marker does not equal itself.
fn same(got: &Got, wanted: &Got) {
    assert_eq!(got.0.keys().collect::<Vec<_>>(), wanted.0.keys().collect::<Vec<_>>());
    for (name, series) in &got.0 {
        assert_eq!(format!("{series:?}"), format!("{:?}", wanted.of_name(name)));
    }
}

/// Without the metrics of the process.
fn without_changing(mut got: Got) -> Got {
    got.0.retain(|name, _| !name.starts_with("process_"));
    got
}

#[test]
fn halves_unite_to_the_whole() {
    for version in [V1, V2] {
        for form in [HistogramForm::Classic, HistogramForm::Native, HistogramForm::Nhcb] {
            let whole = batches_of(&varied(version, form), usize::MAX, usize::MAX).remove(0);
            let (series, counts) = (decode(version, &whole.body), whole.counts);
            assert!(counts.markers > 0 && counts.exemplars > 0);
            let mut smallest = Vec::new();
            halve(version, whole.clone(), &mut smallest);
            assert_eq!(smallest.len(), counts.series);
            let decoded: Vec<_> = smallest.iter().flat_map(|batch| decode(version, &batch.body)).collect();
            assert!(format!("{decoded:?}") == format!("{series:?}"), "the halves have other series");
            assert_eq!(smallest.iter().flat_map(|batch| batch.gone.clone()).collect::<Vec<_>>(), whole.gone);
            for batch in &smallest {
                Got::of(version, std::slice::from_ref(batch));
            }
        }
    }
}

fn halve(version: WriteVersion, batch: WriteBatch, smallest: &mut Vec<WriteBatch>) {
    match split(version, batch.clone()) {
        Ok((first, second)) => {
            assert!(first.counts.series.abs_diff(second.counts.series) <= 1);
            assert_eq!(first.counts.samples + second.counts.samples, batch.counts.samples);
            halve(version, first, smallest);
            halve(version, second, smallest);
        }
        Err(one) => {
            assert_eq!(one, batch);
            smallest.push(one);
        }
    }
}

#[test]
fn halves_have_only_their_own_symbols() {
    let whole = batches_of(&varied(V2, HistogramForm::Classic), usize::MAX, usize::MAX).remove(0);
    let symbols = |batch: &WriteBatch| Request::decode(&*batch.body).expect("a message").symbols.len();
    let (first, second) = split(V2, whole.clone()).expect("many series");
    assert!(symbols(&first) < symbols(&whole) * 4 / 5 && symbols(&second) < symbols(&whole));
}

#[test]
fn any_bytes_are_no_halves() {
    for version in [V1, V2] {
        for body in [vec![], vec![0xff; 40], b"\x0a\x02ab".to_vec(), b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()] {
            let mut batch = WriteBatch { body, ..WriteBatch::default() };
            for series in [0, 1, 2, usize::MAX] {
                batch.counts.series = series;
                assert!(split(version, batch.clone()).is_err());
            }
        }
    }
}

#[test]
fn the_window_of_a_summary_ends_at_the_time_of_the_timeline() {
    let rules = "mappings: [{match: s, name: s, observer_type: summary}]";
    let target = Target::new(Options::default(), plain(V2));
    target.bridge.replace_rules(crate::mapping::Rules::from_yaml(rules).expect("rules"));
    target.ingest("s:1|h");
    let median = |target: &Target, shift: i64, now: Option<Timestamp>| {
        target.bridge.set_wall_offset(shift);
        let time = at(START.saturating_add_signed(shift));
        let mut cycle = WriteCycle::new(target.bridge.engine(), &target.options, &WriteMemory::default(), time);
        if let Some(now) = now {
            cycle = cycle.at(now);
        }
        Got::of(V2, &drain(&mut cycle)).value("s{quantile=\"0.5\"}")
    };
    assert_eq!(median(&target, 0, None), 1.0);
    assert_eq!(median(&target, 86_400_000, None), 1.0, "the wall clock is a day ahead");
    assert!(median(&target, 0, Some(at(START + 86_400_000))).is_nan());
}
