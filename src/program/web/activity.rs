//! The state of one connection: its phase, its deadlines, and why it was cut.
//!
//! hyper has one timeout for both slow headers and idle connections, and none for clients that stop reading. Therefore connections
//! record their progress here, and a check cuts connections that miss a deadline. The check runs at a fixed interval, a quarter of the
//! shortest deadline. In contrast to one timer per phase, it does not depend on when hyper polls; a deadline may be exceeded by up to
//! the interval. `connection` updates this state and `scrape` reads it; both import this module. It does not depend on sockets or HTTP.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// A connection may be evicted once its client has read nothing of the response for this time.
pub(super) const STALLED: Duration = Duration::from_secs(1);

/// How long a client's system may take to reset the connection if the client did not read the response.
pub(super) const RECEIPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How many times delivery is checked while the response is still being written.
const MAX_RECEIPT_CHECKS: u32 = 60;

/// Why a connection was cut, in the order of the `reason` label values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutReason {
    /// No request arrived in time.
    Idle,
    /// The request headers were not complete in time.
    Header,
    /// The client read nothing of its response for too long.
    Write,
    /// The response as a whole took too long.
    Response,
    /// Another connection needed its slot.
    Evicted,
    /// The request headers were too large.
    HeaderTooLarge,
    /// The input was not valid HTTP.
    Malformed,
    /// The client repeated expensive operations without a result, for example requests that it resets.
    Flood,
}

/// The deadlines of a connection, by phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) idle: Duration,
    pub(super) header: Duration,
    pub(super) write: Duration,
    pub(super) response: Duration,
}

impl Deadlines {
    /// How often a connection is checked.
    pub(super) fn check_interval(&self) -> Duration {
        let shortest = self.idle.min(self.header).min(self.write).min(self.response);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// Waiting for a request.
    Idle,
    /// A part of the request headers was received.
    Header,
    /// The request was received; the connection waits for a slot or a turn.
    Waiting,
    /// A request is being answered.
    Handling,
    /// The response is complete and is being written.
    Writing,
}

/// The order in which connections are evicted: lower ranks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EvictionRank {
    /// The client has read nothing of its response since this time.
    Stalled(Instant),
    /// The client has not completed its request or handshake message since this time.
    Header(Instant),
    /// The connection has been idle after a request since this time.
    Idle(Instant),
    /// The connection is idle after a scrape. The duration is the average time between requests; frequent requests rank lower, because
    /// scrapers request rarely.
    Scraper(Duration),
}

/// The state of one connection. Its stream, service and deadline check run in one task. The only other user of the lock is the search for
/// a connection to evict, so the lock is rarely contended.
#[derive(Debug)]
pub(super) struct Activity {
    progress: Mutex<ConnectionProgress>,
    /// Notified when another task cuts the connection.
    cut_by_others: Notify,
    /// Notified when the connection should close after its current response.
    close_requested: Notify,
    /// Reports whether the connection has failed.
    probe: OnceLock<Probe>,
}

/// Reports whether a connection has failed, even if nothing is being read or written.
struct Probe(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

#[derive(Debug)]
struct ConnectionProgress {
    phase: ConnectionPhase,
    /// When the phase started; for an idle connection, when the last byte was read or written.
    since: Instant,
    /// Since when the client reads nothing while data is waiting to be written.
    stalled: Option<Instant>,
    /// Whether all writes are recorded here.
    is_observed: bool,
    /// Whether the response has no end of its own, and so no deadline.
    is_endless: bool,
    /// Whether bytes arrived during a response; they may be the start of the next request.
    read_ahead: bool,
    /// Why the connection was cut, if it was.
    cut: Option<CutReason>,
    /// Whether reading or writing failed.
    failed: bool,
    began: Instant,
    requests: u32,
    has_scraped: bool,
    /// Whether the connection should close after its current response.
    is_close_requested: bool,
}

impl ConnectionProgress {
    fn set_stalled(&mut self, is_stalled: bool) {
        self.stalled = is_stalled.then(|| self.stalled.unwrap_or_else(Instant::now));
    }

    fn time_per_request(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began) / self.requests.max(1)
    }
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        let progress = ConnectionProgress {
            phase: ConnectionPhase::Idle,
            since: now,
            stalled: None,
            is_observed: false,
            is_endless: false,
            read_ahead: false,
            cut: None,
            failed: false,
            began: now,
            requests: 0,
            has_scraped: false,
            is_close_requested: false,
        };
        Arc::new(Self {
            progress: Mutex::new(progress),
            cut_by_others: Notify::new(),
            close_requested: Notify::new(),
            probe: OnceLock::new(),
        })
    }

    fn progress(&self) -> MutexGuard<'_, ConnectionProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection becomes idle: after a TLS handshake step, or after the last open HTTP/2 request.
    pub(super) fn start_idle(&self) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (ConnectionPhase::Idle, Instant::now());
    }

    /// The connection starts to wait for a slot or a turn.
    pub(super) fn start_waiting(&self) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (ConnectionPhase::Waiting, Instant::now());
    }

    /// A scrape was answered completely.
    pub(super) fn record_scrape(&self) {
        self.progress().has_scraped = true;
    }

    /// Declares that all reads and writes are recorded from now on.
    pub(super) fn set_observed(&self) {
        self.progress().is_observed = true;
    }

    /// The headers of a request are complete.
    pub(super) fn start_request(&self) {
        let mut progress = self.progress();
        progress.requests = progress.requests.saturating_add(1);
        (progress.phase, progress.since, progress.read_ahead) = (ConnectionPhase::Handling, Instant::now(), false);
        progress.is_endless = false;
    }

    /// The response has no end of its own: only a client that does not read it misses a deadline.
    pub(super) fn start_endless_response(&self) {
        self.progress().is_endless = true;
    }

    /// The response is complete and only needs to be written.
    pub(super) fn complete_response(&self) {
        let mut progress = self.progress();
        if progress.phase == ConnectionPhase::Handling {
            progress.phase = ConnectionPhase::Writing;
        }
    }

    /// Bytes were received from the client.
    pub(super) fn record_read(&self) {
        let mut progress = self.progress();
        match progress.phase {
            ConnectionPhase::Idle | ConnectionPhase::Waiting => {
                (progress.phase, progress.since) = (ConnectionPhase::Header, Instant::now());
            }
            ConnectionPhase::Header => {}
            ConnectionPhase::Handling | ConnectionPhase::Writing => progress.read_ahead = true,
        }
    }

    /// Records whether the client currently reads none of the open responses.
    pub(super) fn set_stalled(&self, is_stalled: bool) {
        self.progress().set_stalled(is_stalled);
    }

    /// Records a write; `is_stalled` means that the socket accepted no bytes.
    pub(super) fn record_write(&self, is_stalled: bool) {
        let mut progress = self.progress();
        progress.set_stalled(is_stalled);
        if progress.phase == ConnectionPhase::Idle {
            progress.since = Instant::now();
        }
    }

    /// Whether the client currently reads nothing; `None` if writes are not recorded.
    pub(super) fn is_stalled(&self) -> Option<bool> {
        let progress = self.progress();
        progress.is_observed.then_some(progress.stalled.is_some())
    }

    /// Everything written so far was passed to the kernel.
    pub(super) fn record_flush(&self) {
        let mut progress = self.progress();
        if progress.phase == ConnectionPhase::Writing {
            let next = if progress.read_ahead { ConnectionPhase::Header } else { ConnectionPhase::Idle };
            (progress.phase, progress.since, progress.read_ahead) = (next, Instant::now(), false);
        }
    }

    /// Reading or writing failed, or the connection ended with an error.
    pub(super) fn record_failure(&self) {
        self.progress().failed = true;
    }

    /// Sets a function that reports whether the connection has failed. Call it at most once.
    pub(super) fn set_probe(&self, probe: impl Fn() -> bool + Send + Sync + 'static) {
        let set = self.probe.set(Probe(Box::new(probe)));
        debug_assert!(set.is_ok(), "the probe is set once");
    }

    /// Waits until the response is written, and returns whether the client received it. If the client has closed the connection, its system
    /// answers the response with a reset, so this waits for one.
    pub(super) async fn is_delivered(&self) -> bool {
        for _ in 0..MAX_RECEIPT_CHECKS {
            sleep(RECEIPT_TIMEOUT).await;
            let has_failed = self.probe.get().is_some_and(|probe| probe.0());
            let progress = self.progress();
            if has_failed || progress.failed || progress.cut.is_some() {
                return false;
            }
            if progress.phase != ConnectionPhase::Writing {
                return true;
            }
        }
        false
    }

    /// The reason to cut the connection if a deadline has passed at `now`.
    fn overdue(&self, deadlines: &Deadlines, now: Instant) -> Option<CutReason> {
        let progress = self.progress();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if progress.stalled.is_some_and(|since| passed(since, deadlines.write)) {
            return Some(CutReason::Write);
        }
        let (limit, reason) = match progress.phase {
            ConnectionPhase::Handling if progress.is_endless => return None,
            ConnectionPhase::Idle => (deadlines.idle, CutReason::Idle),
            ConnectionPhase::Header => (deadlines.header, CutReason::Header),
            ConnectionPhase::Waiting => (deadlines.header, CutReason::Evicted),
            ConnectionPhase::Handling | ConnectionPhase::Writing => (deadlines.response, CutReason::Response),
        };
        passed(progress.since, limit).then_some(reason)
    }

    /// Cuts the connection from another task. The first reason is kept.
    pub(super) fn cut(&self, reason: CutReason) {
        self.progress().cut.get_or_insert(reason);
        self.cut_by_others.notify_one();
    }

    /// Why the connection was cut, if it was.
    pub(super) fn cut_reason(&self) -> Option<CutReason> {
        self.progress().cut
    }

    /// Requests that the connection closes after its current response.
    pub(super) fn request_close(&self) {
        self.progress().is_close_requested = true;
        self.close_requested.notify_one();
    }

    /// Whether the connection was cut or should close after its current response.
    pub(super) fn is_closing(&self) -> bool {
        let progress = self.progress();
        progress.is_close_requested || progress.cut.is_some()
    }

    /// Waits until the connection should close after its current response.
    pub(super) async fn close_requested(&self) {
        self.close_requested.notified().await;
    }

    /// The eviction rank; `None` if the connection is busy, waiting, or already cut.
    pub(super) fn eviction_rank(&self, now: Instant) -> Option<EvictionRank> {
        let progress = self.progress();
        match (progress.cut, progress.phase) {
            (Some(_), _) | (None, ConnectionPhase::Waiting) => None,
            (None, ConnectionPhase::Idle) if progress.has_scraped => Some(EvictionRank::Scraper(progress.time_per_request(now))),
            (None, ConnectionPhase::Idle) if progress.requests > 0 => Some(EvictionRank::Idle(progress.since)),
            (None, ConnectionPhase::Idle | ConnectionPhase::Header) => Some(EvictionRank::Header(progress.since)),
            (None, ConnectionPhase::Handling | ConnectionPhase::Writing) => {
                let is_long = |since: &Instant| now.saturating_duration_since(*since) >= STALLED;
                progress.stalled.filter(is_long).map(EvictionRank::Stalled)
            }
        }
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.progress().phase, ConnectionPhase::Handling | ConnectionPhase::Writing)
    }

    /// Whether the connection waits for a slot or a turn.
    pub(super) fn is_waiting(&self) -> bool {
        self.progress().phase == ConnectionPhase::Waiting
    }

    /// The average time between requests.
    pub(super) fn time_per_request(&self, now: Instant) -> Duration {
        self.progress().time_per_request(now)
    }

    /// Waits until another task cuts the connection.
    pub(super) async fn cut_by_others(&self) -> CutReason {
        loop {
            self.cut_by_others.notified().await;
            if let Some(reason) = self.cut_reason() {
                return reason;
            }
        }
    }

    /// Waits until the connection misses a deadline or another task cuts it.
    pub(super) async fn cut_when_overdue(&self, deadlines: Deadlines) -> CutReason {
        loop {
            tokio::select! {
                () = sleep(deadlines.check_interval()) => {}
                reason = self.cut_by_others() => return reason,
            }
            if let Some(reason) = self.overdue(&deadlines, Instant::now()) {
                self.progress().cut = Some(reason);
                return reason;
            }
        }
    }
}

#[cfg(test)]
mod tests;
