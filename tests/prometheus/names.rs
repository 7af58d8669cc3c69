//! UTF-8 names as Prometheus 3 stores them: as they are, or escaped as `metric_name_escaping_scheme` says, in each format.
//!
//! With the newer version only: the older one has no UTF-8 names, and gets names with underscores.

use std::process::Command;

use super::server::{Prometheus, job, jobs};
use crate::compatibility;
use crate::harness::{Launch, Running, request};
use crate::peers::Version;

/// A scheme, and its names for a counter, the counter's label, a histogram, a gauge, and a name with both `_` and `.`.
type Scheme = (&'static str, [&'static str; 5]);

const SCHEMES: [Scheme; 4] = [
    ("allow-utf-8", ["shop.orders", "geo.country", "http.took", "städte", "a_b.c"]),
    ("underscores", ["shop_orders", "geo_country", "http_took", "st_dte", "a_b_c"]),
    ("dots", ["shop_dot_orders", "geo_dot_country", "http_dot_took", "st__dte", "a__b_dot_c"]),
    ("values", ["U__shop_2e_orders", "U__geo_2e_country", "U__http_2e_took", "U__st_e4_dte", "U__a__b_2e_c"]),
];

/// The formats for which Prometheus names the scheme in `Accept`.
const PROTOCOLS: [&str; 2] = ["PrometheusText1.0.0", "OpenMetricsText1.0.0"];

fn bridge() -> Running {
    let bridge = Launch::new().arg("--name-validation=utf8").arg("--web.openmetrics=always").start();
    bridge.send("shop.orders:7|c|#geo.country:de\nshop.orders:5|c|#geo.country:fr");
    bridge.send("http.took:0.3|h|#geo.country:de\nhttp.took:0.7|h|#geo.country:de\nstädte:3|g\na_b.c:1|g");
    bridge.page_at(6);
    bridge
}

/// The queries of a job, with quoted names. Each returns 1 if the series has its value.
fn queries((_, [orders, country, took, towns, both]): Scheme, job: &str) -> [String; 6] {
    [
        format!("{{\"{orders}\",\"{country}\"=\"de\",job=\"{job}\"}} == bool 7"),
        format!("sum({{\"{orders}\",job=\"{job}\"}}) == bool 12"),
        format!("{{\"{took}_count\",\"{country}\"=\"de\",job=\"{job}\"}} == bool 2"),
        format!("{{\"{took}_bucket\",le=\"0.5\",job=\"{job}\"}} == bool 1"),
        format!("{{\"{towns}\",job=\"{job}\"}} == bool 3"),
        format!("{{\"{both}\",job=\"{job}\"}} == bool 1"),
    ]
}

#[apply(test)]
fn names_are_kept_and_escaped_by_each_scheme() {
    Version::Three.prometheus();
    let bridge = bridge();
    let mut all = Vec::new();
    let mut expected = Vec::new();
    for scheme in SCHEMES {
        for protocol in PROTOCOLS {
            let name = format!("{}-{protocol}", scheme.0);
            let more = format!(", scrape_protocols: [{protocol}], metric_name_escaping_scheme: {}", scheme.0);
            all.push(job(&name, bridge.web, &more));
            expected.push((scheme, name));
        }
        // For protobuf, Prometheus names no scheme, which means underscores, unless the URL names one.
        let name = format!("{}-PrometheusProto", scheme.0);
        let more = format!(", scrape_protocols: [PrometheusProto], metric_name_escaping_scheme: {}", scheme.0);
        all.push(job(&name, bridge.web, &more));
        expected.push((SCHEMES[1], name.clone()));
        let (name, more) = (format!("{name}-url"), format!("{more}, params: {{escaping: [{}]}}", scheme.0));
        all.push(job(&name, bridge.web, &more));
        expected.push((scheme, name));
    }
    all.push(job("default", bridge.web, ""));
    expected.push((SCHEMES[0], "default".to_owned()));
    all.push(job("legacy", bridge.web, ", metric_name_validation_scheme: legacy"));
    expected.push((SCHEMES[1], "legacy".to_owned()));
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all), &[]);
    for (scheme, name) in &expected {
        for query in queries(*scheme, name) {
            prometheus.expect(&query, 1.0);
        }
    }
    // Every job has the same number of series, so no job has additional names of another scheme.
    prometheus.expect("count(count by (job) ({__name__=~\".+\",job=~\".+\"}))", expected.len() as f64);
    prometheus.expect("count(group by (scrape_samples_scraped) (count_values(\"scrape_samples_scraped\", scrape_samples_scraped)))", 1.0);
    prometheus.expect("count(up == 1)", expected.len() as f64);
    let version = prometheus.version();
    let compared = "UTF-8 names in text and OpenMetrics by each metric_name_escaping_scheme, queried by quoted names";
    compatibility::seen("Prometheus", &version, compared, "equal");
    let result = "differs: always escaped with underscores, because Prometheus since 3.4 names no scheme beside protobuf; \
        equal with `params: {escaping: [SCHEME]}`";
    compatibility::seen("Prometheus", &version, "UTF-8 names in protobuf by each metric_name_escaping_scheme", result);
    bridge.stop();
}

#[apply(test)]
fn native_histograms_have_utf8_names() {
    Version::Three.prometheus();
    let bridge = bridge();
    let all = [
        ("native", ", scrape_native_histograms: true, params: {escaping: [allow-utf-8]}"),
        ("custom", ", convert_classic_histograms_to_nhcb: true"),
    ];
    let prometheus = Prometheus::with_config(Version::Three, &jobs(all.map(|(name, more)| job(name, bridge.web, more))), &[]);
    for (name, _) in all {
        let took = format!("{{\"http.took\",job=\"{name}\",\"geo.country\"=\"de\"}}");
        prometheus.expect(&format!("histogram_count({took})"), 2.0);
        prometheus.expect(&format!("histogram_sum({took})"), 1.0);
        prometheus.expect(&format!("count({{\"http.took_count\",job=\"{name}\"}}) or vector(0)"), 0.0);
    }
    bridge.stop();
}

#[apply(test)]
fn promtool_reads_quoted_names() {
    let promtool = Version::Three.promtool();
    let bridge = bridge();
    let accept = "text/plain;version=1.0.0;escaping=allow-utf-8";
    let page = request(bridge.web, "GET", "/metrics", &[("Accept", accept)]).expect("an answer").text();
    assert!(page.contains("{\"shop.orders\",\"geo.country\"=\"de\"} 7\n"), "{page}");
    let mut check = Command::new(&promtool);
    check.args(["check", "metrics", "--lint=none", "--extended"]);
    let (code, output) = super::filter(&mut check, page.as_bytes());
    assert_eq!(code, Some(0), "{output}");
    for (family, series) in [("shop.orders", "2"), ("städte", "1"), ("a_b.c", "1")] {
        let counted = |line: &str| line.split_whitespace().take(2).eq([family, series]);
        assert!(output.lines().any(counted), "{family}: {output}");
    }
    // The linter of promtool decodes text by the rules of Prometheus 2.
    let (code, output) = super::filter(Command::new(&promtool).args(["check", "metrics"]), page.as_bytes());
    assert!(code == Some(1) && output.contains("invalid metric name"), "{code:?}: {output}");
    let version = Version::Three.pinned().expect("the version of a module");
    let compared = "check metrics --lint=none --extended: an exposition with UTF-8 names";
    compatibility::seen("promtool", &version, compared, "read; series counted. Its linter (`--lint=all`) rejects every quoted name");
    bridge.stop();
}
