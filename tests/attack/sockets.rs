//! Paths of Unix sockets that are removed or replaced while the bridge runs. The bridge logs and counts that, and binds them again.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use crate::harness::{Launch, Running, own_sum, until};
use crate::page::Page;

fn lost_and_restored(page: &Page) -> (f64, f64) {
    (own_sum(page, "socket_paths_lost_total"), own_sum(page, "socket_paths_restored_total"))
}

fn ready_is(bridge: &Running, status: u16) {
    until(&format!("/-/ready answers {status}"), || (bridge.get("/-/ready").status == status).then_some(()));
}

/// Connects to the path when a program listens there, and sends a line.
fn send_to(path: &Path) -> UnixDatagram {
    let sender = UnixDatagram::unbound().expect("a socket");
    until("the bridge listens at the path", || sender.connect(path).ok());
    sender.send(b"new:1|c").expect("it is taken");
    sender
}

#[apply(test)]
fn a_datagram_socket_is_bound_again_and_clients_of_the_old_one_are_still_read() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("inside/s");
    fs::create_dir(folder.path().join("inside")).expect("created");
    let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display()));
    let bridge = launch.arg("--statsd.unixsocket-mode=722").start();
    let old = UnixDatagram::unbound().expect("a socket");
    old.connect(&path).expect("it is there");
    fs::remove_file(&path).expect("removed");
    let sender = send_to(&path);
    old.send(b"old:1|c").expect("it is still read");
    let page =
        bridge.page_when("the lines of both clients are recorded", |page| page.value("new") == Some(1.0) && page.value("old") == Some(1.0));
    assert_eq!(lost_and_restored(&page), (1.0, 1.0));
    bridge.process.logs("was removed or replaced");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o722);

    // When the folder of the socket is removed too, the bridge cannot bind the socket again, and is not ready until it can.
    fs::remove_dir_all(folder.path().join("inside")).expect("removed");
    ready_is(&bridge, 503);
    sender.send(b"new:1|c").expect("it is still read");
    fs::create_dir(folder.path().join("inside")).expect("created");
    ready_is(&bridge, 200);
    drop(send_to(&path));
    let page = bridge.page_when("all lines are recorded", |page| page.value("new") == Some(3.0));
    assert_eq!(lost_and_restored(&page), (2.0, 2.0));

    // If another file is at the path, the bridge does not remove it.
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "precious").expect("written");
    ready_is(&bridge, 503);
    until("the reason is logged", || bridge.process.log().contains("the path exists and is not a socket").then_some(()));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
    fs::remove_file(&path).expect("removed");
    ready_is(&bridge, 200);
    bridge.stop();
    assert!(!path.exists(), "the bridge removes its socket");
}

/// The status of GET /-/healthy over a Unix socket; none without a response.
fn healthy(path: &Path) -> Option<u16> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[apply(test)]
fn a_stream_socket_is_bound_again() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("web.sock");
    let bridge = Launch::new().arg(format!("--web.admin-listen-address=unix:{}", path.display())).start();
    for times in 1..=3 {
        assert_eq!(healthy(&path), Some(200));
        fs::remove_file(&path).expect("removed");
        assert_eq!(healthy(&path), None);
        until("the bridge answers again", || healthy(&path));
        let page = bridge.page_when("the new binding is counted", |page| lost_and_restored(page).1 == f64::from(times));
        assert_eq!(lost_and_restored(&page), (f64::from(times), f64::from(times)));
    }
    ready_is(&bridge, 200);
    bridge.stop();
    assert!(!path.exists(), "the bridge removes its socket");
}
