//! Reports about series: which series hit a limit, conflicting names; deletion by hand, and `top`.

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::{Launch, Running, bridge_command, free_port, request, until};

/// The number of values that the attack sends, and their limit.
const ATTACK: u64 = 20_000;
const LIMIT: u64 = 100;

impl Running {
    /// The field `data` of an API response.
    fn data(&self, method: &str, path: &str) -> Value {
        let response = request(self.web, method, path, &[]).expect("an answer");
        assert_eq!((response.status, response.header("content-type")), (200, "application/json"), "{path}: {}", response.text());
        let mut document: Value = serde_json::from_str(&response.text()).expect("JSON");
        assert_eq!(document["status"], "success", "{path}");
        document["data"].take()
    }

    /// Deletes by a selector, written without URL encoding.
    fn delete(&self, selector: &str, dry_run: bool) -> Value {
        let encoded: String = selector.bytes().map(|byte| format!("%{byte:02x}")).collect();
        self.data("POST", &format!("/api/v1/series/delete?match[]={encoded}&dry_run={dry_run}"))
    }

    fn top(&self, arguments: &[&str]) -> Output {
        top(&[&["--url", &format!("http://{}", self.web)], arguments].concat())
    }
}

fn top(arguments: &[&str]) -> Output {
    let mut command: Command = bridge_command();
    command.arg("top").args(arguments).output().expect("it runs")
}

fn attacked() -> (Running, UdpSocket) {
    let bridge = Launch::new().arg(format!("--limits.values-per-label={LIMIT}")).start();
    let sender = bridge.udp();
    let users: Vec<String> = (0..ATTACK).map(|user| format!("login:1|c|#site:eu,user:u{user}")).collect();
    for (at, lines) in users.chunks(40).enumerate() {
        sender.send(lines.join("\n").as_bytes()).expect("a datagram is sent");
        // Wait for each part, so that the kernel drops nothing.
        if at % 50 == 49 {
            let sent = (at as f64 + 1.0) * 40.0;
            bridge.page_when("the samples are recorded", |page| page.sum("login") >= sent);
        }
    }
    bridge.page_at(ATTACK);
    (bridge, sender)
}

#[apply(test)]
fn a_label_over_its_limit_is_reported_with_examples_and_a_count() {
    let (bridge, _) = attacked();
    let data = bridge.data("GET", "/api/v1/cardinality");
    assert_eq!((&data["totals"]["series"], &data["totals"]["series_limit"]), (&json!(LIMIT + 1), &json!(200_000)));
    let login = &data["families"][0];
    assert_eq!((&login["name"], &login["type"], &login["series"]), (&json!("login"), &json!("counter"), &json!(LIMIT + 1)));
    assert_eq!((&login["labels"][0]["name"], &login["labels"][0]["values"]), (&json!("user"), &json!(LIMIT + 1)));
    let hit = &login["limits_hit"][0];
    assert_eq!((&hit["limit"], &hit["label"], &hit["action"]), (&json!("values_per_label"), &json!("user"), &json!("drop_label")));
    assert_eq!(hit["samples"], ATTACK - LIMIT);
    assert_eq!(hit["examples"][0], format!("u{LIMIT}"));
    let (distinct, sent) = (hit["distinct_values_refused"].as_f64().expect("a number"), (ATTACK - LIMIT) as f64);
    assert!((distinct - sent).abs() <= sent * 0.02, "{distinct} of {sent}");
    let (text, millis) = (hit["first_hit"].as_str().expect("a time"), hit["first_hit_ms"].as_u64().expect("a time"));
    assert!(text.ends_with('Z') && millis > 1_700_000_000_000, "{text} {millis}");
    bridge.stop();
}

#[apply(test)]
fn an_offender_is_reported_with_the_address_of_its_sender() {
    let (bridge, sender) = attacked();
    let data = bridge.data("GET", "/api/v1/cardinality?limit=1");
    let address = sender.local_addr().expect("an address");
    assert_eq!(data["families"][0]["limits_hit"][0]["first_source"], format!("udp {address}"));
    bridge.stop();
}

#[apply(test)]
fn families_over_the_limit_are_reported() {
    let bridge = Launch::new().arg("--limits.families=2").start();
    bridge.send("a:1|c\nb:1|c\nc:1|c\nd:1|c\nc:1|c");
    bridge.page_at(5);
    let data = bridge.data("GET", "/api/v1/cardinality");
    assert_eq!(data["families"].as_array().map(Vec::len), Some(2));
    let hit = &data["families_kept_out"][0];
    assert_eq!((&hit["limit"], &hit["action"], &hit["samples"]), (&json!("families"), &json!("refuse"), &json!(3)));
    assert_eq!((&hit["examples"], &hit["distinct_values_refused"]), (&json!(["c", "d"]), &json!(2)));
    bridge.stop();
}

#[apply(test)]
fn a_conflict_is_reported_with_both_sides_for_each_reason() {
    let mut rules = NamedTempFile::with_suffix(".yml").expect("a temporary file");
    let text = "mappings:\n- match: help.one\n  name: helped\n  help: First.\n- match: help.two\n  name: helped\n  help: Second.\n";
    rules.write_all(text.as_bytes()).expect("written");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", rules.path().display())).start();
    let lines = [
        "jobs:1|c|#a:b",
        "jobs:2|g",
        "took:5|ms",
        "took_sum:1|c",
        "statsd_bridge_mine:1|c",
        "up:0|g",
        ",k=v:1|c",
        "labelled:1|c|#le:5",
        "help.one:1|c",
        "help.two:1|c|#x:y",
    ];
    bridge.send(lines.join("\n"));
    bridge.page_at(10);
    let data = bridge.data("GET", "/api/v1/conflicts");
    let all = data["conflicts"].as_array().expect("a list");
    assert_eq!(all.len(), 7, "{data}");
    for (reason, name, kept, came, policy) in [
        ("type", "jobs", Some(("counter", "jobs:1|c|#a:b")), ("gauge", "jobs:2|g"), "rejected"),
        ("lines", "took_sum", Some(("histogram", "took:5|ms")), ("counter", "took_sum:1|c"), "rejected"),
        ("own_name", "statsd_bridge_mine", None, ("counter", "statsd_bridge_mine:1|c"), "rejected"),
        ("prometheus_name", "up", None, ("gauge", "up:0|g"), "rejected"),
        ("empty_name", "", None, ("counter", ",k=v:1|c"), "rejected"),
        ("reserved_label", "labelled", None, ("counter", "labelled:1|c|#le:5"), "recorded"),
        ("help", "helped", Some(("counter", "First.")), ("counter", "Second."), "recorded"),
    ] {
        let found = all.iter().find(|conflict| conflict["reason"] == reason).unwrap_or_else(|| panic!("{reason}: {data}"));
        assert_eq!((&found["name"], &found["samples"]), (&json!(name), &json!(1)), "{reason}");
        assert!(found["policy"].as_str().is_some_and(|text| text.starts_with(policy)), "{reason}: {found}");
        let example = if reason == "help" { "help" } else { "sample" };
        let side = |side: &Value| (side["type"].as_str().map(str::to_owned), side[example].as_str().map(str::to_owned));
        assert_eq!(side(&found["came"]), (Some(came.0.to_owned()), Some(came.1.to_owned())), "{reason}");
        assert_eq!(
            side(&found["kept"]),
            kept.map_or((None, None), |(kind, text)| (Some(kind.to_owned()), Some(text.to_owned()))),
            "{reason}"
        );
        assert!(found["came"]["source"].is_string() && found["first_met_ms"].is_u64(), "{reason}: {found}");
    }
    bridge.stop();
}

#[apply(test)]
fn series_are_deleted_by_hand_and_counters_restart_at_zero() {
    let bridge = Launch::new().arg("--web.enable-admin-api").start();
    bridge.send("jobs:5|c|#host:a\njobs:6|c|#host:b\njobs:7|c\ntook:5|ms|#host:a\nload:1|g|#host:a");
    bridge.page_at(5);
    let dry = bridge.delete("{__name__=~\".+\",host=\"a\"}", true);
    assert_eq!(dry, json!({ "dry_run": true, "series": 3, "examples": ["jobs{host=\"a\"}", "load{host=\"a\"}", "took{host=\"a\"}"] }));
    let page = bridge.page();
    assert_eq!((page.value("jobs{host=\"a\"}"), page.value("statsd_bridge_series_deleted_total")), (Some(5.0), Some(0.0)));

    assert_eq!(bridge.delete("{__name__=~\".+\",host=\"a\"}", false)["series"], 3);
    let page = bridge.page();
    assert_eq!((page.value("jobs{host=\"a\"}"), page.family("took"), page.family("load")), (None, None, None));
    assert_eq!((page.value("jobs{host=\"b\"}"), page.value("jobs")), (Some(6.0), Some(7.0)));
    assert_eq!((page.value("statsd_bridge_series_deleted_total"), page.value("statsd_bridge_series")), (Some(3.0), Some(2.0)));

    bridge.send("jobs:1|c|#host:a\ntook:7|ms|#host:a");
    let page = bridge.page_at(7);
    assert_eq!((page.value("jobs{host=\"a\"}"), page.value("took_count{host=\"a\"}")), (Some(1.0), Some(1.0)));
    until("the deletion is logged", || bridge.process.log().contains("series deleted over HTTP").then_some(()));
    assert!(bridge.process.log().contains("peer=127.0.0.1:"), "{}", bridge.process.log());
    bridge.stop();
}

#[apply(test)]
fn without_its_flag_or_by_get_nothing_is_deleted() {
    let bridge = Launch::new().start();
    bridge.send("jobs:5|c");
    bridge.page_at(1);
    let refused = request(bridge.web, "POST", "/api/v1/series/delete?match[]=jobs", &[]).expect("an answer");
    assert!(refused.status == 403 && refused.text().contains("--web.enable-admin-api"), "{} {}", refused.status, refused.text());
    let get = bridge.get("/api/v1/series/delete?match[]=jobs");
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    assert_eq!(bridge.page().value("jobs"), Some(5.0));
    bridge.stop();
}

/// Rejected lines, new names and samples of known series: each reason is reported with its last input and sender.
#[apply(test)]
fn rejected_input_is_reported_with_its_sender() {
    let bridge = Launch::new().start();
    let (first, second) = (bridge.udp(), bridge.udp());
    let from = |socket: &UdpSocket| format!("udp {}", socket.local_addr().expect("bound"));
    first.send(b"known:1|c").expect("sent");
    bridge.page_at(1);
    first.send(b"no line at all\nx:y|c").expect("sent");
    bridge.page_at(2);
    second.send(b"known:2|c\nknown:-1|c\nnew:-1|c\nno <b>line</b>").expect("sent");
    bridge.page_when("all lines are counted", |page| page.sum("statsd_bridge_lines_total") >= 7.0);
    let data = bridge.data("GET", "/api/v1/rejections");
    let of = |reason: &str| data["rejections"].as_array().expect("a list").iter().find(|entry| entry["reason"] == reason).cloned();
    for (reason, count, input, source) in [
        ("malformed_line", 2, "no <b>line</b>", from(&second)),
        ("malformed_value", 1, "x:y|c", from(&first)),
        ("illegal_negative_counter", 2, "new", from(&second)),
    ] {
        let entry = of(reason).unwrap_or_else(|| panic!("{reason} is not in {data}"));
        assert_eq!((&entry["count"], &entry["last"]["input"], &entry["last"]["source"]), (&json!(count), &json!(input), &json!(source)));
        assert!(entry["last"]["time_ms"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000), "{entry}");
        bridge.process.logs(reason);
    }
    let log = bridge.process.log();
    assert!(log.lines().any(|line| line.contains("malformed_value") && line.contains(&from(&first))), "{log}");
    let page = bridge.get("/ui/rejected").text();
    let row = page.split("<tr>").find(|row| row.contains("malformed_line")).unwrap_or_else(|| panic!("{page}"));
    assert!(row.contains("no &lt;b&gt;line&lt;/b&gt;") && row.contains(&from(&second)) && row.contains(">2<"), "{row}");
    let page = bridge.get("/ui/rules").text();
    assert!(["known", "new"].iter().all(|name| page.contains(&format!(">{name}<"))), "names without a rule, though there is none: {page}");
    assert_eq!(
        bridge.data("GET", "/api/v1/unmapped")["names"],
        json!([{"name": "known", "samples": null}, {"name": "new", "samples": null}])
    );
    let ran = bridge.top(&["--once"]);
    let text = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(text.contains("REJECTED") && text.contains(&format!("from {}: no <b>line</b>", from(&second))), "{text}");
    bridge.stop();
}

#[apply(test)]
fn top_prints_the_offender_once() {
    let (bridge, _) = attacked();
    bridge.send("login:1|g");
    bridge.page_at(ATTACK + 1);
    // It prints once, because its output is not a terminal.
    for arguments in [&["--once"][..], &["--interval=100ms"]] {
        let ran = bridge.top(arguments);
        let text = String::from_utf8(ran.stdout).expect("UTF-8");
        assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0), "{text}");
        let hit = format!("login: values_per_label of label user, drop_label {},900 samples, about ", (ATTACK - LIMIT) / 1000);
        let expected = ["101 of 200,000", &hit, "for example u100, u101", "login     counter          101", "user 101 (u0, u1, "];
        for part in expected.into_iter().chain(["CONFLICTS", "    came gauge login: login:1|g   from "]) {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    let ran = bridge.top(&["--once", "--format=json", "--limit=1"]);
    let document: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(document["cardinality"]["families"][0]["limits_hit"][0]["label"], "user");
    assert_eq!(document["conflicts"][0]["came"]["type"], "gauge");
    bridge.stop();
}

#[apply(test)]
fn exit_codes_of_top() {
    let nobody = format!("127.0.0.1:{}", free_port(Ipv4Addr::LOCALHOST.into()));
    for (arguments, code, expected) in [
        (vec!["--url".to_owned(), format!("http://{nobody}")], 1, "Connection refused"),
        (vec!["--url=nowhere".to_owned()], 2, "expected a form such as http://127.0.0.1:9102"),
        (vec!["--interval=1".to_owned()], 2, "expected a duration"),
        (vec!["more".to_owned()], 2, "unexpected argument 'more'"),
    ] {
        let ran = top(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let text = String::from_utf8(ran.stderr).expect("UTF-8");
        assert!(ran.status.code() == Some(code) && text.contains(expected) && text.lines().count() == 1, "{arguments:?}: {text}");
    }
    let bridge = Launch::new().start();
    let elsewhere = top(&["--url", &format!("http://{}/elsewhere", bridge.web)]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("returned status 404, which is not a response of statsd-bridge"));
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let mut command: Command = bridge_command();
    let ran = command.args(["top", "--url", &format!("http://{}", bridge.web)]).stdout(full).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("cannot write the output"));
    bridge.stop();
}
