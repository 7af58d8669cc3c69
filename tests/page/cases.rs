//! Expositions that the strict reader must accept, and expositions that it must reject, each for one fault.

use super::{Page, without_own};

#[apply(test)]
fn good_pages_are_read() {
    let page = "# HELP a b \\\\ c\\n\n# TYPE a counter\na 0\na{x=\"q\\\"\\\\\\n}, y\",z=\"é\"} 1e+06\n# HELP g h\n# TYPE g gauge\ng -Inf\n";
    let page = Page::parse(page).expect("a good page");
    assert_eq!(page.families.len(), 2);
    assert_eq!(page.value("a"), Some(0.0));
    assert_eq!(page.families[0].lines[1].labels[0].1, "q\"\\\n}, y");
    assert_eq!(page.sum("a"), 1e6);
    assert_eq!(page.sum_where("a", "z", "é"), 1e6);
    assert_eq!(page.value("g"), Some(f64::NEG_INFINITY));
    assert!(page.family("b").is_none());

    let head = "# HELP h x\n# TYPE h histogram\n";
    let series = |label: &str, n: u32| {
        let inside = if label.is_empty() { String::new() } else { format!("{{{}}}", label.trim_end_matches(',')) };
        format!("h_bucket{{{label}le=\"0.5\"}} 1\nh_bucket{{{label}le=\"+Inf\"}} {n}\nh_sum{inside} NaN\nh_count{inside} {n}\n")
    };
    let two = format!("{head}{}{}", series("", 3), series("a=\"b\",", 1));
    assert_eq!(Page::parse(&two).expect("two histograms").sum("h_count"), 4.0);

    let quoted = "# HELP \"a.\\\"b\" x\n# TYPE \"a.\\\"b\" gauge\n{\"a.\\\"b\"} 1\n{\"a.\\\"b\",c=\"d\",\"é}\"=\"f\"} 2\n";
    let quoted = Page::parse(quoted).expect("names in quotes");
    assert_eq!((quoted.families[0].name.as_str(), quoted.sum("a.\"b")), ("a.\"b", 3.0));
    assert_eq!(quoted.sum_where("a.\"b", "é}", "f"), 2.0);

    let summary = "# HELP s x\n# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns{quantile=\"0.99\"} 1\ns_sum 2\ns_count 1\n";
    assert_eq!(Page::parse(summary).expect("a summary").value("s_sum"), Some(2.0));
    assert_eq!(Page::parse("").expect("an empty page").families.len(), 0);
}

#[apply(test)]
fn bad_pages_are_refused() {
    let plain = |body: &str| format!("# HELP a x\n# TYPE a gauge\n{body}");
    let counter = |body: &str| format!("# HELP a x\n# TYPE a counter\n{body}");
    let histogram = |body: &str| format!("# HELP h x\n# TYPE h histogram\n{body}");
    let summary = |body: &str| format!("# HELP s x\n# TYPE s summary\n{body}");
    let cases: &[(&str, String)] = &[
        ("no newline", plain("a 1")),
        ("carriage return", plain("a 1\r\n")),
        ("neither HELP", plain("\na 1\n")),
        ("neither HELP", plain("# a remark\na 1\n")),
        ("neither HELP", plain(" a 1\n")),
        ("without HELP", "# TYPE a gauge\na 1\n".into()),
        ("before any TYPE", "a 1\n".into()),
        ("between HELP and TYPE", "# HELP a x\na 1\n# TYPE a gauge\n".into()),
        ("HELP of a without TYPE", "# HELP a x\n".into()),
        ("HELP of a without TYPE", "# HELP a x\n# HELP b x\n# TYPE b gauge\nb 1\n".into()),
        ("after HELP of b", "# HELP b x\n# TYPE a gauge\na 1\n".into()),
        ("second HELP", plain("a 1\n# HELP a x\n# TYPE a gauge\na{x=\"y\"} 1\n")),
        ("without HELP", plain("a 1\n# TYPE a gauge\n")),
        ("unknown type", "# HELP a x\n# TYPE a unknown\na 1\n".into()),
        ("bad escape in HELP", "# HELP a x\\t\n# TYPE a gauge\na 1\n".into()),
        ("empty HELP", "# HELP a \n# TYPE a gauge\na 1\n".into()),
        ("no lines", plain("")),
        ("under the TYPE of a", plain("a 1\nb 1\n")),
        ("under the TYPE of a", plain("a_sum 1\n")),
        ("not a metric name", plain("1a 1\n")),
        ("not a metric name", plain("é 1\n")),
        ("not a label", plain("a{} 1\n")),
        ("not a label", plain("a{b=\"c\",} 1\n")),
        ("not a label name", plain("a{b-c=\"d\"} 1\n")),
        ("not a label name", plain("a{1=\"d\"} 1\n")),
        ("not a label name", plain("a{__b=\"d\"} 1\n")),
        ("twice in one series", plain("a{b=\"c\",b=\"d\"} 1\n")),
        ("neither , nor }", plain("a{b=\"c\" } 1\n")),
        ("bad escape in quotes", plain("a{b=\"\\t\"} 1\n")),
        ("closing quote", plain("a{b=\"c} 1\n")),
        ("needs quotes", "# HELP \"a\" x\n# TYPE \"a\" gauge\na 1\n".into()),
        ("not a metric name", "# HELP a.b x\n# TYPE a.b gauge\na 1\n".into()),
        ("HELP without text", "# HELP \"a.b\"x\n".into()),
        ("needs quotes", plain("{\"a\"} 1\n")),
        ("needs quotes", plain("{\"\"} 1\n")),
        ("under the TYPE of a", plain("{\"a.b\"} 1\n")),
        ("needs quotes", plain("a{\"b\"=\"c\"} 1\n")),
        ("not a label name", plain("a{\"__b.c\"=\"c\"} 1\n")),
        ("not a label:", plain("a{\"b.c\"} 1\n")),
        ("no }", plain("{\"a.b\" 1\n")),
        ("closing quote", plain("{\"a.b 1\n")),
        ("not a label:", plain("{\"a.b\",} 1\n")),
        ("single space", plain("a{b=\"c\"}1\n")),
        ("not a value", plain("a  1\n")),
        ("not a value", plain("a inf\n")),
        ("not a value", plain("a 1 1700000000\n")),
        ("neither HELP", plain("a \n")),
        ("stands there twice", plain("a 1\na 2\n")),
        ("stands there twice", plain("a{b=\"c\",d=\"e\"} 1\na{d=\"e\",b=\"c\"} 1\n")),
        ("stands there twice", plain("a{b=\"\"} 1\na 1\n")),
        ("le on the wrong", histogram("h_bucket{le=\"+Inf\"} 2\nh_sum{le=\"1\"} 1\nh_count 2\n")),
        ("quantile on the wrong", summary("s{quantile=\"0.5\"} 1\ns_sum{quantile=\"0.5\"} 1\ns_count 1\n")),
        ("counts", counter("a -1\n")),
        ("counts", counter("a NaN\n")),
        ("counts", counter("a +Inf\n")),
        ("two families", format!("{}# HELP h_sum x\n# TYPE h_sum gauge\nh_sum 1\n", histogram(GOOD_BUCKETS))),
        ("le on the wrong", histogram("h_bucket 1\nh_sum 1\nh_count 1\n")),
        ("no bucket +Inf", histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n")),
        ("no bucket +Inf", histogram("h_sum 1\nh_count 1\n")),
        ("its bucket +Inf", histogram("h_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 1\n")),
        ("not cumulative", histogram("h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n")),
        ("does not ascend", histogram("h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n")),
        ("h_sum[] is missing", histogram("h_bucket{le=\"+Inf\"} 2\nh_count 2\n")),
        ("h_count[] is missing", histogram("h_bucket{le=\"+Inf\"} 2\nh_sum 2\n")),
        ("is missing", histogram("h_bucket{le=\"1\"} 2\nh_bucket{a=\"b\",le=\"+Inf\"} 2\nh_sum 2\nh_count 2\n")),
        ("counts", histogram("h_bucket{le=\"+Inf\"} NaN\nh_sum 1\nh_count 2\n")),
        ("does not ascend", summary("s{quantile=\"0.9\"} 1\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n")),
        ("out of range", summary("s{quantile=\"2\"} 1\ns_sum 1\ns_count 1\n")),
        ("s_count[] is missing", summary("s{quantile=\"0.5\"} 1\ns_sum 1\n")),
    ];
    for (expected, text) in cases {
        match Page::parse(text) {
            Ok(_) => panic!("accepted, though {expected:?}:\n{text}"),
            Err(error) => assert!(error.to_string().contains(expected), "{error}, expected {expected:?}:\n{text}"),
        }
    }
}

const GOOD_BUCKETS: &str = "h_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n";

#[apply(test)]
fn own_families_are_cut_out_whole() {
    let page = "# HELP a x\n# TYPE a gauge\na 1\n# HELP statsd_bridge_b x\n# TYPE statsd_bridge_b gauge\nstatsd_bridge_b{c=\"d\"} 1\n";
    assert_eq!(without_own(page, "statsd_bridge_"), "# HELP a x\n# TYPE a gauge\na 1\n");
    assert_eq!(without_own("process_x 1\nprocessed 1\n", "statsd_bridge_"), "processed 1\n");
}
