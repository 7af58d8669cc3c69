//! `statsd-bridge tail` and `statsd-bridge capture` beside a real bridge, over every transport.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Launch, Process, Running, bridge_command, own, until};

fn tool(bridge: &Running, arguments: &[&str]) -> Command {
    let mut command = bridge_command();
    command.args(arguments).arg(format!("--url=http://{}", bridge.web));
    command
}

/// Starts a viewer and waits until it has its place.
fn watching(bridge: &Running, arguments: &[&str]) -> Process {
    let before = own(&bridge.page(), "tail_viewers");
    let process = Process::start(tool(bridge, arguments));
    bridge.page_when("one more viewer", |page| own(page, "tail_viewers") > before);
    process
}

fn watchable() -> Launch {
    Launch::new().arg("--web.enable-tail=true")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[apply(test)]
fn lines_of_every_transport_are_shown_with_what_became_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, socket) = (folder.path().join("rules.yml"), folder.path().join("statsd.sock"));
    std::fs::write(&rules, "mappings:\n- match: shop.*.paid\n  name: paid_total\n  labels: {shop: $1}\n").expect("written");
    let bridge = watchable()
        .arg(format!("--statsd.mapping-config={}", rules.display()))
        .arg(format!("--statsd.listen-unixgram={}", socket.display()))
        .start();
    let mut tail = watching(&bridge, &["tail", "--format=json", "--count=5"]);
    bridge.send("shop.berlin.paid:2|c|#a:b");
    bridge.tcp().write_all(b"over_tcp:1|g\n").expect("sent");
    // The next line comes over another socket, and is in conflict with this one only if it is recorded later.
    bridge.page_at(2);
    UnixDatagram::unbound().expect("a socket").send_to(b"over_tcp:1|c\nno value", &socket).expect("sent");
    bridge.send(b"not_text\xff:1|c\x1b[2J");
    assert!(tail.wait().success(), "{}", tail.log());
    let lines: Vec<Value> = tail.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |line: &str| lines.iter().find(|seen| seen["line"] == line).unwrap_or_else(|| panic!("{line} is not in {lines:#?}"));
    let paid = of("shop.berlin.paid:2|c|#a:b");
    assert_eq!((&paid["verdict"], &paid["family"], &paid["rule"]["number"]), (&"recorded".into(), &"paid_total".into(), &1.into()));
    assert_eq!(paid["labels"], serde_json::json!({"a": "b", "shop": "berlin"}));
    assert!(paid["source"].as_str().is_some_and(|source| source.starts_with("udp 127.0.0.1:")), "{paid}");
    assert!(paid["rule"]["position"].as_str().is_some_and(|position| position.ends_with("rules.yml:2:10")), "{paid}");
    assert!(of("over_tcp:1|g")["source"].as_str().is_some_and(|source| source.starts_with("tcp 127.0.0.1:")));
    assert_eq!(of("over_tcp:1|c")["rejected"], serde_json::json!([{"reason": "conflict", "count": 1}]));
    let bad = of("no value");
    assert_eq!((&bad["verdict"], &bad["rejected"][0]["reason"]), (&"rejected".into(), &"malformed_line".into()));
    assert!(bad["source"].as_str().is_some_and(|source| source.starts_with("unixgram pid ")), "{bad}");
    assert_eq!(of("not_text\u{fffd}:1|c\u{1b}[2J")["line_base64"], "bm90X3RleHT/OjF8YxtbMko=");
    bridge.page_when("the viewer has left", |page| own(page, "tail_viewers") == 0.0);
    bridge.stop();
}

#[apply(test)]
fn a_person_sees_text_that_controls_nothing() {
    let bridge = watchable().start();
    let mut tail = watching(&bridge, &["tail", "evil*", "--count=1"]);
    bridge.send("good:1|c\nevil.\u{1b}[31m\u{202e}:1|c");
    assert!(tail.wait().success(), "{}", tail.log());
    let log = tail.log();
    assert!(log.contains("  recorded    udp 127.0.0.1:") && log.contains("evil.\\u{1b}[31m\\u{202e}:1|c  -> evil_"), "{log}");
    assert!(!log.contains("good") && log.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{log:?}");
    bridge.stop();
}

#[apply(test)]
fn a_capture_replayed_gives_the_same_series() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lines.txt");
    let bridge = watchable().start();
    let path = file.to_str().expect("UTF-8");
    let mut capture = watching(&bridge, &["capture", "-o", path, "--for=3s"]);
    for i in 0..300 {
        bridge.send(format!("c{}:{i}|c|#k:{}\nt:{i}|ms\nbad line {i}\ng:{i}|g", i % 7, i % 3));
    }
    let page = bridge.page_at(900);
    assert!(capture.wait().success(), "{}", capture.log());
    assert!(capture.log().contains("lines.txt: 1200 of 1200 lines that arrived\n"), "{}", capture.log());
    let again = watchable().start();
    let mut lines = std::fs::read(&file).expect("a capture");
    assert_eq!(lines.split_inclusive(|byte| *byte == b'\n').count(), 1_200);
    assert_eq!(lines.pop(), Some(b'\n'));
    again.tcp().write_all(&[&lines[..], b"\n"].concat()).expect("sent");
    let other = again.page_at(900);
    for name in ["c0{k=\"0\"}", "c6{k=\"2\"}", "t_sum", "t_count", "g"] {
        assert_eq!(page.value(name), other.value(name), "{name}");
        assert!(page.value(name).is_some(), "{name}");
    }
    // A file is never overwritten.
    let output = tool(&bridge, &["capture", "-o", path, "--for=1s"]).output().expect("run");
    assert!(output.status.code() == Some(1) && text(&output).contains("File exists"), "{}", text(&output));
    again.stop();
    bridge.stop();
}

#[apply(test)]
fn errors_name_the_remedy() {
    let bridge = Launch::new().start();
    let output = tool(&bridge, &["tail"]).output().expect("run");
    assert!(output.status.code() == Some(1) && text(&output).contains("start the bridge with --web.enable-tail=true"), "{}", text(&output));
    bridge.stop();
    let bridge = watchable().arg("--web.max-tails=1").start();
    let output = tool(&bridge, &["tail", "--verdict=lost"]).output().expect("run");
    assert!(text(&output).contains("\"lost\" is not recorded, rejected, dropped or"), "{}", text(&output));
    let first = watching(&bridge, &["tail"]);
    let output = tool(&bridge, &["tail"]).output().expect("run");
    assert!(output.status.code() == Some(1) && text(&output).contains("raise --web.max-tails"), "{}", text(&output));
    drop(first);
    bridge.page_when("the viewer has left", |page| own(page, "tail_viewers") == 0.0);
    let log = bridge.stop();
    assert!(!log.contains("panicked"), "{log}");
}

/// A stop of the bridge ends its viewers at once, and they say so.
#[apply(test)]
fn a_viewer_does_not_hold_up_a_stop() {
    let bridge = watchable().arg("--shutdown.drain=100s").start();
    let mut tail = watching(&bridge, &["tail"]);
    bridge.send("last:1|c");
    tail.logs("last:1|c");
    bridge.stop();
    assert_eq!(tail.wait().code(), Some(1));
    assert!(tail.log().contains("the bridge ended the stream"), "{}", tail.log());
}

/// Two viewers, one of which reads nothing, cost no sample.
#[apply(test)]
fn viewers_cost_no_sample() {
    let bridge = watchable().start();
    let mut slow = tool(&bridge, &["tail"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("run");
    let fast = watching(&bridge, &["tail", "n1*", "--verdict=recorded"]);
    let datagram = (0..50).map(|i| format!("n{i}:1|c|#long:{}", "v".repeat(100))).collect::<Vec<_>>().join("\n");
    let mut stream = bridge.tcp();
    for _ in 0..2_000 {
        stream.write_all(datagram.as_bytes()).and_then(|()| stream.write_all(b"\n")).expect("sent");
    }
    let page = bridge.page_at(100_000);
    let matched = |result: &str| page.value(&format!("statsd_bridge_tail_lines_total{{result=\"{result}\"}}"));
    assert!(matched("missed") > Some(0.0) && matched("shown") > Some(0.0), "{:?} {:?}", matched("missed"), matched("shown"));
    until("lines are hidden, and it says so", || fast.log().contains(" lines that arrived; ").then_some(()));
    slow.kill().expect("killed");
    slow.wait().expect("ended");
    drop(fast);
    bridge.page_when("the viewers have left", |page| own(page, "tail_viewers") == 0.0);
    bridge.stop();
}
