//! Restarts as Prometheus sees them. For any end of the bridge and any damage to its state file, `increase()` is never more than
//! what was sent. It is less only by samples that no scrape has seen.
//!
//! [`ROUNDS`] rounds by default; `STATSD_BRIDGE_RESTART_ROUNDS=50` runs as many.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::compatibility;
use crate::harness::{Launch, Running, free_port, until};
use crate::peers::Version;
use crate::prometheus::Prometheus;

/// One round for each kind of end, and one more.
const ROUNDS: usize = 6;

/// The first value of the counter: far more than the sum of later samples.
const BIG: f64 = 1_000_000.0;

/// A bridge that is restarted, and a Prometheus that scrapes it at the same address all the time.
struct Scraped {
    folder: TempDir,
    web: SocketAddr,
    prometheus: Prometheus,
    /// Whether the folder is a separate file system of 128 KiB.
    is_small: bool,
}

impl Scraped {
    fn new(version: Version) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]).arg(folder.path()).output();
        let is_small = mount.is_ok_and(|done| done.status.success());
        let web = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let yaml = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n- job_name: bridge\n  static_configs:\n  - targets: ['{web}']\n"
        );
        Self { folder, web, prometheus: Prometheus::with_config(version, &yaml, &[]), is_small }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn start(&self, interval: &str) -> Running {
        let state = format!("--state.file={}", self.state().display());
        let web = format!("--web.listen-address={}", self.web);
        Launch::new().arg(state).arg(web).arg(format!("--state.interval={interval}")).start()
    }

    /// All scraped values of a series, oldest first.
    fn values(&self, series: &str) -> Vec<f64> {
        let json = self.prometheus.api(&format!("query?query={series}%5B1h%5D"));
        let values = json["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
        values.iter().map(|value| value[1].as_str().expect("a value").parse().expect("a number")).collect()
    }

    /// Waits until the last scrape has this value.
    fn scraped(&self, series: &str, value: f64) {
        let mut last = None;
        until(&format!("{series} is scraped as {value}"), || {
            let found = self.values(series).last().copied();
            if found != last {
                eprintln!("{series}: {found:?}");
                last = found;
            }
            (last == Some(value)).then_some(())
        });
    }

    /// The increase over all scrapes, without the extrapolation of `increase()` before the first and after the last one.
    fn increase(&self, series: &str) -> f64 {
        let values = self.values(series);
        let pairs = values.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
        pairs.map(|(before, after)| if after < before { after } else { after - before }).sum()
    }

    /// Prevents snapshots until the guard is dropped. On the small file system the bridge can start in the meantime.
    fn filled(&self) -> Filled {
        let path = self.folder.path().join("filler");
        if self.is_small {
            let mut filler = fs::File::create(&path).expect("a file");
            while filler.write(&[0; 512]).is_ok_and(|written| written > 0) {}
            return Filled { path };
        }
        // The bridge cannot remove a folder that is not empty, so it cannot write the next snapshot.
        let path = self.folder.path().join("state.tmp");
        until("the name is free", || fs::create_dir_all(path.join("x")).ok());
        Filled { path }
    }
}

impl Drop for Scraped {
    fn drop(&mut self) {
        if self.is_small {
            let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        }
    }
}

struct Filled {
    path: PathBuf,
}

impl Drop for Filled {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
    }
}

fn terminate(mut bridge: Running) {
    bridge.process.signal(Signal::TERM);
    let status = bridge.process.wait();
    assert!(status.success(), "after SIGTERM: {status}\n{}", bridge.process.log());
}

/// Ends the bridge, which cannot write the last snapshot and exits with 1.
fn terminate_without_snapshot(mut bridge: Running) {
    bridge.process.signal(Signal::TERM);
    let status = bridge.process.wait();
    assert_eq!(status.code(), Some(1), "after SIGTERM: {status}\n{}", bridge.process.log());
}

fn kill(mut bridge: Running) {
    bridge.process.signal(Signal::KILL);
    assert!(!bridge.process.wait().success());
}

/// The state file is valid, but older than the last scrape.
#[apply(each_prometheus)]
fn a_crash_after_an_orderly_restart_is_a_counter_reset(version: Version) {
    let scraped = Scraped::new(version);
    let bridge = scraped.start("30s");
    bridge.send(format!("big_total:{BIG}|c\nlevel:7|g\nusers:a|s"));
    bridge.page_at(3);
    scraped.scraped("big_total", BIG);
    terminate(bridge);
    let bridge = scraped.start("30s");
    bridge.send("big_total:1|c");
    scraped.scraped("big_total", BIG + 1.0);
    kill(bridge);
    let bridge = scraped.start("30s");
    scraped.scraped("big_total", 0.0);
    bridge.send("big_total:2|c");
    scraped.scraped("big_total", 2.0);
    assert_eq!(scraped.increase("big_total"), 3.0);
    let increase = scraped.prometheus.series("increase(big_total[1m])").expect("a query");
    let increase: f64 = increase[0]["value"][1].as_str().expect("a value").parse().expect("a number");
    assert!(increase < 100.0, "{increase}");
    assert_eq!((bridge.page().value("level"), bridge.page().value("users")), (Some(7.0), Some(1.0)));
    let compared = "an orderly restart, then a crash, with a state file: `increase()` of a counter";
    compatibility::seen("Prometheus", &scraped.prometheus.version(), compared, "no more than was sent");
    bridge.stop();
}

/// Sends over TCP all the time to the running bridge, and counts what it sent.
struct Load {
    target: Arc<std::sync::Mutex<Option<SocketAddr>>>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        let (target, sent, stop) =
            (Arc::<std::sync::Mutex<Option<SocketAddr>>>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let thread = thread::spawn({
            let (target, sent, stop) = (Arc::clone(&target), Arc::clone(&sent), Arc::clone(&stop));
            move || {
                let lines = "load_total:1|c\ntook:1|ms\n".repeat(50);
                let mut stream = None;
                while !stop.load(Relaxed) {
                    let now = *target.lock().expect("nobody panics with it");
                    stream = stream.or_else(|| TcpStream::connect(now?).ok());
                    if let Some(open) = &mut stream {
                        // Count before the write, because a failed write may have sent a part.
                        sent.fetch_add(50, Relaxed);
                        if open.write_all(lines.as_bytes()).is_err() {
                            stream = None;
                        }
                    }
                    thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        });
        Self { target, sent, stop, thread: Some(thread) }
    }

    fn to(&self, target: SocketAddr) {
        *self.target.lock().expect("nobody panics with it") = Some(target);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// How a bridge ends, and what happens to its state file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Term,
    Kill,
    KillUnseen,
    TruncatedAfterTerm,
    TermOnFullDisk,
}

const ENDS: [End; 5] = [End::Kill, End::Term, End::TermOnFullDisk, End::TruncatedAfterTerm, End::KillUnseen];

/// With the newer version only: each round waits for several scrapes, and the test above shows that both versions see a reset.
#[apply(test)]
fn after_each_kind_of_end_prometheus_counts_no_more_than_was_sent() {
    let version = Version::Three;
    let rounds = std::env::var("STATSD_BRIDGE_RESTART_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let (scraped, load) = (Scraped::new(version), Load::start());
    let bridge = scraped.start("1s");
    bridge.send(format!("big_total:{BIG}|c\nlevel:7|g\nusers:a|s"));
    scraped.scraped("big_total", BIG);
    terminate(bridge);
    // The counter's value, the sum of the samples since the first scrape, and how much of that may be unseen by any scrape.
    let (mut value, mut sent, mut unseen) = (BIG, 0.0, 0.0);
    for round in 0..rounds {
        let end = ENDS[round % ENDS.len()];
        eprintln!("round {round}: {end:?}");
        // On the full disk, no snapshot is written by timer, because a failed snapshot frees space.
        let interval = if end == End::TermOnFullDisk { "1h" } else { ["1s", "30s"][round / 2 % 2] };
        let bridge = scraped.start(interval);
        load.to(bridge.statsd);
        scraped.scraped("big_total", value);
        let more = (round % 7 + 2) as f64;
        bridge.send(format!("big_total:{more}|c\nlevel:7|g\nusers:a|s"));
        (value, sent) = (value + more, sent + more);
        scraped.scraped("big_total", value);
        match end {
            End::Term => terminate(bridge),
            End::Kill => kill(bridge),
            End::KillUnseen => {
                bridge.send("big_total:3|c");
                (sent, unseen) = (sent + 3.0, unseen + 3.0);
                kill(bridge);
            }
            End::TruncatedAfterTerm => {
                terminate(bridge);
                let bytes = fs::read(scraped.state()).expect("a state file");
                fs::write(scraped.state(), &bytes[..bytes.len() * (round % 9) / 9]).expect("written");
            }
            End::TermOnFullDisk => {
                let filled = scraped.filled();
                terminate_without_snapshot(bridge);
                if scraped.is_small {
                    // The bridge also starts on the full disk.
                    let bridge = scraped.start("1s");
                    scraped.scraped("big_total", 0.0);
                    kill(bridge);
                }
                drop(filled);
            }
        }
        if end != End::Term {
            value = 0.0;
        }
        if end == End::TruncatedAfterTerm {
            // The series are lost. The counter begins again with its first sample.
            let bridge = scraped.start("1s");
            assert_eq!(bridge.page().value("level"), None);
            bridge.send("big_total:1|c\nlevel:7|g\nusers:a|s");
            (value, sent) = (1.0, sent + 1.0);
            scraped.scraped("big_total", value);
            terminate(bridge);
        }
        let (big, all) = (scraped.increase("big_total"), load.sent.load(Relaxed) as f64);
        assert!((sent - unseen..=sent).contains(&big), "{round}: {big} of {sent}, of which {unseen} were not seen");
        for series in ["load_total", "took_count"] {
            let found = scraped.increase(series);
            assert!(found <= all, "{round}: {series} {found} of {all}");
        }
    }
    assert!(scraped.increase("load_total") > 0.0, "there was load");
    let bridge = scraped.start("1s");
    assert_eq!((bridge.page().value("level"), bridge.page().value("users")), (Some(7.0), Some(1.0)));
    terminate(bridge);
}
