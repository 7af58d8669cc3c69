//! A fleet: five bridges, each in a network namespace with three senders, are pushed to one VictoriaMetrics and scraped by one
//! Prometheus, which are in a namespace of their own. Meanwhile a bridge is killed and restarted with its state file, VictoriaMetrics is
//! restarted, and a link is cut. The increases in both databases are what was sent, less the losses that were counted, and a gauge that
//! all bridges set has its newest value.
//!
//! It takes 45 s and a few more; `STATSD_BRIDGE_FLEET_SECONDS=600` makes it ten minutes.

mod databases;
mod network;
mod pairs;
mod senders;
mod set_times;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use tempfile::TempDir;

use self::databases::{Databases, Increase};
use self::network::{Network, Node};
use self::senders::Senders;
use crate::compatibility;
use crate::harness::{Process, bridge_command, number_of, request, until};
use crate::page::Page;
use crate::peers::{self, Version};
use crate::victoria;

const BRIDGES: usize = 5;

/// The port for StatsD, and the port for HTTP. Each bridge has a namespace of its own.
const PORTS: (u16, u16) = (9125, 9102);

/// The mapping from which the rules are made.
const MAPPING: &str = "\
mappings:
- {match: fleet.hits, match_metric_type: counter, name: fleet_hits_total}
- {match: fleet.level, match_metric_type: gauge, name: fleet_level}
";

/// A bridge in its namespace.
struct Bridge {
    node: Node,
    folder: PathBuf,
    process: Process,
}

impl Bridge {
    fn start(node: Node, folder: &Path, interval: u64, receiver: &str) -> Self {
        let process = Self::process(&node, folder, interval, receiver);
        let bridge = Self { node, folder: folder.to_owned(), process };
        bridge.wait();
        bridge
    }

    fn process(node: &Node, folder: &Path, interval: u64, receiver: &str) -> Process {
        let mut command = node.command(bridge_command().get_program());
        command.arg(format!("--statsd.listen-udp=0.0.0.0:{}", PORTS.0)).arg("--statsd.listen-tcp=");
        command.arg(format!("--web.listen-address=0.0.0.0:{}", PORTS.1)).arg("--gauges.set-time");
        command.arg(format!("--statsd.mapping-config={}", folder.join("mapping.yml").display()));
        command.arg(format!("--push.url={receiver}")).arg(format!("--push.interval={interval}s"));
        command.arg(format!("--push.label=instance={}", node.instance())).arg("--push.timeout=3s");
        let state = folder.join(format!("state-{}", node.instance()));
        command.arg(format!("--state.file={}", state.display())).arg("--state.interval=1s").arg("--shutdown.linger=0s");
        Process::start(command)
    }

    fn wait(&self) {
        until("a bridge is ready", || self.get("/-/ready").filter(|(status, _)| *status == 200));
    }

    fn get(&self, path: &'static str) -> Option<(u16, String)> {
        let to = self.node.address(PORTS.1);
        self.node.within(move || request(to, "GET", path, &[]).ok().map(|response| (response.status, response.text())))
    }

    fn page(&self) -> Page {
        let text = until("an exposition", || self.get("/metrics"));
        Page::parse(&text.1).expect("a valid exposition")
    }

    /// The sum of the counter that the senders increase, and the datagrams that the kernel dropped.
    fn recorded(&self) -> (u64, u64) {
        let page = self.page();
        (page.sum("fleet_hits_total") as u64, page.sum("statsd_bridge_udp_kernel_drops_total") as u64)
    }

    /// Waits until everything that was sent is recorded, except these losses and what the kernel dropped. Returns both sums.
    fn recorded_all(&self, sent: u64) -> (u64, u64) {
        let mut last = (0, 0);
        until(&format!("{sent} samples are recorded"), || {
            let now = self.recorded();
            if now != last {
                eprintln!("{}: {now:?} of {sent}", self.node.instance());
                last = now;
            }
            (now.0 + now.1 >= sent).then_some(now)
        })
    }

    fn restart(&mut self, interval: u64, receiver: &str) {
        self.process = Self::process(&self.node, &self.folder, interval, receiver);
        self.wait();
    }
}

/// What is known about the bridge that was killed.
struct Killed {
    /// What it had recorded.
    recorded: u64,
    /// What it had recorded some intervals before, which the databases must have.
    at_least: u64,
    /// Datagrams sent while no program received them, as the kernel counts them.
    unreceived: u64,
}

#[apply(test)]
fn totals_of_a_fleet_are_what_was_sent_less_the_counted_losses() {
    let seconds = number_of("STATSD_BRIDGE_FLEET_SECONDS").unwrap_or(45);
    let interval = if seconds >= 300 { 5 } else { 1 };
    Version::Three.prometheus();
    peers::built("victoriametrics", "victoria-metrics");
    let folder = TempDir::new().expect("a temporary directory");
    std::fs::write(folder.path().join("mapping.yml"), MAPPING).expect("a file in a temporary directory");
    let network = Network::new(BRIDGES);
    let mut databases = Databases::start(&network, folder.path(), interval, PORTS.1);
    let receiver = databases.receiver();
    let mut bridges: Vec<Bridge> =
        network.nodes().into_iter().map(|node| Bridge::start(node, folder.path(), interval, &receiver)).collect();
    let senders: Vec<Senders> = bridges.iter().map(|bridge| Senders::start(&bridge.node, PORTS.0)).collect();
    let begin = Instant::now();
    let part = |part: f64| begin + Duration::from_secs_f64(seconds as f64 * part);
    // The gauge is set through bridges without a fault, in turn; that of the killed bridge keeps an old value.
    senders[0].set_level(0);
    let mut levels = Vec::new();
    let mut set_until = |end: Instant| {
        while Instant::now() < end {
            let level = levels.len() as u64 + 1;
            senders[[1, 2, 4][level as usize % 3]].set_level(level);
            levels.push(seconds_now());
            std::thread::sleep(Duration::from_millis(500));
        }
    };

    set_until(part(0.2));
    let killed = kill(&mut bridges[0], &senders[0], interval, &receiver);
    set_until(part(0.4));
    databases.restart_victoria(&network);
    set_until(part(0.6));
    network.set_link(3, false);
    set_until(part(0.7));
    network.set_link(3, true);
    set_until(part(1.0));

    let sent: Vec<u64> = senders.into_iter().map(Senders::stop).collect();
    let recorded: Vec<(u64, u64)> = bridges
        .iter()
        .zip(&sent)
        .enumerate()
        .map(
            |(nth, (bridge, sent))| {
                if nth == 0 { bridge.recorded_all(sent - killed.recorded - killed.unreceived) } else { bridge.recorded_all(*sent) }
            },
        )
        .collect();
    let dropped: u64 = recorded.iter().map(|(_, dropped)| dropped).sum();
    let total: u64 = sent.iter().sum();
    eprintln!("{total} sent, {} to no bridge, {dropped} dropped by the kernel", killed.unreceived);
    for (nth, (recorded, dropped)) in recorded.iter().enumerate() {
        let before = if nth == 0 { killed.recorded + killed.unreceived } else { 0 };
        assert_eq!(recorded + dropped + before, sent[nth], "bridge {nth}: all samples are recorded or counted as lost");
    }
    for database in ["VictoriaMetrics", "Prometheus"] {
        let all = databases.increases(&network, database, |all: &[Increase]| {
            all.len() == BRIDGES && all.iter().zip(&recorded).all(|(increase, (recorded, _))| increase.last == *recorded as f64)
        });
        for (nth, (increase, (recorded, _))) in all.iter().zip(&recorded).enumerate() {
            if nth == 0 {
                // Of the crashed process, the database lacks what was recorded after the last push or scrape.
                let lost = killed.recorded as f64 - increase.before_reset;
                assert!(increase.before_reset >= killed.at_least as f64 && lost >= 0.0, "{database}: {increase:?}");
                assert_eq!(increase.total, killed.recorded as f64 - lost + *recorded as f64, "{database}: {increase:?}");
                eprintln!("{database}: {lost} of {} lost in the crash", killed.recorded);
            } else {
                assert_eq!(increase.total, *recorded as f64, "{database}, bridge {nth}: {increase:?}");
            }
        }
        let total: f64 = all.iter().map(|increase| increase.total).sum();
        eprintln!("{database}: an increase of {total}");
    }
    let rule = newest_rule(folder.path());
    databases.newest(&rule, levels.len() as u64);
    for (database, late) in databases.lateness(&rule, &levels) {
        eprintln!("{database}: the newest value was at most {late:.1} s late");
        // A busy machine can delay a scrape or a push.
        assert!(late <= 3.0 * interval as f64, "{database}: the newest value was {late} s late");
    }
    for bridge in &mut bridges {
        bridge.process.signal(Signal::TERM);
        assert!(bridge.process.wait().success());
    }
    let compared = "five bridges in network namespaces, pushed while one is killed, the database restarted and a link cut: increases";
    let result = "equal to what was sent, less the counted losses; the newest gauge wins";
    compatibility::seen("VictoriaMetrics", &victoria::version(), compared, result);
}

/// Kills a bridge while it is up to date, lets its senders go on without it, and starts it again with its state file.
fn kill(bridge: &mut Bridge, senders: &Senders, interval: u64, receiver: &str) -> Killed {
    // An older value than this must be in the databases: two cycles may be late.
    let at_least = bridge.recorded().0;
    std::thread::sleep(Duration::from_secs(3 * interval));
    let sent = senders.pause();
    let (recorded, dropped) = bridge.recorded_all(sent);
    assert_eq!(recorded + dropped, sent);
    bridge.process.signal(Signal::KILL);
    bridge.process.wait();
    let before = bridge.node.unreceived();
    senders.resume();
    std::thread::sleep(Duration::from_secs(2));
    bridge.restart(interval, receiver);
    let unreceived = bridge.node.unreceived() - before;
    Killed { recorded, at_least, unreceived: unreceived + dropped }
}

/// Seconds since 1970.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs_f64()
}

/// The expression for the newest value of the gauge, as `rules` writes it.
fn newest_rule(folder: &Path) -> String {
    let output = Command::new(bridge_command().get_program()).arg("rules").arg(folder.join("mapping.yml")).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let after = text.split_once("job:fleet_level:newest'\n    expr: '").expect("a rule for the gauge").1;
    after.split_once("'\n").expect("the end of the expression").0.to_owned()
}
