//! `--statsd.allow-from`: lines of other networks are discarded and counted, and lines of these networks are all recorded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

use socket2::{Domain, Socket, Type};

use crate::harness::{DEADLINE, Launch, bridge_command};
use crate::page::Page;

/// An allowed address, and one of another network. The whole of 127.0.0.0/8 is this machine.
const ALLOWED: &str = "127.0.0.2:0";
const OTHER: &str = "127.0.0.1:0";

fn rejected(page: &Page, transport: &str) -> f64 {
    page.sum_where("statsd_bridge_allow_from_rejected_total", "transport", transport)
}

/// A TCP connection from this address.
fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&from.parse::<SocketAddr>().expect("an address").into()).expect("bound");
    socket.connect(&to.into()).expect("the bridge listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}

#[apply(test)]
fn only_these_networks_may_send_over_udp_and_tcp() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let launch = Launch::new().arg("--statsd.allow-from=10.0.0.0/8,127.0.0.2").arg("--limits.datagram-bytes=20");
    let bridge = launch.arg(format!("--statsd.listen-unix={}", path.display())).start();
    let [allowed, other] = [ALLOWED, OTHER].map(|from| UdpSocket::bind(from).expect("a socket"));
    for _ in 0..10 {
        other.send_to(b"other:1|c", bridge.statsd).expect("sent");
        allowed.send_to(b"udp:1|c\nudp:1|c", bridge.statsd).expect("sent");
        // A cut datagram counts once, as any other.
        other.send_to(b"other:1|c\nother:1|c\nother:1|c", bridge.statsd).expect("sent");
    }
    let mut stream = connect(OTHER, bridge.statsd);
    // The bridge may have closed it already.
    drop(stream.write_all(b"other:1|c\n"));
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it is closed");
    connect(ALLOWED, bridge.statsd).write_all(b"tcp:1|c\n").expect("it is taken");
    UnixStream::connect(&path).expect("it listens").write_all(b"unix:1|c\n").expect("it is taken");

    let page = bridge.page_when("all is counted", |page| {
        let recorded = ["udp", "tcp", "unix"].map(|name| page.value(name));
        recorded == [Some(20.0), Some(1.0), Some(1.0)] && rejected(page, "udp") == 20.0 && rejected(page, "tcp") == 1.0
    });
    assert_eq!(page.value("other"), None);
    assert_eq!(page.value("statsd_bridge_udp_packets_total"), Some(30.0), "received, but not recorded");
    assert_eq!(page.sum("statsd_bridge_sample_errors_total") + page.sum("statsd_bridge_tcp_connections_refused_total"), 0.0);
    assert_eq!(page.value("statsd_bridge_tcp_connections_total"), Some(1.0));
    bridge.process.logs("not from a network of --statsd.allow-from");
    bridge.process.logs("source=\"udp 127.0.0.1:");
    bridge.stop();
}

#[apply(test)]
fn an_invalid_network_is_named() {
    let output = bridge_command().arg("--statsd.allow-from=10.0.0.1/8").output().expect("the bridge runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("--statsd.allow-from: \"10.0.0.1/8\" has host bits set; use 10.0.0.0/8"), "{error}");
    assert_eq!(output.status.code(), Some(2));
}
