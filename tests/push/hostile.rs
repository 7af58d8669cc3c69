//! Receivers that answer anything else than a receiver should: the bridge goes on, bounded in memory and time, and loses nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::message::decode;
use super::receiver::{Reaction, Receiver};
use super::{add_up, expect_sums, pushing, samples, target};
use crate::harness::{Running, until};

/// What a raw server does when it has the head of a request and `rest`, the unread bytes of its body. Returns whether the connection
/// goes on.
type Act = dyn Fn(&mut TcpStream, &mut dyn Read) -> bool + Send + Sync;

/// A server that speaks for itself.
struct Raw {
    url: String,
    /// Requests so far.
    requests: Arc<AtomicUsize>,
    /// Whether it answers properly from now on.
    is_good: Arc<AtomicBool>,
    /// Values of `hits` that a good server has got.
    hits: Arc<Mutex<Vec<f64>>>,
}

impl Raw {
    fn start(host: IpAddr, act: impl Fn(&mut TcpStream, &mut dyn Read) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a TCP socket");
        let url = format!("http://{}/api/v1/write", listener.local_addr().expect("its address"));
        let raw = Self { url, requests: Arc::default(), is_good: Arc::default(), hits: Arc::default() };
        let (requests, is_good, hits, act) =
            (Arc::clone(&raw.requests), Arc::clone(&raw.is_good), Arc::clone(&raw.hits), Arc::<Box<Act>>::new(Box::new(act)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, is_good, hits, act) = (Arc::clone(&requests), Arc::clone(&is_good), Arc::clone(&hits), Arc::clone(&act));
                thread::spawn(move || {
                    let Ok(mut answering) = stream.try_clone() else { return };
                    let mut reader = BufReader::new(stream);
                    while let Some(length) = head(&mut reader) {
                        requests.fetch_add(1, Ordering::SeqCst);
                        let mut body = (&mut reader).take(length);
                        let goes_on = match is_good.load(Ordering::SeqCst) {
                            true => good(&mut answering, &mut body, &hits),
                            false => act(&mut answering, &mut body),
                        };
                        if !goes_on {
                            return;
                        }
                    }
                });
            }
        });
        raw
    }

    fn local(act: impl Fn(&mut TcpStream, &mut dyn Read) -> bool + Send + Sync + 'static) -> Self {
        Self::start(Ipv4Addr::LOCALHOST.into(), act)
    }

    /// Answers properly from now on, and waits until the counter is there.
    fn becomes_good(&self, bridge: &Running, what: &str) {
        self.is_good.store(true, Ordering::SeqCst);
        bridge.send("hits:1|c");
        until(&format!("{what}: the counter is pushed"), || {
            self.hits.lock().expect("a lock").last().filter(|value| **value == 2.0).map(drop)
        });
        expect_sums(bridge);
    }
}

/// The length of the body of the next request.
fn head(reader: &mut impl BufRead) -> Option<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            None if line.trim_end().is_empty() => return Some(length),
            _ => {}
        }
    }
}

/// Writes everything, and says so.
fn good(stream: &mut TcpStream, rest: &mut dyn Read, hits: &Mutex<Vec<f64>>) -> bool {
    let mut body = Vec::new();
    if rest.read_to_end(&mut body).is_err() {
        return false;
    }
    let content = decode(1, &body).expect("a request of 1.0");
    for series in content.series.iter().filter(|series| series.name() == "hits") {
        hits.lock().expect("a lock").extend(series.points.iter().map(|point| point.value));
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
}

/// Reads the body and answers with these bytes.
fn answer(bytes: &'static [u8]) -> impl Fn(&mut TcpStream, &mut dyn Read) -> bool + Send + Sync {
    move |stream, rest| std::io::copy(rest, &mut std::io::sink()).is_ok() && stream.write_all(bytes).is_ok()
}

/// A bridge with a counter, which pushes 1.0 to this server every second.
fn bridge(raw: &Raw) -> Running {
    let bridge = pushing(&raw.url).arg("--push.timeout=1s").arg("--push.protocol=1.0").arg("--push.self-metrics=false").start();
    bridge.send("hits:1|c");
    bridge.page_at(1);
    bridge
}

fn rss_kib(bridge: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.process.id())).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[apply(test)]
fn answers_that_are_no_http_or_never_end_are_sent_again() {
    let cases: [(&str, Box<Act>); 8] = [
        ("no HTTP", Box::new(answer(b"SSH-2.0-OpenSSH_9.2\r\n"))),
        ("HTTP/2", Box::new(answer(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"))),
        (
            "half an answer",
            Box::new(|stream, rest| {
                answer(b"HTTP/1.1 204 No Con")(stream, rest);
                false
            }),
        ),
        ("a status that is none", Box::new(answer(b"HTTP/1.1 2 OK\r\n\r\n"))),
        ("two lengths", Box::new(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy"))),
        (
            "nothing",
            Box::new(|_, rest| {
                drop(std::io::copy(rest, &mut std::io::sink()));
                thread::sleep(Duration::from_secs(3));
                false
            }),
        ),
        (
            "endless headers",
            Box::new(|stream, rest| {
                drop(std::io::copy(rest, &mut std::io::sink()));
                drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n"));
                let line = format!("X-Header: {}\r\n", "x".repeat(1000));
                let end = Instant::now() + Duration::from_secs(5);
                while Instant::now() < end && stream.write_all(line.as_bytes()).is_ok() {}
                false
            }),
        ),
        (
            "endless informational answers",
            Box::new(|stream, rest| {
                drop(std::io::copy(rest, &mut std::io::sink()));
                let end = Instant::now() + Duration::from_secs(5);
                while Instant::now() < end && stream.write_all(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n").is_ok() {}
                false
            }),
        ),
    ];
    for (what, act) in cases {
        let raw = Raw::local(act);
        let bridge = bridge(&raw);
        until(&format!("{what}: three attempts"), || (raw.requests.load(Ordering::SeqCst) > 2).then_some(()));
        until(&format!("{what}: failures"), || target(&bridge)["failures"].as_u64().filter(|failures| *failures > 1));
        assert_eq!((samples(&bridge, "written"), samples(&bridge, "rejected")), (0, 0), "{what}");
        let log = bridge.process.log();
        assert_eq!(log.matches("push: no answer").count(), 1, "{what}: once a minute: {log}");
        assert!(rss_kib(&bridge) < 200 << 10, "{what}: {} KiB", rss_kib(&bridge));
        raw.becomes_good(&bridge, what);
    }
}

#[apply(test)]
fn unusual_statuses_have_a_result() {
    let cases: [(&str, &'static [u8], &str); 7] = [
        ("299", b"HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n", "written"),
        ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nbody until the end", "written"),
        ("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "rejected"),
        ("304", b"HTTP/1.1 304 Not Modified\r\n\r\n", "rejected"),
        ("302 to a page", b"HTTP/1.1 302 Found\r\nLocation: /query\r\nContent-Length: 0\r\n\r\n", "rejected"),
        ("418", b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n", "rejected"),
        ("308 to nowhere", b"HTTP/1.1 308 X\r\nLocation: http://\xff\xfe/\r\nContent-Length: 0\r\n\r\n", "rejected"),
    ];
    for (what, bytes, result) in cases {
        let ends = what == "HTTP/1.0";
        let raw = Raw::local(move |stream, rest| answer(bytes)(stream, rest) && !ends);
        let bridge = bridge(&raw);
        until(&format!("{what}: {result}"), || (samples(&bridge, result) > 0).then_some(()));
        assert_eq!(target(&bridge)["failures"], 0, "{what}");
        raw.becomes_good(&bridge, what);
    }
    let raw = Raw::local(answer(b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"));
    let bridge = bridge(&raw);
    until("999 is sent again", || target(&bridge)["failures"].as_u64().filter(|failures| *failures > 1));
    raw.becomes_good(&bridge, "999");
}

#[apply(test)]
fn redirects_in_a_circle_end() {
    let receiver = Receiver::start(|_| Reaction::Answer(307, vec![("Location", "/api/v1/write".to_owned())]));
    let bridge = pushing(&receiver.url()).start();
    until("a failure", || target(&bridge)["last_answer"]["text"].as_str().filter(|text| text.contains("more than 3 redirects")).map(drop));
    receiver.script(|_| Reaction::Write);
    bridge.send("hits:1|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(1.0)).then_some(()));
    assert_eq!(add_up(&bridge), Ok(()));
}

#[apply(test)]
fn bodies_of_answers_are_read_up_to_a_limit() {
    for (what, head, result) in [
        ("a success", "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", "written"),
        ("an error", "HTTP/1.1 400 Bad Request\r\nContent-Length: 104857600\r\n\r\n", "rejected"),
        ("an endless success", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "written"),
    ] {
        let raw = Raw::local(move |stream, rest| {
            drop(std::io::copy(rest, &mut std::io::sink()));
            drop(stream.write_all(head.as_bytes()));
            let piece = if head.contains("chunked") { format!("10000\r\n{}\r\n", "x".repeat(0x10000)) } else { "y".repeat(0x10000) };
            // 100 MB at most.
            (0..1600).all(|_| stream.write_all(piece.as_bytes()).is_ok())
        });
        let bridge = bridge(&raw);
        let before = rss_kib(&bridge);
        until(&format!("{what}: {result}"), || (samples(&bridge, result) > 5).then_some(()));
        assert!(rss_kib(&bridge) < before + (8 << 10), "{what}: from {before} KiB to {} KiB", rss_kib(&bridge));
        assert!(target(&bridge)["last_answer"]["text"].as_str().is_some_and(|text| text.len() <= 1024), "{what}");
        raw.becomes_good(&bridge, what);
    }
}

#[apply(test)]
fn a_body_that_never_comes_does_not_change_the_answer() {
    let raw = Raw::local(|stream, rest| {
        drop(std::io::copy(rest, &mut std::io::sink()));
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow"));
        thread::sleep(Duration::from_secs(3));
        false
    });
    let bridge = bridge(&raw);
    until("samples are written", || (samples(&bridge, "written") > 5).then_some(()));
    assert_eq!(target(&bridge)["failures"], 0);
    raw.becomes_good(&bridge, "a slow body");
}

#[apply(test)]
fn an_answer_before_the_body_is_read_counts_or_is_sent_again() {
    for (what, bytes) in [
        ("an answer that ends the connection", &b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"[..]),
        ("an error that ends the connection", b"HTTP/1.1 503 Later\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let raw = Raw::local(move |stream, _| {
            drop(stream.write_all(bytes));
            false
        });
        let bridge = bridge(&raw);
        until(&format!("{what}: three requests"), || (raw.requests.load(Ordering::SeqCst) > 2).then_some(()));
        raw.becomes_good(&bridge, what);
    }
}

#[apply(test)]
fn a_connection_that_closes_between_requests_costs_nothing() {
    let receiver = Receiver::start(|_| Reaction::Write);
    // The answer states a connection that goes on, and the connection ends.
    receiver.close_after_each();
    let bridge = pushing(&receiver.url()).start();
    for n in 1..=5 {
        bridge.send("hits:1|c");
        until("the counter is pushed", || (receiver.last("hits") == Some(f64::from(n))).then_some(()));
    }
    assert_eq!((receiver.increase("hits"), receiver.faults()), (5.0, vec![]));
    assert_eq!((samples(&bridge, "rejected"), samples(&bridge, "dropped_age")), (0, 0));
    expect_sums(&bridge);
}

#[apply(test)]
fn a_receiver_may_have_an_ipv6_address() {
    let _host = crate::peers::ipv6_loopback();
    let raw = Raw::start(Ipv6Addr::LOCALHOST.into(), answer(b"HTTP/1.1 204 No Content\r\n\r\n"));
    let bridge = bridge(&raw);
    assert!(raw.url.contains("[::1]"));
    until("samples are written", || (samples(&bridge, "written") > 5).then_some(()));
    raw.becomes_good(&bridge, "IPv6");
}

#[apply(test)]
fn a_target_may_have_thousands_of_labels() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("push.yml");
    let mut text = format!("targets:\n- url: {}\n  self_metrics: false\n  labels:\n", receiver.url());
    text.extend((0..3000).map(|n| format!("    label_{n}: value_{n}\n")));
    std::fs::write(&file, text).expect("a file in a temporary directory");
    let bridge = super::Launch::new().arg(format!("--push.config.file={}", file.display())).arg("--push.interval=1s").start();
    bridge.send((0..50).map(|n| format!("level:{n}|g|#n:{n}\n")).collect::<String>());
    until("a gauge is pushed", || receiver.points("level", ("n", "49")).last().filter(|point| point.value == 49.0).map(drop));
    assert_eq!(receiver.faults(), [""; 0]);
    expect_sums(&bridge);
}
