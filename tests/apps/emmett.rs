//! The Emmett application over both of its interfaces. 300 requests and some WebSockets must be in the right series.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::application::{Application, Ask, folder, plain, totals};
use super::table;
use crate::harness::{Launch, Process, Running};
use crate::page::Page;
use crate::peers::{self, Version};
use crate::prometheus::Prometheus;

const NAME: &str = "emmett";
const WEBSOCKETS: u64 = 7;
const BODY: &str = "0123456789";
/// Emmett's built-in server with the interface RSGI, and two workers.
const RSGI: [&str; 10] =
    ["-m", "emmett", "-a", "app", "serve", "--host=127.0.0.1", "--port={port}", "--workers=2", "--interface=rsgi", "--http=1"];
/// The usual ASGI server. Emmett 2.8.2 has no handler for `websocket` there, with or without tracking, so its WebSockets fail.
const ASGI: [&str; 4] = ["-m", "uvicorn", "--port={port}", "app:app"];

fn asks() -> Vec<Ask> {
    let mut asks = vec![
        Ask::get("/", 200, 55),
        Ask::get("/example/1", 200, 5).of_route("/example"),
        Ask::get("/test-metrics", 200, 50),
        Ask::get("/orders/5000", 404, 30).of_route("/orders/<int:order>"),
        Ask::get("/orders", 201, 40).method("POST").body(BODY),
        Ask::get("/orders", 404, 10).method("DELETE").of_route("unmatched"),
        Ask::get("/fail", 500, 20),
        Ask::get("/metrics", 303, 10),
    ];
    // Paths with ids, each sent once.
    asks.extend((1..=40).map(|n| Ask::get("", 200, 1).path(format!("/orders/{n}")).of_route("/orders/<int:order>")));
    asks.extend((1..=40).map(|n| Ask::get("", 404, 1).path(format!("/nowhere/{n}")).of_route("unmatched")));
    asks
}

fn bridge() -> Running {
    Launch::new().arg(format!("--statsd.mapping-config={}", folder(NAME).join("mapping.yml").display())).start()
}

fn start(python: &Path, bridge: &Running, args: &[&str], env: &[(&str, &str)]) -> Application {
    let statsd = bridge.statsd.to_string();
    let env: Vec<(&str, &str)> = env.iter().copied().chain([("STATSD_ADDRESS", &*statsd)]).collect();
    Application::start(python, NAME, args, &env)
}

/// Sends all requests, and opens this many WebSockets.
fn ask_for_all(python: &Path, application: &Application, websockets: u64) {
    application.ask(python, &asks(), json!([{"path": "/ws/echo", "times": websockets}]));
}

/// The exposition with all requests and WebSockets. The application ended right after its last response, so it must have sent the
/// samples that were still buffered.
fn page_of_all(bridge: &Running, websockets: u64) -> Page {
    let sent: u64 = asks().iter().map(|ask| ask.times).sum();
    assert_eq!(sent, 300);
    // The histograms may arrive one datagram later than the counters.
    let all = ["requests_total", "request_duration_seconds_count", "request_size_bytes_count", "response_size_bytes_count"];
    bridge.page_when("all requests and WebSockets", |page| {
        let requests = all.iter().all(|name| page.sum(&format!("emmett_http_{name}")) >= sent as f64);
        requests && page.sum("emmett_ws_connections_total") >= websockets as f64
    })
}

fn assert_every_request_is_where_it_belongs(page: &Page) {
    let totals = totals(&asks());
    for ((method, route, status), times) in &totals {
        let labels = format!("{{endpoint=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        for name in ["requests_total", "request_duration_seconds_count", "request_size_bytes_count", "response_size_bytes_count"] {
            let series = format!("emmett_http_{name}{labels}");
            assert_eq!(page.value(&series), Some(*times as f64), "{series}");
        }
    }
    let families = page.family("emmett_http_requests_total").expect("the family");
    assert_eq!(families.lines.len(), totals.len(), "series for nothing: {:#?}", families.lines);
    let posted = "emmett_http_request_size_bytes_sum{endpoint=\"/orders\",method=\"POST\",status=\"201\"}";
    assert_eq!(page.value(posted), Some(40.0 * BODY.len() as f64));
    assert_eq!(page.sum("emmett_http_request_size_bytes_sum"), 40.0 * BODY.len() as f64, "no other request had a body");
    let index = "emmett_http_response_size_bytes_sum{endpoint=\"/\",method=\"GET\",status=\"200\"}";
    assert_eq!(page.value(index), Some(55.0 * "Emmett, tracked.\n".len() as f64));
    for name in ["sample_errors_total", "events_error_total", "events_unmapped_total", "tag_errors_total", "limited_samples_total"] {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
    // The application buffers: it sends far fewer datagrams than it receives requests.
    let datagrams = page.sum("statsd_bridge_udp_packets_total");
    assert!(datagrams < 200.0, "{datagrams} datagrams for 300 requests");
}

/// Only with Prometheus 3. Other tests compare how both versions read one exposition.
#[apply(test)]
fn every_request_is_on_the_page_and_in_prometheus() {
    Version::Three.prometheus();
    let python = peers::python_with_frameworks();
    let bridge = bridge();
    let application = start(&python, &bridge, &RSGI, &[]);
    ask_for_all(&python, &application, WEBSOCKETS);
    application.stop();
    let page = page_of_all(&bridge, WEBSOCKETS);
    table::assert_as_the_table_says(NAME, &page);
    assert_every_request_is_where_it_belongs(&page);
    assert_eq!(page.value("emmett_ws_connections_total"), Some(WEBSOCKETS as f64));
    let rules = folder(NAME).join("alerts.yml");
    let yaml = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n- job_name: emmett\n  static_configs:\n  - targets: ['{}']\n",
        rules.display(),
        bridge.web
    );
    let prometheus = Prometheus::with_config(Version::Three, &yaml, &[]);
    prometheus.expect("sum(emmett_http_requests_total)", 300.0);
    for ((method, route, status), times) in totals(&asks()) {
        prometheus
            .expect(&format!("emmett_http_requests_total{{endpoint=\"{route}\",method=\"{method}\",status=\"{status}\"}}"), times as f64);
    }
    prometheus.expect("count(count by (le) (emmett_http_request_duration_seconds_bucket))", 12.0);
    prometheus.expect("sum(emmett_http_requests_total{status=~\"5..\"}) / sum(emmett_http_requests_total)", 20.0 / 300.0);
    prometheus.expect("histogram_quantile(0.95, sum by (le) (emmett_http_request_duration_seconds_bucket)) > bool 0", 1.0);
    prometheus.expect("emmett_ws_connections_total", WEBSOCKETS as f64);
    bridge.stop();
}

#[apply(test)]
fn every_request_is_on_the_page_over_asgi() {
    let python = peers::python_with_frameworks();
    let bridge = bridge();
    let application = start(&python, &bridge, &ASGI, &[]);
    ask_for_all(&python, &application, 0);
    drop(application);
    let page = page_of_all(&bridge, 0);
    assert_every_request_is_where_it_belongs(&page);
    bridge.stop();
}

#[apply(test)]
fn switched_off_nothing_is_sent() {
    let python = peers::python_with_frameworks();
    let bridge = bridge();
    for (args, websockets) in [(&RSGI[..], 1), (&ASGI, 0)] {
        let application = start(&python, &bridge, args, &[("PROMETHEUS_ENABLED", "false"), ("PROMETHEUS_SYSTEM_METRICS", "true")]);
        let answers = application.ask(&python, &[Ask::get("/test-metrics", 200, 5)], json!([{"path": "/ws/echo", "times": websockets}]));
        assert_eq!(answers[&200], 5);
        // At its end, the application would send samples that are still buffered.
        drop(application);
    }
    bridge.send("last:1|c");
    bridge.page_at(1);
    bridge.stop();
}

#[apply(test)]
fn a_job_counts_as_a_request() {
    let python = peers::python_with_frameworks();
    let bridge = bridge();
    let mut command = plain(Command::new(python));
    command.args(["-B", "-m", "emmett", "-a", "app", "sweep"]).current_dir(folder(NAME));
    command.env("STATSD_ADDRESS", bridge.statsd.to_string());
    let mut job = Process::start(command);
    assert!(job.wait().success(), "{}", job.log());
    let page = bridge.page_when("the job", |page| page.sum("emmett_http_request_duration_seconds_count") >= 1.0);
    let series = "emmett_http_requests_total{endpoint=\"/jobs/sweep\",method=\"POST\",status=\"200\"}";
    assert_eq!(page.value(series), Some(1.0));
    bridge.stop();
}

#[apply(test)]
fn system_metrics_come_when_they_are_wanted() {
    let python = peers::python_with_frameworks();
    let bridge = bridge();
    let application = start(&python, &bridge, &ASGI, &[("PROMETHEUS_SYSTEM_METRICS", "true")]);
    let page = bridge.page_when("system metrics", |page| page.family("emmett_process_open_fds").is_some());
    // A Python process with Emmett uses more memory, files and CPU time than this.
    assert!(page.sum("emmett_process_resident_memory_bytes") > 10e6);
    assert!(page.sum("emmett_process_open_fds") > 3.0);
    assert!(page.sum("emmett_process_cpu_seconds_total") > 0.01);
    assert!(page.sum("python_gc_collections_total") > 0.0);
    assert_eq!(page.family("emmett_process_cpu_seconds_total").map(|family| &*family.kind), Some("counter"));
    assert_eq!(page.sum("statsd_bridge_events_unmapped_total"), 0.0);
    drop(application);
    bridge.stop();
}

#[apply(each_prometheus)]
fn promtool_takes_the_alerts(version: Version) {
    let promtool = version.promtool();
    let mut command = Command::new(promtool);
    command.args(["check", "rules"]).arg(folder(NAME).join("alerts.yml"));
    let mut check = Process::start(command);
    assert!(check.wait().success(), "{}", check.log());
}
