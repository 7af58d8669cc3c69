//! statsd_exporter and the bridge as two processes that get the same datagrams.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::cases::Case;
use super::exposition::{Facts, differences};
use crate::harness::{DEADLINE, Process, bridge_command, free_port, request};

/// What one of the programs did with a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It exposes this more than before.
    Exposes(Facts),
    /// It ended, or did not start.
    Ended,
    /// It answers scrapes with 500.
    FailsScrapes,
}

/// The name of the gauge that is sent after each case. When a program exposes its value, it has processed the case.
const MARK: &str = "side_by_side_mark";

/// One of the two programs.
struct Peer {
    process: Process,
    statsd: UdpSocket,
    web: SocketAddr,
    before: Facts,
    has_rules: bool,
}

/// Both, with the same flags and rules.
pub struct Pair {
    theirs: Peer,
    ours: Peer,
    cases: u32,
}

impl Pair {
    /// Starts both, or says which of them ended at once: statsd_exporter, the bridge.
    pub fn start(exporter: &Path, case: &Case) -> Result<Self, (bool, bool)> {
        let mut bridge = bridge_command();
        bridge.args(["--compat=statsd_exporter", "--log.level=error"]).env("STATSD_BRIDGE_SHUTDOWN_LINGER", "0s");
        let mut exporter = Command::new(exporter);
        exporter.arg("--statsd.event-flush-threshold=1");
        let [theirs, ours] = [exporter, bridge].map(|command| Peer::start(command, case));
        match (theirs, ours) {
            (Some(theirs), Some(ours)) => Ok(Self { theirs, ours, cases: 0 }),
            (theirs, ours) => Err((theirs.is_none(), ours.is_none())),
        }
    }

    /// Sends a case to both and waits until both have processed it.
    pub fn run(&mut self, datagrams: &[Vec<u8>]) -> (Seen, Seen) {
        self.cases += 1;
        let sent = [&self.theirs, &self.ours].map(|peer| peer.send(datagrams, self.cases));
        let seen = |peer: &mut Peer, sent| if sent { peer.seen(datagrams, self.cases) } else { peer.failure() };
        (seen(&mut self.theirs, sent[0]), seen(&mut self.ours, sent[1]))
    }

    /// Whether both still work.
    pub fn is_well(seen: &(Seen, Seen)) -> bool {
        matches!(seen, (Seen::Exposes(_), Seen::Exposes(_)))
    }

    /// How many cases it has run.
    pub fn cases(&self) -> u32 {
        self.cases
    }
}

impl Peer {
    /// Starts a program and waits until it is ready. None if it ends before.
    fn start(mut command: Command, case: &Case) -> Option<Self> {
        let address = || SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let (statsd, web) = (address(), address());
        command.arg(format!("--statsd.listen-udp={statsd}")).arg(format!("--web.listen-address={web}"));
        command.arg("--statsd.listen-tcp=").args(&case.flags);
        if let Some(mapping) = &case.mapping {
            command.arg(format!("--statsd.mapping-config={}", mapping.display()));
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
        socket.connect(statsd).expect("a connected UDP socket");
        let mut peer =
            Self { process: Process::start(command), statsd: socket, web, before: Facts::default(), has_rules: case.mapping.is_some() };
        // The page is served last, when the sockets are open.
        peer.before = poll("a program is ready", || match peer.process.try_wait() {
            Some(_) => Some(None),
            None => peer.page().map(|page| Some(Facts::read(&page.ok()?))),
        })?;
        Some(peer)
    }

    /// The exposition, or why there is none. None while the program does not answer.
    fn page(&self) -> Option<Result<String, String>> {
        let response = request(self.web, "GET", "/metrics", &[]).ok()?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        Some(if response.status == 200 { Ok(text) } else { Err(text) })
    }

    /// Sends datagrams and the mark. False if the program has closed its socket, because it ended.
    fn send(&self, datagrams: &[Vec<u8>], number: u32) -> bool {
        let mark = format!("{MARK}:{number}|g").into_bytes();
        datagrams.iter().chain([&mark]).all(|datagram| self.statsd.send(datagram).is_ok())
    }

    /// Waits until the mark is exposed.
    fn seen(&mut self, datagrams: &[Vec<u8>], number: u32) -> Seen {
        // The mark is one more line.
        let lines = datagrams.iter().map(|datagram| datagram.split(|byte| *byte == b'\n').count()).sum::<usize>() as f64 + 1.0;
        let (wanted, mut was) = (f64::from(number), (Facts::default().families, Instant::now()));
        let what = format!("a case is processed: {:?}", String::from_utf8_lossy(&datagrams.concat()));
        let facts = poll(&what, || {
            if self.process.try_wait().is_some() {
                return Some(Err(Seen::Ended));
            }
            let facts = match self.facts() {
                Ok(facts) => facts,
                Err(seen) => return Some(Err(seen)),
            };
            let mark = facts.families.get(MARK).and_then(|family| family.series.get("").copied());
            let is_still = was.0 == facts.families && was.1.elapsed() >= Duration::from_millis(50);
            // Samples are recorded before they are counted: the mark may be exposed while the counters still lack its case.
            let is_marked =
                mark == Some(wanted) && facts.lines >= self.before.lines + lines && (is_still || self.has_processed_all(&facts));
            if is_marked || (self.has_rules && is_still && self.has_processed_all(&facts)) {
                return Some(Ok(facts));
            }
            if was.0 != facts.families {
                was = (facts.families, Instant::now());
            }
            None
        });
        // An exposition is not made at one moment: the mark may be newer than the rest of it.
        // After a failed scrape there is no other: some of statsd_exporter's failures let the next one wait for ever.
        let facts = facts.and_then(|mut last| {
            poll("an exposition no longer changes", || match self.facts() {
                Ok(newest) if differences(&last, &newest).is_empty() => Some(Ok(newest)),
                Ok(newest) => {
                    last = newest;
                    None
                }
                Err(seen) => Some(Err(seen)),
            })
        });
        match facts {
            Ok(mut facts) => {
                facts.families.remove(MARK);
                let since = facts.since(&self.before);
                self.before = facts;
                Seen::Exposes(since)
            }
            Err(seen) => seen,
        }
    }

    /// The newest exposition, or what the program does instead.
    fn facts(&mut self) -> Result<Facts, Seen> {
        match self.page() {
            Some(Ok(text)) => Ok(Facts::read(&text)),
            Some(Err(_)) => Err(Seen::FailsScrapes),
            None => Err(self.failure()),
        }
    }

    /// Why a program that was ready does not answer: it ends, or its scrapes fail.
    fn failure(&mut self) -> Seen {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            if self.process.try_wait().is_some() {
                return Seen::Ended;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Seen::FailsScrapes
    }

    /// For rules that rename or drop the mark: every sample so far is recorded, rejected or dropped.
    fn has_processed_all(&self, facts: &Facts) -> bool {
        let since = |name: &str| facts.own_sum(name) - self.before.own_sum(name);
        let ends =
            ["events_total", "events_error_total", "events_conflict_total", "events_actions_total{action=\"drop\"}", "sample_errors_total"];
        let (samples, ended) = (since("samples_total"), ends.into_iter().map(since).sum::<f64>());
        samples > 0.0 && ended >= samples
    }
}

/// Asks every millisecond until there is an answer.
fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited {} s in vain: {what}", DEADLINE.as_secs());
        thread::sleep(Duration::from_millis(1));
    }
}
