//! Gunicorn with the preset `gunicorn`. The exposition must count every request to its workers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::harness::{Launch, Process, free_port, request};
use crate::page::Page;
use crate::peers;

const WORKERS: f64 = 2.0;

/// Paths of tests/python/gunicorn_app.py, the status of the response, and the number of requests: 200 in all.
const REQUESTS: [(&str, u16, u32); 4] = [("/ok", 200, 120), ("/missing", 404, 50), ("/busy", 503, 20), ("/raise", 500, 10)];

/// Starts Gunicorn with the bridge as its StatsD server.
fn gunicorn(python: &Path, address: SocketAddr, statsd: SocketAddr, flags: &[&str]) -> Process {
    let mut command = Command::new(python);
    // This variable would change the samples that Gunicorn sends.
    command.env_remove("GUNICORN_CMD_ARGS");
    command.args(["-B", "-m", "gunicorn", "--no-control-socket"]).arg(format!("--bind={address}")).arg(format!("--workers={WORKERS}"));
    command.arg("--chdir").arg(peers::repository().join("tests/python"));
    command.arg(format!("--statsd-host={statsd}")).args(flags).arg("gunicorn_app:app");
    Process::start(command)
}

/// The value of the series of a family with these labels. Each label ends with a comma: `app="a",`.
fn value(page: &Page, family: &str, labels: &str) -> Option<f64> {
    let labels = labels.trim_end_matches(',');
    page.value(&if labels.is_empty() { family.to_owned() } else { format!("{family}{{{labels}}}") })
}

/// Sends all of [`REQUESTS`] in turns, so that each worker gets some of each path, and compares the exposition. Every series has
/// `labels`, which sort before `level` and `status`.
fn assert_every_request_is_counted(flags: &[&str], labels: &str) {
    let python = peers::python_with_clients();
    let bridge = Launch::new().arg("--preset=gunicorn").start();
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
    let mut process = gunicorn(&python, address, bridge.statsd, flags);
    bridge.page_when("the arbiter has its workers", |page| value(page, "gunicorn_workers", labels) == Some(WORKERS));

    let most = REQUESTS.iter().map(|(.., times)| *times).max().unwrap_or_default();
    for round in 0..most {
        for (path, status, _) in REQUESTS.iter().filter(|(.., times)| round < *times) {
            let response = request(address, "GET", path, &[]).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", process.log()));
            assert_eq!(response.status, *status, "{path}");
        }
    }
    let total: f64 = REQUESTS.iter().map(|(.., times)| f64::from(*times)).sum();
    assert_eq!(total, 200.0);
    // A worker sends its samples after the response, and the status last.
    bridge.page_when("all answers", |page| page.sum("gunicorn_responses_total") >= total);
    process.signal(rustix::process::Signal::TERM);
    let status = process.wait();
    assert!(status.success(), "{status}\n{}", process.log());

    let page = bridge.page();
    assert_eq!(value(&page, "gunicorn_requests_total", labels), Some(total));
    assert_eq!(value(&page, "gunicorn_request_duration_seconds_count", labels), Some(total));
    assert_eq!(value(&page, "gunicorn_request_duration_seconds_bucket", &format!("{labels}le=\"+Inf\"")), Some(total));
    for (path, status, times) in REQUESTS {
        let series = format!("{labels}status=\"{status}\"");
        assert_eq!(value(&page, "gunicorn_responses_total", &series), Some(f64::from(times)), "{path}");
    }
    let raised = REQUESTS.iter().find(|(path, ..)| *path == "/raise").map(|(.., times)| f64::from(*times));
    assert_eq!(value(&page, "gunicorn_log_messages_total", &format!("{labels}level=\"exception\"")), raised);
    for name in
        ["udp_kernel_drops_total", "udp_truncated_packets_total", "sample_errors_total", "events_error_total", "events_unmapped_total"]
    {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
    bridge.stop();
}

#[apply(test)]
fn every_request_is_counted() {
    assert_every_request_is_counted(&[], "");
}

#[apply(test)]
fn every_request_is_counted_with_prefix_and_tags() {
    let flags = ["--statsd-prefix=service.app", "--dogstatsd-tags=env:test"];
    assert_every_request_is_counted(&flags, "app=\"service.app\",env=\"test\",");
}
