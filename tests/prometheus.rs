//! The exposition as other programs read it: Prometheus, promtool, and Python's parser.
//!
//! A test runs with both versions of Prometheus, as `NAME::v2` and `NAME::v3`, unless a comment gives the reason for one version.
//! Features of the newer version are in separate files.

/// Created timestamps become samples of zero.
mod created;
/// Exemplars of each format.
mod exemplars;
/// Types, units and help: the API's metadata of a family, and the labels made from them.
mod metadata;
/// UTF-8 names: as they are, and escaped by each scheme.
mod names;
/// Native histograms, classic series beside them, and their conversion.
mod native;
/// `Accept` headers, and the formats of the responses.
mod negotiation;
pub mod server;
/// An expired series is stale at the next scrape.
mod stale;

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

pub use self::server::Prometheus;
use self::server::scraping;
use crate::compatibility;
use crate::harness::{Launch, Running, until};
use crate::page::Page;
use crate::peers::{self, Version};

/// Sends samples of every kind, in few enough datagrams for any receive buffer. Returns the number of samples.
fn send_some_of_everything(bridge: &Running) -> u64 {
    let socket = bridge.udp();
    let mut samples = 0;
    for n in 0..100 {
        let lines = [
            format!("shop.orders:{n}|c|#country:de,path:a\"b\\c"),
            "shop.orders:1|c|@0.5|#country:fr,städte:ü".to_owned(),
            format!("shop.stock:{}|g|#item:n{}", n as f64 / 4.0, n % 3),
            format!("shop.request:{}|ms|#code:200", n + 1),
            "shop.request:3000|ms|#code:500".to_owned(),
            format!("shop.basket:{}:{}|d|@0.25", n % 7, n % 11),
            format!("shop.users:{n}|s"),
        ];
        socket.send(lines.join("\n").as_bytes()).expect("a datagram is sent");
        samples += 8;
        if n % 20 == 19 {
            bridge.page_at(samples);
        }
    }
    samples
}

#[apply(each_prometheus)]
fn prometheus_scrapes_and_answers_with_the_sent_totals(version: Version) {
    version.prometheus();
    let bridge = Launch::new().start();
    let samples = send_some_of_everything(&bridge);
    let prometheus = Prometheus::start(version, &bridge);
    prometheus.expect("up{job=\"bridge\"}", 1.0);
    prometheus.expect("shop_orders{country=\"de\"}", 4950.0);
    prometheus.expect("sum(shop_orders)", 5150.0);
    prometheus.expect("count(shop_orders{path=\"a\\\"b\\\\c\"})", 1.0);
    prometheus.expect("shop_stock{item=\"n0\"}", 24.75);
    prometheus.expect("sum(shop_request_count)", 200.0);
    prometheus.expect("shop_request_sum{code=\"500\"}", 300.0);
    prometheus.expect("shop_basket_count", 800.0);
    prometheus.expect("shop_users", 100.0);
    // 100 values spread evenly from 0.001 to 0.1: the quantile is off by no more than the bucket's interpolation.
    let median = prometheus.query("histogram_quantile(0.5, shop_request_bucket{code=\"200\"})").expect("a quantile");
    assert!((median - 0.05).abs() < 1e-9, "{median}");
    let slow = prometheus.query("histogram_quantile(0.99, sum by (le) (shop_request_bucket))").expect("a quantile");
    assert!(slow > 2.5 && slow <= 5.0, "{slow}");
    prometheus.expect("statsd_bridge_samples_total", samples as f64);
    // Every line of the exposition is one series in Prometheus.
    let lines = bridge.page().lines().count();
    prometheus.expect("scrape_samples_scraped", lines as f64);
    // Later samples appear in later scrapes, and no counter was reset.
    bridge.send("shop.orders:50|c|#country:fr,städte:ü");
    prometheus.expect("sum(shop_orders)", 5200.0);
    prometheus.expect("resets(statsd_bridge_lines_total[1m])", 0.0);
    prometheus.expect("max_over_time(up[1m]) - min_over_time(up[1m])", 0.0);
    compatibility::seen("Prometheus", &prometheus.version(), "scrapes of all types by the default format: totals, quantiles", "equal");
    bridge.stop();
}

/// The type of a family in Prometheus' metadata.
fn type_of(prometheus: &Prometheus, family: &str) -> Option<String> {
    prometheus.api(&format!("metadata?metric={family}"))["data"][family][0]["type"].as_str().map(str::to_owned)
}

#[apply(each_prometheus)]
fn prometheus_gets_the_format_that_it_asks_for_and_the_same_series_from_each(version: Version) {
    version.prometheus();
    // With native buckets, Prometheus would use these in place of the classic ones. Another test covers that.
    let bridge = Launch::new().arg("--statsd.native-histograms=never").start();
    let samples = send_some_of_everything(&bridge);
    let lines = bridge.page().lines().count() as f64;
    // By default, Prometheus prefers OpenMetrics, in which a counter without `_total` has no type, and gets text. For native
    // histograms, it gets protobuf.
    for native in [false, true] {
        let prometheus = if native { Prometheus::start_native(version, &bridge) } else { Prometheus::start(version, &bridge) };
        prometheus.expect("up{job=\"bridge\"}", 1.0);
        prometheus.expect("scrape_samples_scraped", lines);
        until("Prometheus knows the types", || type_of(&prometheus, "shop_orders"));
        assert_eq!(type_of(&prometheus, "shop_orders").as_deref(), Some("counter"), "native: {native}");
        assert_eq!(type_of(&prometheus, "shop_request").as_deref(), Some("histogram"), "native: {native}");
        let [one, one_with_fraction] = ["shop_request_bucket{code=\"200\",le=\"1\"}", "shop_request_bucket{code=\"200\",le=\"1.0\"}"];
        for (query, value) in [
            ("shop_orders{country=\"de\"}", 4950.0),
            ("sum(shop_orders)", 5150.0),
            ("count(shop_orders{path=\"a\\\"b\\\\c\"})", 1.0),
            ("shop_stock{item=\"n0\"}", 24.75),
            ("shop_request_sum{code=\"500\"}", 300.0),
            ("shop_request_bucket{code=\"200\",le=\"0.05\"}", 50.0),
            // Since 3.0, Prometheus writes the bounds of the text format like those of the other formats.
            (if native || version == Version::Three { one_with_fraction } else { one }, 100.0),
            ("shop_request_bucket{code=\"500\",le=\"+Inf\"}", 100.0),
            ("shop_basket_count", 800.0),
            ("shop_users", 100.0),
            ("statsd_bridge_samples_total", samples as f64),
        ] {
            prometheus.expect(query, value);
        }
    }
    bridge.stop();
}

#[apply(each_prometheus)]
fn nobody_sends_what_prometheus_says_of_a_target(version: Version) {
    version.prometheus();
    let bridge = Launch::new().start();
    bridge.send("up:0|g\nALERTS:1|g|#alertname:Fake,alertstate:firing\nscrape_samples_scraped:-1|g\nup.time:7|g");
    bridge.page_at(4);
    let prometheus = Prometheus::start(version, &bridge);
    prometheus.expect("up_time", 7.0);
    prometheus.expect("up{job=\"bridge\"}", 1.0);
    assert_eq!(prometheus.series("ALERTS or (scrape_samples_scraped < 0)"), Ok(Vec::new()));
    bridge.stop();
}

#[apply(each_prometheus)]
fn prometheus_reads_quantiles_from_native_histograms_and_classic_ones_side_by_side(version: Version) {
    version.prometheus();
    let bridge = Launch::new().start();
    // `idle` gets no samples after the first scrape with native buckets.
    bridge.send("idle:0.3|h\nidle:70|h");
    bridge.page_at(2);
    let native = Prometheus::start_native(version, &bridge);
    let classic = Prometheus::start(version, &bridge);
    native.expect("up{job=\"bridge\"}", 1.0);
    // From 1 ms to 21 s, each value 1 % above the previous one. The 0.5 quantile is the 500th of 1,000 values.
    let value = |nth: usize| 0.001 * 1.01_f64.powi(nth as i32);
    let lines: Vec<String> = (0..1_000).map(|nth| format!("took:{}|h", value(nth))).collect();
    for some in lines.chunks(50) {
        bridge.send(some.join("\n"));
    }
    bridge.page_at(1_002);
    native.expect("histogram_count(took)", 1_000.0);
    native.expect("histogram_count(idle)", 2.0);
    native.expect("count(took_bucket) or vector(0)", 0.0);
    classic.expect("took_count", 1_000.0);
    // Factor 1.1 is schema 3: each bucket is 2^(1/8) times as wide as the previous one.
    let factor = 2_f64.powf(1.0 / 8.0);
    for (quantile, nth) in [(0.01, 9), (0.1, 99), (0.5, 499), (0.9, 899), (0.99, 989)] {
        let exact = value(nth);
        let found = native.query(&format!("histogram_quantile({quantile}, took)")).expect("a quantile");
        assert!((exact / factor..=exact * factor).contains(&found), "{quantile}: {found}, not {exact}");
    }
    let coarse = classic.query("histogram_quantile(0.5, took_bucket)").expect("a quantile");
    assert!((0.1..=0.25).contains(&coarse), "the classic bucket of {}: {coarse}", value(499));
    bridge.stop();
}

/// With the newer version only: both decode the exposition and append its series in the same way, and 24,000 series take seconds.
#[apply(test)]
fn prometheus_reads_a_family_of_several_messages_as_one() {
    let version = Version::Three;
    version.prometheus();
    let large = ["--limits.series-per-family=100000", "--limits.values-per-label=100000"];
    let bridge = large.into_iter().fold(Launch::new(), Launch::arg).start();
    // The family exceeds the 3 MiB of one message. The test sends over TCP, because a check after each datagram is slow.
    let lines: String = (0..24_000).map(|n| format!("large:{n}|c|#host:some-host-{n:0>130},zone:a\n")).collect();
    bridge.tcp().write_all(lines.as_bytes()).expect("the bridge reads");
    bridge.page_at(24_000);
    // A busy machine may need seconds for an exposition of this size.
    let yaml = scraping(&bridge, "15s");
    let prometheus = Prometheus::with_native_histograms(version, &yaml);
    prometheus.expect("count(large)", 24_000.0);
    prometheus.expect("sum(large)", 23_999.0 * 12_000.0);
    prometheus.expect("scrape_samples_scraped", bridge.page().lines().count() as f64);
    bridge.stop();
}

#[apply(each_prometheus)]
fn promtool_finds_nothing_but_names_that_the_sender_chose(version: Version) {
    let program = version.promtool();
    for compat in [false, true] {
        let bridge = if compat { Launch::new().arg("--compat=statsd_exporter").start() } else { Launch::new().start() };
        send_some_of_everything(&bridge);
        let (code, output) = filter(Command::new(&program).args(["check", "metrics"]), bridge.page_text().as_bytes());
        assert!(matches!(code, Some(0 | 3)), "exit code {code:?}\n{output}");
        let wrong: Vec<_> = output
            .lines()
            // A StatsD counter can have any name. Self-metrics have the correct suffixes.
            .filter(|l| !(l.starts_with("shop_") && l.ends_with(" counter metrics should have \"_total\" suffix")))
            // A gauge that statsd_exporter named like a counter. The bridge has it only with statsd_exporter's prefix.
            .filter(|l| !l.starts_with("statsd_exporter_metrics_total "))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(output.contains("shop_orders"), "promtool no more says what it said: is it looking?\n{output}");
        bridge.stop();
    }
}

#[apply(each_prometheus)]
fn promtool_accepts_the_configuration_that_comes_with_the_compose_file(version: Version) {
    let program = version.promtool();
    let config = peers::repository().join("proto-examples/prometheus/prometheus.yml");
    let (code, output) = filter(Command::new(program).args(["check", "config"]).arg(config), b"");
    assert_eq!(code, Some(0), "{output}");
}

#[apply(test)]
fn python_reads_the_same_numbers() {
    let python = peers::python_with_clients();
    let bridge = Launch::new().start();
    send_some_of_everything(&bridge);
    let text = bridge.page_text();
    let script = peers::repository().join("tests/python/read_page.py");
    let (code, output) = filter(Command::new(python).arg(script), text.as_bytes());
    assert_eq!(code, Some(0), "{output}");

    let json: Vec<(String, HashMap<String, String>, String)> = serde_json::from_str(&output).expect("JSON");
    let mut theirs: Vec<_> = json.into_iter().map(|(name, labels, value)| (name, sorted(labels), number(&value))).collect();
    let page = Page::parse(&text).expect("a good page");
    let mut ours: Vec<_> = page
        .families
        .iter()
        .flat_map(|family| family.lines.iter().map(move |line| (family, line)))
        .map(|(family, line)| {
            // Python's parser adds the suffix that OpenMetrics requires to every counter.
            let ending = if family.kind == "counter" && !line.name.ends_with("_total") { "_total" } else { "" };
            (format!("{}{ending}", line.name), sorted(line.labels.clone()), line.value.to_bits())
        })
        .collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert!(ours.len() > 40);
    assert_eq!(ours, theirs);
    bridge.stop();
}

fn sorted(labels: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut labels: Vec<_> = labels.into_iter().collect();
    labels.sort_unstable();
    labels
}

/// The bits of a number in the form of Python's `repr`.
fn number(text: &str) -> u64 {
    text.parse::<f64>().unwrap_or_else(|_| panic!("not a number: {text}")).to_bits()
}

/// Runs a program on this input. Returns its exit code and its output.
pub fn filter(command: &mut Command, input: &[u8]) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("stdin is a pipe").write_all(input).expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}
