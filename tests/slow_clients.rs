//! Clients that read slowly, send requests without end, never complete a request, or only hold connections, all at once. A good
//! client gets its expositions, no sample is lost, and connections and memory stay within their limits.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use crate::harness::{Launch, Response, Running, parse_response};
use crate::page::Page;

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

/// The limit of open connections: far fewer than all clients want.
const MOST_OPEN: usize = 64;

/// Connections that are opened at once, each with half a request. The tests may have 1,024 open files.
const HALF_OPEN: usize = 300;

/// Series in the exposition, with lines of about 200 bytes: the exposition does not fit into the socket buffers of a connection.
const SERIES: usize = 20_000;

/// The memory that all bad clients together may need, in KiB: four expositions, and six clients that do not read theirs.
const MOST_KIB: u64 = 16 << 10;

/// Scrapes of the good client.
const PAGES: usize = 4;

/// The good client's timeout for an exposition. Prometheus waits for 10 s by default, but a machine that runs other tests is slow.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(60);

/// Clients, each on its own thread. Dropping this ends the threads, also in a failed test.
struct Clients {
    to: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn new(to: SocketAddr) -> Self {
        Self { to, stop: Arc::default(), threads: Vec::new() }
    }

    /// Repeats an action until `stop` is set. The action must return soon after that.
    fn repeat(&mut self, act: impl Fn(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::spawn(move || {
            while !stop.load(Relaxed) {
                act(&stop);
            }
        }));
    }

    /// Starts this many clients. Each repeats the action, each time on a new connection.
    fn crowd(&mut self, count: usize, act: fn(&mut TcpStream, &AtomicBool)) {
        let to = self.to;
        for _ in 0..count {
            self.repeat(move |stop| match connect(to) {
                Some(mut stream) => act(&mut stream, stop),
                None => sleep(Duration::from_millis(5)),
            });
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A connection with short timeouts.
fn connect(to: SocketAddr) -> Option<TcpStream> {
    let moment = Duration::from_millis(300);
    let stream = TcpStream::connect_timeout(&to, moment).ok()?;
    stream.set_read_timeout(Some(moment)).ok()?;
    stream.set_write_timeout(Some(moment)).ok()?;
    Some(stream)
}

fn reads_slowly(stream: &mut TcpStream, stop: &AtomicBool) {
    let _ = stream.write_all(GET);
    while !stop.load(Relaxed) && stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {
        sleep(Duration::from_millis(20));
    }
}

fn closes_half(stream: &mut TcpStream, _stop: &AtomicBool) {
    let _ = stream.write_all(b"GET /metrics HT");
    let _ = stream.shutdown(Shutdown::Write);
    sleep(Duration::from_millis(50));
}

fn sends_a_large_header(stream: &mut TcpStream, stop: &AtomicBool) {
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
    while !stop.load(Relaxed) && stream.write_all(&[b'x'; 4096]).is_ok() {
        sleep(Duration::from_millis(5));
    }
}

fn asks_without_reading(stream: &mut TcpStream, stop: &AtomicBool) {
    let many = GET.repeat(100);
    while !stop.load(Relaxed) && stream.write_all(&many).is_ok() {}
}

/// Opens many connections at once, sends half a request on each, and keeps them open.
fn come_at_once(to: SocketAddr) {
    let mut held: Vec<_> = (0..HALF_OPEN).filter_map(|_| connect(to)).collect();
    held.iter_mut().for_each(|stream| drop(stream.write_all(b"GET /metrics HT")));
    sleep(Duration::from_millis(100));
}

/// Scrapes on a new connection. If the bridge closes it before the response begins, tries again, as a scraper would. A response
/// that has begun must be valid and complete.
fn scrape(bridge: &Running) -> String {
    let start = Instant::now();
    let answer = loop {
        match try_scrape(bridge.web) {
            Ok(bytes) if !bytes.is_empty() => break bytes,
            other => assert!(start.elapsed() < SCRAPE_TIMEOUT, "no page: {other:?}"),
        }
    };
    let complete = parse_response(&answer).filter(|response: &Response| response.status == 200);
    let Some(page) = complete else {
        let begins = String::from_utf8_lossy(&answer[..answer.len().min(300)]);
        panic!("of a page came {} bytes, then no more: {begins}", answer.len());
    };
    let mut text = String::new();
    GzDecoder::new(&*page.body).read_to_string(&mut text).expect("gzip");
    text
}

fn try_scrape(to: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&to, SCRAPE_TIMEOUT)?;
    stream.set_read_timeout(Some(SCRAPE_TIMEOUT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() => Err(error),
        _ => Ok(bytes),
    }
}

/// The value of a line of the exposition.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}")).parse().expect("a number")
}

/// A memory figure of the program, in KiB.
fn kib(bridge: &Running, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.process.id())).expect("a running program");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a kernel that says it");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

fn cut(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_http_connections_cut_total", "reason", reason)
}

#[apply(test)]
fn a_good_client_gets_its_expositions_beside_bad_ones() {
    let bridge =
        Launch::new().arg(format!("--web.max-connections={MOST_OPEN}")).arg(format!("--web.max-waiting-connections={MOST_OPEN}")).start();
    let lines: String = (0..SERIES).map(|n| format!("family{}:1|c|#number:{n:0>180}\n", n % 50)).collect();
    bridge.tcp().write_all(lines.as_bytes()).expect("taken");
    while value(&scrape(&bridge), "statsd_bridge_samples_total") < SERIES as f64 {}
    let rest = kib(&bridge, "VmRSS:");

    let mut clients = Clients::new(bridge.web);
    // Together, these are fewer than the limit of expositions that are being sent, so none is cut for another one.
    clients.crowd(4, reads_slowly);
    clients.crowd(2, asks_without_reading);
    clients.crowd(4, closes_half);
    clients.crowd(2, sends_a_large_header);
    let to = bridge.web;
    clients.repeat(move |_| come_at_once(to));
    let (sent, socket) = (Arc::new(AtomicU64::new(0)), bridge.udp());
    let counted = Arc::clone(&sent);
    clients.repeat(move |_| {
        socket.send(b"ingested:1|c").expect("a datagram is sent");
        counted.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(1));
    });
    for _ in 0..PAGES {
        let page = scrape(&bridge);
        let open = value(&page, "statsd_bridge_http_connections_open");
        assert!(open >= 1.0 && open <= MOST_OPEN as f64, "{open} connections are open");
        let waiting = value(&page, "statsd_bridge_http_connections_waiting");
        assert!(waiting <= MOST_OPEN as f64, "{waiting} connections wait");
    }
    let peak = kib(&bridge, "VmHWM:");
    drop(clients);

    assert!(peak < rest + MOST_KIB, "{rest} KiB at rest, {peak} at most");
    let sent = sent.load(Relaxed) as f64;
    let page = bridge.page_when("all samples are counted and the bad clients' connections are closed", |page| {
        let lost = page.sum("statsd_bridge_udp_kernel_drops_total");
        page.value("ingested").is_some_and(|ingested| ingested + lost == sent)
            && page.value("statsd_bridge_http_connections_open") == Some(1.0)
    });
    for reason in ["crowded", "header_too_large"] {
        assert!(cut(&page, reason) > 0.0, "{reason}");
    }
    bridge.stop();
}
