//! `statsd-bridge top` on a pseudoterminal, beside a real bridge.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Launch, Process, Running, bridge_command, free_port, request, until};

pub mod pty;
mod screen;

use self::pty::Pty;

const SIZE: (u16, u16) = (80, 24);

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = bridge_command();
    command.args(["top", "--interval=100ms", "--url", url]).args(arguments);
    command
}

fn top(bridge: &Running, arguments: &[&str]) -> Pty {
    Pty::start(&command(&format!("http://{}", bridge.web), arguments), SIZE)
}

/// A bridge with two families and a rejection.
fn bridge_with_samples() -> Running {
    let bridge = Launch::new().start();
    bridge.send("apples:1|c|#shop:a\napples:1|c|#shop:b\nbananas:5|g\nbananas:1|c\nno line");
    bridge.page_when("all lines are counted", |page| page.sum("statsd_bridge_lines_total") >= 5.0);
    bridge
}

#[apply(test)]
fn keys_lead_through_tabs_filter_sort_details_and_help() {
    let bridge = bridge_with_samples();
    let mut top = top(&bridge, &[]);
    top.shows(&["[1 Over]", "Kernel", "Parsed", "Samples", "> "]);
    top.press("2");
    top.shows(&["[2 Ser]", "> apples", "bananas", "1 of 2"]);
    top.press("/banan");
    top.shows(&["/banan", "> bananas"]);
    top.press("\r");
    let lines = top.shows(&["/banan  1 of 1", "> bananas"]);
    assert!(lines.iter().all(|line| !line.contains("apples")), "{lines:#?}");
    top.press("\u{1b}");
    top.shows(&["1 of 2", "> apples"]);
    top.press("sss");
    top.shows(&["SERIES▼", "by SERIES▼"]);
    top.press("j\u{1b}[B\u{1b}[A");
    top.press("?");
    top.shows(&["any key closes this", "Shift-Tab", "quit"]);
    top.press("x");
    top.press("g\r");
    top.shows(&["Series > apples", "label shop", "apples{shop=\"b\"}"]);
    top.resize(60, 15);
    let lines = top.shows(&["label shop", "? help"]);
    assert_eq!((lines.len(), lines[14].starts_with("? help")), (15, true), "{lines:#?}");
    top.resize(50, 10);
    top.shows(&["The terminal is too small: 50x10."]);
    top.resize(200, 50);
    top.shows(&["5 Cardinality", "label shop"]);
    top.press("\u{7f}\t");
    top.shows(&["[3 Rejected]", "malformed_line", "no line"]);
    top.press("\u{1b}[Z");
    top.shows(&["[2 Series]"]);
    top.press("q");
    assert_eq!(top.ends().code(), Some(0));
    bridge.stop();
}

#[apply(test)]
fn a_question_about_a_missing_name_is_answered() {
    let bridge = bridge_with_samples();
    let mut top = top(&bridge, &["--tab=events"]);
    top.shows(&["[9 Ev]", "No event arrived."]);
    // As a terminal pastes it.
    top.press("a\u{1b}[200~aples:1|c\u{1b}[201~");
    top.shows(&["Ask: aples:1|c"]);
    top.press("\r");
    top.shows(&["! It never arrived.", "Read as: aples, kind c", "near fam.", "apples"]);
    top.press("\u{3}");
    assert_eq!(top.ends().code(), Some(0));
    bridge.stop();
}

#[apply(test)]
fn each_signal_restores_the_terminal() {
    let bridge = bridge_with_samples();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut top = top(&bridge, &[]);
        top.shows(&["Kernel"]);
        top.signal(signal);
        assert_eq!(top.ends().code(), Some(0), "{signal:?}");
    }
    bridge.stop();
}

#[apply(test)]
fn a_bridge_that_ends_and_comes_back_is_shown_again() {
    let (web, statsd) = (free_port(Ipv4Addr::LOCALHOST.into()), free_port(Ipv4Addr::LOCALHOST.into()));
    let web = SocketAddr::from((Ipv4Addr::LOCALHOST, web));
    let start = || {
        let mut command = bridge_command();
        command.args([&format!("--statsd.listen-udp=127.0.0.1:{statsd}"), "--statsd.listen-tcp=", "--shutdown.linger=0s"]);
        command.arg(format!("--web.listen-address={web}"));
        let process = Process::start(command);
        until("the bridge is ready", || request(web, "GET", "/-/ready", &[]).ok().filter(|answer| answer.status == 200));
        process
    };
    let first = start();
    let mut top = Pty::start(&command(&format!("http://{web}"), &[]), SIZE);
    top.shows(&["Kernel", "every 100ms"]);
    drop(first);
    // The error and the age of the data stand above the data.
    top.shows(&["! data of ", " ago: http://", "Connection refused", "Kernel"]);
    top.press("2");
    top.shows(&["[2 Ser]", "! no data yet: "]);
    let second = start();
    top.shows(&["every 100ms", "No family."]);
    top.press("1");
    let lines = top.shows(&["every 100ms", "Kernel"]);
    assert!(lines.iter().all(|line| !line.contains("refused")), "{lines:#?}");
    top.press("q");
    assert_eq!(top.ends().code(), Some(0));
    drop(second);
}

/// Answers one request, and never again.
#[apply(test)]
fn a_bridge_that_does_not_answer_blocks_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (at, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            if at == 0 {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"status\":\"success\",\"data\":{\"version\":\"9\"}}");
            } else {
                held.push(stream);
            }
        }
    });
    let mut top = Pty::start(&command(&url, &[]), SIZE);
    top.shows(&["statsd-bridge 9"]);
    // A request takes 3 s until it fails. Without an answer and an error, the screen is in the time of a request.
    for (key, tab) in [("2", "[2 Ser]"), ("5", "[5 Card]")] {
        top.press(key);
        top.shows(&[tab, "asking http://"]);
    }
    top.press("?");
    top.shows(&["any key closes this"]);
    top.press("xq");
    assert_eq!(top.ends().code(), Some(0));
}

#[apply(test)]
fn hostile_names_never_reach_the_terminal() {
    let bridge = Launch::new().start();
    let long = format!("{}:1|c", "long".repeat(2_000));
    let wide = "漢字\u{1f44b}\u{1f3fd}e\u{301}".repeat(40);
    let lines = [
        "esc\u{1b}[2J\u{1b}]0;title\u{7}:1|c|#a\u{1b}[31m:\u{9b}5m\u{85}",
        "bidi\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}:1|c|#\u{202e}:\u{202e}x",
        &format!("{wide}:1|c|#{wide}:{wide}"),
        &long,
        "<script>:1|c",
        "bad\u{1b}[31m\u{202e}",
        "_e{8,6}:\u{1b}[31mred|\u{202e}bid|t:error|#\u{1b}c:\u{7}",
    ];
    for line in lines {
        bridge.send(line);
    }
    bridge.page_when("all lines are counted", |page| page.sum("statsd_bridge_lines_total") >= lines.len() as f64);
    let mut top = top(&bridge, &[]);
    top.shows(&["Kernel"]);
    for size in [(60, 15), (200, 50), (80, 24)] {
        top.resize(size.0, size.1);
        top.shows(&["? help"]);
        for (number, tab) in
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 0].into_iter().zip(["Ov", "Ser", "Rej", "Rul", "Car", "Sen", "Scr", "Pus", "Ev", "Conf"])
        {
            top.press(&number.to_string());
            let space = if size.0 == 60 { "" } else { " " };
            top.shows(&[&format!("[{number}{space}{tab}"), "every 100ms"]);
            // Each page that a row opens, and the page behind it.
            for _ in 0..3 {
                top.press("\r\r\u{7f}\u{7f}j");
            }
        }
        top.press("2");
        let lines = top.shows(&["[2 Ser", "TYPE", "? help"]);
        assert!(lines.last().is_some_and(|line| line.starts_with("? help")), "{lines:#?}");
    }
    top.press("q");
    assert_eq!(top.ends().code(), Some(0));
    bridge.stop();
}

#[apply(test)]
fn a_tab_is_printed_once_as_text_and_json() {
    let bridge = bridge_with_samples();
    let run = |arguments: &[&str]| {
        let output = command(&format!("http://{}", bridge.web), arguments).output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // Not a terminal: printed once also without the flag.
    for arguments in [&["--once", "--tab=series"][..], &["--tab=series"]] {
        let text = run(arguments);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..4], ["FAMILY", "TYPE", "SERIES", "RATE/S"], "{text}");
        assert_eq!((&lines[1][..3], &lines[2][..3]), (&["apples", "counter", "2"][..], &["bananas", "gauge", "1"][..]), "{text}");
    }
    let json = |arguments: &[&str]| serde_json::from_str::<Value>(&run(arguments)).expect("JSON");
    assert_eq!(json(&["--json", "--tab=series"])["series"]["families"][1]["name"], "bananas");
    assert_eq!(json(&["--json", "--tab=rejected"])["conflicts"]["conflicts"][0]["name"], "bananas");
    assert_eq!(json(&["--json"]), json(&["--format=json"]));
    for tab in ["overview", "rejected", "rules", "cardinality", "senders", "scrapes", "push", "events", "configuration"] {
        let text = run(&["--once", "--tab", tab]);
        assert!(!text.is_empty() && !text.contains('\u{1b}'), "{tab}: {text:?}");
    }
    bridge.stop();
}
