//! What a connection is doing and since when, and the end of one that keeps the server waiting.
//!
//! hyper has one time limit for both a slow header and an idle connection, and none for a client that stops reading. So the
//! stream notes its own progress here, and a watch beside the connection ends it. The watch looks at fixed steps, a quarter
//! of the shortest limit, instead of arming a timer for each state: a limit is then kept to within a quarter, and nothing
//! depends on when hyper chooses to poll. Knows bytes and time, no HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::program::web::Options;

/// How long a client may take nothing of its answer before its connection may go for another one.
pub(super) const STUCK: Duration = Duration::from_secs(1);

/// Why a connection was cut; in the order of the metric's reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing was asked for a long time.
    Idle,
    /// A header did not end.
    Header,
    /// The client did not take a byte of its response.
    Write,
    /// The response as a whole took too long.
    Response,
    /// Others needed its place.
    Crowded,
    /// A header was longer than may be.
    HeaderTooLarge,
    /// What came was no HTTP.
    Malformed,
}

/// How long each state may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    pub(super) header: Duration,
    pub(super) write: Duration,
    pub(super) response: Duration,
}

impl From<&Options> for Patience {
    fn from(options: &Options) -> Self {
        Self {
            idle: options.idle_timeout,
            header: options.header_timeout,
            write: options.write_timeout,
            response: options.response_timeout,
        }
    }
}

impl Patience {
    pub(super) fn step(&self) -> Duration {
        let shortest = self.idle.min(self.header).min(self.write).min(self.response);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// Where in its round of requests a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Idle,
    /// Some of a header has come.
    Header,
    /// A request is being answered.
    Asked,
    /// All of the answer is known and on its way.
    Answered,
}

/// Shared by a connection's stream, its service and its watch, which run in one task, and by whoever looks for a connection to
/// cut, so the lock is hardly waited for.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: Mutex<Beat>,
    /// Somebody else has ended it.
    ended: Notify,
}

#[derive(Debug)]
struct Beat {
    phase: Phase,
    /// When the phase began; while idle, when the last byte went either way.
    since: Instant,
    /// Since when the client takes nothing of what is to be written.
    stuck: Option<Instant>,
    /// Whether bytes came during a response: part of the next header, perhaps.
    read_ahead: bool,
    /// Why it was cut.
    cut: Option<Cut>,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let beat = Beat { phase: Phase::Idle, since: Instant::now(), stuck: None, read_ahead: false, cut: None };
        Arc::new(Self { beat: Mutex::new(beat), ended: Notify::new() })
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a request is waited for: after what was no HTTP, and where the requests are told otherwise than by bytes.
    pub(super) fn begin(&self) {
        let mut beat = self.beat();
        (beat.phase, beat.since) = (Phase::Idle, Instant::now());
    }

    /// A request's header is complete.
    pub(super) fn asked(&self) {
        let mut beat = self.beat();
        (beat.phase, beat.since, beat.read_ahead) = (Phase::Asked, Instant::now(), false);
    }

    /// All of its response is known; from here on it is only written.
    pub(super) fn answered(&self) {
        let mut beat = self.beat();
        if beat.phase == Phase::Asked {
            beat.phase = Phase::Answered;
        }
    }

    fn read(&self) {
        let mut beat = self.beat();
        match beat.phase {
            Phase::Idle => (beat.phase, beat.since) = (Phase::Header, Instant::now()),
            Phase::Header => {}
            Phase::Asked | Phase::Answered => beat.read_ahead = true,
        }
    }

    /// Whether the client takes nothing, of some that is to be written.
    pub(super) fn wrote(&self, stuck: bool) {
        let mut beat = self.beat();
        beat.stuck = if stuck { beat.stuck.or_else(|| Some(Instant::now())) } else { None };
        if beat.phase == Phase::Idle {
            beat.since = Instant::now();
        }
    }

    /// Everything so far was given to the kernel.
    fn flushed(&self) {
        let mut beat = self.beat();
        if beat.phase == Phase::Answered {
            let next = if beat.read_ahead { Phase::Header } else { Phase::Idle };
            (beat.phase, beat.since, beat.read_ahead) = (next, Instant::now(), false);
        }
    }

    /// Which limit of `patience` is passed at `now`, if any.
    fn overdue(&self, patience: &Patience, now: Instant) -> Option<Cut> {
        let beat = self.beat();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if beat.stuck.is_some_and(|since| passed(since, patience.write)) {
            return Some(Cut::Write);
        }
        let (limit, cut) = match beat.phase {
            Phase::Idle => (patience.idle, Cut::Idle),
            Phase::Header => (patience.header, Cut::Header),
            Phase::Asked | Phase::Answered => (patience.response, Cut::Response),
        };
        passed(beat.since, limit).then_some(cut)
    }

    /// Ends the connection from outside.
    pub(super) fn end(&self, cut: Cut) {
        self.beat().cut.get_or_insert(cut);
        self.ended.notify_one();
    }

    /// Why the connection was cut, if it was.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.beat().cut
    }

    /// Since when it only takes up room: silent, or with a header that has not ended, or with an answer that the client does
    /// not take. None while it is being served, and once it is cut.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let beat = self.beat();
        match (beat.cut, beat.phase) {
            (Some(_), _) => None,
            (None, Phase::Idle | Phase::Header) => Some(beat.since),
            (None, Phase::Asked | Phase::Answered) => beat.stuck.filter(|since| since.elapsed() >= STUCK),
        }
    }

    /// Ends when the connection is cut from outside.
    pub(super) async fn ended(&self) -> Cut {
        loop {
            self.ended.notified().await;
            if let Some(cut) = self.cut() {
                return cut;
            }
        }
    }

    /// Ends when the connection has to be cut.
    pub(super) async fn lost(&self, patience: Patience) -> Cut {
        loop {
            tokio::select! {
                () = sleep(patience.step()) => {}
                cut = self.ended() => return cut,
            }
            if let Some(cut) = self.overdue(&patience, Instant::now()) {
                self.beat().cut = Some(cut);
                return cut;
            }
        }
    }
}

/// A stream that notes its progress.
#[derive(Debug)]
pub(super) struct Noted<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pulse.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pulse.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.pulse.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        idle: Duration::from_secs(1000),
        header: Duration::from_secs(10),
        write: Duration::from_secs(20),
        response: Duration::from_secs(100),
    };

    fn after(pulse: &Pulse, seconds: u64) -> Option<Cut> {
        pulse.overdue(&PATIENCE, Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn each_phase_has_its_own_limit() {
        let pulse = Pulse::new();
        assert_eq!((after(&pulse, 999), after(&pulse, 1001)), (None, Some(Cut::Idle)));
        pulse.read();
        assert_eq!((after(&pulse, 9), after(&pulse, 11)), (None, Some(Cut::Header)));
        pulse.asked();
        assert_eq!((after(&pulse, 99), after(&pulse, 101)), (None, Some(Cut::Response)));
        pulse.flushed();
        assert_eq!(after(&pulse, 101), Some(Cut::Response), "a flush before the answer ends nothing");
        pulse.answered();
        pulse.flushed();
        assert_eq!((after(&pulse, 999), after(&pulse, 1001)), (None, Some(Cut::Idle)));
    }

    #[test]
    fn a_stuck_write_is_cut_in_every_phase_until_a_byte_is_taken() {
        let pulse = Pulse::new();
        pulse.asked();
        pulse.wrote(true);
        assert_eq!((after(&pulse, 19), after(&pulse, 21)), (None, Some(Cut::Write)));
        pulse.wrote(false);
        assert_eq!(after(&pulse, 21), None);
    }

    #[test]
    fn a_header_begun_during_a_response_has_a_headers_time() {
        let pulse = Pulse::new();
        pulse.asked();
        pulse.read();
        pulse.answered();
        pulse.flushed();
        assert_eq!(after(&pulse, 11), Some(Cut::Header));
    }

    #[test]
    fn the_watch_looks_often_enough_and_not_too_often() {
        assert_eq!(PATIENCE.step(), Duration::from_millis(2500));
        assert_eq!(Patience { idle: Duration::ZERO, ..PATIENCE }.step(), Duration::from_millis(5));
    }
}
