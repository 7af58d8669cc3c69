//! Native histograms and those with custom buckets.

use super::messages::{BucketSpan, Count, ZeroCount};
use super::{HistogramForm, STALE, START, STEP, Target, plain};
use crate::exposition::write::{WriteOptions, WriteVersion};
use crate::mapping::Rules;
use crate::options::TagKey;
use crate::{Format, Options, Timestamp};

use WriteVersion::{V1, V2};

fn of(version: WriteVersion, histograms: HistogramForm) -> Target {
    Target::new(Options::default(), WriteOptions { histograms, ..plain(version) })
}

const RULES: &str = "mappings: [{match: h, name: h, observer_type: histogram, buckets: [1, 2.5, 10]}]";

#[test]
fn custom_buckets_are_those_of_the_classic_form() {
    let mut target = of(V2, HistogramForm::Nhcb);
    target.bridge.replace_rules(Rules::from_yaml(RULES).expect("rules"));
    target.ingest("h:0.5|h\nh:3|h|#a:b\nh:4|h|#a:b\nh:99|h|#a:b");
    let got = target.cycle();
    assert_eq!(got.names(), ["h", "h{a=\"b\"}"]);
    let all = got.histogram("h{a=\"b\"}");
    assert_eq!((all.count, all.sum, all.schema), (Some(Count::Int(3)), 106.0, -53));
    assert_eq!(all.custom_values, [1.0, 2.5, 10.0]);
    assert_eq!((&*all.positive_spans, all.positive()), (&[BucketSpan { offset: 0, length: 4 }][..], vec![0.0, 0.0, 2.0, 1.0]));
    assert_eq!((all.timestamp, all.start_timestamp), (START as i64, START as i64 - 1_000));
    assert_eq!(got.histogram("h").positive(), [1.0], "empty buckets at the end are left out");
    assert_eq!(got.of_name("h").metadata.as_ref().map(|of| of.0), Some(3));
}

#[test]
fn fractions_make_all_counts_of_custom_buckets_floats() {
    let mut target = of(V2, HistogramForm::Nhcb);
    target.bridge.replace_rules(Rules::from_yaml(RULES).expect("rules"));
    target.ingest("h:2|h|@0.3\nh:0.5|h");
    let got = target.cycle();
    let all = got.histogram("h");
    assert_eq!((all.count, all.positive()), (Some(Count::Float(1.0 + 1.0 / 0.3)), vec![1.0, 1.0 / 0.3]));
}

#[test]
fn custom_buckets_do_not_go_over_1() {
    let mut target = of(V1, HistogramForm::Nhcb);
    target.ingest("h:0.5|h");
    assert!(target.cycle().names().contains(&"h_count"));
}

#[test]
fn native_histograms_have_the_buckets_of_protobuf() {
    for version in [V1, V2] {
        let mut target = of(version, HistogramForm::Native);
        // Native buckets begin with the first cycle.
        target.cycle();
        target.ingest("h:1|h\nh:1.5|h\nh:-2|h\nh:0|h");
        let got = target.cycle();
        assert_eq!(got.names(), ["h"]);
        let all = got.histogram("h");
        assert_eq!((all.count, all.sum, all.zero_count), (Some(Count::Int(4)), 0.5, Some(ZeroCount::Int(1))));
        assert_eq!((all.negative_deltas.as_slice(), all.positive()), (&[1][..], vec![1.0, 1.0]));
        let start = if version == V2 { (START + STEP) as i64 - 1_000 } else { 0 };
        assert_eq!((all.timestamp, all.start_timestamp), ((START + STEP) as i64, start));
        let mut protobuf = Vec::new();
        target.bridge.exposition(Format::Protobuf, Timestamp::from_millis(target.time)).render(&mut protobuf);
        let schema = [5 << 3, (all.schema << 1) as u8];
        assert!(protobuf.windows(2).any(|bytes| bytes == schema));
    }
}

#[test]
fn the_others_stay_classic() {
    let rules = "mappings: [{match: n, name: n}, {match: h, name: h, observer_type: histogram, histogram_options: {buckets: [1]}, native_histogram_options: {bucket_factor: 0}}]";
    let mut target = of(V2, HistogramForm::Native);
    if let Ok(rules) = Rules::from_yaml(rules) {
        target.bridge.replace_rules(rules);
    }
    let options = Options::default().with(|options| options.native.options = None);
    let mut never = Target::new(options, WriteOptions { histograms: HistogramForm::Native, ..plain(V2) });
    for target in [&mut target, &mut never] {
        target.ingest("n:1|h");
    }
    assert!(target.cycle().names().contains(&"n"));
    assert!(never.cycle().names().contains(&"n_count"));
}

#[test]
fn a_native_histogram_that_is_gone_has_a_marker_in_its_sum() {
    for form in [HistogramForm::Native, HistogramForm::Nhcb] {
        let mut target = of(V2, form);
        target.ingest("h:1|h\nh:1|h|#a:b");
        target.cycle();
        target.bridge.delete_series(&|_, labels| !labels.is_empty(), false);
        let got = target.cycle();
        assert_eq!(got.stale(), ["h{a=\"b\"}"]);
        let marker = got.histogram("h{a=\"b\"}");
        assert_eq!((marker.sum.to_bits(), marker.count, marker.positive_spans.len()), (STALE, Some(Count::Int(0)), 0));
    }
}

#[test]
fn a_new_native_histogram_follows_an_empty_one() {
    for (form, value) in [(HistogramForm::Native, "1|h"), (HistogramForm::Nhcb, "1|h"), (HistogramForm::Nhcb, "2|h|@0.3")] {
        let mut target = of(V2, form);
        target.cycle();
        target.ingest(&format!("h:{value}"));
        let got = target.cycle();
        let [empty, first] = got.of_name("h").histograms.as_slice() else { panic!("two histograms") };
        assert_eq!((empty.timestamp, empty.start_timestamp), (START as i64, 0));
        let is_nothing = matches!(empty.count, Some(Count::Int(0)) | Some(Count::Float(0.0)));
        assert!(is_nothing && empty.sum == 0.0 && empty.positive().is_empty());
        assert_eq!((empty.schema, &empty.custom_values), (first.schema, &first.custom_values));
        assert!(first.positive().iter().sum::<f64>() > 0.0);
        assert_eq!(target.cycle().of_name("h").histograms.len(), 1);
    }
}

#[test]
fn exemplars_of_one_histogram_are_sorted_by_time() {
    let options = Options::default().with(|options| options.exemplar_tag = Some(TagKey::new("trace_id").expect("a key")));
    let mut target = Target::new(options, WriteOptions { histograms: HistogramForm::Nhcb, ..plain(V2) });
    let mut worker = target.bridge.worker();
    for (nth, value) in ["5", "1", "0.5", "20"].iter().enumerate() {
        worker.ingest(format!("h:{value}|h|#trace_id:t{nth}").as_bytes(), Timestamp::from_millis(START - 100 + nth as u64));
    }
    let got = target.cycle();
    let values: Vec<f64> = got.of_name("h").exemplars.iter().map(|exemplar| exemplar.1).collect();
    assert_eq!(values, [5.0, 1.0, 0.5, 20.0]);
}

#[test]
fn self_histograms_have_the_form_of_the_others() {
    // The library counts no durations; a histogram of the program is as good.
    let options = WriteOptions { histograms: HistogramForm::Nhcb, self_metrics: true, ..plain(V2) };
    let mut target = Target::new(Options::default(), options);
    target.ingest("c:1|c");
    let got = target.cycle();
    assert!(got.0.values().filter(|series| series.label("__name__").ends_with("_bucket")).count() == 0);
}
