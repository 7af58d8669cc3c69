//! Starts the program under test, waits for it, and scrapes it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver as Messages};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;
use crate::rounds::{Arrived, Receiver};

/// Deadline of the start, and of each answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Number of series that always fits into the default limits of the bridge.
const DEFAULT_LIMITS_HOLD: u64 = 100_000;
/// More bytes than the bridge counts for a series of the load.
const MOST_SERIES_BYTES: u64 = 4096;

/// A ready bridge.
pub(crate) struct Bridge {
    process: Process,
    statsd: SocketAddr,
    web: SocketAddr,
}

/// An exposition and its cost.
pub(crate) struct Page {
    /// From connecting to the last byte.
    pub(crate) seconds: f64,
    /// The body.
    pub(crate) text: String,
}

impl Bridge {
    /// Starts the binary that cargo built beside this bench, with default settings except for ports, `workers`, and limits that are
    /// too low for the series.
    pub(crate) fn start(workers: Option<u32>, series: u64) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_statsd-bridge"));
        for (key, _) in std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("STATSD_BRIDGE_")) {
            command.env_remove(key);
        }
        command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        if let Some(workers) = workers {
            command.arg(format!("--udp.workers={workers}"));
        }
        if series > DEFAULT_LIMITS_HOLD {
            command.arg(format!("--limits.series={series}")).arg(format!("--limits.series-bytes={}", series * MOST_SERIES_BYTES));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process(command.spawn().map_err(|e| format!("cannot start the bridge: {e}"))?);
        let messages = messages(process.0.stderr.take().ok_or("the bridge has no stderr")?);
        let (statsd, web) = addresses(&messages)?;
        Ok(Self { process, statsd, web })
    }

    /// Scrapes the bridge.
    pub(crate) fn page(&self) -> Result<Page, String> {
        scrape(self.web)
    }
}

/// Scrapes `/metrics`.
pub(crate) fn scrape(web: SocketAddr) -> Result<Page, String> {
    let start = Instant::now();
    let response = get(web, "/metrics").map_err(|e| format!("no page: {e}"))?;
    let seconds = start.elapsed().as_secs_f64();
    let response = String::from_utf8(response).map_err(|e| format!("the page is not UTF-8: {e}"))?;
    let (head, text) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" || !text.ends_with('\n') {
        return Err(format!("status {status:?} and {} bytes in place of a page", text.len()));
    }
    Ok(Page { seconds, text: text.to_owned() })
}

impl Receiver for Bridge {
    const NAME: &'static str = "bridge";

    fn address(&self) -> SocketAddr {
        self.statsd
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn arrived(&mut self) -> Result<Arrived, String> {
        let page = self.page()?;
        let samples = page.sum("statsd_bridge_samples_total ");
        let recorded = page.sum("statsd_bridge_events_total{");
        if samples != recorded {
            return Err(format!("of {samples} samples on the page {recorded} are recorded; the load has no bad ones"));
        }
        Ok(Arrived {
            datagrams: page.sum("statsd_bridge_udp_packets_total "),
            samples,
            counters: Some(page.sum("shop_c_")),
            dropped: page.sum("statsd_bridge_udp_kernel_drops_total{"),
        })
    }
}

impl Page {
    /// Sum of the values of all lines with this prefix. The values are counts.
    pub(crate) fn sum(&self, prefix: &str) -> u64 {
        let lines = self.text.lines().filter(|l| l.starts_with(prefix));
        lines.filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>() as u64
    }
}

/// Uses HTTP/1.0, so that the answer ends with the connection and is not chunked.
fn get(web: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(web)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {web}\r\n\r\n")?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    Ok(response)
}

/// Reads the log to its end, so that the pipe is never full.
fn messages(log: ChildStderr) -> Messages<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let message = serde_json::from_str(&line).unwrap_or(Value::String(line));
            // The receiver is dropped after the start. Keep reading.
            let _ = sender.send(message);
        }
    });
    receiver
}

/// The ports in the log messages before "ready".
fn addresses(messages: &Messages<Value>) -> Result<(SocketAddr, SocketAddr), String> {
    let (mut statsd, mut web, mut seen) = (None, None, Vec::new());
    loop {
        let message = messages.recv_timeout(DEADLINE).map_err(|_| format!("the bridge does not start: {}", seen.join("\n")))?;
        let text = message.to_string();
        let address = message.get("address").and_then(Value::as_str);
        let address = address.and_then(|a| a.parse::<SocketAddr>().ok());
        if text.contains("listening on udp") {
            statsd = address;
        } else if text.contains("listening on http") {
            web = address;
        } else if text.contains("\"ready\"") {
            return statsd.zip(web).ok_or_else(|| format!("the bridge names no ports: {}", seen.join("\n")));
        }
        seen.push(text);
    }
}
