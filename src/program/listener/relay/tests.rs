//! The relay with real sockets: full, dead and silent targets, and a name whose address changes.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::feed::MAX_WAIT;
use super::*;
use crate::options::Prefix;
use crate::telemetry::Owner;

const DEADLINE: Duration = Duration::from_secs(120);

struct Running {
    telemetry: Arc<Telemetry>,
    stop: Arc<Stop>,
    relays: Relays,
}

fn start(targets: &[&str], packet_bytes: usize, queue_bytes: usize) -> Running {
    start_with(targets, packet_bytes, queue_bytes, Duration::ZERO)
}

fn start_with(targets: &[&str], packet_bytes: usize, queue_bytes: usize, max_age: Duration) -> Running {
    let targets = targets.iter().map(|text| RelayTarget::parse(text).unwrap()).collect();
    let telemetry = Arc::new(Telemetry::new(Prefix::Bridge, Owner::Program));
    let stop = Stop::new(Duration::from_secs(1));
    let options = RelayOptions { targets, packet_bytes, queue_bytes, max_age };
    let relays = Relays::start(&options, Dialect::default(), &telemetry, &stop).unwrap();
    Running { telemetry, stop, relays }
}

impl Running {
    fn relay(&self) -> Relay {
        self.relays.relay().expect("a target")
    }

    fn sum(&self, name: &str) -> u64 {
        self.telemetry.sum(name)
    }

    /// The value of a metric of the only target.
    fn of(&self, name: &str, target: &str) -> u64 {
        self.telemetry.count(name, ("target", target))
    }

    fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    async fn end(self) -> Arc<Telemetry> {
        self.stop.set();
        self.relays.end(self.stop.deadline() + Duration::from_secs(60)).await;
        self.telemetry
    }
}

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn received(socket: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let n = socket.recv(&mut buffer).expect("a datagram");
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

#[tokio::test]
async fn lines_are_packed_unchanged_and_sent_when_full_or_late() {
    let (target, address) = udp();
    let running = start(&[&address], 20, 1 << 20);
    let mut relay = running.relay();
    let start = Instant::now();
    relay.lines(b"a:1|c\n\nnot a sample\n", start);
    relay.lines(b"b:2|c\n123456789012345678901", start);
    assert_eq!(received(&target), "a:1|c\nnot a sample\n", "19 of 20 bytes");
    relay.tick(start + MAX_WAIT - Duration::from_millis(1));
    relay.lines(b"c:3|c", start + MAX_WAIT - Duration::from_millis(1));
    relay.tick(start + MAX_WAIT);
    assert_eq!(received(&target), "b:2|c\nc:3|c\n", "the earlier tick sent nothing");
    running.wait("the last datagram is counted", |running| running.sum("relay_lines_relayed_total") == 4);
    assert_eq!((running.sum("relay_long_lines_total"), running.sum("relay_lines_lost_total")), (1, 0));
    running.end().await;
}

#[tokio::test]
async fn lines_to_an_absent_udp_target_are_lost_and_never_both() {
    let gone = udp().1;
    let running = start(&[&gone], 1400, 1 << 20);
    let mut relay = running.relay();
    for round in 1..=3 {
        relay.lines(b"a:1|c\nb:1|c", Instant::now());
        relay.finish();
        running.wait("they are lost", |running| running.telemetry.count("relay_lines_lost_total", ("reason", "unreachable")) == round * 2);
    }
    assert!(running.of("relay_errors_total", &gone) > 0);
    let telemetry = running.end().await;
    assert_eq!((telemetry.sum("relay_lines_lost_total"), telemetry.sum("relay_lines_relayed_total")), (6, 0));
}

#[tokio::test]
async fn each_target_gets_its_lines_over_its_transport() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (by_udp, at_udp) = udp();
    let by_tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (by_unixgram, by_unix) = (UnixDatagram::bind(path("gram")).unwrap(), UnixListener::bind(path("stream")).unwrap());
    let targets = [
        format!("udp://{at_udp}?name=shop.*"),
        format!("tcp://{}?tag=env:prod", by_tcp.local_addr().unwrap()),
        format!("unix://{}", path("gram").display()),
        format!("unixstream://{}?framing=length", path("stream").display()),
    ];
    let running = start(&targets.each_ref().map(String::as_str), 1400, 1 << 20);
    let mut relay = running.relay();
    let lines = "shop.a:1|c\nother:2|c|#env:prod\nnot a sample\nshop.b:3|c|#env:prod\n";
    relay.lines(lines.as_bytes(), Instant::now());
    relay.finish();
    assert_eq!(received(&by_udp), "shop.a:1|c\nshop.b:3|c|#env:prod\n");
    let mut tcp = BufReader::new(by_tcp.accept().unwrap().0);
    let (mut first, mut second) = (String::new(), String::new());
    assert!(tcp.read_line(&mut first).unwrap() > 0 && tcp.read_line(&mut second).unwrap() > 0);
    assert_eq!((&*first, &*second), ("other:2|c|#env:prod\n", "shop.b:3|c|#env:prod\n"));
    let mut buffer = [0; 2048];
    let n = by_unixgram.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], lines.as_bytes());
    let mut unix = by_unix.accept().unwrap().0;
    let mut frame = vec![0; 4 + lines.len()];
    unix.read_exact(&mut frame).unwrap();
    assert_eq!(frame, [&u32::try_from(lines.len()).unwrap().to_le_bytes(), lines.as_bytes()].concat());
    running.wait("all are counted", |running| running.sum("relay_lines_relayed_total") == 2 + 2 + 4 + 4);
    // The counter of filtered lines is written with the next tick.
    relay.tick(Instant::now());
    assert_eq!(running.sum("relay_lines_filtered_total"), 2 + 2);
    let connected = |telemetry: &Telemetry| {
        let of = |target: &String| {
            let target = target.split('?').next().unwrap_or_default();
            telemetry.value(&format!("statsd_bridge_relay_connected{{target=\"{target}\"}}"))
        };
        targets.each_ref().map(of)
    };
    assert_eq!(connected(&running.telemetry), [Some(1.0); 4]);
    let telemetry = running.end().await;
    assert_eq!((telemetry.sum("relay_lines_lost_total"), connected(&telemetry)), (0, [Some(0.0); 4]));
}

/// Sends lines to targets of which the last two are dead and silent. The first gets all, and each line of each target counts once.
#[tokio::test]
async fn dead_and_silent_targets_cost_the_others_nothing() {
    let (alive, at) = udp();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Its queue of connections is open, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let targets = [at.clone(), format!("tcp://{dead}"), format!("tcp://{}", silent.local_addr().unwrap())];
    let running = start(&targets.each_ref().map(String::as_str), 1400, 1 << 20);
    let mut relay = running.relay();
    // More than the queue and the buffers of the kernel hold.
    const LINES: u64 = 400_000;
    let read = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&read);
    let reader = std::thread::spawn(move || {
        while count.load(Relaxed) < LINES {
            count.fetch_add(received(&alive).lines().count() as u64, Relaxed);
        }
    });
    let line = format!("{}:1|c", "x".repeat(60));
    let datagram = vec![line; 20].join("\n");
    let mut longest = Duration::ZERO;
    for number in 0..LINES / 20 {
        let before = Instant::now();
        relay.lines(datagram.as_bytes(), before);
        longest = longest.max(before.elapsed());
        // The reader of the first target must keep up.
        running.wait("the first target gets them", |_| read.load(Relaxed) + 1000 > number * 20);
    }
    relay.finish();
    reader.join().unwrap();
    let stop = running.stop.clone();
    let telemetry = running.end().await;
    assert!(stop.deadline().elapsed() < DEADLINE, "the end does not wait for them");
    let of = |target: &str| {
        let count = |name| telemetry.count(name, ("target", target));
        (count("relay_lines_relayed_total"), count("relay_lines_lost_total"))
    };
    assert_eq!(of(&targets[0]), (LINES, 0));
    assert_eq!(of(&targets[1]), (0, LINES));
    let (relayed, lost) = of(&targets[2]);
    assert!(relayed > 0 && lost > 0 && relayed + lost == LINES, "{relayed} + {lost}");
    assert!(telemetry.count("relay_lines_lost_total", ("reason", "queue_full")) > LINES);
    assert!(longest < Duration::from_secs(20), "receiving never waits for a target: {longest:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_continues_with_the_next_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp://{}", listener.local_addr().unwrap());
    let running = start(&[&target], 1400, 64 << 20);
    let mut relay = running.relay();
    const ROUNDS: u64 = 5;
    let (mut sent, mut read) = (0_u64, Vec::new());
    for round in 0..ROUNDS {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        for _ in 0..100_000 {
            relay.lines(format!("n{sent}:1|c").as_bytes(), Instant::now());
            sent += 1;
        }
        relay.finish();
        let wanted = if round + 1 < ROUNDS { 1000 } else { u64::MAX };
        let mut line = String::new();
        for _ in 0..wanted {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if !line.ends_with('\n') {
                break;
            }
            let number = line.strip_prefix('n').and_then(|rest| rest.strip_suffix(":1|c\n")).expect("a whole line");
            read.push(number.parse::<u64>().unwrap());
            if number.parse() == Ok(sent - 1) {
                break;
            }
        }
        // Dropping it with unread bytes resets the connection.
    }
    assert!(read.is_sorted_by(|a, b| a < b), "no line arrives twice");
    assert_eq!(read.last(), Some(&(sent - 1)));
    running
        .wait("each line is counted", |running| running.sum("relay_lines_relayed_total") + running.sum("relay_lines_lost_total") == sent);
    let lost = running.sum("relay_lines_lost_total");
    assert!(lost <= ROUNDS, "at most the line that was sent in part: {lost}");
    running.end().await;
}

#[test]
fn a_name_whose_address_changes_is_followed() {
    let ((old, at_old), (new, at_new)) = (udp(), udp());
    let address = Arc::new(Mutex::new(at_old.parse::<SocketAddr>().unwrap()));
    let telemetry = Telemetry::new(Prefix::Bridge, Owner::Program);
    let target = RelayTarget::parse("statsd.example:8125").unwrap();
    let counters = telemetry.relay("statsd.example:8125");
    let queue = Arc::new(Queue::new(1 << 20, Duration::ZERO, counters.queue_bytes.clone()));
    let now = Arc::clone(&address);
    let resolve = Box::new(move || Ok(Some(*now.lock().unwrap())));
    let sender = Sender::with_resolver(&target, Arc::clone(&queue), counters, Stop::new(Duration::ZERO), resolve);
    let thread = std::thread::spawn(move || sender.run());
    assert!(queue.push(b"a:1|c\n", 1));
    assert_eq!(received(&old), "a:1|c\n");
    // The old target ends. The next lines are lost, and the name is resolved again after the error.
    drop(old);
    *address.lock().unwrap() = at_new.parse().unwrap();
    new.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (start, mut pushed, mut buffer) = (Instant::now(), 1, [0; 100]);
    while new.recv(&mut buffer).is_err() {
        assert!(start.elapsed() < DEADLINE, "the new address gets nothing");
        assert!(queue.push(b"b:1|c\n", 1));
        pushed += 1;
    }
    queue.close();
    thread.join().unwrap();
    let (relayed, lost) = (telemetry.sum("relay_lines_relayed_total"), telemetry.sum("relay_lines_lost_total"));
    assert!(relayed >= 2 && lost >= 1 && relayed + lost == pushed, "{relayed} + {lost} of {pushed}");
}

/// Lines for a stream that nobody accepts, and for a path that nobody has, wait up to the limit. Later ones are sent.
#[tokio::test]
async fn lines_that_waited_too_long_are_lost_and_newer_ones_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let targets = [format!("tcp://{tcp}"), format!("unix://{}", path.display())];
    // The queue is full of old lines until they are too old.
    let running = start_with(&[&targets[0], &targets[1]], 20, 300, Duration::from_millis(300));
    let mut relay = running.relay();
    let (began, mut fed) = (Instant::now(), 0);
    let mut feed = |what: &str, holds: &dyn Fn(&Running) -> bool| {
        while !holds(&running) {
            assert!(began.elapsed() < DEADLINE, "waited in vain: {what}");
            relay.lines(b"a:1|c\nb:2|c", Instant::now());
            fed += 2;
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    feed("lines are too old", &|running| running.telemetry.count("relay_lines_lost_total", ("reason", "age")) >= 20);
    assert!(began.elapsed() >= Duration::from_millis(300), "they waited");
    let (_unix, _stream) = (UnixDatagram::bind(&path).unwrap(), TcpListener::bind(tcp).unwrap());
    for target in &targets {
        feed("newer lines are sent", &|running| running.of("relay_lines_relayed_total", target) > 0);
    }
    relay.finish();
    let telemetry = running.end().await;
    assert_eq!(telemetry.sum("relay_lines_relayed_total") + telemetry.sum("relay_lines_lost_total"), 2 * fed);
}
