//! A storm: all kinds of faults in random order. After each, the counters must add up.
//!
//! `STATSD_BRIDGE_STORM_SECONDS` sets the length of the storm, `STATSD_BRIDGE_STORM_SEED` its seed. The test prints the seed. The
//! same seed gives the same steps in the same order.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::harness::{Launch, Running, accounts, number_of, request, until};
use crate::peers;
use crate::simulation::script::Numbers;

const RULES: &str = "mappings:\n- {match: \"rules.*\", name: \"ruled\", labels: {who: \"$1\"}}\n";
const BAD_RULES: [&str; 3] = ["mappings: [", "mappings:\n- {match: \"(\", match_type: regex, name: a}\n", "\u{0}\u{1}"];
/// The most bad clients at the same time.
const BAD_CLIENTS: usize = 200;

/// The values that the exposition must have when everything sent has arrived.
#[derive(Default)]
struct Expected {
    /// The counter that every step adds to.
    sent: u64,
    gauge: f64,
    observed: u64,
}

struct Storm {
    numbers: Numbers,
    folder: tempfile::TempDir,
    /// The library that sets the bridge's clock, in a storm with changes of the clock.
    library: Option<PathBuf>,
    bridge: Running,
    expected: Expected,
    bad_clients: Vec<TcpStream>,
    steps: u64,
}

fn launch(folder: &tempfile::TempDir, library: Option<&PathBuf>) -> Running {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut launch = Launch::new()
        .arg(format!("--state.file={}", path("state/file")))
        .arg("--state.interval=1s")
        .arg(format!("--statsd.mapping-config={}", path("rules.yml")))
        .arg(format!("--statsd.listen-unixgram={}", path("socket")))
        .arg("--web.enable-lifecycle")
        .arg("--web.enable-admin-api")
        .arg("--tcp.max-connections=64");
    if let Some(library) = library {
        launch = launch
            .env("LD_PRELOAD", &library.display().to_string())
            .env("FAKETIME_TIMESTAMP_FILE", &path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    launch.start()
}

impl Storm {
    fn new(seed: u64, library: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(folder.path().join("state")).expect("a folder");
        fs::write(folder.path().join("rules.yml"), RULES).expect("the file is written");
        fs::write(folder.path().join("clock"), "+0\n").expect("the file is written");
        let bridge = launch(&folder, library.as_ref());
        Self { numbers: Numbers(seed), folder, library, bridge, expected: Expected::default(), bad_clients: Vec::new(), steps: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn step(&mut self) {
        self.steps += 1;
        let what = self.numbers.below(20);
        eprintln!("step {}: {what}", self.steps);
        match what {
            0..=3 => self.send_datagrams(),
            4 | 5 => self.send_stream(),
            6 => self.send_unix(),
            7 | 8 => self.send_junk(),
            9..=11 => self.bad_clients(),
            12 => self.bad_clients.clear(),
            13 | 14 => self.reload(),
            15 => self.put_no_file_in_place_of_rules(),
            16 => self.set_the_clock(),
            17 => self.delete(),
            18 => self.end(Signal::TERM),
            _ => self.end(Signal::KILL),
        }
        self.check();
    }

    fn lines(&mut self) -> String {
        let (count, gauge) = (1 + self.numbers.below(50), self.numbers.below(1_000) as f64);
        self.expected.sent += count;
        self.expected.observed += count;
        self.expected.gauge = gauge;
        let one = "storm.sent:1|c\nstorm.seen:1:2|h|@0.5|#a:b\n";
        self.expected.observed += 3 * count;
        format!("{}storm.gauge:{gauge}|g", one.repeat(usize::try_from(count).expect("fifty at most")))
    }

    fn send_datagrams(&mut self) {
        let lines = self.lines();
        let socket = self.bridge.udp();
        for line in lines.lines() {
            socket.send(line.as_bytes()).expect("a datagram is sent");
        }
    }

    fn send_stream(&mut self) {
        let lines = self.lines();
        // Bad clients may fill the limit of connections. Then the longest-idle connection is evicted.
        let mut stream = self.bridge.tcp();
        stream.write_all(format!("{lines}\n").as_bytes()).expect("a stream is written");
        stream.shutdown(Shutdown::Write).expect("a stream ends");
    }

    fn send_unix(&mut self) {
        let lines = self.lines();
        let socket = UnixDatagram::unbound().expect("a socket");
        let path = self.path("socket");
        for line in lines.lines() {
            socket.send_to(line.as_bytes(), &path).expect("a datagram is sent");
        }
    }

    fn send_junk(&mut self) {
        let socket = self.bridge.udp();
        let length = self.numbers.below(600) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| self.numbers.below(256) as u8).collect();
        // Junk without a line end cannot contain a line of a counter that is checked.
        let _ = socket.send(&bytes);
        for line in ["storm.sent:x|c", "storm.sent:-1|c", "storm.gauge", "storm.seen:1e400|h", "up:1|g"] {
            socket.send(line.as_bytes()).expect("a datagram is sent");
        }
    }

    fn bad_clients(&mut self) {
        let room = BAD_CLIENTS.saturating_sub(self.bad_clients.len()).min(40);
        let kinds: [&[u8]; 6] = [
            b"",
            b"GET /metrics HTTP/1.1\r\nHost: ",
            b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /api/v1/cardinality?limit=1000 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /api/v1/series/delete HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x04",
        ];
        for number in 0..room {
            let to = if self.numbers.below(4) == 0 { self.bridge.statsd } else { self.bridge.web };
            let Ok(mut stream) = TcpStream::connect(to) else { continue };
            let _ = stream.write_all(kinds[number % kinds.len()]);
            self.bad_clients.push(stream);
        }
    }

    fn reload(&mut self) {
        let bad = self.numbers.below(2) == 0;
        let text = if bad { BAD_RULES[self.numbers.below(3) as usize] } else { RULES };
        self.replace_rules(|path| fs::write(path, text));
        self.reload_and_expect(!bad);
    }

    fn replace_rules(&self, make: impl FnOnce(&PathBuf) -> std::io::Result<()>) {
        let path = self.path("rules.yml");
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        make(&path).expect("the file is put there");
    }

    /// Sends a request until the bridge accepts it, and returns the response. Bad clients may keep the bridge too busy at first.
    fn post(&self, path: &str) -> crate::harness::Response {
        until(&format!("POST {path} is answered"), || {
            request(self.bridge.web, "POST", path, &[("Content-Length", "0")]).ok().filter(|answer| answer.status != 503)
        })
    }

    fn reload_and_expect(&self, is_good: bool) {
        let answer = self.post("/-/reload");
        assert_eq!(answer.status == 200, is_good, "{}", answer.text());
        let successful = self.bridge.page().sum("statsd_bridge_config_last_reload_successful");
        assert_eq!(successful, f64::from(u8::from(is_good)));
    }

    fn put_no_file_in_place_of_rules(&mut self) {
        match self.numbers.below(4) {
            0 => self.replace_rules(|path| fs::create_dir(path)),
            1 => self.replace_rules(|path| fs::write(path, "")),
            2 => self.replace_rules(|path| std::os::unix::fs::symlink("/dev/zero", path)),
            _ => self.replace_rules(|path| {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                Ok(rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)?)
            }),
        }
        self.reload_and_expect(false);
        self.replace_rules(|path| fs::write(path, RULES));
        self.reload_and_expect(true);
    }

    fn set_the_clock(&mut self) {
        let days = self.numbers.below(5) as i64 - 2;
        fs::write(self.path("clock"), format!("{:+}\n", days * 86_400)).expect("the file is written");
    }

    fn delete(&mut self) {
        let answer = self.post("/api/v1/series/delete?match[]=storm_sent");
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.expected.sent = 0;
    }

    /// Ends the bridge and starts it again. Sums survive SIGTERM only. After SIGKILL, a gauge has the value of the last snapshot.
    fn end(&mut self, signal: Signal) {
        self.bad_clients.clear();
        self.replace_rules(|path| fs::write(path, RULES));
        self.bridge.process.signal(signal);
        let status = self.bridge.process.wait();
        if signal == Signal::TERM {
            assert!(status.success(), "{status}\n{}", self.bridge.process.log());
        } else {
            (self.expected.sent, self.expected.observed) = (0, 0);
        }
        let is_spoilt = self.numbers.below(4) == 0 && self.spoil_the_state();
        if is_spoilt {
            self.expected = Expected { gauge: f64::NAN, ..Expected::default() };
        }
        self.bridge = launch(&self.folder, self.library.as_ref());
        if signal == Signal::KILL {
            self.expected.gauge = self.bridge.page().value("storm_gauge").unwrap_or(f64::NAN);
        }
    }

    fn spoil_the_state(&mut self) -> bool {
        let path = self.path("state/file");
        let Ok(mut bytes) = fs::read(&path) else { return false };
        let at = self.numbers.below(bytes.len() as u64) as usize;
        if self.numbers.below(2) == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 0x40;
        }
        fs::write(&path, bytes).expect("the file is written");
        true
    }

    /// Everything sent arrives, and the counters add up.
    fn check(&mut self) {
        let (expected, steps) = (&self.expected, self.steps);
        let value = |page: &crate::page::Page, name: &str| page.sum(name);
        let page = self.bridge.page_when(&format!("step {steps}: what was sent has arrived"), |page| {
            let drops = page.sum("statsd_bridge_udp_kernel_drops_total");
            assert_eq!(drops, 0.0, "the storm must not overflow the receive buffer");
            value(page, "storm_sent") == expected.sent as f64
                && value(page, "storm_seen_count") == expected.observed as f64
                && (expected.gauge.is_nan() || value(page, "storm_gauge") == expected.gauge)
                && accounts(page).is_ok()
        });
        assert_eq!(accounts(&page), Ok(()));
    }
}

/// Without changes of the clock, which need libfaketime.
#[apply(test)]
fn the_counters_add_up_in_a_storm() {
    storm(None);
}

#[apply(test)]
fn the_counters_add_up_in_a_storm_that_sets_the_clock() {
    storm(Some(peers::libfaketime()));
}

fn storm(library: Option<PathBuf>) {
    let chance = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let seed = number_of("STATSD_BRIDGE_STORM_SEED").unwrap_or(chance.into());
    let seconds = Duration::from_secs(number_of("STATSD_BRIDGE_STORM_SECONDS").unwrap_or(5));
    eprintln!("STATSD_BRIDGE_STORM_SEED={seed}");
    let (start, mut storm) = (Instant::now(), Storm::new(seed, library));
    while start.elapsed() < seconds {
        storm.step();
    }
    storm.bad_clients.clear();
    let rss = until("its memory can be read", || fs::read_to_string(format!("/proc/{}/status", storm.bridge.process.id())).ok());
    eprintln!("{} steps; {}", storm.steps, rss.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    storm.bridge.stop();
}
