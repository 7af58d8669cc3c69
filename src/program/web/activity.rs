//! What one connection is doing and since when, which deadline it has missed, and why it was cut.
//!
//! hyper has one timeout for both a slow header and an idle connection, and none for a client that stops reading. So the connection
//! notes its progress here, and a check beside it cuts it. The check runs at a fixed interval, a quarter of the shortest deadline,
//! instead of one timer for each phase: a deadline is then kept to within a quarter, and nothing depends on when hyper polls.
//! `connection` writes what happens and `scrape` reads it; this module stands below both. It knows time, no sockets and no HTTP.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// How long a client may take nothing of its response before its connection may be evicted.
pub(super) const STALLED: Duration = Duration::from_secs(1);

/// How long a client's system may take to say that nobody reads a response, and how often that is waited for while the response is
/// still being written.
pub(super) const RECEIPT: Duration = Duration::from_secs(1);
const RECEIPTS: u32 = 60;

/// Why a connection was cut, in the order of the metric's reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutReason {
    /// No request came for too long.
    Idle,
    /// A header did not end.
    Header,
    /// The client did not take a byte of its response.
    Write,
    /// The response as a whole took too long.
    Response,
    /// Others needed its room.
    Evicted,
    /// A header was over the limit.
    HeaderTooLarge,
    /// The bytes were not HTTP.
    Malformed,
    /// It did over and over what costs the server and leads to nothing, such as requests that it takes back.
    Flood,
}

/// How long each phase of a connection may last.
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

/// Where between two requests a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// Waiting for a request.
    Idle,
    /// Part of a header has come.
    Header,
    /// The client has done its part, and waits for a place or a turn.
    Waiting,
    /// A request is being answered.
    Handling,
    /// The response is complete and being written.
    Writing,
}

/// What becomes of a connection that others need the room of; those that compare lower are evicted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Its client has taken nothing of its response since then.
    Stalled(Instant),
    /// Its client has not sent the rest of its request, or of its part of a handshake, since then.
    Header(Instant),
    /// It is silent after a request, since then.
    Silent(Instant),
    /// It is silent, and was sent an exposition before. Who asks most often compares lower: a scraper has time between two scrapes.
    Scraper(Duration),
}

/// The activity of one connection. Its stream, its service and its check run in one task; besides them only whoever looks for a
/// connection to evict takes the lock, so it is rarely waited for.
#[derive(Debug)]
pub(super) struct Activity {
    progress: Mutex<ConnectionProgress>,
    /// Notified when another task cuts the connection.
    cut_by_others: Notify,
    /// Notified when it is to end after what it is being answered.
    asked_to_leave: Notify,
    /// Asks the connection whether it broke.
    probe: OnceLock<Probe>,
}

/// Says of a connection whether it broke, also when nothing is to be read or written any more.
struct Probe(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

#[derive(Debug)]
struct ConnectionProgress {
    phase: ConnectionPhase,
    /// When the phase began; while idle, when the last byte went either way.
    since: Instant,
    /// Since when the client takes nothing of what is to be written.
    stalled: Option<Instant>,
    /// Whether all that is written is noted here.
    is_observed: bool,
    /// Whether bytes came during a response; they may begin the next header.
    read_ahead: bool,
    /// Why the connection was cut, if it was.
    cut: Option<CutReason>,
    /// Whether reading or writing failed.
    failed: bool,
    began: Instant,
    requests: u32,
    has_scraped: bool,
    /// Whether it was asked to end after what it is being answered.
    is_leaving: bool,
}

impl ConnectionProgress {
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
            read_ahead: false,
            cut: None,
            failed: false,
            began: now,
            requests: 0,
            has_scraped: false,
            is_leaving: false,
        };
        Arc::new(Self {
            progress: Mutex::new(progress),
            cut_by_others: Notify::new(),
            asked_to_leave: Notify::new(),
            probe: OnceLock::new(),
        })
    }

    fn progress(&self) -> MutexGuard<'_, ConnectionProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection waits for a request from now on: after a TLS handshake, and in HTTP/2 after the last open request.
    pub(super) fn awaits_request(&self) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (ConnectionPhase::Idle, Instant::now());
    }

    /// The client has done its part: what is missing is a place or a turn.
    pub(super) fn awaits_turn(&self) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (ConnectionPhase::Waiting, Instant::now());
    }

    /// It was sent an exposition to its end.
    pub(super) fn scraped(&self) {
        self.progress().has_scraped = true;
    }

    /// All that is read and written is noted here from now on.
    pub(super) fn is_observed_now(&self) {
        self.progress().is_observed = true;
    }

    /// The header of a request is complete.
    pub(super) fn request_began(&self) {
        let mut progress = self.progress();
        progress.requests = progress.requests.saturating_add(1);
        (progress.phase, progress.since, progress.read_ahead) = (ConnectionPhase::Handling, Instant::now(), false);
    }

    /// The response is complete; what is left is to write it.
    pub(super) fn response_complete(&self) {
        let mut progress = self.progress();
        if progress.phase == ConnectionPhase::Handling {
            progress.phase = ConnectionPhase::Writing;
        }
    }

    /// Bytes came from the client.
    pub(super) fn read(&self) {
        let mut progress = self.progress();
        match progress.phase {
            ConnectionPhase::Idle | ConnectionPhase::Waiting => {
                (progress.phase, progress.since) = (ConnectionPhase::Header, Instant::now());
            }
            ConnectionPhase::Header => {}
            ConnectionPhase::Handling | ConnectionPhase::Writing => progress.read_ahead = true,
        }
    }

    /// Whether the client takes nothing of the responses that there are, as far as is known from time to time.
    pub(super) fn took(&self, stalled: bool) {
        let mut progress = self.progress();
        progress.stalled = if stalled { progress.stalled.or_else(|| Some(Instant::now())) } else { None };
    }

    /// Bytes were to be written; `stalled` says that the client took none of them.
    pub(super) fn wrote(&self, stalled: bool) {
        let mut progress = self.progress();
        progress.stalled = if stalled { progress.stalled.or_else(|| Some(Instant::now())) } else { None };
        if progress.phase == ConnectionPhase::Idle {
            progress.since = Instant::now();
        }
    }

    /// Whether the client takes nothing of what is to be written now; none where that is not known.
    pub(super) fn is_stalled(&self) -> Option<bool> {
        let progress = self.progress();
        progress.is_observed.then_some(progress.stalled.is_some())
    }

    /// Everything written so far was handed to the kernel.
    pub(super) fn flushed(&self) {
        let mut progress = self.progress();
        if progress.phase == ConnectionPhase::Writing {
            let next = if progress.read_ahead { ConnectionPhase::Header } else { ConnectionPhase::Idle };
            (progress.phase, progress.since, progress.read_ahead) = (next, Instant::now(), false);
        }
    }

    /// Reading or writing failed, or the connection ended in an error.
    pub(super) fn failed(&self) {
        self.progress().failed = true;
    }

    /// What says whether the connection broke where nothing is read or written.
    pub(super) fn ask(&self, probe: impl Fn() -> bool + Send + Sync + 'static) {
        // The first one stays; there is one.
        let _ = self.probe.set(Probe(Box::new(probe)));
    }

    /// Whether the client got a response whose last byte is on its way. A client that left has its system say so as soon as it gets the
    /// response, so that is waited for.
    pub(super) async fn has_delivered(&self) -> bool {
        for _ in 0..RECEIPTS {
            sleep(RECEIPT).await;
            let is_broken = self.probe.get().is_some_and(|probe| probe.0());
            let progress = self.progress();
            if is_broken || progress.failed || progress.cut.is_some() {
                return false;
            }
            if progress.phase != ConnectionPhase::Writing {
                return true;
            }
        }
        false
    }

    /// The deadline that is missed at `now`, if any.
    fn overdue(&self, deadlines: &Deadlines, now: Instant) -> Option<CutReason> {
        let progress = self.progress();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if progress.stalled.is_some_and(|since| passed(since, deadlines.write)) {
            return Some(CutReason::Write);
        }
        let (limit, reason) = match progress.phase {
            ConnectionPhase::Idle => (deadlines.idle, CutReason::Idle),
            ConnectionPhase::Header => (deadlines.header, CutReason::Header),
            ConnectionPhase::Waiting => (deadlines.header, CutReason::Evicted),
            ConnectionPhase::Handling | ConnectionPhase::Writing => (deadlines.response, CutReason::Response),
        };
        passed(progress.since, limit).then_some(reason)
    }

    /// Cuts the connection from another task. The first reason stays.
    pub(super) fn cut(&self, reason: CutReason) {
        self.progress().cut.get_or_insert(reason);
        self.cut_by_others.notify_one();
    }

    /// Why the connection was cut, if it was.
    pub(super) fn cut_reason(&self) -> Option<CutReason> {
        self.progress().cut
    }

    /// Asks the connection to end once it is answered.
    pub(super) fn ask_to_leave(&self) {
        self.progress().is_leaving = true;
        self.asked_to_leave.notify_one();
    }

    /// Whether the connection is cut, or was asked to end.
    pub(super) fn is_ending(&self) -> bool {
        let progress = self.progress();
        progress.is_leaving || progress.cut.is_some()
    }

    /// Waits until the connection is asked to end.
    pub(super) async fn asked_to_leave(&self) {
        self.asked_to_leave.notified().await;
    }

    /// What becomes of the connection where others need its room. None while it is being served, and once it is cut.
    pub(super) fn standing(&self, now: Instant) -> Option<Standing> {
        let progress = self.progress();
        match (progress.cut, progress.phase) {
            (Some(_), _) | (None, ConnectionPhase::Waiting) => None,
            (None, ConnectionPhase::Idle) if progress.has_scraped => Some(Standing::Scraper(progress.time_per_request(now))),
            (None, ConnectionPhase::Idle) if progress.requests > 0 => Some(Standing::Silent(progress.since)),
            (None, ConnectionPhase::Idle | ConnectionPhase::Header) => Some(Standing::Header(progress.since)),
            (None, ConnectionPhase::Handling | ConnectionPhase::Writing) => {
                let is_long = |since: &Instant| now.saturating_duration_since(*since) >= STALLED;
                progress.stalled.filter(is_long).map(Standing::Stalled)
            }
        }
    }

    /// Whether a request is being answered.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.progress().phase, ConnectionPhase::Handling | ConnectionPhase::Writing)
    }

    /// Whether it is a place or a turn that is missing.
    pub(super) fn has_waited(&self) -> bool {
        self.progress().phase == ConnectionPhase::Waiting
    }

    /// How long it has been there for each request that it sent; who asks most often has the least.
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

    /// Waits until the connection misses a deadline, or another task cuts it.
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
