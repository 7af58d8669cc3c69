//! The headers `Accept` and `Accept-Encoding` of Prometheus 3 for each configuration, and the format of the response. A proxy
//! between Prometheus and the bridge records the headers.
//!
//! With the newer version only: the older one has neither `scrape_protocols` nor zstd.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::{Prometheus, job, jobs};
use crate::compatibility;
use crate::harness::{Launch, Running, request, until};
use crate::peers::Version;

/// The headers of a scrape and of its response.
#[derive(Debug, Clone, Default, PartialEq)]
struct Headers {
    accept: String,
    accept_encoding: String,
    content_type: String,
    content_encoding: String,
}

/// A proxy that forwards scrapes to a bridge and records the headers of the last scrape of each job.
struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<BTreeMap<String, Headers>>>,
    has_ended: Arc<AtomicBool>,
}

impl Tap {
    fn start(bridge: &Running) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (seen, has_ended) = (Arc::<Mutex<_>>::default(), Arc::<AtomicBool>::default());
        thread::spawn({
            let (seen, has_ended, web) = (Arc::clone(&seen), Arc::clone(&has_ended), bridge.web);
            move || {
                for stream in listener.incoming().take_while(|_| !has_ended.load(Relaxed)).flatten() {
                    let seen = Arc::clone(&seen);
                    // A broken connection is a failed scrape. The next scrape uses a new connection.
                    thread::spawn(move || pass_on(stream, web, &seen));
                }
            }
        });
        Self { address, seen, has_ended }
    }

    /// The headers of a job, after its first scrape.
    fn seen(&self, job: &str) -> Headers {
        until(&format!("a scrape of {job}"), || self.seen.lock().expect("nobody panics with it").get(job).cloned())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.has_ended.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn pass_on(mut stream: TcpStream, web: SocketAddr, seen: &Mutex<BTreeMap<String, Headers>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let header = |name: &str| -> String {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    };
    let (accept, accept_encoding) = (header("accept"), header("accept-encoding"));
    let answer = request(web, "GET", "/metrics", &[("Accept", &accept), ("Accept-Encoding", &accept_encoding)]).ok()?;
    let (content_type, content_encoding) = (answer.header("content-type").to_owned(), answer.header("content-encoding").to_owned());
    let (_, job) = head.split_once("job=")?;
    let job = job.split(' ').next()?.to_owned();
    let encoding = if content_encoding.is_empty() { String::new() } else { format!("Content-Encoding: {content_encoding}\r\n") };
    let length = answer.body.len();
    let first = format!(
        "HTTP/1.1 {} OK\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {length}\r\nConnection: close\r\n\r\n",
        answer.status
    );
    stream.write_all(first.as_bytes()).and_then(|()| stream.write_all(&answer.body)).ok()?;
    seen.lock().ok()?.insert(job, Headers { accept, accept_encoding, content_type, content_encoding });
    Some(())
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=";
const OLD_OPENMETRICS: &str = "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=";
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=";

/// Name and settings of a job. Formats, each with its escaping, of a bridge with `--web.openmetrics=auto` and of one with `always`.
type Case = (&'static str, &'static str, [(&'static str, &'static str); 2]);

const UTF8: &str = "allow-utf-8";
const UNDERSCORES: &str = "underscores";

const CASES: [Case; 12] = [
    ("default", "", [(TEXT, UTF8), (OPENMETRICS, UTF8)]),
    // Prometheus names no escaping for protobuf and for the old versions of text and OpenMetrics.
    ("native", ", scrape_native_histograms: true", [(PROTOBUF, UNDERSCORES); 2]),
    ("protobuf", ", scrape_protocols: [PrometheusProto]", [(PROTOBUF, UNDERSCORES); 2]),
    ("protobuf-last", ", scrape_protocols: [PrometheusText1.0.0, PrometheusProto]", [(TEXT, UTF8); 2]),
    // Prometheus also accepts any other format, so `auto` selects text.
    ("openmetrics", ", scrape_protocols: [OpenMetricsText1.0.0]", [(TEXT, UNDERSCORES), (OPENMETRICS, UTF8)]),
    (
        "openmetrics-first",
        ", scrape_protocols: [OpenMetricsText0.0.1, PrometheusProto]",
        [(PROTOBUF, UNDERSCORES), (OLD_OPENMETRICS, UNDERSCORES)],
    ),
    ("openmetrics-2", ", scrape_protocols: [OpenMetricsText2.0.0, OpenMetricsText1.0.0]", [(TEXT, UNDERSCORES), (OPENMETRICS, UTF8)]),
    ("text-1", ", scrape_protocols: [PrometheusText1.0.0]", [(TEXT, UTF8); 2]),
    ("text-0", ", scrape_protocols: [PrometheusText0.0.4]", [(TEXT, UNDERSCORES); 2]),
    ("legacy", ", metric_name_validation_scheme: legacy", [(TEXT, UNDERSCORES), (OPENMETRICS, UNDERSCORES)]),
    ("dots", ", metric_name_escaping_scheme: dots", [(TEXT, "dots"), (OPENMETRICS, "dots")]),
    // Each response has a content type, so Prometheus does not use the fallback.
    (
        "fallback",
        ", fallback_scrape_protocol: PrometheusProto, metric_name_escaping_scheme: values",
        [(TEXT, "values"), (OPENMETRICS, "values")],
    ),
];

const DEFAULT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
    application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
    text/plain;version=0.0.4;q=0.4,*/*;q=0.3";
const NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
    application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

#[apply(test)]
fn prometheus_gets_the_format_of_its_configuration_and_equal_values() {
    Version::Three.prometheus();
    // All expositions have the same series at all times, because they have no self-metrics of the process.
    let bridges = ["auto", "always"].map(|offer| Launch::new().arg(format!("--web.openmetrics={offer}")).start());
    let taps = bridges.each_ref().map(|bridge| {
        super::send_some_of_everything(bridge);
        Tap::start(bridge)
    });
    let targets = taps.each_ref().map(|tap| tap.address);
    let of_case = |(name, more, _): &Case| {
        let more = format!("{more}, params: {{job: [{name}]}}");
        // Two targets of one job.
        job(name, targets[0], &more).replace(&format!("'{}'", targets[0]), &format!("'{}', '{}'", targets[0], targets[1]))
    };
    let prometheus = Prometheus::with_config(
        Version::Three,
        &jobs(CASES.iter().map(of_case)),
        // Without `openmetrics2`, Prometheus does not read OpenMetrics 2, which the bridge does not have.
        &["--enable-feature=openmetrics2,zstd-scrape"],
    );
    for (name, _, formats) in CASES {
        for (tap, (format, escaping)) in taps.iter().zip(formats) {
            let headers = tap.seen(name);
            assert_eq!(headers.content_type, format!("{format}{escaping}"), "{name}: {headers:?}");
            assert_eq!((&*headers.accept_encoding, &*headers.content_encoding), ("zstd,gzip", "zstd"), "{name}");
        }
    }
    assert_eq!((&*taps[0].seen("default").accept, &*taps[0].seen("native").accept), (DEFAULT, NATIVE));
    let all = 2.0 * CASES.len() as f64;
    prometheus.expect("count(up == 1)", all);
    for (query, value) in [
        ("shop_orders{country=\"de\"}", 4950.0),
        ("shop_stock{item=\"n0\"}", 24.75),
        ("shop_users", 100.0),
        // The sum is the same in each job, also in the one with native histograms.
        ("(shop_basket_count or histogram_count(shop_basket))", 800.0),
    ] {
        prometheus.expect(&format!("count({query} == {value})"), all);
    }
    let compared = "12 configurations of scrape_protocols, fallback and escaping, zstd: the negotiated format, values";
    compatibility::seen("Prometheus", &prometheus.version(), compared, "as configured; values equal");
    bridges.into_iter().for_each(|bridge| drop(bridge.stop()));
}
