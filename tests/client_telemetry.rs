//! What DogStatsD clients say about themselves, beside what arrived from them.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::compatibility::seen;
use crate::harness::{Launch, Process, Running, own, request, until};
use crate::peers;

/// The entry of one sender in `/api/v1/sources`, once it is listed.
pub fn sender(bridge: &Running, sender: &str) -> Option<Value> {
    let response = request(bridge.web, "GET", "/api/v1/sources?limit=1000", &[]).expect("an answer");
    let document: Value = serde_json::from_str(&response.text()).expect("JSON");
    let all = document["data"]["sources"].as_array().expect("a list");
    all.iter().find(|entry| entry["source"].as_str().is_some_and(|name| name.starts_with(sender))).cloned()
}

/// What the clients of one sender said, once it holds.
pub fn said_when(bridge: &Running, of: &str, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
    until(what, || {
        let entry = sender(bridge, of)?;
        holds(&entry["client_telemetry"]).then(|| entry["client_telemetry"].clone())
    })
}

/// A report as a datagram.
fn report(numbers: &[(&str, u64)]) -> String {
    let lines = numbers.iter().map(|(name, value)| format!("datadog.dogstatsd.client.{name}:{value}|c|#client:go,client_version:5.9.1\n"));
    lines.collect()
}

fn socket_to(bridge: &Running, host: &str) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).expect("a UDP socket");
    socket.connect(bridge.statsd).expect("connected");
    socket
}

/// Rules that leave the telemetry, rename it and drop it.
const RULES: [&str; 3] = [
    "mappings: []\n",
    "mappings:\n- match: 'datadog.dogstatsd.client.*'\n  name: 'client_says'\n  labels:\n    what: '$1'\n  scale: 1000\n",
    "mappings:\n- match: 'datadog.dogstatsd.client.*'\n  name: 'none'\n  action: drop\n",
];

#[apply(test)]
fn a_loss_between_client_and_bridge_is_shown_whatever_rules_do_to_the_telemetry() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    for rules in RULES {
        fs::write(&file, rules).expect("written");
        let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", file.display())).start();
        let [client, other] = ["127.0.0.2", "127.0.0.2"].map(|host| socket_to(&bridge, host));
        let send = |socket: &UdpSocket, text: &str| assert_eq!(socket.send(text.as_bytes()).expect("sent"), text.len());
        (0..5).for_each(|_| send(&client, "a:1|c\n"));
        let first = report(&[("metrics", 5), ("packets_sent", 5), ("bytes_sent", 30)]);
        send(&client, &first);
        let said = said_when(&bridge, "udp 127.0.0.2", "the first report", |said| said["packets_sent"] == 5 && said["bytes_sent"] == 30);
        assert_eq!((&said["compared_datagrams"], &said["compared_bytes"], &said["clients"]), (&Value::Null, &Value::Null, &json!(1)));
        // Ten datagrams, of which one never arrives. Those of another socket of the host do not make up for it.
        (0..9).for_each(|_| send(&client, "a:1|c\n"));
        (0..50).for_each(|_| send(&other, "b:1|c\n"));
        bridge.page_when("they are recorded", |page| (page.value("a"), page.value("b")) == (Some(14.0), Some(50.0)));
        let second = report(&[
            ("metrics", 12),
            ("metrics_by_type", 12),
            ("metric_dropped_on_receive", 2),
            ("aggregated_context", 10),
            ("events", 3),
            ("service_checks", 4),
            ("packets_dropped", 6),
            ("packets_dropped_queue", 3),
            ("packets_dropped_writer", 2),
            ("bytes_dropped", 40),
            ("bytes_dropped_writer", 40),
            ("packets_sent", 11),
            ("bytes_sent", 60 + first.len() as u64),
        ]);
        send(&client, &second);
        let mut said = said_when(&bridge, "udp 127.0.0.2", "the second report", |said| said["packets_sent"] == 16);
        let (sent, arrived) = (60 + first.len(), 54 + second.len());
        let at = said["last_report_ms"].as_u64().expect("a time");
        assert!(at > 1_700_000_000_000 && said["last_report"].is_string(), "{said}");
        said.as_object_mut().expect("an object").retain(|key, _| !key.starts_with("last_report"));
        let expected = json!({
            "clients": 1, "metrics": 17, "metrics_dropped_on_receive": 2, "aggregated_contexts": 10, "events": 3, "service_checks": 4,
            "packets_sent": 16, "packets_dropped": { "queue": 3, "writer": 2, "other": 1 },
            "bytes_sent": 30 + sent, "bytes_dropped": { "queue": 0, "writer": 40, "other": 0 },
            "compared_datagrams": { "intervals": 1, "sent": 11, "arrived": 10, "lost": 1 },
            "compared_bytes": { "intervals": 1, "sent": sent, "arrived": arrived, "lost": sent.saturating_sub(arrived) },
        });
        assert_eq!(said, expected, "{rules}");
        let page = bridge.page();
        let counted = ["client_datagrams_sent_total", "client_datagrams_arrived_total", "client_packets_dropped_total"];
        assert_eq!(counted.map(|name| own(&page, name)), [11.0, 10.0, 6.0]);
        bridge.stop();
    }
}

#[apply(test)]
fn what_no_client_can_mean_is_no_report() {
    let bridge = Launch::new().start();
    let wrong = [
        "datadog.dogstatsd.client.packets_sent:-1|c",
        "datadog.dogstatsd.client.packets_sent:1e300|c",
        "datadog.dogstatsd.client.packets_sent:NaN|c",
        "datadog.dogstatsd.client.packets_sent:7|g",
        "datadog.dogstatsd.client.packets_sent:7|s",
        "xdatadog.dogstatsd.client.packets_sent:7|c",
        "datadog.dogstatsd.client.packets_sent.x:7|c",
        "datadog.dogstatsd.client:7|c",
        "packets_sent:7|c",
    ];
    wrong.iter().for_each(|line| bridge.send(line));
    bridge.page_when("all lines are counted", |page| own(page, "lines_total") == wrong.len() as f64);
    let said = sender(&bridge, "udp 127.0.0.1").expect("listed")["client_telemetry"].clone();
    assert!(said.is_null() || said["packets_sent"] == 0, "{said}");
    // A namespace before the name and a sample rate; and the largest numbers, which do not overflow.
    bridge.send("shop.datadog.dogstatsd.client.packets_sent:2|c|@0.5\n");
    said_when(&bridge, "udp 127.0.0.1", "the report", |said| said["packets_sent"] == 4);
    (0..40).for_each(|_| bridge.send("datadog.dogstatsd.client.bytes_sent:9007199254740992|c"));
    let most = 40 * 9_007_199_254_740_992_u64;
    said_when(&bridge, "udp 127.0.0.1", "large numbers", |said| said["bytes_sent"] == most);
    bridge.stop();
}

/// A way to the bridge that loses datagrams: a UDP socket whose datagrams go on from another one.
struct Lossy {
    at: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Passed>,
}

/// What went over it.
#[derive(Debug, Default)]
struct Passed {
    datagrams: u64,
    lost: u64,
    /// The sums of what the reports say that were not lost.
    metrics: u64,
    packets_sent: u64,
    bytes_sent: u64,
}

impl Lossy {
    /// Loses every datagram whose number can be divided by `every`.
    fn to(bridge: &Running, every: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let (at, onward, stop) = (socket.local_addr().expect("an address"), socket_to(bridge, "127.0.0.3"), Arc::<AtomicBool>::default());
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut passed, mut buffer) = (Passed::default(), [0; 65536]);
            loop {
                let Ok(length) = socket.recv(&mut buffer) else {
                    // Everything that was sent before the stop has been received.
                    if is_over.load(Relaxed) {
                        return passed;
                    }
                    continue;
                };
                passed.datagrams += 1;
                if passed.datagrams % every == 0 {
                    passed.lost += 1;
                    continue;
                }
                onward.send(&buffer[..length]).expect("sent");
                passed.read(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { at, stop, thread }
    }

    fn end(self) -> Passed {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the way did not panic")
    }
}

impl Passed {
    fn read(&mut self, datagram: &str) {
        let sums = [("metrics:", &mut self.metrics), ("packets_sent:", &mut self.packets_sent), ("bytes_sent:", &mut self.bytes_sent)];
        for (name, sum) in sums {
            let begins = format!("datadog.dogstatsd.client.{name}");
            let values = datagram.lines().filter_map(|line| line.strip_prefix(&*begins)?.split('|').next()?.parse::<u64>().ok());
            *sum += values.sum::<u64>();
        }
    }
}

/// More calls than a client can make until the test has seen enough.
const CALLS: u64 = 100_000;

/// A client sends over a good way and over one that loses every tenth datagram, at the same time, until enough has been compared. A
/// lost report costs its interval and a busy machine delays reports, so no number of calls would be enough by itself.
fn loss_is_shown((client, version): (&str, &str), command: impl Fn(&str, u64) -> Command) {
    let ways = [(u64::MAX, 0.0..=0.01), (10, 0.07..=0.13)].map(|(every, shown)| {
        let bridge = Launch::new().start();
        let way = Lossy::to(&bridge, every);
        let process = Process::start(command(&way.at.to_string(), CALLS));
        (bridge, way, process, every, shown)
    });
    for (bridge, way, mut process, every, shown) in ways {
        // What is on its way when a report is made counts as lost until the next report, so the share settles with time.
        said_when(&bridge, "udp 127.0.0.3", &format!("{client}: a share of {shown:?} of at least 200 datagrams"), |said| {
            assert!(process.try_wait().is_none(), "{client}: {}", process.log());
            let [sent, lost] = ["sent", "lost"].map(|key| said["compared_datagrams"][key].as_u64().unwrap_or_default());
            sent >= 200 && shown.contains(&(lost as f64 / sent as f64))
        });
        drop(process);
        let passed = way.end();
        let sums = [passed.metrics, passed.packets_sent, passed.bytes_sent].map(Some);
        let is_whole = |said: &Value| ["metrics", "packets_sent", "bytes_sent"].map(|key| said[key].as_u64()) == sums;
        let said = said_when(&bridge, "udp 127.0.0.3", &format!("{client}: the sums of {passed:?}"), is_whole);
        assert_eq!(passed.lost, passed.datagrams / every, "{client}: {passed:?} {said}");
        bridge.stop();
    }
    seen(client, version, "its telemetry beside what arrived, over a way that loses every tenth datagram: sums, loss within 3 %", "equal");
}

#[apply(test)]
fn datadog_of_python_over_a_lossy_way() {
    let python = peers::python_with_clients();
    let command = |to: &str, calls: u64| {
        let mut command = Command::new(&python);
        command.arg(peers::repository().join("tests/python/datadog_paced.py")).args([to, &calls.to_string(), "4"]);
        command
    };
    loss_is_shown(("datadogpy", &peers::python_version(&python, "datadog")), command);
}

/// This client reports every ten seconds.
#[apply(test)]
fn datadog_of_go_over_a_lossy_way() {
    let program = peers::built("datadog", "datadog");
    let command = |to: &str, calls: u64| {
        let mut command = Command::new(&program);
        command.args(["paced", to, &calls.to_string(), "20"]);
        command
    };
    loss_is_shown(("datadog-go", &peers::module_version("datadog", "github.com/DataDog/datadog-go/v5")), command);
}

#[apply(test)]
fn datadog_of_java_over_a_lossy_way() {
    let command = |to: &str, calls: u64| {
        let mut command = peers::java_program("Paced");
        command.args([to, &calls.to_string(), "4"]);
        command
    };
    loss_is_shown(("java-dogstatsd-client", &peers::java_version("java-dogstatsd-client")), command);
}
