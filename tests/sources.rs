//! Who sent it: the sums of each sender, which agree with the totals, and the limits of a sender.

use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::harness::{Launch, Running, accounts, own_sum, request};
use crate::page::Page;

/// The field `data` of `/api/v1/sources`.
pub fn sources(bridge: &Running, query: &str) -> Value {
    let response = request(bridge.web, "GET", &format!("/api/v1/sources{query}"), &[]).expect("an answer");
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"), "{}", response.text());
    let mut document: Value = serde_json::from_str(&response.text()).expect("JSON");
    document["data"].take()
}

/// The entry of one sender.
pub fn of<'a>(data: &'a Value, sender: &str) -> &'a Value {
    let all = data["sources"].as_array().expect("a list");
    all.iter().find(|entry| entry["source"] == sender).unwrap_or_else(|| panic!("{sender} is not in {data}"))
}

/// A UDP socket with this local address, connected to the bridge.
fn udp_from(bridge: &Running, host: &str) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).expect("a UDP socket");
    socket.connect(bridge.statsd).expect("a connected UDP socket");
    socket
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// Asserts that the sums over all senders are those of the self-metrics.
pub fn agrees(data: &Value, page: &Page) {
    let all = || data["sources"].as_array().expect("a list").iter().chain([&data["others"]]);
    let sum = |key: &str| all().map(|one| number(&one[key])).sum::<f64>();
    assert_eq!(sum("datagrams"), own_sum(page, "udp_packets_total") + own_sum(page, "unixgram_packets_total"), "{data}");
    assert_eq!(sum("lines"), own_sum(page, "lines_total"), "{data}");
    assert_eq!(sum("samples"), own_sum(page, "samples_total"), "{data}");
    let reasons = ["statsd_bridge_sample_errors_total", "statsd_bridge_events_error_total"];
    let rejected = |reason: &str| reasons.iter().map(|name| page.sum_where(name, "reason", reason)).sum::<f64>();
    let known: std::collections::BTreeSet<&String> =
        all().filter_map(|one| one["rejected"].as_object()).flat_map(|rejected| rejected.keys()).collect();
    for reason in &known {
        let sum: f64 = all().map(|one| number(&one["rejected"][reason.as_str()])).sum();
        assert_eq!(sum, rejected(reason), "{reason}: {data}");
    }
    let total: f64 = reasons.iter().map(|name| page.sum(name)).sum();
    assert_eq!(all().filter_map(|one| one["rejected"].as_object()).flat_map(|r| r.values()).map(number).sum::<f64>(), total, "{data}");
}

/// Good and bad lines of five senders over three transports. The sum of their lines is 32, of their datagrams 13.
fn send_everything(bridge: &Running, unix: &std::path::Path) {
    let [a, b, c] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|host| udp_from(bridge, host));
    // A known series, then values that its cell rejects, and a name that is no UTF-8, which is found when the identity is new.
    for socket in [&a, &b] {
        socket.send(b"known:1|c\nknown:2|c\n\nknown:1:2|c").expect("sent");
        socket.send(b"known:-1|c\nno line\n\xff:1|c\n\xff:1|c").expect("sent");
        // Longer than a datagram may be: with a complete line, and without one.
        socket.send(format!("known:1|c\nlong.{}:1|c", "x".repeat(300)).as_bytes()).expect("sent");
        socket.send(format!("long.{}:1|c", "x".repeat(300)).as_bytes()).expect("sent");
    }
    // Another socket of the first host is the same sender.
    udp_from(bridge, "127.0.0.1").send(b"known:1|c").expect("sent");
    c.send(b"_e{1,1}:a|b\nknown:1|g\nother:x|c").expect("sent");
    c.send(b"").expect("sent");
    let gram = UnixDatagram::unbound().expect("a socket");
    gram.send_to(b"known:1|c\nbad", unix).expect("sent");
    gram.send_to(b"known:1|c", unix).expect("sent");
    let mut stream = bridge.tcp();
    stream.write_all(b"known:1|c\nbad\n").expect("sent");
    drop(stream);
}

#[apply(test)]
fn the_sums_of_all_senders_are_the_totals() {
    let folder = tempfile::tempdir().expect("a folder");
    let unix = folder.path().join("statsd.sock");
    // With places for all senders, and with too few of them.
    for max in [1000, 2] {
        let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", unix.display())).arg("--limits.datagram-bytes=256");
        let bridge = launch.arg(format!("--sources.max={max}")).start();
        send_everything(&bridge, &unix);
        let is_whole = |page: &Page| {
            let datagrams = own_sum(page, "udp_packets_total") + own_sum(page, "unixgram_packets_total");
            (datagrams, own_sum(page, "lines_total")) == (13.0, 32.0) && accounts(page).is_ok()
        };
        let page = bridge.page_when("all lines are counted", is_whole);
        let data = sources(&bridge, "?limit=10000");
        agrees(&data, &page);
        agrees(&sources(&bridge, "?limit=1"), &page);
        assert_eq!(number(&data["tracked"]), own_sum(&page, "sources_tracked"));
        assert_eq!(number(&data["evicted"]), own_sum(&page, "sources_evicted_total"));
        if max == 1000 {
            assert_eq!((number(&data["tracked"]), number(&data["others"]["lines"])), (5.0, 0.0));
            let first = of(&data, "udp 127.0.0.1");
            assert_eq!((number(&first["lines"]), number(&first["datagrams"])), (12.0, 5.0), "{first}");
            let second = of(&data, "udp 127.0.0.2");
            assert_eq!((number(&second["lines"]), number(&second["datagrams"]), number(&second["samples"])), (11.0, 4.0, 6.0), "{second}");
            let expected = serde_json::json!({ "illegal_negative_counter": 1, "malformed_line": 3, "truncated_line": 2 });
            assert_eq!(second["rejected"], expected, "{second}");
            assert_eq!((&second["transport"], &second["address"]), (&"udp".into(), &"127.0.0.2".into()));
            assert!(number(&second["last_seen_ms"]) >= number(&second["first_seen_ms"]) && number(&second["first_seen_ms"]) > 1.7e12);
            let stream = of(&data, "tcp 127.0.0.1");
            assert_eq!((&stream["datagrams"], &stream["last_rejected"]["input"]), (&Value::Null, &"bad".into()), "{stream}");
            let own = format!("unixgram pid {} uid {}", std::process::id(), rustix::process::getuid().as_raw());
            assert_eq!(number(&of(&data, &own)["datagrams"]), 2.0);
        }
        bridge.stop();
    }
}

#[apply(test)]
fn senders_are_not_listed_without_places() {
    let bridge = Launch::new().arg("--sources.max=0").start();
    bridge.send("a:1|c\nbad");
    let page = bridge.page_when("the lines are counted", |page| own_sum(page, "lines_total") >= 2.0);
    let data = sources(&bridge, "");
    assert_eq!((number(&data["tracked"]), number(&data["others"]["lines"]), number(&data["tracked_limit"])), (0.0, 0.0, 0.0));
    assert_eq!(own_sum(&page, "sources_tracked"), 0.0);
    let wrong = request(bridge.web, "GET", "/api/v1/sources?limit=0", &[]).expect("an answer");
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    bridge.stop();
}

/// A flood and a second sender, as if from two hosts.
#[apply(test)]
fn a_flood_is_rejected_and_named_and_another_sender_loses_nothing() {
    const LINES: u64 = 10_000;
    let bridge = Launch::new().arg("--sources.lines-per-second=20000").start();
    let [flood, good] = ["127.0.0.2", "127.0.0.3"].map(|host| udp_from(&bridge, host));
    let (many, few) = ("noise:1|c\n".repeat(100), "good:1|c\n".repeat(9) + "good:1|c");
    // The kernel's buffer has room for all of it.
    let mut sent = 0;
    for _ in 0..LINES / 10 {
        for _ in 0..4 {
            flood.send(many.as_bytes()).expect("sent");
            sent += 100;
        }
        good.send(few.as_bytes()).expect("sent");
    }
    let rejected = |page: &Page| page.sum_where("statsd_bridge_sample_errors_total", "reason", "source_lines_limit");
    let noise = |page: &Page| page.value("noise").unwrap_or_default();
    let page = bridge.page_when("all lines are counted", |page| noise(page) + rejected(page) >= sent as f64 && accounts(page).is_ok());
    assert_eq!(own_sum(&page, "udp_kernel_drops_total"), 0.0);
    assert_eq!((page.value("good"), noise(&page) + rejected(&page)), (Some(LINES as f64), sent as f64));
    assert!(rejected(&page) > 0.0 && noise(&page) >= 20_000.0, "{} of {sent} were rejected", rejected(&page));
    let data = sources(&bridge, "");
    agrees(&data, &page);
    let (loud, quiet) = (of(&data, "udp 127.0.0.2"), of(&data, "udp 127.0.0.3"));
    assert_eq!((number(&loud["rejected"]["source_lines_limit"]), &quiet["rejected"]), (rejected(&page), &serde_json::json!({})), "{data}");
    let log = bridge.stop();
    let named = log.lines().find(|line| line.contains("a sender exceeds the limit of lines per second")).expect("a message");
    assert!(named.contains("source=\"udp 127.0.0.2\"") && named.contains("limit=20000"), "{named}");
    let rate = named.split("lines_per_second=").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|rate| rate.parse::<u64>().ok());
    assert!(rate.is_some_and(|rate| rate >= 20_000), "{named}");
    assert!(!log.contains("source=\"udp 127.0.0.3\""), "{log}");
}

#[apply(test)]
fn new_series_of_one_sender_are_limited_and_its_known_series_are_recorded() {
    let bridge = Launch::new().arg("--sources.new-series-per-second=5").arg("--udp.workers=2").start();
    let [loud, quiet] = ["127.0.0.2", "127.0.0.3"].map(|host| udp_from(&bridge, host));
    let lines = |name: &str, count: usize| (0..count).map(|i| format!("{name}:1|c|#user:u{i}\n")).collect::<String>();
    quiet.send(b"known:1|c").expect("sent");
    bridge.page_at(1);
    loud.send(lines("loud", 500).as_bytes()).expect("sent");
    bridge.page_at(501);
    // The series exists, so that its samples are recorded by each worker.
    for _ in 0..20 {
        udp_from(&bridge, "127.0.0.2").send(b"known:1|c").expect("sent");
    }
    quiet.send(lines("quiet", 4).as_bytes()).expect("sent");
    let page = bridge.page_at(525);
    let rejected = page.sum_where("statsd_bridge_events_error_total", "reason", "source_series_limit");
    assert_eq!((page.value("known"), page.sum("quiet"), page.sum("loud") + rejected), (Some(21.0), 4.0, 500.0));
    // One datagram arrives at one time, with a bucket of 5 series.
    assert_eq!(page.sum("loud"), 5.0);
    let data = sources(&bridge, "");
    agrees(&data, &page);
    assert_eq!(number(&of(&data, "udp 127.0.0.2")["rejected"]["source_series_limit"]), 495.0);
    let log = bridge.stop();
    let named = log.lines().find(|line| line.contains("a sender exceeds the limit of new series per second")).expect("a message");
    assert!(named.contains("source=\"udp 127.0.0.2\"") && named.contains("limit=5"), "{named}");
}

#[apply(test)]
fn limits_of_a_sender_require_a_list_of_senders() {
    let mut command = crate::harness::bridge_command();
    command.args(["--sources.max=0", "--sources.lines-per-second=5", "--check-config=true"]);
    let ran = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && text.contains("--sources.max"), "{text}");
}
