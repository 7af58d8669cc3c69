//! A receiver of remote write and OTLP that misbehaves as a test says, with a database behind it that rejects what a real one rejects.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::message::{Content, Point, decode};
use super::otlp_message::decode_otlp;
use crate::harness::until;

/// What the receiver does with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// Writes the samples and says so, as the version of the request requires.
    Write,
    /// Writes the samples of 1.0, and ignores those of 2.0: 204 without headers.
    WriteOld,
    /// Answers with this status and these headers, and writes nothing.
    Answer(u16, Vec<(&'static str, String)>),
    /// Closes the connection before it reads the body.
    CutBefore,
    /// Writes the samples, and closes the connection without an answer.
    CutAfter,
    /// Writes the samples, and says so after this time.
    Slow(Duration),
    /// Writes nothing, and answers with this status, type and body.
    Body(u16, &'static str, Vec<u8>),
    /// Writes the points of OTLP, and answers with this body.
    Partial(Vec<u8>),
}

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub path: String,
    pub body: Vec<u8>,
    /// The version of remote write; 0 for OTLP.
    pub version: u8,
    pub content: Content,
}

impl Seen {
    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

type Script = Box<dyn FnMut(&Seen) -> Reaction + Send>;

/// A running receiver.
pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    open: Arc<AtomicUsize>,
}

struct State {
    script: Script,
    seen: Vec<Seen>,
    /// Timestamps and values by labels.
    written: HashMap<Vec<(String, String)>, Vec<Point>>,
    /// Rules that requests have broken.
    faults: Vec<String>,
    is_up: bool,
    /// How far the bridge's clock is ahead, in milliseconds.
    ahead: i64,
    /// Whether a connection ends after each answer, without a word.
    closes: bool,
}

impl Receiver {
    /// Starts a receiver. `script` decides about each request.
    pub fn start(script: impl FnMut(&Seen) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a TCP socket");
        let address = listener.local_addr().expect("its address");
        let state = State {
            script: Box::new(script),
            seen: Vec::new(),
            written: HashMap::new(),
            faults: Vec::new(),
            is_up: true,
            ahead: 0,
            closes: false,
        };
        let state = Arc::new(Mutex::new(state));
        let open = Arc::<AtomicUsize>::default();
        let receiver = Self { address, state: Arc::clone(&state), open: Arc::clone(&open) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, open) = (Arc::clone(&state), Arc::clone(&open));
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(&stream, &state);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        receiver
    }

    /// Replaces the script.
    pub fn script(&self, script: impl FnMut(&Seen) -> Reaction + Send + 'static) {
        self.lock().script = Box::new(script);
    }

    /// Accepts samples that are so many milliseconds ahead of the clock.
    pub fn accept_ahead(&self, millis: i64) {
        self.lock().ahead = millis;
    }

    /// Closes each connection after an answer, from now on.
    pub fn close_after_each(&self) {
        self.lock().closes = true;
    }

    /// Waits until all connections are closed, and so all requests of a process that has ended are read.
    pub fn wait_until_idle(&self) {
        until("all connections are closed", || (self.open.load(Ordering::SeqCst) == 0).then_some(()));
    }

    /// The URL for the bridge.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// The URL for the bridge, for OTLP.
    pub fn otlp_url(&self) -> String {
        format!("http://{}/v1/metrics", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// The points of the series of this name with this label.
    pub fn points(&self, name: &str, label: (&str, &str)) -> Vec<Point> {
        let state = self.lock();
        assert_eq!(state.faults, [""; 0], "rules that requests have broken");
        let has = |labels: &[(String, String)], (name, value): (&str, &str)| labels.iter().any(|(n, v)| n == name && v == value);
        let found: Vec<_> = state.written.iter().filter(|(labels, _)| has(labels, ("__name__", name)) && has(labels, label)).collect();
        assert!(found.len() <= 1, "{name}: {found:?}");
        found.first().map(|(_, points)| (*points).clone()).unwrap_or_default()
    }

    /// The last value of a series, stale markers left out.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.points(name, ("job", "statsd-bridge")).iter().rev().find(|point| !point.is_stale).map(|point| point.value)
    }

    /// The increase of a counter from its first sample to its last: what a database computes that extrapolates nothing.
    pub fn increase(&self, name: &str) -> f64 {
        let points = self.points(name, ("job", "statsd-bridge"));
        let values: Vec<f64> = points.iter().filter(|point| !point.is_stale).map(|point| point.value).collect();
        values.windows(2).map(|pair| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] }).sum()
    }

    /// Rules that requests have broken.
    pub fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.lock().is_up = false;
    }
}

/// Serves requests over one connection until it ends.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(([method, path], headers)) = head(&mut reader) {
        let length = headers.iter().find(|(key, _)| key == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let is_2 = headers.iter().any(|(key, value)| key == "content-type" && value.contains("io.prometheus.write.v2.Request"));
        let is_otlp = path.contains("/v1/metrics");
        let version = if is_otlp {
            0
        } else if is_2 {
            2
        } else {
            1
        };
        let coding = headers.iter().find(|(key, _)| key == "content-encoding").map(|(_, value)| &**value);
        let decoded = if is_otlp { decode_otlp(coding, &body) } else { decode(version, &body) };
        let (content, fault) = match decoded {
            Ok(content) => (content, None),
            Err(fault) => (Content::default(), Some(fault)),
        };
        let seen = Seen { method, headers, path, body, version, content };
        let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.faults.extend(fault);
        let reaction = (guard.script)(&seen);
        guard.seen.push(seen.clone());
        if !guard.is_up {
            return;
        }
        let closes = guard.closes;
        drop(guard);
        let Some(answer) = react(&reaction, &seen, state) else { return };
        if let Reaction::Slow(time) = &reaction {
            thread::sleep(*time);
        }
        if (&*stream).write_all(answer.as_bytes()).is_err() || closes {
            return;
        }
    }
}

type Headers = Vec<(String, String)>;

/// The method, the path and the headers of a request.
fn head(reader: &mut impl BufRead) -> Option<([String; 2], Headers)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let (method, rest) = line.split_once(' ')?;
    let start = [method, rest.split(' ').next()?].map(str::to_owned);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Some((start, headers)),
        }
    }
}

/// The bytes of the answer; `None` to close the connection.
fn react(reaction: &Reaction, seen: &Seen, state: &Mutex<State>) -> Option<String> {
    let write = || state.lock().unwrap_or_else(PoisonError::into_inner).write(&seen.content);
    let answer = |status: u16, headers: &[(&str, String)], text: &str| {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{text}", text.len()))
    };
    let empty = |status: u16| Some(format!("HTTP/1.1 {status} X\r\n\r\n"));
    match reaction {
        Reaction::CutBefore => None,
        Reaction::CutAfter => {
            drop(write());
            None
        }
        Reaction::Answer(status, headers) => answer(*status, headers, "an answer of the test"),
        Reaction::Body(status, kind, body) => {
            let text = String::from_utf8(body.clone()).expect("bodies of the tests are ASCII");
            answer(*status, &[("Content-Type", (*kind).to_owned())], &text)
        }
        Reaction::Partial(body) => {
            drop(write());
            let text = String::from_utf8(body.clone()).expect("bodies of the tests are ASCII");
            answer(200, &[("Content-Type", "application/x-protobuf".to_owned())], &text)
        }
        Reaction::WriteOld if seen.version == 2 => empty(204),
        Reaction::Write | Reaction::WriteOld | Reaction::Slow(_) => match (write(), seen.version) {
            (Err(why), _) => answer(400, &[], &why),
            // An empty body: full success.
            (Ok(()), 0) => answer(200, &[], ""),
            (Ok(()), 1) => empty(204),
            (Ok(()), _) => answer(200, &written(&seen.content), ""),
        },
    }
}

/// The headers of 2.0 for content that was written completely.
pub fn written(content: &Content) -> Vec<(&'static str, String)> {
    let count = |is_histogram| -> usize {
        content.series.iter().filter(|series| series.is_histogram == is_histogram).map(|series| series.points.len()).sum()
    };
    let exemplars: usize = content.series.iter().map(|series| series.exemplars.len()).sum();
    vec![
        ("X-Prometheus-Remote-Write-Samples-Written", count(false).to_string()),
        ("X-Prometheus-Remote-Write-Histograms-Written", count(true).to_string()),
        ("X-Prometheus-Remote-Write-Exemplars-Written", exemplars.to_string()),
    ]
}

impl State {
    /// Writes all samples, or none: older ones than the newest, another value at the same time, and the future are rejected.
    fn write(&mut self, content: &Content) -> Result<(), String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_millis() as i64;
        for series in &content.series {
            let known = self.written.get(&series.labels).map(Vec::as_slice).unwrap_or_default();
            for point in &series.points {
                let same = known.iter().find(|other| other.time == point.time);
                let fault = match (known.last(), same) {
                    (_, Some(same)) if same.value.to_bits() != point.value.to_bits() => "duplicate sample for timestamp",
                    (Some(last), None) if last.time > point.time => "out of order sample",
                    _ if point.time > now + self.ahead + 2000 => "a sample of the future",
                    _ => continue,
                };
                self.faults.push(format!("{fault}: {:?} {point:?} after {:?}", series.labels, known.last()));
                return Err(fault.to_owned());
            }
        }
        for series in &content.series {
            let known = self.written.entry(series.labels.clone()).or_default();
            let last = known.last().map_or(i64::MIN, |last| last.time);
            known.extend(series.points.iter().filter(|point| point.time > last));
        }
        Ok(())
    }
}
