//! Responses and expositions of Prometheus' client library, published beside this repository, compared with the bridge's.

use prost::Message;
use statsd_bridge::options::{Limits, SampleValueLimit};
use statsd_bridge::{Negotiated, OpenMetricsOffer, Options};

use super::messages::{MetricFamily, decode};
use super::{bridge, openmetrics, protobuf, text};
use crate::peers;

/// Cases in which the bridge differs from the library. Types and parameter names are case-insensitive, as RFC 9110 requires. And
/// the bridge responds with the text format instead of protobuf's text variant, which no scraper requests.
const OTHERWISE: [(&str, &str); 2] = [
    ("upper case", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"),
    ("proto text", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
];

#[apply(test)]
fn each_accept_header_gets_what_the_library_answers() {
    let corpus = peers::shared_corpus("exposition.json");
    let cases = corpus["negotiation"].as_array().expect("a list");
    assert!(cases.len() >= 34, "{}", cases.len());
    for case in cases {
        let accept = case["accept"].as_str().unwrap_or_default();
        let name = case["name"].as_str().expect("a name");
        for (column, offers) in [("classic", OpenMetricsOffer::Never), ("with_openmetrics", OpenMetricsOffer::AsAsked)] {
            let otherwise =
                OTHERWISE.iter().find(|(other, _)| *other == name && (offers == OpenMetricsOffer::AsAsked || name == "proto text"));
            let want = otherwise.map_or_else(|| case[column].as_str().expect("text"), |(_, want)| want);
            assert_eq!(Negotiated::of(accept, offers).content_type(), want, "{name}, {column}: {accept}");
        }
    }
}

/// The families of the published expositions that StatsD samples can produce.
const RULES: &str = r#"
mappings:
- match: requests
  name: requests
  help: "Help \\ \n \" x"
  labels:
    a_b: "x\"y\\z\nw é"
    cc: ""
- match: requests_total
  name: requests_total
  help: "Help \\ \n \" x"
- match: my.gauge
  name: my_gauge
  help: "Help \\ \n \" x"
- match: s
  name: s
  help: "Help \\ \n \" x"
  observer_type: summary
  summary_options:
    quantiles: [{quantile: 0.5, error: 0.05}, {quantile: 1, error: 0.05}]
- match: h
  name: h
  help: "Help \\ \n \" x"
  observer_type: histogram
  histogram_options:
    buckets: [1, 2.5]
"#;

const SENT: &str = "requests:1|c\nrequests_total:1e21|c\nmy.gauge:0|g\nmy.gauge:-0.5|g\ns:1:2:3|d\nh:1:2:3|d";

/// The corpus has a counter of 1e21, which is more than one sample may add by default.
fn large_samples() -> Options {
    Options::default().with(|options| options.limits = Limits::default().with(|limits| limits.sample_value = SampleValueLimit::NONE))
}

/// The lines of one family, with its HELP and TYPE lines.
fn family_of<'t>(page: &'t str, name: &str) -> Vec<&'t str> {
    let head = format!("# HELP {name} ");
    let from = page.lines().skip_while(|line| !line.starts_with(&head));
    let end = |(nth, line): &(usize, &str)| *nth == 0 || !(line.starts_with("# HELP ") || *line == "# EOF");
    from.enumerate().take_while(end).map(|(_, line)| line).collect()
}

#[apply(test)]
fn families_are_written_as_the_library_writes_them() {
    let corpus = peers::shared_corpus("exposition.json");
    let bridge = bridge(large_samples(), RULES, &[SENT]);
    let rendered = |kind: &str| corpus["rendered"][kind]["text"].as_str().unwrap_or_else(|| panic!("{kind}")).to_owned();
    // In the published exposition, the second label is `c`, which is too short for a rule's label.
    let theirs = rendered("text/plain; version=0.0.4; charset=utf-8; escaping=underscores").replace(",c=\"\"}", ",cc=\"\"}");
    let ours = text(&bridge);
    for name in ["requests", "requests_total", "my_gauge", "s", "h"] {
        assert!(family_of(&theirs, name).len() > 2, "{name}");
        assert_eq!(family_of(&ours, name), family_of(&theirs, name));
    }
    // The library lets the counters `requests` and `requests_total` collide. The bridge does not.
    let theirs = rendered("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
    let ours = openmetrics(&bridge);
    for name in ["my_gauge", "s", "h"] {
        assert_eq!(family_of(&ours, name), family_of(&theirs, name));
    }
    let alone = openmetrics(&super::bridge(large_samples(), RULES, &["requests_total:1e21|c"]));
    let want = theirs.lines().position(|line| line == "# TYPE requests counter").expect("the counter");
    let want: Vec<&str> = theirs.lines().skip(want - 1).take(3).collect();
    assert_eq!(family_of(&alone, "requests"), want);
}

#[apply(test)]
fn messages_are_those_of_the_library() {
    let corpus = peers::shared_corpus("exposition.json");
    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores";
    let hex = corpus["rendered"][kind]["hex"].as_str().expect("hex");
    let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect();
    let theirs = decode_theirs(&bytes);
    let ours = protobuf(&bridge(large_samples(), RULES, &[SENT]));
    for name in ["requests", "requests_total", "my_gauge", "s", "h"] {
        let find = |families: &[MetricFamily]| families.iter().find(|family| family.name.as_deref() == Some(name)).expect(name).clone();
        // Other tests compare native buckets.
        let (ours, theirs) = (without_native(without_created(find(&ours))), without_native(find(&theirs)));
        assert_eq!(ours, theirs);
        assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
    }
}

/// Decodes the published exposition. Encoding it again must give the same bytes.
fn decode_theirs(bytes: &[u8]) -> Vec<MetricFamily> {
    let families = decode(bytes);
    assert_eq!(families.len(), 8);
    families
}

fn without_created(mut family: MetricFamily) -> MetricFamily {
    for metric in &mut family.metric {
        let created = [
            metric.counter.as_mut().and_then(|counter| counter.created.take()),
            metric.summary.as_mut().and_then(|summary| summary.created.take()),
            metric.histogram.as_mut().and_then(|histogram| histogram.created.take()),
        ];
        let has_one = created.iter().flatten().any(|created| (created.seconds, created.nanos) == (1_700_000_000, 123_000_000));
        assert!(has_one || metric.gauge.is_some(), "{metric:?}");
        // RULES has the label `cc` instead of `c`.
        for pair in metric.label.iter_mut().filter(|pair| pair.name.as_deref() == Some("cc")) {
            pair.name = Some("c".to_owned());
        }
    }
    family
}

/// Removes native buckets, which the published histogram has too.
fn without_native(mut family: MetricFamily) -> MetricFamily {
    for histogram in family.metric.iter_mut().filter_map(|metric| metric.histogram.as_mut()) {
        (histogram.schema, histogram.zero_threshold, histogram.zero_count) = (None, None, None);
        (histogram.positive_span, histogram.positive_delta) = (Vec::new(), Vec::new());
    }
    family
}
