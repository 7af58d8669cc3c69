//! Memory: for any samples, the bridge's memory for series stays within `--limits.series-bytes`, and every sample is counted.
//!
//! Each attack fills memory in another way: with sketches, members, native buckets, bindings, series in their grace period,
//! exemplars or label names. The budget is small, so that an attack takes only seconds. The bound is lower than the one in the
//! documents.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::harness::{Launch, Running, until};
use crate::page::Page;

/// The budget of the bridge under attack.
const BUDGET: u64 = 8 << 20;

/// The most that an attack may add to the resident memory: one and a half times the budget, and the memory of expositions and the
/// allocator.
const MOST_ADDED: u64 = BUDGET + BUDGET / 2 + (12 << 20);

/// The approximate size of a datagram, in bytes.
const DATAGRAM: usize = 30_000;

/// A bridge with a small budget, and the number of samples sent to it.
struct Attacked {
    bridge: Running,
    /// Each datagram is sent from all of these sockets.
    sockets: Vec<UdpSocket>,
    samples: u64,
    before: u64,
    datagram: String,
}

impl Attacked {
    fn new(launch: Launch) -> Self {
        let bridge = launch.arg(format!("--limits.series-bytes={BUDGET}")).start();
        // The first exposition starts threads and allocates buffers.
        bridge.page();
        let before = bytes_of(&bridge, "VmRSS");
        Self { sockets: vec![bridge.udp()], bridge, samples: 0, before, datagram: String::new() }
    }

    /// Adds a line with this many samples to the current datagram, and sends the datagram when it is large.
    fn line(&mut self, line: impl AsRef<str>, samples: u64) {
        self.datagram.push_str(line.as_ref());
        self.datagram.push('\n');
        self.samples += samples * self.sockets.len() as u64;
        if self.datagram.len() >= DATAGRAM {
            self.flush();
        }
    }

    /// Sends the current datagram when the kernel's receive buffer is nearly empty, so that the kernel drops nothing.
    fn flush(&mut self) {
        for socket in &self.sockets {
            until("the receive buffer is nearly empty", || (waiting(self.bridge.statsd.port()) < 100_000).then_some(()));
            socket.send(self.datagram.as_bytes()).expect("a datagram is sent");
        }
        self.datagram.clear();
    }

    /// The exposition when all samples have arrived and add up.
    fn arrived(&mut self) -> Page {
        self.flush();
        self.bridge.page_at(self.samples)
    }

    /// Checks the peak of the resident memory and the counted bytes.
    fn check(&mut self) -> Page {
        let page = self.arrived();
        let added = bytes_of(&self.bridge, "VmHWM").saturating_sub(self.before);
        let counted = page.sum("statsd_bridge_series_bytes");
        eprintln!("{} samples: {} MiB more, {} MiB counted", self.samples, added >> 20, counted as u64 >> 20);
        assert!(added <= MOST_ADDED, "{} MiB more, with a budget of {} MiB", added >> 20, BUDGET >> 20);
        assert!(counted <= BUDGET as f64 * 1.02, "{counted} bytes are counted, with a budget of {BUDGET}");
        page
    }
}

/// A value of `/proc/PID/status`, in bytes.
fn bytes_of(bridge: &Running, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.process.id())).expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).expect("the kernel says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Bytes in the receive buffers of this port's sockets.
fn waiting(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").expect("Linux says what waits");
    let local = format!(":{port:04X}");
    let rows = table.lines().filter_map(|row| {
        let mut fields = row.split_whitespace().skip(1);
        let (address, queues) = (fields.next()?, fields.nth(2)?);
        address.ends_with(&local).then(|| u64::from_str_radix(queues.split_once(':')?.1, 16).ok())?
    });
    rows.sum()
}

/// Starts the bridge with this mapping file.
fn mapped(mapping: &str) -> (tempfile::NamedTempFile, Launch) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), mapping).expect("it can be written");
    let launch = Launch::new().arg(format!("--statsd.mapping-config={}", file.path().display()));
    (file, launch)
}

const SHORT_WINDOWS: &str = "defaults: {observer_type: summary, summary_options: {max_age: 5s, age_buckets: 5}}\n";

/// 36 values from -1e9 to 1e9, in the form of a packed line.
fn wide() -> String {
    let mut values = String::new();
    for exponent in 0..18 {
        let value = 10_f64.powf(f64::from(exponent) - 8.0);
        let _ = write!(values, ":{value}:-{value}");
    }
    values
}

/// Sends a wide range of values to this many summaries, in each of five steps of their window.
fn send_wide(attacked: &mut Attacked, family: &str, series: usize) {
    let values = wide();
    for _ in 0..5 {
        let start = Instant::now();
        for number in 0..series {
            attacked.line(format!("{family}{values}|h|#n:{number}"), 36);
        }
        attacked.flush();
        std::thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
    }
}

#[apply(test)]
fn summaries_with_a_wide_range_of_values() {
    let (_file, launch) = mapped(SHORT_WINDOWS);
    let mut attacked = Attacked::new(launch);
    send_wide(&mut attacked, "wide", 500);
    let page = attacked.check();
    assert_eq!(page.sum("wide_count"), 500.0 * 36.0 * 5.0, "no sample is lost");
    assert!(
        page.value(r#"statsd_bridge_cells_coarsened_total{family="wide"}"#).is_some_and(|count| count > 0.0),
        "the loss of resolution is counted"
    );
    attacked.bridge.stop();
}

/// Each worker has a cell of each series while there is memory. Then counters and histograms are folded.
#[apply(test)]
fn every_series_on_every_worker() {
    let (_file, launch) = mapped(
        "defaults: {summary_options: {max_age: 5s, age_buckets: 5}}\nmappings:\n- {match: wide, name: wide, observer_type: summary}\n",
    );
    let mut attacked = Attacked::new(launch.arg("--udp.workers=4"));
    attacked.sockets = (0..16).map(|_| attacked.bridge.udp()).collect();
    send_wide(&mut attacked, "wide", 150);
    for series in 0..4_000 {
        attacked.line(format!("c{}:1|c|#n:{series}\nh{}:3|h|#n:{series}\ns:{series}|s|#n:{series}", series % 3, series % 3), 3);
    }
    let page = attacked.check();
    let sum = |name: &str| (0..3).map(|n| page.sum(&name.replace('N', &n.to_string()))).sum::<f64>();
    assert_eq!(page.sum("wide_count"), 16.0 * 150.0 * 36.0 * 5.0);
    assert_eq!((sum("cN"), sum("hN_count"), sum("hN_sum")), (16.0 * 4_000.0, 16.0 * 4_000.0, 3.0 * 16.0 * 4_000.0), "no sample is lost");
    attacked.bridge.stop();
}

/// The default limit within the memory limit of the sidecar manifest, the smallest in deploy/. The kernel enforces it.
#[apply(test)]
fn the_default_budget_fits_into_256_mib() {
    const CAP: u64 = 256 << 20;
    let (_file, launch) = mapped(SHORT_WINDOWS);
    let bridge = launch.start();
    let id = rustix::process::Pid::from_raw(bridge.process.id().cast_signed());
    let limit = rustix::process::Rlimit { current: Some(CAP), maximum: Some(CAP) };
    rustix::process::prlimit(id, rustix::process::Resource::Data, limit).expect("a limit can be lowered");
    let mut attacked = Attacked { sockets: vec![bridge.udp()], bridge, samples: 0, before: 0, datagram: String::new() };
    send_wide(&mut attacked, "wide", 1_800);
    let page = attacked.arrived();
    let highest = bytes_of(&attacked.bridge, "VmHWM");
    eprintln!("{} MiB at the most, {} MiB counted", highest >> 20, page.sum("statsd_bridge_series_bytes") as u64 >> 20);
    assert!(page.sum("statsd_bridge_series_bytes") > (110 << 20) as f64, "the limit is reached");
    assert!(highest < 240 << 20, "{} MiB", highest >> 20);
    assert_eq!(page.sum("wide_count"), 1_800.0 * 36.0 * 5.0, "no sample is lost");
    attacked.bridge.stop();
}

#[apply(test)]
fn sets_of_many_members() {
    let mut attacked = Attacked::new(Launch::new());
    for member in 0..1_030 {
        for set in 0..2_000 {
            attacked.line(format!("s{}:{member}|s|#n:{set}", set % 4), 1);
        }
    }
    let page = attacked.check();
    assert_eq!(page.sum_where("statsd_bridge_events_total", "type", "set"), 2_000.0 * 1_030.0);
    // Sets without memory for their members estimate them.
    let members = page.sum("s0") / page.family("s0").expect("it was sent").lines.len() as f64;
    assert!((800.0..1_300.0).contains(&members), "{members}");
    attacked.bridge.stop();
}

#[apply(test)]
fn native_histograms_of_many_buckets() {
    let launch = Launch::new().arg("--statsd.native-histograms=always").arg("--statsd.native-histogram-max-buckets=512");
    let mut attacked = Attacked::new(launch.arg("--statsd.native-histogram-factor=1.005"));
    for step in 0..16 {
        let mut values = String::new();
        for part in 0..30 {
            let _ = write!(values, ":{}", 1.006_f64.powi(step * 30 + part));
        }
        for series in 0..4_000 {
            attacked.line(format!("h{}{values}|h|#n:{series}", series % 4), 30);
        }
    }
    let page = attacked.check();
    assert_eq!((0..4).map(|n| page.sum(&format!("h{n}_count"))).sum::<f64>(), 4_000.0 * 480.0, "no sample is lost");
    attacked.bridge.stop();
}

/// One series in many spellings. Each spelling needs a binding, none is a new series.
#[apply(test)]
fn many_spellings_of_one_series() {
    let mut attacked = Attacked::new(Launch::new());
    let padding = "!".repeat(400);
    for spelling in 0..120_000 {
        attacked.line(format!("c:1|c|#a:b,!{spelling}{padding}"), 1);
    }
    let page = attacked.check();
    assert_eq!(page.sum("c"), 120_000.0);
    attacked.bridge.stop();
}

#[apply(test)]
fn identities_that_fold() {
    let mut attacked = Attacked::new(Launch::new().arg("--limits.values-per-label=10"));
    let padding = "x".repeat(6_000);
    for user in 0..16_000 {
        attacked.line(format!("c:1|c|#user:{user}{padding}"), 1);
    }
    let page = attacked.check();
    assert_eq!(page.sum("c"), 16_000.0);
    attacked.bridge.stop();
}

#[apply(test)]
fn label_names_that_differ_in_each_family() {
    let mut attacked = Attacked::new(Launch::new());
    for family in 0..2_000 {
        let mut tags = String::new();
        for label in 0..120 {
            let _ = write!(tags, "{}label_{family}_{label}:v", if label == 0 { "" } else { "," });
        }
        attacked.line(format!("f{family}:1|c|#{tags}"), 1);
    }
    attacked.check();
    attacked.bridge.stop();
}

#[apply(test)]
fn exemplars_of_all_buckets() {
    let mut attacked = Attacked::new(Launch::new().arg("--exemplars.tag=trace_id"));
    let trace = "\u{1F980}".repeat(118);
    for (number, value) in [0.001, 0.007, 0.02, 0.03, 0.07, 0.2, 0.3, 0.7, 2.0, 3.0, 7.0, 20.0].into_iter().enumerate() {
        for series in 0..8_000 {
            attacked.line(format!("e{}:{value}|h|#n:{series},trace_id:{number}{trace}", series % 2), 1);
        }
    }
    let page = attacked.check();
    assert_eq!(page.sum("e0_count") + page.sum("e1_count"), 96_000.0);
    assert_eq!(page.sum("statsd_bridge_exemplars_total") + page.sum("statsd_bridge_exemplars_refused_total"), 96_000.0);
    attacked.bridge.stop();
}

/// Waves of series that grow, expire and wait for their return. When the last one is forgotten, no bytes are counted.
#[apply(test)]
fn waves_of_series_that_expire() {
    let (_file, launch) = mapped(SHORT_WINDOWS);
    let launch = launch.arg("--ttl.observers=2s").arg("--ttl.counters=2s").arg("--ttl.grace=8s");
    let mut attacked = Attacked::new(launch);
    for wave in 0..2 {
        send_wide(&mut attacked, &format!("wave{wave}"), 300);
        for number in 0..5_000 {
            attacked.line(format!("c{wave}:1|c|#n:{number}"), 1);
        }
    }
    attacked.check();
    attacked.bridge.page_when("nothing is kept and nothing is counted", |page| {
        page.sum("statsd_bridge_resting_series") == 0.0 && page.sum("statsd_bridge_series_bytes") < 1_024.0
    });
    attacked.bridge.stop();
}
