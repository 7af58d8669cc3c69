//! The thread of one target: connects, resolves the name again, sends what the queue holds, and counts each line once.
//!
//! While there is no connection, lines wait in the queue, up to the age limit. A connection that breaks loses the line that was sent in part; the lines behind
//! it are sent over the next one. The kernel reports an unreachable UDP target shortly after a datagram is sent, so its lines are counted
//! then. Must not know receivers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::Link;
use super::queue::{Chunk, Popped, Queue};
use super::target::{Endpoint, RelayTarget};
use crate::program::faults::Faults;
use crate::program::listener::stop::Stop;
use crate::program::net::error_text;
use crate::telemetry::RelayCounters;

/// Time for the report of an unreachable target, unless the next datagram is sent earlier.
const REPORT_WAIT: Duration = Duration::from_millis(200);
/// Pauses between attempts to connect; each is twice as long as the one before.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// The name of a UDP target is resolved again this often.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// After an error, it is resolved again earlier.
const RESOLVE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Finds the address of a target.
pub(super) type Resolve = Box<dyn Fn() -> Result<Option<SocketAddr>, String> + Send>;

/// The state of the thread.
pub(super) struct Sender {
    endpoint: Endpoint,
    has_lengths: bool,
    resolve: Resolve,
    queue: Arc<Queue>,
    counters: RelayCounters,
    stop: Arc<Stop>,
    link: Option<Link>,
    /// No attempt to connect is made before.
    retry_at: Instant,
    retry_delay: Duration,
    resolved: Instant,
    /// Whether there was an error since the name was resolved.
    has_error: bool,
    /// The last UDP datagram, until its lines are counted.
    uncounted: Option<SentDatagram>,
    faults: Faults,
}

#[derive(Clone, Copy)]
struct SentDatagram {
    lines: u64,
    at: Instant,
}

impl Sender {
    pub(super) fn new(target: &RelayTarget, queue: Arc<Queue>, counters: RelayCounters, stop: Arc<Stop>) -> Self {
        let endpoint = target.endpoint.clone();
        let resolve = Box::new(move || endpoint.resolve().map_err(|error| error.to_string()));
        Self::with_resolver(target, queue, counters, stop, resolve)
    }

    pub(super) fn with_resolver(
        target: &RelayTarget,
        queue: Arc<Queue>,
        counters: RelayCounters,
        stop: Arc<Stop>,
        resolve: Resolve,
    ) -> Self {
        let now = Instant::now();
        Self {
            endpoint: target.endpoint.clone(),
            has_lengths: target.has_lengths,
            resolve,
            queue,
            counters,
            stop,
            link: None,
            retry_at: now,
            retry_delay: FIRST_RETRY,
            resolved: now,
            has_error: false,
            uncounted: None,
            faults: Faults::default(),
        }
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        self.connect();
        loop {
            match self.queue.pop(REPORT_WAIT) {
                Popped::Chunk(chunk) => {
                    let size = chunk.size;
                    self.deliver(chunk);
                    self.queue.release(size);
                }
                Popped::Nothing => self.idle(),
                Popped::End => break,
            }
            self.check_name();
        }
        self.count_sent();
        self.counters.connected.set(0.0);
    }

    /// Counts the last datagram, and notices that a stream was closed.
    fn idle(&mut self) {
        if self.uncounted.is_some_and(|sent| sent.at.elapsed() >= REPORT_WAIT) {
            self.count_sent();
        }
        if self.endpoint.is_stream() && self.link.as_ref().is_some_and(|link| !link.is_open()) {
            self.disconnect();
        }
        self.connect();
    }

    /// Connects if there is no connection and it is time for an attempt. Returns whether there is a connection.
    fn connect(&mut self) -> bool {
        if self.link.is_some() || Instant::now() < self.retry_at {
            return self.link.is_some();
        }
        (self.resolved, self.has_error) = (Instant::now(), false);
        let link = (self.resolve)().and_then(|address| Link::connect(&self.endpoint, address).map_err(|error| error_text(&error)));
        match link {
            Ok(link) => {
                tracing::info!(target = %self.endpoint, address = link.address.map(tracing::field::display), "the relay is connected");
                self.counters.connected.set(1.0);
                self.link = Some(link);
            }
            Err(why) => {
                self.failed(&why);
                self.retry_later();
            }
        }
        self.link.is_some()
    }

    fn retry_later(&mut self) {
        self.retry_at = Instant::now() + self.retry_delay;
        self.retry_delay = (self.retry_delay * 2).min(LAST_RETRY);
    }

    fn disconnect(&mut self) {
        self.count_sent();
        self.link = None;
        self.counters.connected.set(0.0);
        self.retry_later();
    }

    fn failed(&mut self, why: &str) {
        self.has_error = true;
        self.counters.errors.increment(1);
        let target = &self.endpoint;
        self.faults.warn(|times| tracing::warn!(%target, why, times, "cannot relay"));
    }

    /// Resolves the name of a UDP target again if it is time, and connects to its new address.
    fn check_name(&mut self) {
        let after = if self.has_error { RESOLVE_AFTER_ERROR } else { RESOLVE_INTERVAL };
        let Some(link) = self.link.as_ref().filter(|_| matches!(self.endpoint, Endpoint::Udp(..))) else { return };
        if self.resolved.elapsed() < after || self.queue.is_closed() {
            return;
        }
        (self.resolved, self.has_error) = (Instant::now(), false);
        match (self.resolve)() {
            Ok(address) if address == link.address => {}
            Ok(_) => {
                self.count_sent();
                self.link = None;
                self.connect();
            }
            Err(why) => self.failed(&why),
        }
    }

    /// Sends a chunk, and counts its lines.
    fn deliver(&mut self, mut chunk: Chunk) {
        while chunk.lines > 0 {
            let now = Instant::now();
            if chunk.is_old(now) {
                return self.counters.lost_age.increment(chunk.lines);
            }
            if !self.connect() {
                if self.queue.is_closed() {
                    return self.counters.lost_shutdown.increment(chunk.lines);
                }
                let end = chunk.expires.map_or(self.retry_at, |expires| expires.min(self.retry_at));
                self.queue.pause(end.saturating_duration_since(now));
            } else if self.endpoint.is_stream() {
                self.write(&mut chunk);
            } else {
                self.send(&mut chunk);
            }
            if self.has_to_end() {
                return self.counters.lost_shutdown.increment(chunk.lines);
            }
        }
        self.retry_delay = FIRST_RETRY;
    }

    /// Whether the program ends and the time to drain is over.
    fn has_to_end(&self) -> bool {
        self.queue.is_closed() && self.stop.is_late()
    }

    /// Sends a chunk as one datagram. It is empty afterwards if it was sent or lost.
    fn send(&mut self, chunk: &mut Chunk) {
        self.count_sent();
        let Some(link) = &self.link else { return };
        let mut sent = link.send(&chunk.bytes);
        let is_udp = matches!(self.endpoint, Endpoint::Udp(..));
        if is_udp && sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // The error belongs to an earlier datagram, which is counted. This one has not been sent.
            sent = link.send(&chunk.bytes);
        }
        match sent {
            Ok(_) => {
                self.counters.packets.increment(1);
                let lines = std::mem::take(&mut chunk.lines);
                if is_udp {
                    self.uncounted = Some(SentDatagram { lines, at: Instant::now() });
                } else {
                    self.counters.lines.increment(lines);
                }
            }
            Err(error) if is_moment(&error) => {}
            Err(error) => {
                self.failed(&error_text(&error));
                // The program behind a path has ended. Another one may take its place.
                if is_udp || error.raw_os_error() == Some(libc::EMSGSIZE) {
                    self.counters.lost_error.increment(std::mem::take(&mut chunk.lines));
                } else {
                    self.disconnect();
                }
            }
        }
    }

    /// Writes a chunk to a stream. If the stream breaks, the chunk keeps the lines of which no byte was sent.
    fn write(&mut self, chunk: &mut Chunk) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_open()) else { return self.disconnect() };
        let length =
            if self.has_lengths { u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec() } else { Vec::new() };
        let mut written = 0;
        let end = length.len() + chunk.bytes.len();
        let broken = loop {
            let rest = length.get(written..).filter(|rest| !rest.is_empty());
            let rest = rest.or_else(|| chunk.bytes.get(written.saturating_sub(length.len())..)).unwrap_or_default();
            match link.send(rest) {
                Ok(0) => break Some("it accepts nothing".to_owned()),
                Ok(sent) => written += sent,
                Err(error) if is_moment(&error) && !self.has_to_end() => {}
                Err(error) => break Some(error_text(&error)),
            }
            if written >= end {
                break None;
            }
        };
        let Some(why) = broken else {
            return self.counters.lines.increment(std::mem::take(&mut chunk.lines));
        };
        self.count_broken(chunk, written);
        self.failed(&why);
        self.disconnect();
    }

    /// Counts the lines of a chunk of which `written` bytes were sent, and removes them from the chunk.
    fn count_broken(&self, chunk: &mut Chunk, written: usize) {
        if written == 0 {
            return;
        }
        if self.has_lengths {
            // A frame that is not complete is lost as a whole.
            self.counters.lost_error.increment(std::mem::take(&mut chunk.lines));
            return;
        }
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (sent, unsent) = chunk.bytes.split_at_checked(written).unwrap_or((&chunk.bytes, &[][..]));
        let whole = lines(sent);
        // The rest of the line that was sent in part is removed with it.
        let cut = if sent.ends_with(b"\n") { 0 } else { unsent.iter().position(|byte| *byte == b'\n').map_or(unsent.len(), |at| at + 1) };
        let partial = u64::from(cut > 0);
        self.counters.lines.increment(whole);
        self.counters.lost_error.increment(partial);
        chunk.lines = chunk.lines.saturating_sub(whole + partial);
        chunk.bytes = unsent.get(cut..).unwrap_or_default().to_vec();
    }

    /// Counts the lines of the last UDP datagram, as lost if the kernel has reported an error.
    fn count_sent(&mut self) {
        let Some(SentDatagram { lines, .. }) = self.uncounted.take() else { return };
        match self.link.as_ref().and_then(Link::take_error) {
            None => self.counters.lines.increment(lines),
            Some(error) => {
                self.counters.lost_unreachable.increment(lines);
                self.failed(&error_text(&error));
            }
        }
    }
}

/// Whether the target accepts nothing at the moment.
fn is_moment(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
