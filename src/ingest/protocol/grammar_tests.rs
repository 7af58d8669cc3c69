//! Tests of the grammar: lists of accepted and of rejected lines.

use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Line<'_> {
    parse_line(line.as_bytes(), &Dialect::default())
}

fn sample(line: &str) -> Sample<'_> {
    match parse(line) {
        Line::Sample(sample) => sample,
        other => panic!("{line}: {other:?}"),
    }
}

fn reason(line: &str) -> &'static str {
    match parse(line) {
        Line::Rejected(rejected) => rejected.error.as_str(),
        other => panic!("{line}: {other:?}"),
    }
}

fn samples(line: &str) -> Vec<Result<(Kind, Value<'_>), &'static str>> {
    match parse(line) {
        Line::Samples(all) => all.map(|s| s.map(|s| (s.kind, s.value)).map_err(|r| r.error.as_str())).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn one_sample_of_each_kind() {
    for (line, kind, value) in [
        ("a:1|c", Kind::Counter, Value::Number(1.0)),
        ("a:-1.5|c", Kind::Counter, Value::Signed(-1.5)),
        ("a:3|g", Kind::Gauge, Value::Number(3.0)),
        ("a:+3|g", Kind::Gauge, Value::Signed(3.0)),
        ("a:12.5|ms", Kind::Timer, Value::Number(12.5)),
        ("a:1e3|h", Kind::Histogram, Value::Number(1000.0)),
        ("a:5.|d", Kind::Distribution, Value::Number(5.0)),
        ("a:bob|s", Kind::Set, Value::Member(b"bob")),
        ("a:17|s", Kind::Set, Value::Member(b"17")),
        ("a:x:y|s", Kind::Set, Value::Member(b"x:y")),
    ] {
        let got = sample(line);
        assert_eq!((got.name, got.kind, got.value, got.weight), (&b"a"[..], kind, value, 1.0), "{line}");
    }
}

#[test]
fn fields_come_in_any_order() {
    for line in [
        "a:1|c|@0.5|#k:v,l:w",
        "a:1|c|#k:v,l:w|@0.5",
        "a:1|c|#k:v,l:w|@0.5|T1656581400|c:ci-1|e:it-false|card:low",
        "a:1|c|card:low|e:it-false|c:ci-1|T1656581400|@0.5|#k:v,l:w\r",
    ] {
        let got = sample(line);
        assert_eq!((got.weight, got.tags, got.unknown_fields), (2.0, &b"#k:v,l:w"[..], 0), "{line}");
    }
    assert_eq!(sample("a:1|c|zzz|#k:v|y|:z").unknown_fields, 3);
    assert_eq!(sample("a:1|c|#k:v|@0.5|#l:w|T1").tags, b"#k:v|@0.5|#l:w");
    let with_container = Dialect { container_id: true, ..Dialect::default() };
    match parse_line(b"a:1|c|c:abc|#k:v", &with_container) {
        Line::Sample(got) => assert_eq!(got.tags, b"c:abc|#k:v"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rejections_have_their_reasons() {
    for (line, want) in [
        ("a", "malformed_line"),
        (":1|c", "malformed_line"),
        ("a:1", "not_enough_parts_after_colon"),
        ("a:", "not_enough_parts_after_colon"),
        ("a,t=v:1|x|#k:v", "mixed_tagging_styles"),
        ("a:|c", "malformed_value"),
        ("a:|s", "malformed_value"),
        ("a: 1|c", "malformed_value"),
        ("a:NaN|c", "malformed_value"),
        ("a:1_000|c", "malformed_value"),
        ("a:x|c|#k:v", "malformed_value"),
        ("a:1|c|", "malformed_component"),
        ("a:1|c||@0.1", "malformed_component"),
        ("a:1|x||", "malformed_component"),
        ("a:1|c|@0", "invalid_sample_factor"),
        ("a:1|c|@-0.5", "invalid_sample_factor"),
        ("a:1|c|@1.5", "invalid_sample_factor"),
        ("a:1|c|@", "invalid_sample_factor"),
        ("a:1|c|@nan|#k:v", "invalid_sample_factor"),
        ("a:1|ms|@1e-309", "invalid_sample_factor"),
        ("a:1|g|@0|", "malformed_component"),
        ("a:x|g|@0", "malformed_value"),
        ("a:1|", "illegal_event"),
        ("a:1|C", "illegal_event"),
        ("a:1|msx", "illegal_event"),
        ("a:1|c:2|g|#k:v", "illegal_event"),
        ("_e{5,4}:titl|text", "malformed_event"),
        ("_e{0,0}:|", "malformed_event"),
        ("_e{99999999999999999999,1}:a|b", "malformed_event"),
        ("_e{-1,5}:x", "malformed_event"),
        ("_sc|n|9", "malformed_service_check"),
        ("_sc|", "malformed_service_check"),
    ] {
        assert_eq!(reason(line), want, "{line}");
    }
    assert!(matches!(parse_line(b"a\xff:x|c", &Dialect::default()), Line::Rejected(r) if r.error == SampleError::MalformedLine));
}

#[test]
fn events_and_checks_are_recognised() {
    for line in ["_e{5,4}:title|text", "_e{5,4}:1|ms:|5|c|", "_e{2,3}:é|a|b|#k:v|e:x"] {
        assert!(matches!(parse(line), Line::Event(_)), "{line}");
    }
    for line in ["_sc|name|0", "_sc|name|3|d:1|h:host|#k:v|m:all good: 5|c"] {
        assert!(matches!(parse(line), Line::ServiceCheck(_)), "{line}");
    }
}

#[test]
fn packed_values_share_kind_and_fields() {
    use Kind::{Counter, Gauge, Timer};
    let number = Value::Number;
    assert_eq!(samples("a:1:2:3|ms"), [Ok((Timer, number(1.0))), Ok((Timer, number(2.0))), Ok((Timer, number(3.0)))]);
    assert_eq!(samples("a:1:2|c|@0.5|#k:v:w"), [Ok((Counter, number(1.0))), Ok((Counter, number(2.0)))]);
    assert_eq!(samples("a:1:2:x|ms"), [Ok((Timer, number(1.0))), Ok((Timer, number(2.0))), Err("malformed_value")]);
    assert_eq!(samples("a:1:2:|ms")[2..], [Err("malformed_value")]);
    assert_eq!(samples("a[k=v:w]:1:2|c"), [Ok((Counter, number(1.0))), Ok((Counter, number(2.0)))]);
    assert_eq!(samples("a:1:x|ms|@7"), [Err("invalid_sample_factor"), Err("malformed_value")]);
    assert_eq!(samples("a:1|c:2|g"), [Ok((Counter, number(1.0))), Ok((Gauge, number(2.0)))]);
    assert_eq!(samples("a:1|c|:2|c"), [Err("malformed_component"), Ok((Counter, number(2.0)))]);
    assert_eq!(samples("a:1|c|@0.1:+2|g:"), [Ok((Counter, number(1.0))), Ok((Gauge, Value::Signed(2.0))), Err("malformed_component")]);
}

#[test]
fn names_and_tags_of_names_may_hold_colons() {
    for (line, name, value) in [
        ("svc.a:6800b:5|c", "svc.a:6800b", Value::Number(5.0)),
        ("w::X.y:-1|g|#k:v", "w::X.y", Value::Signed(-1.0)),
        ("a:1:x:3|ms", "a:1:x", Value::Number(3.0)),
        ("a::1|c", "a:", Value::Number(1.0)),
        ("::1|c", ":", Value::Number(1.0)),
        ("a:1e400:1|c", "a:1e400", Value::Number(1.0)),
        ("a,k=v:1:2|c", "a,k=v:1", Value::Number(2.0)),
        ("a#k=v:1:2|c", "a#k=v:1", Value::Number(2.0)),
        ("a;k=v:1:2|c", "a;k=v:1", Value::Number(2.0)),
        ("a[k=v:1]:2|c", "a[k=v:1]", Value::Number(2.0)),
        ("a[k=v]b:c:2|c", "a[k=v]b:c", Value::Number(2.0)),
        ("a,k=v:1:m|s", "a,k=v:1", Value::Member(b"m")),
        ("a[k=v:1]:m:n|s", "a[k=v:1]", Value::Member(b"m:n")),
        ("a:m,k=v:n|s", "a", Value::Member(b"m,k=v:n")),
        ("a:m[k=v]:n|s", "a", Value::Member(b"m[k=v]:n")),
        ("a:1:2|s", "a", Value::Member(b"1:2")),
    ] {
        let got = sample(line);
        assert_eq!((str::from_utf8(got.name), got.value), (Ok(name), value), "{line}");
    }
    assert_eq!(samples("a:b:1|c:2|g"), [Ok((Kind::Counter, Value::Number(1.0))), Ok((Kind::Gauge, Value::Number(2.0)))]);
    for (line, want) in
        [("a:b:x|c", "malformed_value"), ("a:b:|c", "malformed_value"), ("a:b:1|x", "illegal_event"), (":1:2|c", "malformed_line")]
    {
        assert_eq!(reason(line), want, "{line}");
    }
    let never = Dialect { packed_values: PackedValues::Never, ..Dialect::default() };
    for (line, name) in [("a:1:2|c", "a:1"), ("a[k=v]:1:2|c", "a[k=v]:1"), ("a:1:2|s", "a")] {
        assert!(matches!(parse_line(line.as_bytes(), &never), Line::Sample(got) if got.name == name.as_bytes()), "{line}");
    }
}

#[test]
fn the_first_colon_ends_a_name_in_statsd_exporter() {
    let of = |line: &'static str| parse_line(line.as_bytes(), &Dialect::STATSD_EXPORTER);
    for line in ["a:1:2|c", "a:b:1|g", "a:1:2|x", "a,k=v:w:1|c", "a:1:2|ms:3|ms", "a:1:|"] {
        let why = SampleError::InvalidExtendedAggregateType;
        assert!(matches!(of(line), Line::Rejected(rejected) if rejected.error == why), "{line}");
    }
    assert!(matches!(of("a:1:x:3|ms"), Line::Samples(samples) if samples.clone().count() == 3));
    assert!(matches!(of("a:m:n|s"), Line::Sample(sample) if sample.name == b"a"));
    assert!(matches!(of("a,k=v:1:2|c|#l:w"), Line::Rejected(rejected) if rejected.error == SampleError::MixedTaggingStyles));
}

#[test]
fn gauges_and_sets_ignore_rates() {
    for line in ["a:5|g|@1536100000", "a:5|g|@0", "a:5|g|@", "a:5|g|@-1|#k:v", "a:x|s|@2", "a:5|g|@often", "a:5|g|@0.1:2|#k:v"] {
        assert_eq!((sample(line).weight, sample(line).unknown_fields), (1.0, 0), "{line}");
    }
    let two = [Ok((Kind::Gauge, Value::Number(1.0))), Ok((Kind::Gauge, Value::Number(2.0)))];
    assert_eq!(samples("a:1:2|g|@0"), two);
    assert_eq!(samples("a:1|g|@5:2|g|@6"), two);
    assert_eq!(samples("a:1|s|@0:2|s"), [Ok((Kind::Set, Value::Member(b"1"))), Ok((Kind::Set, Value::Member(b"2")))]);
}

#[test]
fn rates_of_statsd_exporter() {
    let of = |line: &'static str| parse_line(line.as_bytes(), &Dialect::STATSD_EXPORTER);
    for (line, weight, unknown) in [
        ("a:1|c|@0.5", 2.0, 0),
        ("a:1|c|@0.5|@0.5", 4.0, 0),
        ("a:1|c|@0.5|@0", 2.0, 0),
        ("a:1|c|@0", 1.0, 0),
        ("a:1|c|@2", 0.5, 0),
        ("a:1|c|@-0.5", -2.0, 0),
        ("a:1|c|@bar", 1.0, 1),
        ("a:1|c|@|@0.5", 2.0, 1),
        ("a:1|ms|@0", 1.0, 0),
        ("a:1|ms|@foo", 1.0, 1),
        ("a:1|ms|@0.1|@0.5", 2.0, 0),
        ("a:1|g|@2", 1.0, 0),
    ] {
        match of(line) {
            Line::Sample(got) => assert_eq!((got.weight, got.unknown_fields), (weight, unknown), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in ["a:1|ms|@1.5", "a:1|h|@-0.5", "a:1|c|@1e-309"] {
        let why = SampleError::InvalidSampleFactor;
        assert!(matches!(of(line), Line::Rejected(rejected) if rejected.error == why), "{line}");
    }
    assert!(matches!(of("a:1|c|@0.5:2|c"), Line::Samples(samples) if samples.clone().all(|sample| sample.is_ok())));
}

#[test]
fn empty_lines_are_empty() {
    assert!(matches!(parse(""), Line::Empty));
    assert!(matches!(parse("\r"), Line::Empty));
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        drain(&line);
    }

    #[test]
    fn no_likely_line_makes_it_panic(line in "(_e\\{|_sc\\||a|é|\\[|\\]|,|#|=){0,4}(:|\\||@|#|c|ms|g|s|T|e:|card:|0\\.1|-|\\+|1|x|,|\r){0,24}") {
        drain(line.as_bytes());
    }
}

fn drain(line: &[u8]) {
    for flags in 0u8..=255 {
        let on = |bit: u8| flags >> bit & 1 == 1;
        let dialect = Dialect {
            dogstatsd_tags: on(0),
            influxdb_tags: on(1),
            librato_tags: on(2),
            signalfx_tags: on(3),
            bare_tags: on(4),
            container_id: on(5),
            graphite_tags: on(6),
            exporter_rules: on(7),
            meters: on(0),
            key_values: on(1),
            service_checks: true,
            events: true,
            packed_values: [PackedValues::All, PackedValues::Observers, PackedValues::Never][usize::from(flags % 3)],
        };
        match parse_line(line, &dialect) {
            Line::Samples(samples) => assert!(samples.count() >= 1, "a line of samples has at least one"),
            Line::Sample(sample) => {
                let has_weight = sample.weight >= 1.0 || dialect.exporter_rules && sample.weight.is_finite() && sample.weight != 0.0;
                assert!(has_weight && !sample.name.is_empty());
            }
            _ => {}
        }
    }
}
