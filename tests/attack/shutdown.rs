//! Shutdown under load, and with a state file that cannot be written.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::Launch;

/// Clients that send over TCP and do not stop.
const SENDERS: usize = 100;

/// How long the bridge may take to end. With a deadline of 2 s for each sender in turn it would take 200 s.
const GRACE: Duration = Duration::from_secs(120);

#[apply(test)]
fn a_hundred_tcp_senders_that_never_stop_share_one_deadline() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let state = format!("--state.file={}", folder.path().join("state").display());
    let mut bridge = Launch::new().arg(&state).arg("--state.interval=1h").start();
    let stop = Arc::new(AtomicBool::new(false));
    let lines = b"sent:1|c\n".repeat(1000);
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (mut stream, stop, lines): (TcpStream, _, _) = (bridge.tcp(), Arc::clone(&stop), lines.clone());
            thread::spawn(move || while !stop.load(Ordering::Relaxed) && stream.write_all(&lines).is_ok() {})
        })
        .collect();
    let page = bridge.page_when("all senders send", |page| {
        page.value("sent").is_some() && page.sum("statsd_bridge_tcp_connections_open") == SENDERS as f64
    });
    let before = page.value("sent").expect("a counter");
    let asked = Instant::now();
    bridge.process.signal(Signal::TERM);
    let status = bridge.process.wait();
    let took = asked.elapsed();
    stop.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().expect("a sender ends"));
    assert_eq!(status.code(), Some(0), "{}", bridge.process.log());
    assert!(took < GRACE, "it ended after {took:?}");
    let again = Launch::new().arg(&state).start();
    let restored = again.page().value("sent").expect("the state was written");
    assert!(restored >= before, "{restored} of {before}");
    again.stop();
}

#[apply(test)]
fn datagrams_that_the_deadline_leaves_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let unixgram = format!("--statsd.listen-unixgram={}", path.display());
    let mut bridge = Launch::new().arg("--shutdown.drain=0s").arg("--shutdown.linger=10s").arg(unixgram).start();
    let (udp, unix) = (bridge.udp(), UnixDatagram::unbound().expect("a socket"));
    bridge.process.signal(Signal::STOP);
    // More than one batch. How many datagrams are received before the deadline depends on the scheduler.
    const SENT: u32 = 20_000;
    for number in 0..SENT {
        udp.send(b"a:1|c").expect("a datagram is sent");
        if number < 5 {
            unix.send_to(b"a:1|c", &path).expect("a datagram is sent");
        }
    }
    bridge.process.signal(Signal::TERM);
    bridge.process.signal(Signal::CONT);
    bridge.page_when("all datagrams are accounted for", |page| {
        let own = |name: &str| page.sum(&format!("statsd_bridge_{name}_total"));
        own("udp_packets") + own("unixgram_packets") + own("undrained_packets") == f64::from(SENT + 5)
    });
    bridge.process.signal(Signal::TERM);
    bridge.process.wait();
}

#[apply(test)]
fn a_last_snapshot_that_cannot_be_written_gives_exit_code_1() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).expect("a folder");
    let mut bridge = Launch::new().arg(format!("--state.file={}", inside.join("state").display())).start();
    bridge.send("a:1|c");
    bridge.page_at(1);
    std::fs::remove_dir_all(&inside).expect("a folder can be removed");
    bridge.process.signal(Signal::TERM);
    assert_eq!(bridge.process.wait().code(), Some(1), "{}", bridge.process.log());
    assert!(bridge.process.log().contains("a snapshot could not be written"), "{}", bridge.process.log());
}
