//! Clients that open connections and send nothing. The bridge serves all other clients, even at a low limit of open files.

use std::io::Read;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::{DEADLINE, Launch, Running, own_sum, until};
use crate::page::Page;

/// A connection from another loopback address.
fn tcp_from(host: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((IpAddr::from(Ipv4Addr::from(host)), 0)).into()).expect("an address of the loopback");
    socket.connect(&to.into()).expect("the bridge accepts");
    socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    socket.into()
}

/// Connections that send nothing.
fn quiet(bridge: &Running, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| bridge.tcp()).collect()
}

#[apply(test)]
fn at_a_low_limit_of_open_files_idle_connections_do_not_block_others() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let state = format!("--state.file={}", folder.path().join("state").display());
    let bridge = Launch::new().after("ulimit -n 256").arg(state).arg("--state.interval=1s").start();
    assert!(bridge.process.log().contains("is too low for the limits of connections"), "{}", bridge.process.log());
    let quiet = quiet(&bridge, 300);
    let snapshots = |page: &Page| page.value("statsd_bridge_state_snapshots_total{outcome=\"success\"}").expect("a counter");
    let before = snapshots(&bridge.page());
    let page = bridge.page_when("two more snapshots are written", |page| snapshots(page) >= before + 2.0);
    assert_eq!(page.value("statsd_bridge_state_snapshots_total{outcome=\"failure\"}"), Some(0.0));
    assert_eq!(bridge.get("/-/healthy").status, 200);
    tcp_from([127, 0, 0, 2], bridge.statsd).write_all(b"good:1|c\n").expect("it is taken");
    bridge.page_when("the sample of another sender is recorded", |page| page.value("good") == Some(1.0));
    drop(quiet);
    bridge.stop();
}

#[apply(test)]
fn the_soft_limit_of_open_files_is_raised() {
    let bridge = Launch::new().after("ulimit -Sn 256 && ulimit -Hn 4000").start();
    assert_eq!(bridge.page().value("process_max_fds"), Some(4000.0));
    assert!(!bridge.process.log().contains("is too low for the limits of connections"), "{}", bridge.process.log());
    bridge.stop();
}

#[apply(test)]
fn at_the_limit_the_longest_idle_connection_of_the_address_with_most_is_evicted() {
    let bridge = Launch::new().arg("--tcp.max-connections=10").start();
    // The only connection of its address stays, although it has been idle longest.
    let mut alone = tcp_from([127, 0, 0, 3], bridge.statsd);
    bridge.page_when("the first connection is open", |page| own_sum(page, "tcp_connections_open") == 1.0);
    let mut quiet = quiet(&bridge, 9);
    bridge.page_when("all connections are open", |page| own_sum(page, "tcp_connections_open") == 10.0);
    for (host, name) in [(4, "a"), (5, "b")] {
        tcp_from([127, 0, 0, host], bridge.statsd).write_all(format!("{name}:1|c\n").as_bytes()).expect("it is taken");
        bridge.page_when("the sample of a new sender is recorded", |page| page.value(name) == Some(1.0));
    }
    // Those two connections are closed again. A new connection from the address with most connections evicts an older one from
    // the same address, once the older one has been idle for a while.
    until("the sample of a new connection from the same address is recorded", || {
        let mut stream = bridge.tcp();
        let _ = stream.write_all(b"c:1|c\n");
        quiet.push(stream);
        (bridge.page().value("c")? > 0.0 && quiet.len() > 20).then_some(())
    });
    alone.write_all(b"d:1|c\n").expect("the first connection is open");
    let page = bridge.page_when("the sample of the first connection is recorded", |page| page.value("d") == Some(1.0));
    assert!(own_sum(&page, "tcp_connections_evicted_total") > 0.0);
    assert_eq!(quiet[0].read(&mut [0]).ok(), Some(0), "the bridge closed the connection");
    alone.set_read_timeout(Some(Duration::from_millis(10))).expect("a read timeout");
    assert!(alone.read(&mut [0]).is_err(), "the connection is still open");
    drop(quiet);
    bridge.stop();
}
