//! The tools on the real binary: exit codes, text, JSON.

mod lints;
mod published;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::bridge_command;
use crate::peers::repository;

/// The exit code and the output of a run.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(args: &[&str]) -> Ran {
    run_with(args, b"")
}

fn run_with(args: &[&str], stdin: &[u8]) -> Ran {
    let mut command: Command = bridge_command();
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), stdin).expect("it takes its input");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }
}

/// The codes of the findings of `check --format json`, with their lines, in order.
fn findings(file: &str) -> Vec<(String, u64)> {
    let ran = run(&["check", file, "--format=json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|f| (f["code"].as_str().expect("a code").to_owned(), f["line"].as_u64().expect("a line"))).collect()
}

fn codes(rules: &str) -> Vec<String> {
    let files = Files::new();
    findings(&files.write("m.yml", rules)).into_iter().map(|(code, _)| code).collect()
}

const CLEAN: &str = "mappings:\n- match: app.*.requests\n  name: app_requests_total\n  labels: {route: $1}\n";

#[apply(test)]
fn check_ends_with_0_1_or_3() {
    let files = Files::new();
    let clean = files.write("clean.yml", CLEAN);
    let warned = files.write("warned.yml", format!("{CLEAN}- match: app.x.requests\n  name: y\n"));
    let broken = files.write("broken.yml", "mappings:\n- match: a.*\n  nam: x\n");
    let noted = files.write("noted.yml", "mappings:\n- match: app.*\n  name: x\n");
    for (args, code, says) in [
        (&["check", &clean][..], 0, "1 rule, 0 tests: no remarks"),
        (&["check", &noted], 0, "1 note"),
        (&["check", &warned], 3, "warned.yml:5:10: warning: `app.x.requests` never matches"),
        (&["check", &warned, "--strict"], 1, "1 warning"),
        (&["check", &broken], 1, "broken.yml:3:3: error"),
        (&["check", "/no/such/file.yml"], 1, "cannot be read"),
        (&["check", &clean, &noted], 0, "2 rules"),
        (&["check", "--preset", "gunicorn"], 0, "tests"),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, Some(code), "{args:?}\n{}{}", ran.out, ran.err);
        assert!(ran.out.contains(says), "{args:?}\n{}", ran.out);
        assert!(!ran.out.contains('\u{1b}'), "plain text");
    }
    assert_eq!(run(&["check"]).code, Some(2));
}

#[apply(test)]
fn check_config_says_the_same_and_keeps_its_line() {
    let files = Files::new();
    let warned = files.write("warned.yml", format!("{CLEAN}- match: app.x.requests\n  name: y\n"));
    let ran = run(&["--check-config", &format!("--statsd.mapping-config={warned}")]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "Configuration check successful, exiting\n"));
    assert!(run(&["check", &warned]).out.starts_with(&ran.err) && ran.err.contains("never matches"), "{}", ran.err);
    let broken = files.write("broken.yml", "mappings:\n- match: a.*\n  nam: x\n");
    let ran = run(&["--check-config", &format!("--statsd.mapping-config={broken}")]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("broken.yml:3:3"), "{}", ran.err);
}

#[apply(test)]
fn dead_rules_are_proved() {
    let rules = |list: &[(&str, &str)], head: &str| {
        let rules: String = list.iter().map(|(kind, pattern)| format!("- match: '{pattern}'\n  match_type: {kind}\n  name: n\n")).collect();
        codes(&format!("syntax: extended\n{head}mappings:\n{rules}")).into_iter().filter(|c| c.ends_with("_rule")).collect::<Vec<_>>()
    };
    let dead = ["dead_rule"];
    for (list, want) in [
        (&[("glob", "a.*"), ("glob", "a.b")][..], &dead[..]),
        (&[("glob", "a.b"), ("glob", "a.*")], &[]),
        (&[("glob", "a.*"), ("glob", "a.*")], &["duplicate_rule"]),
        (&[("glob", "a.**"), ("glob", "a.*.c")], &dead),
        (&[("glob", "a.x*"), ("glob", "a.xy*")], &dead),
        (&[("glob", "a.{b,c}"), ("glob", "a.c")], &dead),
        (&[("regex", "."), ("glob", "a.*")], &[]),
        (&[("regex", "."), ("regex", "^a$")], &dead),
        (&[("regex", "^a$"), ("glob", "**")], &dead),
        (&[("regex", "^a\\.b$"), ("glob", "a.*")], &dead),
        (&[("regex", "foo"), ("regex", "^foo\\.bar$")], &dead),
    ] {
        assert_eq!(rules(list, ""), want, "{list:?}");
    }
    assert_eq!(rules(&[("regex", "."), ("glob", "a.*")], "defaults: {strict_order: true}\n"), dead);
    assert_eq!(rules(&[("glob", "a.*"), ("glob", "a.b")], "defaults: {glob_disable_ordering: true}\n"), [""; 0]);
    let kinds = "mappings:\n- {match: a.b, match_metric_type: counter, name: x}\n- {match: a.b, match_metric_type: gauge, name: y}\n";
    assert_eq!(codes(kinds), [""; 0]);
}

#[apply(test)]
fn each_weakness_has_its_code() {
    for (rules, want) in [
        ("- {match: a.*, name: x, labels: {l: $2, k: $1}}", &["no_such_capture"][..]),
        ("- {match: a.*, name: x, labels: {l: fixed}}", &["unused_capture"]),
        ("- {match: '^a\\.(?P<x>.*)$', match_type: regex, name: x, labels: {l: '${y}'}}", &["no_such_capture"]),
        ("- {match: a, name: x, help: one}\n- {match: b, name: x, help: two}", &["help_differs"]),
        ("- {match: a, name: x, help: one}\n- {match: b, name: x}", &[]),
        ("- {match: a, name: x, match_metric_type: counter}\n- {match: b, name: x, match_metric_type: gauge}", &["type_differs"]),
        ("- {match: a, name: x, match_metric_type: counter}\n- {match: b, name: x}", &[]),
        ("- {match: a, name: x, match_metric_type: counter}\n- {match: b, name: x, match_metric_type: gauge, as: counter}", &[]),
        ("- {match: a, name: x, observer_type: histogram}\n- {match: b, name: x, observer_type: summary}", &["type_differs"]),
        ("- {match: a, name: x, observer_type: histogram, histogram_options: {buckets: [1]}}\n- {match: b, name: x}", &["options_differ"]),
        ("- {match: a.*, name: x, labels: {l: $1}}\n- {match: b, name: x}", &["labels_differ"]),
        ("- {match: '^a.b$', match_type: regex, name: x}", &["unescaped_dot"]),
        ("- {match: a.b, match_type: regex, name: x}", &["unescaped_dot"]),
        ("- {match: 'a\\.b_(.*)', match_type: regex, name: x}", &["unanchored_regex"]),
        ("- {match: '.', match_type: regex, name: x, action: drop}", &[]),
        ("- {match: '^a\\.(.*)$', match_type: regex, name: x}\n- {match: a.b, name: y}", &["glob_before_regex"]),
        ("- {match: '^b\\.(.*)$', match_type: regex, name: x}\n- {match: a.b, name: y}", &[]),
        ("- {match: a.request.size, match_metric_type: observer, name: x}", &["size_as_time"]),
        ("- {match: a.request.size, match_metric_type: observer, unit: bytes, name: x}", &[]),
        ("- {match: a.cx_length_ms, match_metric_type: observer, name: x}", &[]),
        ("- {match: a, name: x, timer_type: histogram}", &["old_key"]),
        ("- {match: a, name: up}", &["prometheus_name"]),
        ("- {match: a, name: scrape_body_size, unit: bytes}", &["prometheus_name"]),
        ("- {match: a, name: up, action: drop}", &[]),
        ("- {match: a, name: uptime}", &[]),
    ] {
        assert_eq!(codes(&format!("mappings:\n{rules}\n")), want, "{rules}");
    }
}

#[apply(test)]
fn stanzas_run_through_a_real_bridge() {
    let stanza = "tests:\n- send: ['app.x.requests:2|c', 'app.y.requests:1|c']\n";
    let files = Files::new();
    let good =
        files.write("good.yml", format!("{CLEAN}{stanza}  expect: ['app_requests_total{{route=\"x\"}} 2']\n  absent: [app_x_requests]\n"));
    assert_eq!(run(&["check", &good]).code, Some(0));
    let bad = files.write(
        "bad.yml",
        format!("{CLEAN}{stanza}  expect: ['app_requests_total{{route=\"x\"}} 3', 'z 1']\n  absent: [app_requests_total]\n"),
    );
    let ran = run(&["check", &bad]);
    assert_eq!(ran.code, Some(1));
    for says in [
        "the exposition has `app_requests_total{route=\"x\"} 2`",
        "no series of the name `z`",
        "expects no family `app_requests_total`",
        "3 errors",
    ] {
        assert!(ran.out.contains(says), "{says}\n{}", ran.out);
    }
}

/// A mapping file of another project, from outside this repository. If it is absent, prints that and returns `None`.
fn in_use(name: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/mappings").join(name);
    if !path.is_file() {
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {name} needs {}\n", path.display()));
    }
    path.is_file().then_some(path)
}

#[apply(test)]
fn files_in_use_get_their_weaknesses_named() {
    for (name, want) in [
        ("airflow-chart.yml", &[("unused_capture", 1), ("unescaped_dot", 4), ("unanchored_regex", 2)][..]),
        ("envoy.yml", &[("old_key", 8)]),
        ("envoy-ratelimit.yml", &[("old_key", 10), ("labels_differ", 1)]),
        ("openstack-swift.yml", &[("labels_differ", 1)]),
    ] {
        let Some(path) = in_use(name) else { continue };
        let found = findings(&path.display().to_string());
        for (code, count) in want {
            assert_eq!(found.iter().filter(|(found, _)| found == code).count(), *count, "{name} {code}: {found:?}");
        }
        assert_eq!(found.len(), want.iter().map(|(_, count)| count).sum::<usize>(), "{name}: {found:?}");
    }
}

#[apply(test)]
fn presets_are_listed_shown_and_clean() {
    let list = run(&["preset", "list"]);
    assert_eq!(list.code, Some(0));
    assert!(list.out.lines().any(|line| line.starts_with("gunicorn ") && line.contains("Gunicorn over StatsD")), "{}", list.out);
    for line in list.out.lines() {
        let (name, description) = line.split_once(' ').expect("a name and a description");
        assert!(description.trim().len() > 10 && line.len() < 120, "{line}");
        let shown = run(&["preset", "show", name]);
        assert!(shown.code == Some(0) && shown.out.contains("mappings:"), "{name}");
        for flags in [&[][..], &["--compat=statsd_exporter"]] {
            let checked = run(&[&["check", "--preset", name][..], flags].concat());
            assert!(checked.code == Some(0) && checked.out.ends_with(": no remarks\n"), "{name}\n{}", checked.out);
        }
    }
    let unknown = run(&["preset", "show", "nonsense"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert!(unknown.err.contains("gunicorn"), "{}", unknown.err);
}

#[apply(test)]
fn explain_says_what_becomes_of_a_line() {
    let files = Files::new();
    let rules = "mappings:\n- {match: app.*.other, name: x}\n- {match: 'app.*.time', name: app_seconds, labels: {route: $1}}\n- {match: app.*.*, name: app}\n";
    let config = format!("--config={}", files.write("m.yml", rules));
    let ran = run(&["explain", "app.home.time:320|ms|@0.5|#env:prod", &config]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for says in [
        "name app.home.time, kind ms, value 320, counts 2 times",
        "env=\"prod\"",
        "segment 3 is `time`, not `other`",
        "> 2  app.*.time",
        "matches too, but rule 2 counts before it",
        "$1 = \"home\"",
        "320 -> 0.32",
        "histogram app_seconds",
        "app_seconds_count{env=\"prod\",route=\"home\"} 2",
    ] {
        assert!(ran.out.contains(says), "{says}\n{}", ran.out);
    }
    let ran = run(&["explain", "app.home.time:320|ms|@0.5|#env:prod", "broken", "a:-1|c", "a:1:x|c", "--format=json", &config]);
    let all: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(all[0]["samples"][0]["captures"][0], "home");
    assert_eq!(all[0]["samples"][0]["converted"], 0.32);
    assert_eq!(all[0]["page"][0]["family"], "app_seconds");
    assert_eq!((&all[1]["reading"], &all[1]["refused"][0]["reason"]), (&Value::from("refused"), &Value::from("malformed_line")));
    assert_eq!(all[2]["refused"][0]["reason"], "illegal_negative_counter");
    assert_eq!((&all[3]["samples"][1]["refused"], &all[3]["page"][0]["rows"][0]), (&Value::from("malformed_value"), &Value::from("a 1")));
}

#[apply(test)]
fn explain_shows_the_parts_of_events_and_service_checks() {
    let ran = run(&["explain", "_e{3,4}:a\\n|b|c:|t:error|#k:v|h:web", "_sc|db.up|2|#k:v|m:x", "r:1|m", "l:-2|kv"]);
    for says in [
        "a DogStatsD event",
        "title \"a\\n\"",
        "text \"b|c:\"",
        "alert_type \"error\"",
        "host \"web\"",
        "counter dogstatsd_events_total",
        "dogstatsd_events_total{alert_type=\"error\",priority=\"normal\"} 1",
        "a DogStatsD service check",
        "meaning \"critical\"",
        "gauge service_check_status",
        "service_check_status{check=\"db.up\",k=\"v\"} 2",
        "counter r",
        "l -2",
    ] {
        assert!(ran.out.contains(says), "{says}\n{}", ran.out);
    }
    let ran = run(&["explain", "_e{1,1}:a|b", "_sc|x|4", "r:1|m", "--compat=statsd_exporter", "--format=json"]);
    let all: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&all[0]["reading"], &all[0]["stated"]["title"], &all[0]["page"]), (&"event".into(), &"a".into(), &Value::Array(vec![])));
    assert_eq!(all[1]["refused"][0]["reason"], "malformed_service_check");
    assert_eq!(all[2]["samples"][0]["refused"], "illegal_event");
}

#[apply(test)]
fn explain_shows_conflicts_drops_and_flags() {
    let ran = run(&["explain", "a:1|c", "a:1|g"]);
    assert!(ran.out.contains("conflict: a family of this name"), "{}", ran.out);
    let files = Files::new();
    let drop = format!("--config={}", files.write("m.yml", "mappings:\n- {match: '.', match_type: regex, action: drop, name: dropped}\n"));
    let ran = run(&["explain", "a:1|c", &drop]);
    assert!(ran.out.contains("dropped") && !ran.out.contains("becomes"), "{}", ran.out);
    let ran = run(&["explain", "a:1|ms", "--compat=statsd_exporter"]);
    assert!(ran.out.contains("summary a"), "{}", ran.out);
    let ran = run(&["explain", "a,k=v:1|c", "--no-statsd.parse-influxdb-tags", "--label=x=y"]);
    assert!(ran.out.contains("a_k_v{x=\"y\"} 1"), "{}", ran.out);
    let many: String = (0..50).map(|n| format!("- {{match: a.b{n}, name: n}}\n")).collect();
    let many = format!("--config={}", files.write("many.yml", format!("mappings:\n{many}")));
    assert!(run(&["explain", "a.c:1|c", &many]).out.contains("and 30 more that do not match"));
    assert!(run(&["explain", "a.c:1|c", &many, "--all"]).out.contains("a.b49"));
    assert_eq!(run(&["explain", "a:1|c", "--config=/no/such.yml"]).code, Some(1));
}

#[apply(test)]
fn replay_gives_the_page_and_the_sums() {
    let files = Files::new();
    let lines = "app.x.requests:1|c\napp.x.requests:2|c\nother:1|c\nbroken\nother:1|c\nthird:1|c\n";
    let (capture, config) = (files.write("lines.txt", lines), files.write("m.yml", CLEAN));
    let ran = run(&["replay", &capture, &format!("--config={config}")]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\napp_requests_total{route=\"x\"} 3\n") && !ran.out.contains("statsd_bridge_"), "{}", ran.out);
    assert!(ran.err.contains("6 lines: 5 parsed, 1 rejected") && ran.err.contains("  2  other\n  1  third\n"), "{}", ran.err);
    let stdin = run_with(&["replay", "-", &format!("--config={config}"), "--own"], lines.as_bytes());
    assert!(stdin.out.starts_with(&ran.out) && stdin.out.contains("\nstatsd_bridge_lines_total 6\n"), "{}", stdin.out);
    let json: Value = serde_json::from_str(&run(&["replay", &capture, &format!("--config={config}"), "--format=json"]).out).expect("JSON");
    assert_eq!((&json["accounting"]["samples"], &json["unmapped"][0]["name"]), (&Value::from(5), &Value::from("other")));
    assert_eq!(json["page"].as_str(), Some(ran.out.as_str()));
    assert_eq!(run(&["replay", "/no/such/file"]).code, Some(1));
}

#[apply(test)]
fn output_that_cannot_be_written_is_an_error() {
    let files = Files::new();
    let capture = files.write("lines.txt", "a:1|c\n");
    for args in [&["replay", &capture][..], &["explain", "a:1|c"], &["preset", "list"], &["check", "--preset=gunicorn"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let output = bridge_command().args(args).stdout(full).output().expect("the bridge runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && err.contains("cannot write the output: No space left on device"), "{args:?}: {err}");
    }
}

#[apply(test)]
fn replay_shows_the_difference_of_two_configurations() {
    let files = Files::new();
    let capture = files.write("lines.txt", "app.x.requests:1|c\nother:1|c\n");
    let new = format!("--config={}", files.write("new.yml", CLEAN));
    let old = files.write("old.yml", CLEAN.replace("{route: $1}", "{path: $1}"));
    let ran = run(&["replay", &capture, &new, &format!("--against={old}")]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(ran.out, "  app_requests_total\n-   app_requests_total{path=\"x\"} 1\n+   app_requests_total{route=\"x\"} 1\n");
    let ran = run(&["replay", &capture, &new, "--against="]);
    assert!(ran.out.contains("- app_x_requests: counter, 1 series") && !ran.out.contains("other"), "{}", ran.out);
    let same = new.trim_start_matches("--config=").to_owned();
    let ran = run(&["replay", &capture, &new, &format!("--against={same}")]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "no difference\n"));
}

/// A classic capture of raw IP with one UDP datagram to each port.
fn pcap(datagrams: &[(u16, &str)]) -> Vec<u8> {
    let mut file = Vec::new();
    [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101].iter().for_each(|n| file.extend(n.to_le_bytes()));
    for (port, payload) in datagrams {
        let total = 28 + payload.len();
        let mut packet = vec![0x45, 0];
        packet.extend((total as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 1]);
        packet.extend(port.to_be_bytes());
        packet.extend((8 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(payload.as_bytes());
        [1, 2, total as u32, total as u32].iter().for_each(|n| file.extend(n.to_le_bytes()));
        file.extend(packet);
    }
    file
}

#[apply(test)]
fn replay_reads_captures_of_a_network() {
    let files = Files::new();
    let capture = files.write("c.pcap", pcap(&[(9125, "a:1|c\na:2|c"), (53, "dns"), (9125, "a:4|c")]));
    let ran = run(&["replay", &capture, "--port=9125"]);
    assert!(ran.out.ends_with("\na 7\n"), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("skipped: 1 packets"), "{}", ran.err);
    assert!(run(&["replay", &capture]).err.contains("1 rejected"));
    let damaged = files.write("d.pcap", [&pcap(&[])[..], &[0xff; 16]].concat());
    let ran = run(&["replay", &damaged]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("d.pcap: a packet is longer"), "{}", ran.err);
}

#[apply(test)]
fn the_help_names_the_tools() {
    let help = run(&["--help"]).out;
    for tool in ["check", "explain", "replay", "preset"] {
        assert!(help.contains(&format!("statsd-bridge {tool} ")), "{tool}\n{help}");
        let own = run(&[tool, "--help"]);
        assert!(own.code == Some(0) && own.out.contains("Usage: statsd-bridge"), "{tool}\n{}", own.out);
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping-tools.md").is_file());
}
