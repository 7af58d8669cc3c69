//! The series of a cycle: names, labels, values, metadata, exemplars, starts.

use super::messages::{Label, MetricMetadata, WriteRequest};
use super::{Got, START, Target, at, drain, plain};
use crate::exposition::write::{WriteCycle, WriteMemory, WriteMetadata, WriteOptions, WriteVersion};
use crate::mapping::Rules;
use crate::options::{NameValidation, Observer, Quantiles, SummaryOptions, TagKey};
use crate::{Options, Selector};
use prost::Message;

use WriteVersion::{V1, V2};

fn labelled(version: WriteVersion, labels: &[(&str, &str)]) -> WriteOptions {
    WriteOptions { labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), ..plain(version) }
}

fn with_summaries() -> Options {
    let quantiles = Quantiles::new([0.5, 0.99]).expect("quantiles");
    Options::default().with(|options| options.observer = Observer::Summary(SummaryOptions { quantiles, ..SummaryOptions::default() }))
}

#[test]
fn every_kind_has_the_lines_of_a_scrape() {
    for version in [V1, V2] {
        let mut target = Target::new(Options::default(), plain(version));
        target.bridge.replace_rules(
            Rules::from_yaml("mappings: [{match: h, name: h, observer_type: histogram, buckets: [1, 2.5, 1000000]}]").expect("rules"),
        );
        target.ingest("c:2|c|#a:x\nc:1.5|c\ng:-3|g\ns:a|s\ns:b|s\nh:2|h|#b:y\nh:2e6|h|#b:y");
        let got = target.cycle();
        let expected = [
            ("c", 1.5),
            ("c{a=\"x\"}", 2.0),
            ("g", -3.0),
            ("h_bucket{b=\"y\",le=\"+Inf\"}", 2.0),
            ("h_bucket{b=\"y\",le=\"1.0\"}", 0.0),
            ("h_bucket{b=\"y\",le=\"1e+06\"}", 1.0),
            ("h_bucket{b=\"y\",le=\"2.5\"}", 1.0),
            ("h_count{b=\"y\"}", 2.0),
            ("h_sum{b=\"y\"}", 2_000_002.0),
            ("s", 2.0),
            ("up", 1.0),
        ];
        let seen: Vec<_> = got.0.keys().map(|name| (name.as_str(), got.value(name))).collect();
        assert_eq!(seen, expected);
        assert!(got.0.values().all(|series| series.times() == [START as i64]));
    }
}

#[test]
fn a_summary_has_quantiles_sum_and_count() {
    let mut target = Target::new(with_summaries(), plain(V2));
    target.ingest("t:5|h\nt:7|h");
    let got = target.cycle();
    assert_eq!(got.names(), ["t_count", "t_sum", "t{quantile=\"0.5\"}", "t{quantile=\"0.99\"}"]);
    assert_eq!(["t_count", "t_sum", "t{quantile=\"0.5\"}", "t{quantile=\"0.99\"}"].map(|name| got.value(name)), [2.0, 12.0, 5.0, 7.0]);
    let start = |name: &str| got.of_name(name).samples[0].start_timestamp;
    assert_eq!((start("t_count"), start("t{quantile=\"0.5\"}")), (START as i64 - 1_000, 0), "a quantile is no count");
    target.time += 86_400_000;
    let late = target.cycle();
    let empty = late.of_name("t{quantile=\"0.5\"}").samples[0].value;
    assert_eq!(empty.to_bits(), 0x7ff8_0000_0000_0001, "the window is empty: NaN, and no stale marker");
}

#[test]
fn labels_of_the_target_take_precedence() {
    for version in [V1, V2] {
        let labels =
            [("job", "bridge"), ("instance", "a:1"), ("__replica__", "r"), ("empty", ""), ("", "x"), ("__name__", "x"), ("job", "last")];
        let mut target = Target::new(Options::default(), labelled(version, &labels));
        target.ingest("c:1|c|#Zone:z,instance:b,exported_job:own,job:c,k:\nd:1|c|#instance:b,exported_instance:d,q:\"\\\n");
        let got = target.cycle();
        assert_eq!(
            got.names(),
            [
                r#"c{Zone="z",__replica__="r",exported_exported_job="own",exported_instance="b",exported_job="c",instance="a:1",job="last"}"#,
                r#"d{__replica__="r",exported_exported_instance="d",exported_instance="b",instance="a:1",job="last",q="\"\\"}"#,
            ]
        );
        assert_eq!(got.value(r#"up{__replica__="r",instance="a:1",job="last"}"#), 1.0);
        let first = &got.0.values().next().expect("a series").labels;
        assert_eq!((first[0].name.as_str(), first[1].name.as_str()), ("Zone", "__name__"), "sorted by bytes");
    }
}

#[test]
fn two_series_never_become_one() {
    let mut target = Target::new(Options::default(), labelled(V2, &[("job", "j"), ("exported_exported_job", "k")]));
    target.ingest("c:1|c|#job:b\nc:2|c|#exported_job:b\nc:3|c|#exported_exported_job:b\nc:4|c|#exported_:b");
    let got = target.cycle();
    let of_label = |label: &str| {
        let mut series = got.0.values().filter(|series| series.label(label) == "b");
        series.next().and_then(|series| series.samples.last()).map(|sample| sample.value)
    };
    let labels = ["exported_job", "exported_exported_exported_job", "exported_exported_exported_exported_job", "exported_"];
    assert_eq!(labels.map(of_label), [Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
}

#[test]
fn a_label_le_of_the_target_takes_precedence_too() {
    let mut target = Target::new(Options::default(), labelled(V2, &[("le", "x")]));
    target.ingest("h:1|h");
    let got = target.cycle();
    assert!(got.0.contains_key(r#"h_bucket{exported_le="+Inf",le="x"}"#) && got.0.contains_key(r#"h_sum{le="x"}"#));
    target.delete("h");
    assert!(target.cycle().stale().contains(&r#"h_bucket{exported_le="+Inf",le="x"}"#));
}

#[test]
fn names_are_escaped_in_1_and_as_they_are_in_2() {
    let utf8 = || Options::default().with(|options| options.names = NameValidation::Utf8);
    let lines = "a.b:1|c|#x.y:1,x_y:2\na_b:5|c\nc.d:7|g|#é\"\\:z";
    let mut target = Target::new(utf8(), plain(V2));
    target.ingest(lines);
    assert_eq!(target.cycle().names(), ["a_b", r#"{"a.b","x.y"="1",x_y="2"}"#, r#"{"c.d","é\"\\"="z"}"#]);
    let mut target = Target::new(utf8(), plain(V1));
    target.ingest(lines);
    let before = left_out(&target);
    let got = target.cycle();
    assert_eq!(got.names(), ["a_b", r#"c_d{exported____="z"}"#], "the name that needs no escaping stays");
    assert_eq!((got.value("a_b"), left_out(&target) - before), (5.0, 1));
    target.delete("a_b");
    target.ingest("a.b:1|c|#x.y:1,x_y:2");
    let got = target.cycle();
    assert_eq!(got.names(), ["a_b", r#"a_b{exported_x_y="1",x_y="2"}"#, r#"c_d{exported____="z"}"#]);
    assert_eq!(got.stale(), ["a_b"]);
}

fn left_out(target: &Target) -> u64 {
    target.bridge.telemetry().sum("page_families_left_out_total")
}

#[test]
fn metadata_is_in_each_series_of_2_and_in_requests_of_its_own_for_1() {
    let rules = "mappings:\n- {match: 't.*', name: t_seconds, unit: s, help: 'Some \"help\".', match_metric_type: observer}\n";
    let of = |version| {
        let mut target = Target::new(Options::default(), plain(version));
        target.bridge.replace_rules(Rules::from_yaml(rules).expect("rules"));
        target.ingest("t.a:1|ms\nc:1|c\ng:1|g\ns:1|s");
        (target.cycle(), target)
    };
    let auto = "Metric autogenerated by statsd-bridge.".to_owned();
    let expected = [
        ("c", (1, auto.clone(), String::new())),
        ("g", (2, auto.clone(), String::new())),
        ("s", (2, auto, String::new())),
        ("t_seconds_sum", (3, "Some \"help\".".to_owned(), "seconds".to_owned())),
    ];
    let (got, _) = of(V2);
    for (name, metadata) in &expected {
        assert_eq!(got.of_name(name).metadata.as_ref(), Some(metadata), "{name}");
    }
    let (_, target) = of(V1);
    let bodies: Vec<_> = WriteMetadata::new(target.bridge.engine(), &target.memory).collect();
    assert_eq!(bodies.len(), 1);
    let request = WriteRequest::decode(&*bodies[0]).expect("a message");
    let mut known: Vec<_> = request.metadata.iter().filter(|of| of.metric_family_name != "up").cloned().collect();
    known.sort_by(|a, b| a.metric_family_name.cmp(&b.metric_family_name));
    let of = |(name, (kind, help, unit)): &(&str, (i32, String, String))| MetricMetadata {
        kind: *kind,
        metric_family_name: name.trim_end_matches("_sum").to_owned(),
        help: help.clone(),
        unit: unit.clone(),
    };
    assert!(request.timeseries.is_empty());
    assert_eq!(known, expected.iter().map(of).collect::<Vec<_>>());
}

#[test]
fn metadata_of_many_families_is_several_requests() {
    let mut target = Target::new(Options::default(), plain(V1));
    (0..4_500).for_each(|family| target.ingest(&format!("c{family}:1|c")));
    target.batches();
    let counts: Vec<_> = WriteMetadata::new(target.bridge.engine(), &target.memory)
        .map(|body| WriteRequest::decode(&*body).expect("a message").metadata.len())
        .collect();
    assert_eq!(counts, [2_000, 2_000, 501]);
}

#[test]
fn sums_have_the_start_of_their_series() {
    let options = WriteOptions { legacy_created: true, ..plain(V2) };
    let mut target = Target::new(Options::default(), options);
    target.ingest("c:1|c\ng:1|g\nh:1|h");
    target.cycle();
    let got = target.cycle();
    let created = START as i64 - 1_000;
    for (name, start) in [("c", created), ("g", 0), ("h_sum", created), ("h_count", created), ("h_bucket{le=\"+Inf\"}", created), ("up", 0)]
    {
        let series = got.of_name(name);
        assert_eq!((series.samples[0].start_timestamp, series.created), (start, start), "{name}");
    }
}

#[test]
fn a_start_after_the_sample_is_left_out() {
    let mut target = Target::new(Options::default(), plain(V2));
    target.bridge.worker().ingest(b"c:1|c", at(START + 5));
    assert_eq!(target.cycle().of_name("c").samples[0].start_timestamp, 0);
    assert_eq!(target.cycle().of_name("c").samples[0].start_timestamp, START as i64 + 5);
}

#[test]
fn exemplars_are_sent_once_in_the_cycle_after_their_receipt() {
    for version in [V1, V2] {
        let options = Options::default().with(|options| options.exemplar_tag = Some(TagKey::new("trace_id").expect("a key")));
        let mut target = Target::new(options, plain(version));
        target.ingest("c:3|c|#trace_id:abc\nh:0.3|h|#trace_id:x\nh:400|h|#trace_id:y");
        let got = target.cycle();
        let label = |value: &str| vec![Label { name: "trace_id".to_owned(), value: value.to_owned() }];
        let time = START as i64 - 1_000;
        assert_eq!(got.of_name("c").exemplars, [(label("abc"), 3.0, time)]);
        assert_eq!(got.of_name(r#"h_bucket{le="+Inf"}"#).exemplars, [(label("y"), 400.0, time)]);
        let count = |got: &Got| got.0.values().map(|series| series.exemplars.len()).sum::<usize>();
        assert_eq!(count(&got), 3);
        target.ingest("c:1|c|#trace_id:def");
        let next = target.cycle();
        assert_eq!((count(&next), &next.of_name("c").exemplars), (1, &vec![(label("def"), 1.0, time + 15_000)]));
        target.options = WriteOptions { exemplars: false, ..plain(version) }.into();
        target.ingest("c:1|c|#trace_id:def");
        assert_eq!(count(&target.cycle()), 0);
    }
}

#[test]
fn selectors_choose_series() {
    let select = |text: &str| Selector::parse(text).expect("a selector");
    let include = vec![select(r#"{__name__=~"a|b"}"#), select("h{k=\"v\"}")];
    let options = WriteOptions { include, exclude: vec![select("a{k=\"no\"}"), select("b")], self_metrics: true, ..plain(V2) };
    let mut target = Target::new(Options::default(), options);
    target.ingest("a:1|c\na:1|c|#k:no\na:1|c|#k:yes\nb:1|c\nc:1|c\nh:1|h\nh:1|h|#k:v");
    let got = target.cycle();
    let names: Vec<_> = got.names().into_iter().filter(|name| !name.contains("bucket")).collect();
    assert_eq!(names, ["a", "a{k=\"yes\"}", "h_count{k=\"v\"}", "h_sum{k=\"v\"}"]);
    assert!(got.0.contains_key("up"), "up needs no selector");
    target.bridge.delete_series(&|_, labels| labels.iter().any(|(_, value)| value == "yes" || value == "no"), false);
    assert_eq!(target.cycle().stale(), ["a{k=\"yes\"}"]);
    target.options = WriteOptions { exclude: vec![select("up")], ..plain(V2) }.into();
    target.memory = WriteMemory::default();
    assert!(!target.cycle().0.contains_key("up"));
}

#[test]
fn up_of_a_sender_is_kept() {
    let mut target = Target::new(Options::default().with(|options| options.prometheus_names = true), plain(V2));
    target.ingest("up:5|g");
    assert_eq!(target.cycle().value("up"), 5.0);
    target.ingest("up:7|g|#a:b");
    target.bridge.delete_series(&|name, labels| name == "up" && labels.is_empty(), false);
    let got = target.cycle();
    assert_eq!((got.value("up"), got.value("up{a=\"b\"}")), (1.0, 7.0));
}

#[test]
fn self_metrics_have_their_types_and_starts() {
    let options = Options::default().with(|options| options.started = Some(at(START - 5_000)));
    let mut target = Target::new(options, WriteOptions { self_metrics: true, ..plain(V2) });
    target.ingest("c:1|c\nc:1|c");
    let got = target.cycle();
    let lines = got.of_name("statsd_bridge_lines_total");
    assert_eq!((lines.samples[0].value, lines.samples[0].start_timestamp), (2.0, START as i64 - 5_000));
    assert_eq!(lines.metadata.as_ref().map(|of| of.0), Some(1));
    assert_eq!(got.of_name("process_cpu_seconds_total").samples[0].start_timestamp, 0);
    assert!(got.0.keys().any(|name| name.starts_with("statsd_bridge_limit{")));
}

#[test]
fn nothing_but_up_without_series() {
    let mut target = Target::new(Options::default(), plain(V2));
    assert!(target.cycle().names().is_empty());
    let cycle = &mut WriteCycle::new(target.bridge.engine(), &target.options, &target.memory, at(target.time));
    assert_eq!(drain(cycle).len(), 1);
    assert!(cycle.next().is_none());
}
