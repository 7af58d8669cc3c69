//! `push --once`: lines become one push, and the exit code says what the receiver said.

use std::io::Write;
use std::process::Stdio;

use super::receiver::{Reaction, Receiver};
use crate::harness::bridge_command;

/// Runs `push --once` with lines on stdin. Returns the exit code, stdout and stderr.
fn push(lines: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = bridge_command();
    command.args(["push", "--once", "-"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("lines are written");
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[apply(test)]
fn lines_become_one_push() {
    for reaction in [Reaction::Write, Reaction::WriteOld] {
        let reactions = reaction.clone();
        let receiver = Receiver::start(move |_| reactions.clone());
        let url = format!("--push.url={}", receiver.url());
        let lines = "backup.duration:42|g\nbackup.files:1200|g|#disk:a\nlatency:320|ms\n";
        let (code, out, err) = push(lines, &[&url, "--push.label=cluster=c", "--label=env=prod"]);
        assert_eq!(code, Some(0), "{reaction:?}: {out}{err}");
        assert!(out.contains(&receiver.url()) && out.contains("samples written"), "{out}");
        assert!(err.contains("3 lines: 3 parsed"), "{err}");
        assert_eq!((receiver.last("backup_duration"), receiver.last("latency_count")), (Some(42.0), Some(1.0)));
        let points = receiver.points("backup_files", ("disk", "a"));
        assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [1200.0], "once, without a 0 before");
        let seen = receiver.seen();
        let names: Vec<&str> =
            seen.iter().flat_map(|seen| &seen.content.series).flat_map(|series| &series.labels).map(|(_, v)| &**v).collect();
        assert!(names.contains(&"c") && names.contains(&"prod"));
        assert!(!names.iter().any(|name| *name == "up" || name.starts_with("statsd_bridge_")), "{names:?}");
    }
}

#[apply(test)]
fn the_exit_code_says_what_the_receiver_said() {
    let receiver = Receiver::start(|_| Reaction::Answer(401, vec![]));
    let (code, out, err) = push("a:1|g", &[&format!("--push.url={}", receiver.url())]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("0 samples written, 1 not: 401 an answer of the test"), "{err}");
    let receiver = Receiver::start(|_| Reaction::Answer(503, vec![]));
    let (code, _, err) = push("a:1|g", &[&format!("--push.url={}", receiver.url()), "--push.timeout=1s"]);
    assert!(code == Some(1) && err.contains("0 samples written, 1 not: 503"), "{err}");
    assert!(receiver.seen().len() > 1, "it was sent again");
    let (code, _, err) = push("a:1|g", &["--push.url=http://127.0.0.1:1/x", "--push.timeout=500ms"]);
    assert!(code == Some(1) && err.contains("onnection refused"), "{err}");
}

#[apply(test)]
fn wrong_usage_is_one_line() {
    for (lines, args, part) in [
        ("a:1|g", &[][..], "set --push.url, --push.otlp or --push.config.file"),
        ("", &["--push.url=http://h/x"], "no sample was recorded; rejected: 0 lines, 0 samples"),
        ("a:x|g", &["--push.url=http://h/x"], "no sample was recorded; rejected: 0 lines, 1 samples"),
        ("a:1|g", &["--push.url=h"], "http://"),
        ("a:1|g", &["--push.url=http://h/x", "absent.txt"], "absent.txt: No such file"),
    ] {
        let (code, out, err) = push(lines, args);
        assert!(code.is_some_and(|code| code != 0) && out.is_empty() && err.contains(part), "{args:?}: {code:?} {err}");
        assert!(err.trim_end().lines().count() == 1, "{err}");
    }
}
