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
    /// A request is being answered.
    Handling,
    /// The response is complete and being written.
    Writing,
}

/// The activity of one connection. Its stream, its service and its check run in one task; besides them only whoever looks for a
/// connection to evict takes the lock, so it is rarely waited for.
#[derive(Debug)]
pub(super) struct Activity {
    progress: Mutex<ConnectionProgress>,
    /// Notified when another task cuts the connection.
    cut_by_others: Notify,
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
    /// Whether bytes came during a response; they may begin the next header.
    read_ahead: bool,
    /// Why the connection was cut, if it was.
    cut: Option<CutReason>,
    /// Whether reading or writing failed.
    failed: bool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let progress = ConnectionProgress {
            phase: ConnectionPhase::Idle,
            since: Instant::now(),
            stalled: None,
            read_ahead: false,
            cut: None,
            failed: false,
        };
        Arc::new(Self { progress: Mutex::new(progress), cut_by_others: Notify::new(), probe: OnceLock::new() })
    }

    fn progress(&self) -> MutexGuard<'_, ConnectionProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection waits for a request from now on: after a TLS handshake, and in HTTP/2 after the last open request.
    pub(super) fn awaits_request(&self) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (ConnectionPhase::Idle, Instant::now());
    }

    /// The header of a request is complete.
    pub(super) fn request_began(&self) {
        let mut progress = self.progress();
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
            ConnectionPhase::Idle => (progress.phase, progress.since) = (ConnectionPhase::Header, Instant::now()),
            ConnectionPhase::Header => {}
            ConnectionPhase::Handling | ConnectionPhase::Writing => progress.read_ahead = true,
        }
    }

    /// Bytes were to be written; `stalled` says that the client took none of them.
    pub(super) fn wrote(&self, stalled: bool) {
        let mut progress = self.progress();
        progress.stalled = if stalled { progress.stalled.or_else(|| Some(Instant::now())) } else { None };
        if progress.phase == ConnectionPhase::Idle {
            progress.since = Instant::now();
        }
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

    /// Since when the connection only takes up room: it is silent, its header does not end, or the client takes nothing of the
    /// response. None while it is being served, and once it is cut.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let progress = self.progress();
        match (progress.cut, progress.phase) {
            (Some(_), _) => None,
            (None, ConnectionPhase::Idle | ConnectionPhase::Header) => Some(progress.since),
            (None, ConnectionPhase::Handling | ConnectionPhase::Writing) => progress.stalled.filter(|since| since.elapsed() >= STALLED),
        }
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
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        idle: Duration::from_secs(1000),
        header: Duration::from_secs(10),
        write: Duration::from_secs(20),
        response: Duration::from_secs(100),
    };

    fn after(activity: &Activity, seconds: u64) -> Option<CutReason> {
        activity.overdue(&DEADLINES, Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn each_phase_has_its_own_limit() {
        let activity = Activity::new();
        assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
        activity.read();
        assert_eq!((after(&activity, 9), after(&activity, 11)), (None, Some(CutReason::Header)));
        activity.request_began();
        assert_eq!((after(&activity, 99), after(&activity, 101)), (None, Some(CutReason::Response)));
        activity.flushed();
        assert_eq!(after(&activity, 101), Some(CutReason::Response), "a flush before the answer ends nothing");
        activity.response_complete();
        activity.flushed();
        assert_eq!((after(&activity, 999), after(&activity, 1001)), (None, Some(CutReason::Idle)));
    }

    #[test]
    fn a_stalled_write_is_cut_in_every_phase_until_a_byte_is_taken() {
        let activity = Activity::new();
        activity.request_began();
        activity.wrote(true);
        assert_eq!((after(&activity, 19), after(&activity, 21)), (None, Some(CutReason::Write)));
        activity.wrote(false);
        assert_eq!(after(&activity, 21), None);
    }

    #[test]
    fn a_header_begun_during_a_response_has_a_headers_time() {
        let activity = Activity::new();
        activity.request_began();
        activity.read();
        activity.response_complete();
        activity.flushed();
        assert_eq!(after(&activity, 11), Some(CutReason::Header));
    }

    #[test]
    fn the_check_runs_often_enough_and_not_too_often() {
        assert_eq!(DEADLINES.check_interval(), Duration::from_millis(2500));
        assert_eq!(Deadlines { idle: Duration::ZERO, ..DEADLINES }.check_interval(), Duration::from_millis(5));
    }
}
