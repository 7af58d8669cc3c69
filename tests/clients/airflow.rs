//! Airflow with its scheduler, its DAG processor and the DAG of tests/python/airflow_dags.py, and the presets for both forms of its
//! metrics.

use std::path::Path;
use std::process::Command;

use super::{expect, expect_nothing_lost};
use crate::compatibility::seen;
use crate::harness::{Launch, Process, Running};
use crate::peers;

/// Runs an Airflow command to its end.
fn airflow(python: &Path, home: &Path, bridge: &Running, settings: &[(&str, &str)], arguments: &[&str]) {
    let mut command = Command::new(python);
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("AIRFLOW")) {
        command.env_remove(key);
    }
    command.args(["-B", "-m", "airflow"]).args(arguments).env("AIRFLOW_HOME", home).current_dir(home);
    let port = bridge.statsd.port().to_string();
    let common = [
        ("CORE__LOAD_EXAMPLES", "False"),
        ("CORE__PARALLELISM", "1"),
        ("LOGGING__LOGGING_LEVEL", "WARNING"),
        // Short intervals instead of 5 s and 30 s, so that a short run sends all gauges.
        ("SCHEDULER__POOL_METRICS_INTERVAL", "0.1"),
        ("SCHEDULER__RUNNING_METRICS_INTERVAL", "0.1"),
        ("METRICS__STATSD_ON", "True"),
        ("METRICS__STATSD_HOST", "127.0.0.1"),
        ("METRICS__STATSD_PORT", &port),
    ];
    command.envs(common.iter().chain(settings).map(|(key, value)| (format!("AIRFLOW__{key}"), *value)));
    let mut process = Process::start(command);
    let status = process.wait();
    let log = process.log();
    // The DAG has a task that fails.
    assert!(status.success() || arguments[0] == "dags" && log.contains("the report fails"), "{arguments:?}: {status}\n{log}");
}

/// Runs Airflow with these settings and the bridge with this preset. Each task of the DAG must have its series, and every name that
/// Airflow sends must match a rule. Returns Airflow's version.
fn assert_each_name_is_mapped(preset: &str, settings: &[(&str, &str)], tasks: [(&str, &str); 3]) -> String {
    let python = peers::python_of("airflow");
    let home = tempfile::TempDir::new().expect("a temporary directory");
    let database = peers::repository().join("target/peers/airflow/home/airflow.db");
    std::fs::copy(database, home.path().join("airflow.db")).expect("tests/build-peers airflow made a database");
    std::fs::create_dir(home.path().join("dags")).expect("an empty directory");
    let dag = peers::repository().join("tests/python/airflow_dags.py");
    std::fs::copy(dag, home.path().join("dags/etl.py")).expect("the DAG is there");

    let bridge = Launch::new().arg(format!("--preset={preset}")).start();
    let run = |arguments: &[&str]| airflow(&python, home.path(), &bridge, settings, arguments);
    run(&["dag-processor", "--num-runs", "1"]);
    run(&["dags", "test", "etl.daily", "2024-01-01"]);
    run(&["scheduler", "--num-runs", "5", "--skip-serve-logs"]);

    let mut expected = Vec::new();
    for ((dag, task), state) in tasks.into_iter().zip(["success", "success", "failed"]) {
        let labels = format!("dag_id=\"{dag}\",task_id=\"{task}\"");
        expected.push((format!("airflow_ti_start_total{{{labels}}}"), 1.0));
        expected.push((format!("airflow_ti_finish_total{{dag_id=\"{dag}\",state=\"{state}\",task_id=\"{task}\"}}"), 1.0));
        expected.push((format!("airflow_task_duration_seconds_count{{{labels}}}"), 1.0));
    }
    let page = expect(&bridge, &expected);
    for name in
        ["scheduler_loop_duration_seconds_count", "executor_open_slots", "pool_open_slots", "dag_processing_last_duration_seconds_count"]
    {
        assert!(page.sum(&format!("airflow_{name}")) > 0.0, "{name}\n{}", bridge.page_text());
    }
    expect_nothing_lost(&page);
    // Airflow sends this duration in seconds as `ms`, so the sum is too small. With datadogpy, timed blocks are in seconds too.
    assert!(page.sum("airflow_dag_processing_last_duration_seconds_sum") < 0.01);
    let is_datadog = preset == "airflow-tags";
    assert_eq!(page.sum("airflow_scheduler_loop_duration_seconds_sum") < 0.01, is_datadog);
    // Shows that the list of unmapped names works.
    bridge.send("airflow.no.such.name:1|c");
    bridge.page_when("the last sample", |page| page.value("airflow_no_such_name") == Some(1.0));
    let unmapped = bridge.get("/api/v1/unmapped").text();
    let names = unmapped.split("\"name\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    // The telemetry of datadogpy is not part of Airflow's metrics.
    let names: Vec<&str> = names.filter(|name| !name.starts_with("datadog.dogstatsd.client.")).collect();
    assert_eq!(names, ["airflow.no.such.name"]);
    bridge.stop();
    peers::python_version(&python, "apache-airflow-core")
}

#[apply(test)]
fn airflow_by_name() {
    let tasks = [("etl__daily", "stage__extract"), ("etl__daily", "stage__load"), ("etl__daily", "stage__report")];
    let version = assert_each_name_is_mapped("airflow", &[], tasks);
    let compared = "names and durations of a DAG, the scheduler and the DAG processor with the preset airflow";
    let result = "each name has a rule; differs: `dag_processing.last_duration` is 1000 times too small, because Airflow sends seconds";
    seen("Airflow", &version, compared, result);
}

#[apply(test)]
fn airflow_by_tags() {
    let tasks = [("etl.daily", "stage.extract"), ("etl.daily", "stage.load"), ("etl.daily", "stage.report")];
    let settings = [("METRICS__STATSD_DATADOG_ENABLED", "True")];
    let version = assert_each_name_is_mapped("airflow-tags", &settings, tasks);
    let compared = "names and durations of a DAG, the scheduler and the DAG processor with DogStatsD tags and the preset airflow-tags";
    let result = "each name has a rule; differs: `dag_processing.last_duration` and timed blocks, such as `scheduler_loop_duration`, are \
                  1000 times too small, because Airflow sends seconds";
    seen("Airflow", &version, compared, result);
}
