//! Losses of lines and samples. Each kind of loss has one counter, which is exact while the loss lasts.

use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::SockRef;

use crate::harness::{DEADLINE, Launch, Running};
use crate::page::Page;

fn own(page: &Page, name: &str) -> f64 {
    page.sum(&format!("statsd_bridge_{name}_total"))
}

/// Sends lines in datagrams of a hundred.
fn send_lines(bridge: &Running, lines: usize) {
    let datagram = ["a:1|c"; 100].join("\n");
    (0..lines / 100).for_each(|_| bridge.send(&datagram));
}

#[apply(test)]
fn a_line_is_relayed_or_lost_and_never_both() {
    const HALF: usize = 6_000;
    let target = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    target.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let address = target.local_addr().expect("an address");
    let bridge = Launch::new().arg(format!("--statsd.relay.address={address}")).start();
    send_lines(&bridge, HALF);
    let page = bridge.page_when("the first half is relayed", |page| own(page, "relay_lines_relayed") == HALF as f64);
    assert_eq!(own(&page, "relay_lines_lost"), 0.0);
    let (mut buffer, mut received) = ([0; 2048], 0);
    while received < HALF {
        let length = target.recv(&mut buffer).expect("a datagram");
        received += buffer[..length].iter().filter(|byte| **byte == b'\n').count();
    }
    drop(target);
    send_lines(&bridge, HALF);
    let page = bridge.page_when("the second half is lost", |page| own(page, "relay_lines_lost") == HALF as f64);
    assert_eq!(own(&page, "relay_lines_relayed"), HALF as f64, "a line that is lost was not relayed");
    // A program listens on the port again.
    let target = UdpSocket::bind(address).expect("the port is free");
    send_lines(&bridge, HALF);
    let page = bridge.page_when("the third half is relayed", |page| own(page, "relay_lines_relayed") == 2.0 * HALF as f64);
    assert_eq!(own(&page, "relay_lines_lost"), HALF as f64);
    drop(target);
    bridge.stop();
}

#[apply(test)]
fn truncated_unix_datagrams_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display()));
    let bridge = launch.arg("--limits.datagram-bytes=20").start();
    let sender = UnixDatagram::unbound().expect("a socket");
    for datagram in ["whole:1|c", "exactly_20_bytes:1|c", "whole:1|c\nthis_one_is_cut:1|c", "this_one_is_cut_too:1|c"] {
        sender.send_to(datagram.as_bytes(), &path).expect("it is taken");
    }
    let page = bridge.page_when("all datagrams are received", |page| own(page, "unixgram_packets") == 4.0);
    assert_eq!(own(&page, "unixgram_truncated_packets"), 2.0);
    assert_eq!(page.sum_where("statsd_bridge_sample_errors_total", "reason", "truncated_line"), 2.0);
    assert_eq!((page.value("whole"), page.value("exactly_20_bytes")), (Some(2.0), Some(1.0)));
    bridge.stop();
}

#[apply(test)]
fn a_tcp_reset_before_the_first_byte_is_not_an_error() {
    const PROBES: usize = 50;
    let bridge = Launch::new().start();
    let reset = |bytes: &[u8]| {
        let mut stream = bridge.tcp();
        stream.write_all(bytes).expect("it is taken");
        if !bytes.is_empty() {
            bridge.page_when("the line is recorded", |page| page.value("a") == Some(1.0));
        }
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option of a socket");
    };
    (0..PROBES).for_each(|_| reset(b""));
    let is_done = |page: &Page| page.sum("statsd_bridge_tcp_connections_open") == 0.0;
    let page = bridge.page_when("all probes are closed", |page| own(page, "tcp_connections") == PROBES as f64 && is_done(page));
    assert_eq!(own(&page, "tcp_connection_errors"), 0.0);
    reset(b"a:1|c\ncut");
    let page = bridge.page_when("the reset is counted", |page| own(page, "tcp_connections") == PROBES as f64 + 1.0 && is_done(page));
    assert_eq!(own(&page, "tcp_connection_errors"), 1.0, "a reset within a line is an error");
    bridge.stop();
}
