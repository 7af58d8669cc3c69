//! Whoever reads the log stops reading: nothing else stops, and what was not logged is counted and said.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::process::Signal;

use crate::harness::{Launch, until};

/// Messages that wait for their reader at most.
const QUEUE: usize = 4096;

/// A pipe that nobody reads, and that holds nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    fill(&writer);
    (reader, writer)
}

fn fill(writer: impl AsFd) {
    let mut writer = File::from(writer.as_fd().try_clone_to_owned().expect("a second handle"));
    ioctl_fionbio(&writer, true).expect("a pipe can be non-blocking");
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    // It is the bridge's too, which is to find an ordinary pipe.
    ioctl_fionbio(&writer, false).expect("a pipe can be blocking");
}

/// Samples are taken, HTTP answers, SIGTERM ends the program, and the state is written.
fn nothing_else_stops(is_full_at_start: bool) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let state = folder.path().join("state");
    let (reader, writer) = if is_full_at_start { full_pipe() } else { pipe().expect("a pipe") };
    let stderr = OwnedFd::from(writer.try_clone().expect("a second handle"));
    let launch = Launch::new().arg(format!("--state.file={}", state.display())).arg("--state.interval=1h");
    let mut bridge = launch.stderr(stderr).start();
    fill(&writer);
    for number in 0..200 {
        bridge.send(format!("bad {number}"));
        bridge.send("good:1|c");
    }
    let page = bridge.page_when("all samples are taken", |page| page.value("good") == Some(200.0));
    assert_eq!(page.sum("statsd_bridge_udp_kernel_drops_total"), 0.0);
    assert_eq!(bridge.get("/-/healthy").status, 200);
    bridge.process.signal(Signal::TERM);
    assert_eq!(bridge.process.wait().code(), Some(0));
    assert!(state.exists(), "the state is written");
    drop(reader);
}

#[apply(test)]
fn a_reader_that_stops_reading_stops_nothing() {
    nothing_else_stops(false);
}

#[apply(test)]
fn a_reader_that_never_reads_stops_nothing() {
    nothing_else_stops(true);
}

#[apply(test)]
fn a_reader_of_the_first_lines_that_does_not_read_stops_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    // Open for both, so that nobody waits for the other end.
    let stdout = File::options().read(true).write(true).open(&path).expect("a pipe");
    fill(&stdout);
    let bridge = Launch::new().after(&format!("exec >{}", path.display())).start();
    bridge.send("good:1|c");
    bridge.page_at(1);
    bridge.stop();
}

#[apply(test)]
fn messages_that_nobody_took_are_counted_and_said_when_somebody_reads_again() {
    let (mut reader, writer) = full_pipe();
    let stderr = OwnedFd::from(writer.try_clone().expect("a second handle"));
    let bridge = Launch::new().arg("--log.level=debug").arg("--tcp.max-connections=1").stderr(stderr).start();
    // One message for each connection that is one too many: the first one is never silent, and keeps its place.
    let mut first = bridge.tcp();
    bridge.page_when("the first one is taken", |page| page.sum("statsd_bridge_tcp_connections_open") == 1.0);
    thread::spawn(move || {
        while first.write_all(b"\n").is_ok() {
            thread::sleep(Duration::from_millis(10))
        }
    });
    let dropped = "statsd_bridge_log_messages_dropped_total";
    let mut connections = 0;
    until("messages are dropped", || {
        (0..500).for_each(|_| drop(bridge.tcp()));
        connections += 500;
        (bridge.page().sum(dropped) > 0.0).then_some(())
    });
    assert!(connections >= QUEUE, "{connections} messages fit the queue");
    // The last ones are counted within a second.
    let mut last = f64::NAN;
    let page = bridge.page_when("no more messages are dropped", |page| {
        thread::sleep(Duration::from_millis(1500));
        std::mem::replace(&mut last, page.sum(dropped)) == page.sum(dropped)
    });
    let counted = page.sum(dropped);
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    drop(writer);
    bridge.stop();
    let log = reading.join().expect("the reader ends");
    let said = log.lines().filter(|line| line.contains("log messages were dropped"));
    let said = said.map(|line| line.split_once("dropped=").and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok()));
    let said: f64 = said.map(|number| number.expect("a number")).sum();
    // The program may have had something else to say before the reader began.
    assert!((counted..=counted + 20.0).contains(&said), "{said} of {counted}; {} lines", log.lines().count());
    assert!(log.contains("all listeners have ended"), "what comes later is logged");
}
