//! Unix datagrams: their socket, its queue, its group.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::thread;

use crate::harness::{Launch, Process, bridge_command};

#[apply(test)]
fn unix_datagrams_reach_the_page_and_the_socket_is_removed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("statsd.sock");
    let bridge = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display())).start();
    let socket = UnixDatagram::unbound().expect("a Unix socket");
    socket.send_to(b"unix:1|c\nunix:2|c", &path).expect("a datagram is sent");
    let page = bridge.page_at(2);
    assert_eq!((page.value("unix"), page.value("statsd_bridge_unixgram_packets_total")), (Some(3.0), Some(1.0)));
    bridge.stop();
    assert!(!path.exists(), "the socket is left behind");
}

#[apply(test)]
fn many_unix_senders_lose_nothing_whether_they_wait_or_not() {
    const SENDERS: u64 = 4;
    const DATAGRAMS: u64 = 5_000;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("statsd.sock");
    let bridge = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display())).start();
    let senders = (0..SENDERS).map(|number| {
        let socket = UnixDatagram::unbound().expect("a Unix socket");
        socket.connect(&path).expect("the bridge listens");
        socket.set_nonblocking(number % 2 == 1).expect("a mode of the socket");
        thread::spawn(move || {
            let accepted = |_: &u64| socket.send(b"unix:1|c\nunix:1|c").is_ok();
            (0..DATAGRAMS).filter(accepted).count() as u64
        })
    });
    let senders: Vec<_> = senders.collect();
    let accepted: Vec<u64> = senders.into_iter().map(|sender| sender.join().expect("no panic")).collect();
    // A blocking sender waits for room, so all of its datagrams are accepted.
    assert_eq!((accepted[0], accepted[2]), (DATAGRAMS, DATAGRAMS));
    let sent: u64 = accepted.iter().sum();
    let page = bridge.page_at(2 * sent);
    assert_eq!(page.value("unix"), Some(2.0 * sent as f64));
    assert_eq!(page.value("statsd_bridge_unixgram_packets_total"), Some(sent as f64));
    let setting = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").expect("a setting of Linux");
    let queue = page.value(&format!("statsd_bridge_unixgram_queue_datagrams{{path=\"{}\"}}", path.display()));
    assert_eq!(queue, setting.trim().parse().ok());
    bridge.stop();
}

#[apply(test)]
fn a_unix_socket_gets_its_group_and_an_unknown_one_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("statsd.sock");
    // A user may set the group of a file to any of the user's groups.
    let group = std::fs::metadata(directory.path()).expect("it is there").gid();
    let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display())).arg("--statsd.unixsocket-mode=720");
    let bridge = launch.arg(format!("--statsd.unixsocket-group={group}")).start();
    let socket = std::fs::metadata(&path).expect("the socket");
    assert_eq!((socket.gid(), socket.permissions().mode() & 0o777), (group, 0o720));
    bridge.stop();
    let mut command = bridge_command();
    command.arg(format!("--statsd.listen-unixgram={}", path.display())).arg("--statsd.unixsocket-group=no-such-group-here");
    command.args(["--statsd.listen-udp=", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"]);
    let mut process = Process::start(command);
    assert_eq!(process.wait().code(), Some(1));
    let log = process.log();
    assert!(log.contains("group \"no-such-group-here\" does not exist on this system"), "{log}");
}
