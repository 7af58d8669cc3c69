//! Unix stream sockets with the real program: frames and lines on one socket, what cannot be read, vanishing senders, limits, the path.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::harness::{DEADLINE, Launch, Running, own, until};
use crate::page::Page;

/// A folder with the path of a socket.
fn socket() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("stream.sock");
    (folder, path)
}

fn listening_on(path: &Path) -> Launch {
    Launch::new().arg(format!("--statsd.listen-unix={}", path.display()))
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("the bridge listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}

/// Sends a stream on a connection of its own, and closes it.
fn send(path: &Path, stream: &[u8]) {
    connect(path).write_all(stream).expect("it is taken");
}

/// Whether the bridge closed the connection.
fn is_closed(stream: &mut UnixStream) -> bool {
    stream.read(&mut [0]).map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |read| read == 0)
}

fn frame(payload: &str) -> Vec<u8> {
    [&u32::try_from(payload.len()).expect("a short frame").to_le_bytes(), payload.as_bytes()].concat()
}

fn of_streams<const N: usize>(page: &Page, names: [&str; N]) -> [f64; N] {
    names.map(|name| own(page, &format!("unix_{name}_total")))
}

fn all_closed(page: &Page, connections: usize) -> bool {
    own(page, "unix_connections_total") == connections as f64 && own(page, "unix_connections_open") == 0.0
}

fn rejected(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_sample_errors_total", "reason", reason)
}

#[apply(test)]
fn frames_lines_and_what_is_neither_are_counted() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).arg("--limits.datagram-bytes=1000").start();
    send(&path, b"line:1|c\nline:1|c");
    send(&path, &[frame("framed:1|c\nframed:1|c\n"), frame(""), frame("framed:1|c")].concat());
    send(&path, &[&frame("framed:1|c")[..], &frame("half:1|c\nhalf:1|c")[..13]].concat());
    send(&path, &[&frame("framed:1|c")[..], &[7]].concat());
    send(&path, &[frame(&"x".repeat(1001)), frame("framed:1|c")].concat());
    send(&path, b"a:1");
    send(&path, b"");
    send(&path, b"a:1\0");
    send(&path, &[0, 0, 0, 0x80]);
    let page = bridge.page_when("all connections are closed", |page| all_closed(page, 9));
    assert_eq!([page.value("line"), page.value("framed"), page.value("half")], [Some(2.0), Some(6.0), None]);
    let names = ["frames", "too_long_frames", "truncated_frames", "framing_errors", "connection_errors"];
    assert_eq!(of_streams(&page, names), [6.0, 1.0, 2.0, 2.0, 0.0]);
    // Of the half frames: `half:1|c`, and one for that without a byte.
    assert_eq!([rejected(&page, "truncated_line"), rejected(&page, "line_too_long"), rejected(&page, "malformed_line")], [2.0, 1.0, 2.0]);
    assert_eq!(rejected(&page, "not_enough_parts_after_colon"), 1.0);
    bridge.process.logs("its stream cannot be split");
    bridge.stop();
    assert!(!path.exists(), "the bridge removes its socket");
}

#[apply(test)]
fn a_stream_is_the_same_however_it_is_split() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).start();
    let streams = [[frame("split:1|c\nsplit:1|c"), frame("split:1|c\n")].concat(), b"split:1|c\nsplit:1|c\nsplit:1|c\n".to_vec()];
    let mut connections = 0;
    for stream in &streams {
        for at in 1..stream.len() {
            let mut connection = connect(&path);
            connection.write_all(&stream[..at]).expect("it is taken");
            // Once the bridge accepted it, it has most likely read the first part alone.
            connections += 1;
            bridge.page_when("it is open", |page| own(page, "unix_connections_total") == f64::from(connections));
            connection.write_all(&stream[at..]).expect("it is taken");
        }
    }
    let page = bridge.page_when("all connections are closed", |page| own(page, "unix_connections_open") == 0.0);
    assert_eq!(page.value("split"), Some(3.0 * f64::from(connections)));
    assert_eq!(of_streams(&page, ["truncated_frames", "framing_errors"]), [0.0, 0.0]);
    bridge.stop();
}

#[apply(test)]
fn the_framing_can_be_forced() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).arg("--statsd.unix-framing=length").start();
    // Read as a length, the first four letters are more than a gigabyte.
    let mut lines = connect(&path);
    lines.write_all(b"line:1|c\nline:1|c\n").expect("it is taken");
    assert!(is_closed(&mut lines));
    send(&path, &frame("framed:1|c"));
    let page = bridge.page_when("all connections are closed", |page| all_closed(page, 2));
    assert_eq!((page.value("framed"), page.value("line")), (Some(1.0), None));
    assert_eq!(of_streams(&page, ["framing_errors"]), [1.0]);
    bridge.stop();

    let bridge = listening_on(&path).arg("--statsd.unix-framing=newline").start();
    send(&path, b"\0\0\0\0line:1|c\n");
    let page = bridge.page_when("all connections are closed", |page| all_closed(page, 1));
    assert_eq!(page.value("line"), Some(1.0), "NUL around a line is removed");
    bridge.stop();
}

#[apply(test)]
fn a_thousand_connections_vanish_and_the_accounting_closes() {
    const CONNECTIONS: usize = 1000;
    let (_folder, path) = socket();
    let bridge = listening_on(&path).start();
    let threads = [0, 1, 2, 3].map(|thread| {
        let path = path.clone();
        thread::spawn(move || {
            // The test may have 1,024 open files, so that each connection vanishes before too many are open.
            let mut open = std::collections::VecDeque::new();
            for number in (thread..CONNECTIONS).step_by(4) {
                let mut stream = connect(&path);
                let whole = [frame("whole:1|c\nwhole:1|c"), frame("whole:1|c")].concat();
                let half = frame("half:1|c\nhalf:1|c\nhalf:1|c");
                // Every fourth connection ends with a whole frame, the others within one.
                stream.write_all(&[&whole[..], &half[..number % 4 * 9]].concat()).expect("it is taken");
                open.push_back(stream);
                if open.len() > 100 {
                    open.pop_front();
                }
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().expect("it sends"));
    let page = bridge.page_when("all connections are closed", |page| all_closed(page, CONNECTIONS));
    assert_eq!((page.value("whole"), page.value("half")), (Some(3.0 * CONNECTIONS as f64), None));
    assert_eq!(of_streams(&page, ["frames", "truncated_frames"]), [2.0 * CONNECTIONS as f64, 750.0]);
    // Without their lengths, the half frames are one, two or three lines, the last one cut.
    assert_eq!(rejected(&page, "truncated_line"), 250.0 * (1.0 + 2.0 + 3.0));
    bridge.stop();
}

#[apply(test)]
fn connections_over_the_limit_are_evicted() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).arg("--unix.max-connections=1").start();
    let mut first = connect(&path);
    first.write_all(&frame("first:1|c")).expect("it is taken");
    bridge.page_when("it is open", |page| own(page, "unix_connections_open") == 1.0);
    // A new connection of the same process evicts it when it has been idle for a second. Before, the new one is closed.
    until("a connection is evicted", || {
        let mut stream = connect(&path);
        drop(stream.write_all(&frame("new:1|c")));
        (of_streams(&bridge.page(), ["connections_evicted"]) == [1.0]).then_some(())
    });
    assert!(is_closed(&mut first));
    let page = bridge.page();
    assert_eq!(page.value("first"), Some(1.0));
    assert!(of_streams(&page, ["connections_rejected", "connections"]) >= [0.0, 2.0]);
    bridge.stop();
}

#[apply(test)]
fn idle_connections_are_closed() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).arg("--unix.idle-timeout=100ms").start();
    let mut streams = [connect(&path), connect(&path)];
    streams[0].write_all(&frame("kept:1|c")).expect("it is taken");
    assert!(streams.iter_mut().all(is_closed));
    let page = bridge.page_when("both are closed", |page| all_closed(page, 2));
    assert_eq!((page.value("kept"), of_streams(&page, ["idle_closed"])), (Some(1.0), [2.0]));
    bridge.stop();
}

#[apply(test)]
fn the_path_of_a_stream_socket_is_bound_again() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).arg("--statsd.unixsocket-mode=722").start();
    let mut old = connect(&path);
    bridge.page_when("it is open", |page| own(page, "unix_connections_open") == 1.0);
    fs::remove_file(&path).expect("removed");
    let mut new = until("the bridge listens at the path", || UnixStream::connect(&path).ok());
    old.write_all(&frame("old:1|c")).expect("it is still read");
    new.write_all(b"new:1|c\n").expect("it is taken");
    let page = bridge.page_when("both are recorded", |page| page.value("old") == Some(1.0) && page.value("new") == Some(1.0));
    assert_eq!(own(&page, "socket_paths_lost_total"), 1.0);
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o722);
    drop((old, new));
    bridge.stop();
    assert!(!path.exists());
}

/// Starts the bridge with a flag for a path that is in use. Returns what it prints.
fn fails_to_start(flag: &str, path: &Path) -> String {
    let mut command: Command = crate::harness::bridge_command();
    command.arg(format!("{flag}={}", path.display())).args([
        "--statsd.listen-udp=",
        "--statsd.listen-tcp=",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let output = command.output().expect("the bridge runs");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[apply(test)]
fn a_live_socket_keeps_its_path_and_the_flag_for_its_kind_is_named() {
    let (_folder, path) = socket();
    let streams = UnixListener::bind(&path).expect("bound");
    assert!(fails_to_start("--statsd.listen-unix", &path).contains("another program listens on it"));
    let error = fails_to_start("--statsd.listen-unixgram", &path);
    assert!(error.contains("a socket of another kind; --statsd.listen-unix is for streams"), "{error}");
    drop(streams);
    fs::remove_file(&path).expect("removed");
    let datagrams = UnixDatagram::bind(&path).expect("bound");
    let error = fails_to_start("--statsd.listen-unix", &path);
    assert!(error.contains("a socket of another kind; --statsd.listen-unixgram is for datagrams"), "{error}");
    UnixDatagram::unbound().expect("a socket").send_to(b"still here", &path).expect("it is taken");
    assert_eq!(datagrams.recv(&mut [0; 99]).expect("a datagram"), 10);
}

#[apply(test)]
fn an_abstract_name_and_several_paths_work_with_a_relay() {
    let (folder, path) = socket();
    let target = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    target.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let name = format!("statsd-bridge-test-{}", std::process::id());
    let second = folder.path().join("second.sock");
    let launch = listening_on(&path).arg(format!("--statsd.listen-unix={},@{name}", second.display()));
    let bridge: Running = launch.arg(format!("--statsd.relay.address={}", target.local_addr().expect("bound"))).start();
    let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).expect("a name");
    UnixStream::connect_addr(&address).expect("the bridge listens").write_all(&frame("a:1|c")).expect("it is taken");
    send(&path, b"b:1|c\n");
    send(&second, &frame("c:1|c\nd:1|c\n"));
    let page = bridge.page_when("all connections are closed", |page| all_closed(page, 3));
    assert_eq!(["a", "b", "c", "d"].map(|name| page.value(name)), [Some(1.0); 4]);
    let (mut relayed, mut buffer) = (Vec::new(), [0; 2000]);
    while relayed.len() < 4 {
        let length = target.recv(&mut buffer).expect("a datagram");
        relayed.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
    }
    relayed.sort_unstable();
    assert_eq!(relayed, ["a:1|c", "b:1|c", "c:1|c", "d:1|c"]);
    bridge.stop();
}

#[apply(test)]
fn a_conflict_names_the_process() {
    let (_folder, path) = socket();
    let bridge = listening_on(&path).start();
    send(&path, &frame("twice:1|c\ntwice:1|g"));
    bridge.page_when("all connections are closed", |page| all_closed(page, 1));
    let conflicts = bridge.get("/api/v1/conflicts").text();
    assert!(conflicts.contains(&format!("unix pid {} uid ", std::process::id())), "{conflicts}");
    bridge.stop();
}
