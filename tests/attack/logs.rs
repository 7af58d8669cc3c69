//! The reader of the log stops reading. The bridge continues to work, counts the messages that it cannot write, and logs their
//! number later.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::process::Signal;

use crate::harness::{Launch, until};

/// The most messages that wait to be written.
const QUEUE: usize = 4096;

/// A full pipe.
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
    // The bridge shares the flag, and must get an ordinary pipe.
    ioctl_fionbio(&writer, false).expect("a pipe can be blocking");
}

/// The bridge records samples, answers HTTP requests, ends on SIGTERM and writes the state file.
fn the_bridge_goes_on(is_full_at_start: bool) {
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
    let page = bridge.page_when("all samples are recorded", |page| page.value("good") == Some(200.0));
    assert_eq!(page.sum("statsd_bridge_udp_kernel_drops_total"), 0.0);
    assert_eq!(bridge.get("/-/healthy").status, 200);
    bridge.process.signal(Signal::TERM);
    assert_eq!(bridge.process.wait().code(), Some(0));
    assert!(state.exists(), "the state is written");
    drop(reader);
}

#[apply(test)]
fn a_log_that_is_no_longer_read_blocks_nothing() {
    the_bridge_goes_on(false);
}

#[apply(test)]
fn a_log_that_is_never_read_blocks_nothing() {
    the_bridge_goes_on(true);
}

#[apply(test)]
fn a_full_stdout_blocks_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    // The pipe is opened for reading and writing, so that neither end waits for the other.
    let stdout = File::options().read(true).write(true).open(&path).expect("a pipe");
    fill(&stdout);
    let bridge = Launch::new().after(&format!("exec >{}", path.display())).start();
    bridge.send("good:1|c");
    bridge.page_at(1);
    bridge.stop();
}

#[apply(test)]
fn dropped_messages_are_counted_and_their_number_is_logged_later() {
    let (mut reader, writer) = full_pipe();
    let stderr = OwnedFd::from(writer.try_clone().expect("a second handle"));
    let bridge = Launch::new().arg("--log.level=debug").arg("--tcp.max-connections=1").stderr(stderr).start();
    // Each connection over the limit gives one message. The first connection sends all the time, so that it is not evicted.
    let mut first = bridge.tcp();
    bridge.page_when("the first connection is open", |page| page.sum("statsd_bridge_tcp_connections_open") == 1.0);
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
    // The counter is updated every second.
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
    // Other messages may have been dropped before the reader started.
    assert!((counted..=counted + 20.0).contains(&said), "{said} of {counted}; {} lines", log.lines().count());
    assert!(log.contains("all listeners have ended"), "later messages are logged");
}
