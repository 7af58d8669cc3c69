//! Sockets of systemd for lines: the test opens them, and passes them to the bridge as systemd does.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::sockopt;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, bridge_command, own, own_sum, until};

/// Copies of sockets that child processes inherit, and the shell commands that pass them to a program as systemd does.
pub struct Passed {
    _copies: Vec<OwnedFd>,
    pub shell: String,
}

impl Passed {
    /// The shell command that passes the sockets.
    pub fn shell(&self) -> &str {
        &self.shell
    }
}

/// Passes these sockets, with their names.
pub fn pass(sockets: &[(BorrowedFd<'_>, &str)]) -> Passed {
    // systemd passes descriptors from 3 on. The copies have higher numbers, so that none is overwritten.
    let copy = |(socket, _): &(BorrowedFd<'_>, &str)| {
        let copy = fcntl_dupfd_cloexec(socket, 40).expect("a copy of a descriptor");
        fcntl_setfd(&copy, FdFlags::empty()).expect("inherited by children");
        copy
    };
    let copies: Vec<OwnedFd> = sockets.iter().map(copy).collect();
    let moves: String =
        copies.iter().enumerate().map(|(index, copy)| format!(" {}<&{}", index + 3, std::os::fd::AsRawFd::as_raw_fd(copy))).collect();
    let names = sockets.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(":");
    let shell = format!("exec{moves}; export LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={names}", sockets.len());
    Passed { _copies: copies, shell }
}

fn launch(passed: &Passed) -> Launch {
    Launch::new().after(&passed.shell).arg("--statsd.systemd-socket=true")
}

/// Ends the bridge by SIGTERM. Samples may still arrive.
fn end(mut bridge: Running) {
    bridge.process.signal(Signal::TERM);
    let status = bridge.process.wait();
    assert!(status.success(), "after SIGTERM: {status}\n{}", bridge.process.log());
}

/// Samples a second over UDP, and again over the Unix datagram socket.
const RATE: u64 = 200_000;
/// Samples in a datagram. With two bytes each, the datagrams of seconds fit into a small receive buffer.
const PACKED: u64 = 4000;

/// Sends `RATE` samples a second until the stop. Returns the number of samples sent.
fn send_at_rate(
    name: &str,
    stop: Arc<AtomicBool>,
    send: impl Fn(&[u8]) -> std::io::Result<usize> + Send + 'static,
) -> thread::JoinHandle<u64> {
    let datagram = format!("{name}{}|c", ":1".repeat(PACKED as usize));
    thread::spawn(move || {
        let start = Instant::now();
        let mut sent = 0;
        while !stop.load(Relaxed) {
            let due = start.elapsed().as_micros() as u64 * RATE / 1_000_000;
            if sent + PACKED <= due {
                assert_eq!(send(datagram.as_bytes()).expect("sent"), datagram.len());
                sent += PACKED;
            } else {
                thread::sleep(Duration::from_millis(2));
            }
        }
        sent
    })
}

#[apply(test)]
fn restarts_under_load_lose_no_datagram_and_no_count() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("statsd.sock");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    // systemd sets the size above the limit of the system, as root does here. The limit of many systems holds two seconds of the load.
    if sockopt::set_socket_recv_buffer_size_force(&udp, 16 << 20).is_err() {
        sockopt::set_socket_recv_buffer_size(&udp, 16 << 20).expect("a size");
    }
    let unixgram = UnixDatagram::bind(&path).expect("a Unix socket");
    let passed = pass(&[(udp.as_fd(), "statsd"), (unixgram.as_fd(), "statsd")]);
    let state = format!("--state.file={}", folder.path().join("state").display());
    let start = || launch(&passed).arg(state.clone()).start();
    let (stop, to) = (Arc::<AtomicBool>::default(), udp.local_addr().expect("an address"));
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let over_udp = send_at_rate("over_udp_total", Arc::clone(&stop), move |bytes| sender.send_to(bytes, to));
    let sender = UnixDatagram::unbound().expect("a Unix socket");
    sender.connect(&path).expect("connected");
    let over_unix = send_at_rate("over_unix_total", Arc::clone(&stop), move |bytes| sender.send(bytes));
    for _ in 0..4 {
        let bridge = start();
        // A bridge that was just started has received datagrams that were sent before.
        bridge.page_when("samples arrive over both", |page| {
            own(page, "udp_packets_total") > 10.0 && own(page, "unixgram_packets_total") > 10.0
        });
        end(bridge);
        assert!(path.exists(), "the path of a socket of systemd stays");
    }
    let bridge = start();
    stop.store(true, Relaxed);
    let sent = [over_udp, over_unix].map(|thread| thread.join().expect("a sender"));
    let page = bridge.page_when("all samples are recorded", |page| {
        page.value("over_udp_total") >= Some(sent[0] as f64) && page.value("over_unix_total") >= Some(sent[1] as f64)
    });
    assert_eq!((page.value("over_udp_total"), page.value("over_unix_total")), (Some(sent[0] as f64), Some(sent[1] as f64)));
    assert_eq!(own_sum(&page, "udp_kernel_drops_total"), 0.0);
    bridge.stop();
    assert!(path.exists());
}

#[apply(test)]
fn a_connection_during_a_restart_waits_for_the_next_bridge() {
    let folder = TempDir::new().expect("a temporary folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
    let path = folder.path().join("stream");
    let unix = UnixListener::bind(&path).expect("a Unix socket");
    let passed = pass(&[(listener.as_fd(), "statsd"), (unix.as_fd(), "statsd")]);
    let state = format!("--state.file={}", folder.path().join("state").display());
    let at = listener.local_addr().expect("an address");
    let send = |line: &str| {
        TcpStream::connect(at).and_then(|mut stream| stream.write_all(line.as_bytes())).expect("sent");
        UnixStream::connect(&path).and_then(|mut stream| stream.write_all(line.as_bytes())).expect("sent");
    };
    send("early:1|c\n");
    let bridge = launch(&passed).arg(state.clone()).start();
    bridge.page_when("it is recorded", |page| page.value("early") == Some(2.0));
    end(bridge);
    send("between:1|c\n");
    let bridge = launch(&passed).arg(state).start();
    let page = bridge.page_when("it is recorded", |page| page.value("between") == Some(2.0));
    assert_eq!(page.value("early"), Some(2.0));
    bridge.stop();
    assert!(TcpStream::connect(at).is_ok() && UnixStream::connect(&path).is_ok(), "the sockets still listen");
}

#[apply(test)]
fn a_unix_stream_during_a_restart_waits_for_the_next_bridge() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("stream.sock");
    let listener = UnixListener::bind(&path).expect("a Unix socket");
    let passed = pass(&[(listener.as_fd(), "statsd")]);
    let send = || UnixStream::connect(&path).and_then(|mut stream| stream.write_all(b"\x05\0\0\0a:1|c")).expect("sent");
    for _ in 0..2 {
        send();
        let bridge = launch(&passed).start();
        bridge.page_when("it is recorded", |page| page.value("a") == Some(1.0));
        bridge.process.logs(&format!("path={}", path.display()));
        end(bridge);
    }
    assert!(path.exists(), "the path is not removed");
}

#[apply(test)]
fn the_receive_buffer_and_the_count_of_drops_are_those_of_the_socket() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    sockopt::set_socket_recv_buffer_size(&udp, 100_000).expect("a size");
    let passed = pass(&[(udp.as_fd(), "any.socket")]);
    let at = udp.local_addr().expect("an address");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    // Nobody receives, so that the kernel drops most of them. One by one, they are as large for the kernel as they can be.
    const SENT: u64 = 1000;
    (0..SENT).for_each(|_| assert_eq!(sender.send_to(b"flood:1|c", at).expect("sent"), 9));
    let bridge = launch(&passed).start();
    let page = bridge.page_when("each datagram is recorded or dropped", |page| {
        own(page, "udp_packets_total") + own_sum(page, "udp_kernel_drops_total") == SENT as f64
    });
    let dropped = own_sum(&page, "udp_kernel_drops_total");
    assert!(dropped > 0.0, "the buffer was too small for all");
    assert_eq!(own_sum(&page, "udp_receive_buffer_bytes"), 200_000.0, "the kernel shows twice the size");
    end(bridge);
    let bridge = launch(&passed).arg("--statsd.read-buffer=50000").start();
    let page = bridge.page();
    assert_eq!(own_sum(&page, "udp_kernel_drops_total"), dropped, "from the first scrape");
    assert_eq!(own_sum(&page, "udp_receive_buffer_bytes"), 100_000.0);
    bridge.stop();
}

#[apply(test)]
fn several_sockets_of_one_address_are_its_workers_and_names_decide() {
    let folder = TempDir::new().expect("a temporary folder");
    let first = reuse_port("127.0.0.1:0");
    let second = reuse_port(&first.local_addr().expect("an address").to_string());
    let web = UnixListener::bind(folder.path().join("web.sock")).expect("a Unix socket");
    let passed = pass(&[(web.as_fd(), "web"), (first.as_fd(), "statsd"), (second.as_fd(), "statsd")]);
    // The flag for HTTP would take all stream sockets, so that this bridge has no TCP address to ask. The names keep them apart.
    let mut command = Command::new("bash");
    let run = format!("{} && exec \"$0\" \"$@\"", passed.shell);
    let bridge = bridge_command();
    command.args(["-c", &run]).arg(bridge.get_program());
    command.args(["--statsd.systemd-socket", "--web.systemd-socket", "--shutdown.linger=0s"]);
    let mut process = Process::start(command);
    process.logs("ready");
    let log = process.log();
    assert!(log.contains("workers=2") && log.contains("a Unix socket of systemd"), "{log}");
    process.signal(Signal::TERM);
    assert!(process.wait().success());
}

fn reuse_port(address: &str) -> UdpSocket {
    let address: std::net::SocketAddr = address.parse().expect("an address");
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).expect("a socket");
    sockopt::set_socket_reuseport(&socket, true).expect("an option");
    rustix::net::bind(&socket, &address).expect("bound");
    socket.into()
}

#[apply(test)]
fn wrong_sockets_and_names_end_the_start() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
    let stream = TcpStream::connect(tcp.local_addr().expect("an address")).expect("connected");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let ended = |sockets: &[(BorrowedFd<'_>, &str)], args: &[&str]| {
        let passed = pass(sockets);
        let mut command = Command::new("bash");
        let run = format!("{} && exec \"$0\" \"$@\"", passed.shell);
        command.args(["-c", &run]).arg(bridge_command().get_program()).args(["--web.listen-address=", "--statsd.listen-udp="]).args(args);
        command.arg("--statsd.listen-tcp=");
        let mut process = Process::start(command);
        assert_eq!(process.wait().code(), Some(1), "{}", process.log());
        until("an error is logged", || process.log().contains("statsd-bridge: ").then(|| process.log()))
    };
    let both = ["--statsd.systemd-socket", "--web.systemd-socket"];
    for (sockets, args, expected) in [
        (&[(stream.as_fd(), "statsd")][..], &both[..1], "the socket \"statsd\" of systemd is not a UDP or TCP socket, or a Unix"),
        (&[(udp.as_fd(), "web")], &both[1..], "the socket \"web\" of systemd is not a listening stream socket, for HTTP"),
        (&[(tcp.as_fd(), "web"), (udp.as_fd(), "x")], &both, "systemd passed a socket named \"x\"; set FileDescriptorName="),
        (&[(tcp.as_fd(), "web")], &both, "--statsd.systemd-socket: systemd passed no socket for lines"),
        (&[(tcp.as_fd(), "web")], &both[..1], "--statsd.systemd-socket: systemd passed no socket for lines"),
        (&[(udp.as_fd(), "statsd")], &both[1..], "--web.systemd-socket: systemd passed no stream socket"),
        (&[(udp.as_fd(), "statsd")], &[], "At least one of UDP/TCP/Unixgram/Unix listeners must be specified"),
    ] {
        let log = ended(sockets, args);
        assert!(log.contains(expected), "{args:?}: {log}");
    }
    let log = ended(&[(udp.as_fd(), "statsd")], &[]);
    assert!(log.contains("systemd passed a socket that no flag uses") && log.contains("statsd"), "{log}");
}
