//! Prompter under Gunicorn with four workers. The totals are exact without a shared folder, and Prometheus answers the queries of
//! Prompter's documents.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::application::{Application, Ask, ended, folder, plain, totals};
use super::table;
use crate::harness::{Launch, Process, Running};
use crate::page::Page;
use crate::peers::{self, Version};
use crate::prometheus::Prometheus;

const NAME: &str = "prompter";
const GUNICORN: [&str; 7] = [
    "-m",
    "gunicorn",
    "--no-control-socket",
    "--workers=4",
    "--worker-class=uvicorn_worker.UvicornWorker",
    "--bind=127.0.0.1:{port}",
    "app:app",
];
/// The allowed runs per minute and worker. The test makes 182 runs, more than four workers allow.
const RATE_LIMIT: &str = "25";

const TEMPLATES: &str = "/api/prompt-templates";
const TEMPLATE: &str = "/api/prompt-templates/{template_id}";
const ENSURE: &str = "/api/prompt-templates/{template_id}/ensure-version";
const RUN: &str = "/api/prompt-templates/{template_id}/run";

/// Provider and model of each template. The ids start at 1. The probes of the last template fail.
const MODELS: [(&str, &str); 3] = [("openai", "gpt-4o"), ("google", "gemini-pro"), ("anthropic", "broken-claude")];
/// The number of probes of each model after the first one.
const PROBES: u64 = 15;

/// A server that answers Redis' PING, on a thread that runs until the tests end.
fn redis() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut ping = [0; 6];
            if stream.read_exact(&mut ping).is_ok() && &ping == b"PING\r\n" {
                let _ = stream.write_all(b"+PONG\r\n");
            }
        }
    });
    address
}

fn bridge() -> Running {
    let mapping = format!("--statsd.mapping-config={}", folder(NAME).join("mapping.yml").display());
    Launch::new().arg(mapping).arg("--label=service=prompter-api").arg("--label=env=test").start()
}

fn start(python: &Path, bridge: &Running, database: &TempDir, redis: SocketAddr) -> Application {
    let (statsd, redis) = (bridge.statsd.to_string(), redis.to_string());
    let file = database.path().join("prompter.db").display().to_string();
    let env = [("STATSD_ADDRESS", &*statsd), ("REDIS_ADDRESS", &*redis), ("PROMPTER_DB", &*file), ("RATE_LIMIT", RATE_LIMIT)];
    Application::start(python, NAME, &GUNICORN, &env)
}

fn create(number: usize, status: u16, times: u64) -> Ask {
    let (provider, model) = MODELS[number];
    let body = json!({"name": format!("template {number}"), "provider": provider, "model": model, "text": "hello"});
    Ask::get(TEMPLATES, status, times).method("POST").body(body.to_string())
}

fn ensure(number: usize, times: u64) -> Ask {
    let status = if MODELS[number].1.starts_with("broken") { 502 } else { 200 };
    Ask::get(ENSURE, status, times).method("POST").path(format!("{TEMPLATES}/{}/ensure-version", number + 1))
}

/// The requests before Prometheus starts: they create each template and probe it once.
fn first_asks() -> Vec<Vec<Ask>> {
    // The templates are created in order, so that their ids are known.
    let created = (0..MODELS.len()).map(|number| vec![create(number, 201, 1)]);
    let probed = vec![(0..MODELS.len()).map(|number| ensure(number, 1)).collect()];
    created.chain(probed).collect()
}

fn other_asks() -> Vec<Ask> {
    let mut asks = vec![
        create(0, 409, 12),
        Ask::get(TEMPLATE, 404, 8).path(format!("{TEMPLATES}/999")),
        Ask::get(TEMPLATES, 405, 4),
        Ask::get("/healthz", 200, 60),
        Ask::get("/metrics", 307, 3),
    ];
    asks.extend((1..=3).map(|id| Ask::get(TEMPLATE, 200, 10).path(format!("{TEMPLATES}/{id}"))));
    asks.extend((1..=9).map(|n| Ask::get("", 404, 1).path(format!("/nowhere/{n}")).of_route("unmatched")));
    asks.extend((0..MODELS.len()).map(|number| ensure(number, PROBES)));
    asks
}

/// Runs a template this many times. Returns one entry for each status of the responses. The rate limit rejects some runs.
fn run(python: &Path, application: &Application, id: u64, times: u64) -> Vec<Ask> {
    let any = Ask { status: None, ..Ask::get(RUN, 0, times).method("POST").path(format!("{TEMPLATES}/{id}/run")) };
    let answers: BTreeMap<u16, u64> = application.ask(python, std::slice::from_ref(&any), json!([]));
    assert!(answers.keys().all(|status| [200, 429].contains(status)), "{answers:?}");
    let answered = |(status, times)| Ask { status: Some(status), times, ..any.clone() };
    answers.into_iter().map(answered).collect()
}

fn count(asks: &[Ask], status: u16) -> f64 {
    asks.iter().filter(|ask| ask.status == Some(status)).map(|ask| ask.times as f64).sum()
}

/// The value of the series with these labels and the constant labels `service` and `env`.
fn value(page: &Page, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut labels: Vec<_> = labels.iter().chain(&[("env", "test"), ("service", "prompter-api")]).collect();
    labels.sort_unstable();
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    page.value(&format!("{name}{{{}}}", labels.join(",")))
}

fn assert_requests(page: &Page, asks: &[Ask]) {
    let totals = totals(asks);
    let mut by_route: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((method, route, status), times) in &totals {
        let labels = [("method", *method), ("route", *route), ("status", &*status.to_string())];
        assert_eq!(value(page, "starlette_requests_total", &labels), Some(*times as f64), "{labels:?}");
        *by_route.entry((method, route)).or_default() += times;
    }
    assert_eq!(page.family("starlette_requests_total").expect("the family").lines.len(), totals.len());
    for ((method, route), times) in by_route {
        let found = value(page, "starlette_requests_processing_seconds_count", &[("method", method), ("route", route)]);
        assert_eq!(found, Some(times as f64), "{method} {route}");
    }
}

fn assert_what_the_service_did(page: &Page, openai: &[Ask], others: &[Ask]) {
    let (fingerprints, inserted) = (count(openai, 200), count(openai, 200) + count(others, 200));
    let refused = count(openai, 429) + count(others, 429);
    let probes = (PROBES + 1) as f64;
    for (provider, model) in MODELS {
        let labels = [("provider", provider), ("model", model)];
        let failed = if model.starts_with("broken") { probes } else { 0.0 };
        assert_eq!(value(page, "prompter_probe_attempts_total", &labels), Some(probes), "{labels:?}");
        assert_eq!(value(page, "prompter_probe_failures_total", &labels), Some(failed), "{labels:?}");
        // A probe that fails is timed too.
        assert_eq!(value(page, "prompter_ensure_version_seconds_count", &labels[..1]), Some(probes), "{provider}");
    }
    assert_eq!(value(page, "prompter_prompt_results_insert_total", &[]), Some(inserted));
    assert_eq!(value(page, "prompter_openai_fingerprint_present_total", &[]), Some(fingerprints));
    assert_eq!(value(page, "prompter_custom_latency_seconds_count", &[]), Some(inserted));
    assert_eq!(value(page, "prompter_db_unique_violation_total", &[("table", "prompt_templates")]), Some(12.0));
    assert_eq!(value(page, "prompter_redis_up", &[]), Some(1.0));
    assert!(refused >= 80.0, "{refused} refused");
    assert_eq!(value(page, "prompter_rate_limit_hit_total", &[("endpoint", RUN)]), Some(refused));
    for name in ["sample_errors_total", "events_error_total", "events_unmapped_total", "tag_errors_total", "limited_samples_total"] {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
}

/// The queries of Prompter's documents, as the dashboard has them.
fn assert_queries(prometheus: &Prometheus, openai: &[Ask], others: &[Ask], requests: f64) {
    prometheus.expect("sum(starlette_requests_total{service=\"prompter-api\",env=\"test\"})", requests);
    let fingerprints = count(openai, 200) / (count(openai, 200) + count(others, 200));
    prometheus.expect("prompter_openai_fingerprint_present_total / prompter_prompt_results_insert_total", fingerprints);
    // Prometheus extrapolates each rate by a different factor, so the quotient is only approximate.
    let rate = "rate(prompter_openai_fingerprint_present_total[1m]) / rate(prompter_prompt_results_insert_total[1m])";
    prometheus.expect(&format!("clamp_max({rate}, 1) > bool 0"), 1.0);
    for (provider, model) in MODELS {
        let failing = if model.starts_with("broken") { 1.0 } else { 0.0 };
        let of = format!("{{provider=\"{provider}\",model=\"{model}\"}}");
        prometheus.expect(&format!("prompter_probe_failures_total{of} / prompter_probe_attempts_total{of}"), failing);
        prometheus.expect(&format!("rate(prompter_probe_failures_total{of}[1m]) / rate(prompter_probe_attempts_total{of}[1m])"), failing);
    }
    prometheus.expect("sum(rate(prompter_probe_failures_total[1m])) / sum(rate(prompter_probe_attempts_total[1m]))", 1.0 / 3.0);
    prometheus.expect("count(count by (le) (starlette_requests_processing_seconds_bucket))", 15.0);
    let slow = "histogram_quantile(0.95, sum by (le) (rate(starlette_requests_processing_seconds_bucket[1m])))";
    prometheus.expect(&format!("{slow} > bool 0"), 1.0);
    prometheus.expect("prompter_redis_up", 1.0);
}

/// Only with Prometheus 3, so that the application runs once. The tests of the dashboards run the same queries in both versions.
#[apply(test)]
fn four_workers_add_up_to_the_request() {
    Version::Three.prometheus();
    let python = peers::python_with_frameworks();
    let database = TempDir::new().expect("a temporary directory");
    let bridge = bridge();
    let application = start(&python, &bridge, &database, redis());
    let mut asks: Vec<Ask> = Vec::new();
    for some in first_asks() {
        application.ask(&python, &some, json!([]));
        asks.extend(some);
    }
    // A rate needs a first value that Prometheus has scraped.
    let (mut openai, mut google) = (run(&python, &application, 1, 1), run(&python, &application, 2, 1));
    let target = bridge.web;
    let yaml = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: prompter, static_configs: [{{targets: ['{target}']}}]}}]\n"
    );
    let prometheus = Prometheus::with_config(Version::Three, &yaml, &[]);
    prometheus.expect("sum(prompter_probe_attempts_total)", 3.0);
    prometheus.expect("prompter_prompt_results_insert_total", 2.0);
    prometheus.expect("prompter_openai_fingerprint_present_total", 1.0);
    let others = other_asks();
    application.ask(&python, &others, json!([]));
    asks.extend(others);
    openai.extend(run(&python, &application, 1, 60));
    google.extend(run(&python, &application, 2, 120));
    asks.extend(openai.iter().chain(&google).cloned());

    // The application stops right after its last response. It must send the samples that are still buffered.
    application.stop();

    let requests: f64 = asks.iter().map(|ask| ask.times as f64).sum();
    let runs = count(&openai, 200) + count(&google, 200);
    let probes = (MODELS.len() as u64 * (PROBES + 1)) as f64;
    // The histograms may arrive one datagram later than the counters.
    let all = [
        ("starlette_requests_total", requests),
        ("starlette_requests_processing_seconds_count", requests),
        ("prompter_custom_latency_seconds_count", runs),
        ("prompter_ensure_version_seconds_count", probes),
    ];
    let page = bridge.page_when("all requests", |page| all.iter().all(|(name, sum)| page.sum(name) >= *sum));
    table::assert_as_the_table_says(NAME, &page);
    assert_requests(&page, &asks);
    assert_what_the_service_did(&page, &openai, &google);
    assert_queries(&prometheus, &openai, &google, requests);
    bridge.stop();
}

#[apply(test)]
fn without_redis_its_gauge_is_zero() {
    let python = peers::python_with_frameworks();
    let database = TempDir::new().expect("a temporary directory");
    let bridge = bridge();
    // No program listens on this port any more.
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port");
    let application = start(&python, &bridge, &database, gone);
    let page = bridge.page_when("the gauge", |page| page.family("prompter_redis_up").is_some());
    assert_eq!(value(&page, "prompter_redis_up", &[]), Some(0.0));
    application.stop();
    bridge.stop();
}

#[apply(test)]
fn the_multiprocess_mode_says_the_same_and_one_worker_alone_does_not() {
    let python = peers::python_with_frameworks();
    let mut command = plain(Command::new(python));
    command.args(["-B", "compare.py", "--bridge", env!("CARGO_BIN_EXE_statsd-bridge")]).current_dir(folder(NAME));
    let mut compare = Process::start(command);
    let status = ended(&mut compare);
    assert!(status.success(), "{status}\n{}", compare.log());
}

#[apply(each_prometheus)]
fn promtool_takes_the_scrape_configuration(version: Version) {
    let promtool = version.promtool();
    let mut command = Command::new(promtool);
    command.args(["check", "config", "--syntax-only"]).arg(folder(NAME).join("prometheus.yml"));
    let mut check = Process::start(command);
    assert!(check.wait().success(), "{}", check.log());
}
