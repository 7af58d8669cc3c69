//! Restarts of the bridge while real clients send over every transport: the totals are exact, with what each transport can promise.
//!
//! A state file keeps the counts. With sockets of systemd, every datagram waits for the next bridge. Without them, the client's own count
//! of what it could not send closes the sum, except over UDP and TCP, where the kernel accepts some bytes for a bridge that has just ended.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, free_port, own_sum};
use crate::page::Page;
use crate::peers;
use crate::systemd::pass;

/// Calls of each client, with this pause between them: six seconds and more.
const CALLS: u64 = 1500;
const PAUSE_MS: &str = "4";
/// Restarts while the clients send.
const RESTARTS: u64 = 2;
/// What a client may write to a stream, or over UDP, between the last read of a bridge and the end of its socket, in all restarts. It is
/// one call in most, and more if the machine is busy.
const UNSEEN: u64 = 20 * RESTARTS;

/// A client of one transport, which counts its calls in a counter of its own.
struct Client {
    counter: &'static str,
    process: Process,
}

/// What a client says in the end.
struct Said {
    /// Calls that it could not send.
    dropped: u64,
}

impl Client {
    fn start(counter: &'static str, mut command: Command, to: &str, more: &[&str]) -> Self {
        command.args([to, &CALLS.to_string(), PAUSE_MS]).args(more);
        Self { counter, process: Process::start(command) }
    }

    /// Waits for the end of the client.
    fn end(&mut self) -> Said {
        let status = self.process.wait();
        let log = self.process.log();
        let numbers = log.lines().last().unwrap_or_default().split(' ').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>();
        let (Ok(numbers), true) = (numbers, status.success()) else { panic!("{}: {status}: {log}", self.counter) };
        let &[calls, _, dropped] = &numbers[..] else { panic!("{}: {log}", self.counter) };
        assert_eq!(calls, CALLS, "{}: {log}", self.counter);
        Said { dropped }
    }
}

/// The addresses of a bridge.
struct Addresses<'a> {
    udp: SocketAddr,
    tcp: SocketAddr,
    datagrams: &'a Path,
    streams: &'a Path,
}

/// Clients over UDP, Unix datagrams, Unix streams and TCP, in this order.
fn clients(to: &Addresses<'_>) -> [Client; 4] {
    let python = |script: &str| {
        let mut command = Command::new(peers::python_with_clients());
        command.arg(peers::repository().join("tests/python").join(script));
        command
    };
    let go = |transport: &str, path: &Path, counter| {
        let mut command = Command::new(peers::built("datadog", "datadog"));
        command.arg("paced");
        Client::start(counter, command, &format!("{transport}://{}", path.display()), &[counter])
    };
    [
        Client::start("udp", python("datadog_paced.py"), &to.udp.to_string(), &["udp"]),
        go("unixgram", to.datagrams, "unixgram"),
        go("unixstream", to.streams, "unixstream"),
        Client::start("tcp", python("statsd_paced.py"), &to.tcp.to_string(), &[]),
    ]
}

fn recorded(page: &Page, counter: &str) -> u64 {
    page.sum(counter) as u64
}

/// Restarts the bridge while the clients send. Returns the last bridge, and what each client says.
fn restarted(start: impl Fn() -> Running, clients: &mut [Client]) -> (Running, Vec<Said>) {
    let mut bridge = start();
    for restart in 0..RESTARTS {
        // A bridge that was just started has what all clients sent before, and more.
        let before: Vec<u64> = clients.iter().map(|client| recorded(&bridge.page(), client.counter)).collect();
        bridge.page_when("samples of each client arrive", |page| {
            clients.iter().zip(&before).all(|(client, before)| recorded(page, client.counter) > before + CALLS / 10)
        });
        assert!(clients.iter_mut().all(|client| client.process.try_wait().is_none()), "a client ended before restart {restart}");
        bridge.process.signal(Signal::TERM);
        let status = bridge.process.wait();
        assert!(status.success(), "after SIGTERM: {status}\n{}", bridge.process.log());
        bridge = start();
    }
    let said = clients.iter_mut().map(Client::end).collect();
    (bridge, said)
}

/// What arrived of each client, once it is stable: at least `calls` of it, or what the client can have sent.
fn arrived(bridge: &Running, clients: &[Client], least: &[u64]) -> Vec<u64> {
    let all = |page: &Page| clients.iter().map(|client| recorded(page, client.counter)).collect::<Vec<_>>();
    let page = bridge.page_when("the last samples arrive", |page| all(page).iter().zip(least).all(|(arrived, least)| arrived >= least));
    assert_eq!(own_sum(&page, "sample_errors_total") + own_sum(&page, "udp_kernel_drops_total"), 0.0);
    all(&page)
}

#[apply(test)]
fn with_sockets_of_systemd_no_datagram_is_lost() {
    let folder = TempDir::new().expect("a temporary folder");
    let [datagrams, streams, state] = ["datagrams", "streams", "state"].map(|name| folder.path().join(name));
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
    let unixgram = UnixDatagram::bind(&datagrams).expect("a Unix socket");
    let unix = UnixListener::bind(&streams).expect("a Unix socket");
    let passed = pass(&[(udp.as_fd(), "statsd"), (tcp.as_fd(), "statsd"), (unixgram.as_fd(), "statsd"), (unix.as_fd(), "statsd")]);
    let to = Addresses {
        udp: udp.local_addr().expect("an address"),
        tcp: tcp.local_addr().expect("an address"),
        datagrams: &datagrams,
        streams: &streams,
    };
    let launch = || Launch::new().after(&passed.shell).arg("--statsd.systemd-socket=true").arg(format!("--state.file={}", state.display()));
    let mut clients = clients(&to);
    let (bridge, said) = restarted(|| launch().start(), &mut clients);
    let dropped: Vec<u64> = said.iter().map(|said| said.dropped).collect();
    let most: Vec<u64> = dropped.iter().map(|dropped| CALLS - dropped).collect();
    let arrived = arrived(&bridge, &clients, &[CALLS, CALLS, most[2] - UNSEEN, most[3] - UNSEEN]);
    assert_eq!((&arrived[..2], &dropped[..2]), (&[CALLS, CALLS][..], &[0, 0][..]));
    assert!(arrived[2] <= most[2] && arrived[3] <= most[3], "{arrived:?} of {most:?}");
    // A connection is closed by a restart, and the next one waits for the next bridge.
    assert!(dropped[2..].iter().all(|dropped| *dropped <= UNSEEN), "{dropped:?}");
    bridge.stop();
}

#[apply(test)]
fn with_own_sockets_the_clients_count_what_was_lost() {
    let folder = TempDir::new().expect("a temporary folder");
    let [datagrams, streams, state] = ["datagrams", "streams", "state"].map(|name| folder.path().join(name));
    let address = || SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
    let to = Addresses { udp: address(), tcp: address(), datagrams: &datagrams, streams: &streams };
    let launch = || {
        let launch = Launch::new().arg(format!("--statsd.listen-udp={}", to.udp)).arg(format!("--statsd.listen-tcp={}", to.tcp));
        let launch = launch.arg(format!("--statsd.listen-unixgram={}", datagrams.display()));
        launch.arg(format!("--statsd.listen-unix={}", streams.display())).arg(format!("--state.file={}", state.display()))
    };
    let first = launch().start();
    let mut clients = clients(&to);
    let first = std::cell::Cell::new(Some(first));
    let (bridge, said) = restarted(|| first.take().unwrap_or_else(|| launch().start()), &mut clients);
    let dropped: Vec<u64> = said.iter().map(|said| said.dropped).collect();
    let most: Vec<u64> = dropped.iter().map(|dropped| CALLS - dropped).collect();
    // Over UDP, the kernel accepts a datagram to a closed port, and reports the error to the next call, which then fails.
    let silent = [dropped[0] + UNSEEN, 0, UNSEEN, UNSEEN];
    let least: Vec<u64> = most.iter().zip(silent).map(|(most, silent)| most - silent).collect();
    let arrived = arrived(&bridge, &clients, &least);
    assert!(arrived.iter().zip(&most).all(|(arrived, most)| arrived <= most), "{arrived:?} of {most:?}");
    assert!(dropped.iter().all(|dropped| *dropped > 0), "each client sent while the bridge was stopped: {dropped:?}");
    bridge.stop();
}
