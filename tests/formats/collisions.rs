//! Names and numbers that OpenMetrics does not allow together, and the types that their families have instead.

use statsd_bridge::options::TagKey;
use statsd_bridge::{Bridge, Options};

use super::{bridge, differences, openmetrics};
use crate::openmetrics::Page;

const SUMMARIES: &str = "defaults:\n  observer_type: summary\n";

/// The name of the case, its rules, its datagram, and the types in the exposition.
type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const CASES: [Case; 18] = [
    ("a counter", "", "x_total:1|c", &[("x", "counter")]),
    ("a counter without the ending", "", "x:1|c", &[("x", "unknown")]),
    ("a counter called after the ending", "", "_total:1|c", &[("_total", "unknown")]),
    ("two counters", "", "x:1|c\nx_total:1|c", &[("x", "unknown"), ("x_total", "unknown")]),
    ("gauge and counter", "", "x:1|g\nx_total:1|c", &[("x", "gauge"), ("x_total", "unknown")]),
    ("a gauge with the ending", "", "x_total:1|g", &[("x_total", "gauge")]),
    ("a gauge that looks like an info", "", "x_info:1|g\nx:1|g", &[("x_info", "gauge"), ("x", "gauge")]),
    ("counter and its created", "", "x_total:1|c\nx_created:1|g", &[("x_total", "unknown"), ("x_created", "gauge")]),
    ("counter of the created", "", "x_total:1|c\nx_created_total:1|c", &[("x", "counter"), ("x_created_total", "unknown")]),
    ("histogram and counter", "", "x:1|ms\nx_total:1|c", &[("x", "histogram"), ("x_total", "unknown")]),
    (
        "histogram and counters of its lines",
        "",
        "x:1|ms\nx_sum_total:1|c\nx_bucket_total:1|c\nx_count_total:1|c\nx_created_total:1|c",
        &[("x", "histogram"), ("x_sum_total", "unknown"), ("x_bucket_total", "unknown"), ("x_created_total", "unknown")],
    ),
    (
        "histogram and its created",
        "",
        "x:1|ms\nx_created:1|c",
        &[("x_bucket", "unknown"), ("x_sum", "unknown"), ("x_count", "unknown"), ("x_created", "unknown")],
    ),
    ("a negative sum", "", "x:1|ms|#a:b\nx:-7|ms", &[("x_bucket", "unknown"), ("x_sum", "unknown"), ("x_count", "unknown")]),
    ("a negative value in a positive sum", SUMMARIES, "x:-1|ms\nx:5|ms", &[("x", "unknown"), ("x_sum", "unknown"), ("x_count", "unknown")]),
    ("counts of parts", "", "x:1:2:3|d|@0.5", &[("x", "histogram")]),
    ("counts that are fractions", "", "x:1:2|d|@0.3", &[("x_bucket", "unknown"), ("x_sum", "unknown"), ("x_count", "unknown")]),
    ("a count that is a fraction", SUMMARIES, "x:1:2|d|@0.3", &[("x", "unknown"), ("x_sum", "unknown"), ("x_count", "unknown")]),
    (
        "names of the bridge",
        "",
        "process_open_fds_total:1|c\nprocess_cpu_seconds:1|g",
        &[
            ("process_open_fds_total", "unknown"),
            ("process_cpu_seconds", "gauge"),
            ("process_cpu_seconds_total", "unknown"),
            ("process_open_fds", "gauge"),
        ],
    ),
];

fn run(rules: &str, sent: &str, created_lines: bool) -> Bridge {
    bridge(Options::default().with(|options| options.created_lines = created_lines), rules, &[sent])
}

/// The expositions of all cases, with and without created lines.
pub(super) fn pages() -> Vec<(String, String)> {
    let both = CASES.iter().flat_map(|case| [(case, false), (case, true)]);
    both.map(|((name, rules, sent, _), created)| ((*name).to_owned(), openmetrics(&run(rules, sent, created)))).collect()
}

#[apply(test)]
fn types_give_way_and_names_stay() {
    for (name, rules, sent, types) in CASES {
        let bridge = run(rules, sent, false);
        assert_eq!(differences(&bridge), [""; 0], "{name}");
        let text = openmetrics(&bridge);
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        for (family, kind) in types {
            assert_eq!(page.family(family).map(|family| family.kind()), Some(*kind), "{name}: {family}\n{text}");
        }
    }
    for (name, text) in pages() {
        Page::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    }
}

#[apply(test)]
fn created_lines_say_when_counting_began() {
    let rules = "mappings:\n- match: s\n  name: s\n  observer_type: summary\n";
    let text = openmetrics(&run(rules, "x_total:1|c|#a:b\nh:1|ms\ns:1|ms\ng:1|g\nplain:1|c", true));
    let page = Page::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for (name, labels) in [("x_created", &[("a", "b")][..]), ("h_created", &[]), ("s_created", &[])] {
        assert_eq!(page.value(name, labels), Some(1_700_000_000.123), "{name}\n{text}");
    }
    assert!(text.contains("\nx_created{a=\"b\"} 1700000000.123\n"), "{text}");
    let created = page.samples().filter(|sample| sample.name.ends_with("_created")).count();
    assert_eq!(created, 3, "{text}");
    assert!(!openmetrics(&run(rules, "x_total:1|c|#a:b\nh:1|ms\ns:1|ms", false)).contains("_created"));
}

#[apply(test)]
fn exemplars_stand_where_they_may() {
    let options = Options::default().with(|options| options.exemplar_tag = TagKey::new("trace_id").ok());
    let sent =
        "x_total:2|c|#trace_id:one\nplain:1|c|#trace_id:two\nh:30000|ms|#trace_id:thr\"ee\nh:6|ms|#trace_id:four\ng:1|g|#trace_id:five";
    let bridge = bridge(options, "", &[sent]);
    assert_eq!(differences(&bridge), [""; 0]);
    let text = openmetrics(&bridge);
    Page::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for line in [
        "x_total 2.0 # {trace_id=\"one\"} 2 1700000000.123",
        "plain 1.0",
        "h_bucket{le=\"0.01\"} 1 # {trace_id=\"four\"} 0.006 1700000000.123",
        "h_bucket{le=\"0.025\"} 1",
        "h_bucket{le=\"+Inf\"} 2 # {trace_id=\"thr\\\"ee\"} 30 1700000000.123",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let messages = super::protobuf(&bridge);
    let metric = |name: &str| messages.iter().find(|family| family.name.as_deref() == Some(name)).expect(name).metric[0].clone();
    let exemplars: Vec<_> = metric("h").histogram.expect("a histogram").bucket.into_iter().filter_map(|bucket| bucket.exemplar).collect();
    let trace = |nth: usize| exemplars[nth].label[0].value.clone().expect("a value");
    assert_eq!((exemplars.len(), trace(0), trace(1)), (2, "four".to_owned(), "thr\"ee".to_owned()));
    assert_eq!((exemplars[1].value, exemplars[1].timestamp.as_ref().map(|t| t.nanos)), (Some(30.0), Some(123_000_000)));
    assert_eq!(metric("x_total").counter.expect("a counter").exemplar.and_then(|exemplar| exemplar.value), Some(2.0));
}

#[apply(test)]
fn the_unit_is_that_of_the_rule_where_the_name_ends_in_it() {
    let rules = "mappings:\n- match: wait\n  name: wait\n  unit: milliseconds\n- match: sent\n  name: sent_total\n  unit: kibibytes\n";
    let bridge = run(rules, "wait:1|ms\nsent:1|c\nother_seconds:1|g", false);
    let text = openmetrics(&bridge);
    let page = Page::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let unit = |name: &str| page.family(name).expect(name).unit.clone();
    assert_eq!(unit("wait_seconds").as_deref(), Some("seconds"));
    assert_eq!(unit("sent_bytes").as_deref(), Some("bytes"));
    assert_eq!(unit("other_seconds"), None);
    let messages = super::protobuf(&bridge);
    let unit = |name: &str| messages.iter().find(|family| family.name.as_deref() == Some(name)).expect(name).unit.clone();
    assert_eq!((unit("wait_seconds").as_deref(), unit("sent_bytes_total").as_deref()), (Some("seconds"), Some("bytes")));
    assert_eq!(unit("other_seconds"), None);
}
