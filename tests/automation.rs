//! The automation platform of proto-examples/apps. The tests run its demo against the bridge, compare the exposition with the table
//! of the platform's metrics, and query every metric in Prometheus.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Launch, Process, Running, bridge_command};
use crate::page::{Family, Page};
use crate::peers::{self, Version};
use crate::prometheus::Prometheus;

/// Names that the bridge's process metrics have too. In Prometheus, the label `job` separates them.
const ALSO_OF_A_BRIDGE: [&str; 2] = ["process_cpu_seconds_total", "process_resident_memory_bytes"];

/// The number of rounds of the demo. A comment at the top of the demo says what a round does.
const ROUNDS: f64 = 2.0;

/// The samples of one round, and the single sample at the end of the demo, that TestWatcher has ended.
const SAMPLES: [u64; 2] = [133, 1];

/// The amount that a round adds to each series of a counter, and to the number of observations of a histogram.
const COUNTS: [(&str, f64); 33] = [
    ("test_watcher_files_processed_total", 5.0),
    ("test_watcher_tests_run_total{status=\"pass\"}", 6.0),
    ("test_watcher_tests_run_total{status=\"fail\"}", 2.0),
    ("test_watcher_tests_run_total{status=\"error\"}", 1.0),
    ("test_watcher_api_calls_total{api=\"deepseek\",status=\"success\"}", 1.0),
    ("test_watcher_errors_total", 1.0),
    ("test_watcher_processing_duration_seconds_count", 5.0),
    ("test_watcher_debounce_duration_seconds_count", 5.0),
    ("test_watcher_test_execution_duration_seconds_count", 9.0),
    ("audit_agent_runs_total{trigger=\"scheduled\"}", 2.0),
    ("audit_agent_runs_total{trigger=\"commit\"}", 1.0),
    ("audit_agent_completion_markers_found_total", 3.0),
    ("audit_agent_git_commits_detected_total", 1.0),
    ("audit_agent_errors_total", 1.0),
    ("audit_agent_run_duration_seconds_count", 3.0),
    ("audit_agent_analysis_duration_seconds_count", 3.0),
    ("safe_async_bridge_calls_total", 4.0),
    ("safe_async_bridge_errors_total", 1.0),
    ("safe_async_bridge_timeouts_total", 1.0),
    ("safe_async_bridge_execution_duration_seconds_count", 4.0),
    ("api_deepseek_calls_total{status=\"success\"}", 2.0),
    ("api_deepseek_calls_total{status=\"rate_limited\"}", 1.0),
    ("api_perplexity_calls_total{status=\"success\"}", 2.0),
    ("api_perplexity_calls_total{status=\"error\"}", 1.0),
    ("api_rate_limits_total{api=\"deepseek\"}", 1.0),
    ("api_errors_total{api=\"perplexity\"}", 1.0),
    ("api_tokens_used_total{api=\"deepseek\"}", 1200.0),
    ("api_tokens_used_total{api=\"perplexity\"}", 1300.0),
    ("api_request_duration_seconds_count{api=\"deepseek\"}", 3.0),
    ("api_request_duration_seconds_count{api=\"perplexity\"}", 3.0),
    // The demo passes these durations as numbers, so their buckets are known.
    ("api_request_duration_seconds_bucket{api=\"deepseek\",le=\"0.05\"}", 1.0),
    ("api_request_duration_seconds_bucket{api=\"perplexity\",le=\"2.5\"}", 2.0),
    ("api_request_duration_seconds_bucket{api=\"perplexity\",le=\"7.5\"}", 2.0),
];

/// Gauges whose last value is known.
const VALUES: [(&str, f64); 7] = [
    ("test_watcher_changed_files_current", 0.0),
    ("test_watcher_is_running", 0.0),
    ("audit_agent_coverage_percent", 85.5),
    ("audit_agent_active_tasks", 0.0),
    ("safe_async_bridge_pending_tasks", 0.0),
    ("safe_async_bridge_active_loops", 0.0),
    ("api_perplexity_response_time_seconds", 1.75),
];

/// The folder of the platform.
fn platform() -> PathBuf {
    peers::repository().join("proto-examples/apps/automation")
}

/// Starts the demo.
fn start_demo(python: &Path, bridge: &Running, rounds: f64) -> Process {
    let mut command = Command::new(python);
    command.arg("-B").arg(platform().join("demo_prometheus_metrics.py"));
    command.arg(format!("--host={}", bridge.statsd.ip())).arg(format!("--port={}", bridge.statsd.port()));
    command.arg(format!("--rounds={rounds}")).arg("--work=0.02");
    // The client would add tags from these variables as labels.
    for key in ["DD_ENV", "DD_SERVICE", "DD_VERSION", "DD_TAGS", "DATADOG_TAGS"] {
        command.env_remove(key);
    }
    Process::start(command)
}

/// Runs the demo to its end. Returns its output.
fn run_demo(python: &Path, bridge: &Running) -> String {
    let mut demo = start_demo(python, bridge, ROUNDS);
    let status = demo.wait();
    let log = demo.log();
    assert!(status.success() && !log.contains("Traceback"), "{status}\n{log}");
    log
}

/// A row of the platform's table.
struct Row {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
    /// The upper bounds of a histogram as the exposition writes them, without `+Inf`. Empty for other types.
    bounds: Vec<String>,
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(platform().join("metrics.tsv")).expect("the table is there");
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, kind, labels, bounds, _] = columns[..] else { panic!("not five columns: {line}") };
        let list = |text: &str, separator| -> Vec<String> {
            if text == "-" { Vec::new() } else { text.split(separator).map(str::to_owned).collect() }
        };
        Row { name: name.into(), kind: kind.into(), labels: list(labels, ',').into_iter().collect(), bounds: list(bounds, ' ') }
    })
    .collect()
}

/// The first difference between a family and its row.
fn difference(row: &Row, family: &Family) -> Option<String> {
    if family.kind != row.kind {
        return Some(format!("is a {}, not a {}", family.kind, row.kind));
    }
    let mut bounds: Vec<String> = Vec::new();
    for line in &family.lines {
        let labels: BTreeSet<String> = line.labels.iter().map(|(key, _)| key.clone()).filter(|key| key != "le").collect();
        if labels != row.labels {
            return Some(format!("{} has the labels {labels:?}, not {:?}", line.series, row.labels));
        }
        let bound = line.labels.iter().find(|(key, _)| key == "le").map(|(_, value)| value);
        bounds.extend(bound.filter(|b| *b != "+Inf" && !bounds.contains(b)).cloned());
    }
    (bounds != row.bounds).then(|| format!("has the buckets {bounds:?}, not {:?}", row.bounds))
}

fn assert_the_page_is_as_the_table_says(page: &Page) {
    let rows = table();
    assert_eq!(rows.len(), 40, "metrics of the table");
    let mut wrong: Vec<String> = Vec::new();
    for row in &rows {
        let found = page.family(&row.name);
        let problem = found.map_or_else(|| Some("is not on the page".to_owned()), |family| difference(row, family));
        wrong.extend(problem.map(|problem| format!("{} {problem}", row.name)));
    }
    let expected: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
    let own = |name: &str| name.starts_with("statsd_bridge_");
    let unexpected = page.families.iter().filter(|family| !own(&family.name) && !expected.contains(&family.name));
    wrong.extend(unexpected.map(|family| format!("{} is not in the table", family.name)));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Checks that measured values, which no test can know exactly, are in a plausible range.
fn assert_measured_figures(page: &Page) {
    let value = |name: &str| page.value(name).unwrap_or_else(|| panic!("{name} is not on the page"));
    for percent in ["system_cpu_percent", "system_memory_percent", "system_disk_percent"] {
        assert!((0.0..=100.0).contains(&value(percent)), "{percent} {}", value(percent));
    }
    // A Python process with psutil uses more than 5 MB of memory, and has threads and open files.
    for memory in ["test_watcher_memory_usage_bytes", "process_resident_memory_bytes"] {
        assert!(value(memory) > 5e6, "{memory} {}", value(memory));
    }
    for some in ["process_cpu_seconds_total", "process_open_file_descriptors", "process_threads_count"] {
        assert!(value(some) > 0.0, "{some}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let last_run = value("audit_agent_last_run_timestamp_seconds");
    assert!((now - 3600.0..=now).contains(&last_run), "{last_run}, and now is {now}");
    // For the files of a round, the demo sleeps at least 1 + 2 + 3 + 4 + 5 units of 0.02 s.
    let processing = value("test_watcher_processing_duration_seconds_sum");
    assert!(processing >= ROUNDS * 15.0 * 0.02 * 0.99, "{processing}");
    // The duration of a run includes its analysis.
    assert!(value("audit_agent_run_duration_seconds_sum") >= value("audit_agent_analysis_duration_seconds_sum"));
}

/// Starts the bridge with the flags in the platform's README.
fn platform_bridge() -> Running {
    let mapping = format!("--statsd.mapping-config={}", platform().join("mapping.yml").display());
    Launch::new().arg(mapping).arg("--no-web.process-metrics").start()
}

/// Runs the demo. Returns the bridge, and the exposition with all samples of the demo.
fn bridge_after_the_demo(python: &Path) -> (Running, Page) {
    let bridge = platform_bridge();
    let log = run_demo(python, &bridge);
    assert!(log.contains("a call ended with TimeoutError") && !log.contains("destroyed"), "{log}");
    let page = bridge.page_at(SAMPLES[0] * ROUNDS as u64 + SAMPLES[1]);
    (bridge, page)
}

#[apply(test)]
fn the_demo_gives_the_page_of_the_document() {
    let python = peers::python_with_clients();
    let (bridge, page) = bridge_after_the_demo(&python);
    assert_the_page_is_as_the_table_says(&page);
    for (series, amount) in COUNTS {
        assert_eq!(page.value(series), Some(amount * ROUNDS), "{series}");
    }
    for (series, value) in VALUES {
        assert_eq!(page.value(series), Some(value), "{series}");
    }
    assert_measured_figures(&page);
    assert_eq!(page.family("test_watcher_tests_run_total").expect("a family").help, "Total number of test runs executed");
    for name in ["sample_errors_total", "events_error_total", "events_unmapped_total", "tag_errors_total"] {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
    bridge.stop();
}

/// The demo must handle SIGTERM, because in a container it is the first process, for which the kernel has no default action.
#[apply(test)]
fn sigterm_ends_the_demo_wherever_it_is() {
    let python = peers::python_with_clients();
    let bridge = platform_bridge();
    let mut demo = start_demo(&python, &bridge, 0.0);
    bridge.page_when("TestWatcher runs", |page| page.value("test_watcher_is_running") == Some(1.0));
    demo.signal(Signal::TERM);
    let status = demo.wait();
    assert!(status.success() && !demo.log().contains("Traceback") && !demo.log().contains("Warning"), "{status}\n{}", demo.log());
    bridge.page_when("TestWatcher has ended", |page| page.value("test_watcher_is_running") == Some(0.0));
    bridge.stop();
}

/// A call that waits for an hour. SIGTERM raises an exception in it.
const ENDLESS_CALL: &str = r#"
import asyncio
import signal
from automation.safe_async_bridge import SafeAsyncBridge

signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    with SafeAsyncBridge() as bridge:
        bridge.call(asyncio.sleep(3600), timeout=3600)
except KeyboardInterrupt:
    print("interrupted")
"#;

#[apply(test)]
fn an_interrupted_call_is_cancelled_and_not_waited_for() {
    let python = peers::python_with_clients();
    let bridge = platform_bridge();
    let mut command = Command::new(python);
    command.args(["-B", "-c", ENDLESS_CALL]).current_dir(platform());
    command.env("STATSD_HOST", bridge.statsd.ip().to_string()).env("STATSD_PORT", bridge.statsd.port().to_string());
    let mut process = Process::start(command);
    bridge.page_when("the call waits", |page| page.value("safe_async_bridge_pending_tasks") == Some(1.0));
    process.signal(Signal::TERM);
    assert!(process.wait().success() && process.log().trim() == "interrupted", "{}", process.log());
    let ended = |name: &str, page: &Page| page.value(&format!("safe_async_bridge_{name}")) == Some(0.0);
    bridge.page_when("nothing waits", |page| ended("pending_tasks", page) && ended("active_loops", page));
    bridge.stop();
}

#[apply(test)]
fn prometheus_has_every_metric_by_the_name_of_the_document() {
    Version::need_both();
    let python = peers::python_with_clients();
    let (bridge, page) = bridge_after_the_demo(&python);
    let other = Launch::new().start();
    for version in Version::BOTH {
        assert_has_every_metric(&Prometheus::scraping_as_the_example_does(version, [&bridge, &other], false), &page);
    }
    bridge.stop();
}

fn assert_has_every_metric(prometheus: &Prometheus, page: &Page) {
    for row in table() {
        let of_the_page: f64 = page.lines().filter(|line| line.name == counted(&row)).map(|line| line.value).sum();
        // The label `job` selects the platform's series where the bridge has a metric of the same name.
        let job = if ALSO_OF_A_BRIDGE.contains(&&*row.name) { "{job=\"automation\"}" } else { "" };
        prometheus.expect(&format!("sum({}{job})", counted(&row)), of_the_page);
    }
    for (series, amount) in COUNTS {
        prometheus.expect(series, amount * ROUNDS);
    }
    prometheus.expect("count({__name__=~\"process_(cpu_seconds_total|resident_memory_bytes)\",job=\"statsd-bridge\"})", 2.0);
}

/// The examples of the document, in order. The script also checks that the platform imports neither Flask nor prometheus_client.
const USE: &str = r#"
import sys
from automation.metrics.collectors import AuditAgentCollector, SystemCollector, TestWatcherCollector
from automation.metrics.custom_metrics import test_watcher_tests_run

class TestWatcher:
    def __init__(self):
        self.metrics = TestWatcherCollector(self)
        self.metrics.set_running_status(True)

    def process_changes(self):
        with self.metrics.time_processing():
            self.metrics.record_file_processed()

TestWatcher().process_changes()
collector = TestWatcherCollector()
collector.record_file_processed()
collector.record_test_run('pass')
collector.record_api_call('deepseek', 'success', 1.5)
collector.update_memory_usage()
test_watcher_tests_run.labels(status='pass').inc()
test_watcher_tests_run.labels(status='fail').inc()

collector = AuditAgentCollector()
collector.record_run('scheduled')
collector.update_coverage(85.5)
collector.record_completion_marker_found()
try:
    with collector.time_run():
        raise ValueError
except ValueError:
    pass

SystemCollector().collect_all()
SystemCollector().collect_cpu()
SystemCollector().collect_memory()
SystemCollector().collect_disk()

assert not {'flask', 'prometheus_client'} & set(sys.modules), 'imported'
for mistake in [lambda: test_watcher_tests_run.inc(), lambda: test_watcher_tests_run.labels(state='pass')]:
    try:
        mistake()
    except ValueError:
        continue
    raise AssertionError('labels are not checked')
"#;

#[apply(test)]
fn the_examples_of_the_document_run() {
    let python = peers::python_with_clients();
    let bridge = platform_bridge();
    let mut command = Command::new(python);
    command.args(["-B", "-c", USE]).current_dir(platform());
    command.env("STATSD_HOST", bridge.statsd.ip().to_string()).env("STATSD_PORT", bridge.statsd.port().to_string());
    let mut process = Process::start(command);
    assert!(process.wait().success(), "{}", process.log());
    let page = bridge.page_at(27);
    let counts = [
        ("test_watcher_files_processed_total", 2.0),
        ("test_watcher_tests_run_total{status=\"pass\"}", 2.0),
        ("test_watcher_tests_run_total{status=\"fail\"}", 1.0),
        ("test_watcher_processing_duration_seconds_count", 1.0),
        // The block raised an exception, but is timed too.
        ("audit_agent_run_duration_seconds_count", 1.0),
        ("test_watcher_api_calls_total{api=\"deepseek\",status=\"success\"}", 1.0),
        ("api_deepseek_response_time_seconds", 1.5),
        ("audit_agent_coverage_percent", 85.5),
        ("test_watcher_is_running", 1.0),
    ];
    for (series, value) in counts {
        assert_eq!(page.value(series), Some(value), "{series}");
    }
    bridge.stop();
}

#[apply(test)]
fn the_mapping_has_no_finding() {
    let mut command = bridge_command();
    command.args(["check", "--strict", "--no-web.process-metrics"]).arg(platform().join("mapping.yml"));
    let mut check = Process::start(command);
    let status = check.wait();
    assert!(status.success() && check.log().contains("no remarks"), "{status}\n{}", check.log());
}

/// The name of the series that is summed for a row. For a histogram, this is its number of observations.
fn counted(row: &Row) -> String {
    if row.kind == "histogram" { format!("{}_count", row.name) } else { row.name.clone() }
}
