//! The response body of a viewer.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::event;
use super::query::TailFormat;
use crate::program::web::activity::Activity;
use crate::tap::{TapCounts, Watch};
use crate::telemetry::Telemetry;

/// How often lines are sent.
const LINES_EVERY: Duration = Duration::from_millis(100);

/// How often the counts are sent. They show that the stream lives, and a client that is gone is noticed by then.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// The stream of one viewer. It ends when its connection should close.
pub(in crate::program::web) struct TailBody {
    watch: Watch,
    format: TailFormat,
    ticks: Interval,
    counts_due: Instant,
    /// The counts of the last tick, which the self-metrics have.
    counted: TapCounts,
    activity: Arc<Activity>,
    telemetry: Arc<Telemetry>,
    has_ended: bool,
}

impl TailBody {
    pub(super) fn new(watch: Watch, format: TailFormat, activity: Arc<Activity>, telemetry: Arc<Telemetry>) -> Self {
        let mut ticks = interval(LINES_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        telemetry.web.tails.increment(1.0);
        let counted = TapCounts::default();
        Self { watch, format, ticks, counts_due: Instant::now(), counted, activity, telemetry, has_ended: false }
    }

    /// What is to be sent at `now`; possibly nothing.
    fn part(&mut self, now: Instant) -> String {
        let mut part = String::new();
        // The counts last, so that they include the lines before them.
        for line in self.watch.take() {
            self.push(&mut part, "line", &event::line(&line).to_string());
        }
        if now >= self.counts_due {
            let counts = self.count();
            self.push(&mut part, "counts", &event::counts(&counts).to_string());
            self.counts_due = now + COUNTS_EVERY;
        }
        part
    }

    /// Appends an event. JSON has no line break, so that one `data` line is enough.
    fn push(&self, part: &mut String, kind: &str, document: &str) {
        let written = match self.format {
            TailFormat::Events => write!(part, "event: {kind}\ndata: {document}\n\n"),
            TailFormat::Json => writeln!(part, "{{\"{kind}\":{document}}}"),
        };
        debug_assert!(written.is_ok(), "a string takes every text");
    }

    /// Adds the lines since the last call to the self-metrics.
    fn count(&mut self) -> TapCounts {
        let counts = self.watch.counts();
        let [shown, missed] = &self.telemetry.web.tail_lines;
        shown.increment(counts.shown.saturating_sub(self.counted.shown));
        missed.increment(counts.missed.saturating_sub(self.counted.missed));
        self.counted = counts;
        counts
    }
}

impl Body for TailBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while !self.has_ended {
            let now = ready!(self.ticks.poll_tick(cx));
            self.has_ended = self.activity.is_closing();
            let part = self.part(now);
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(part.into()))));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for TailBody {
    fn drop(&mut self) {
        self.count();
        self.telemetry.web.tails.decrement(1.0);
        self.activity.complete_response();
    }
}
