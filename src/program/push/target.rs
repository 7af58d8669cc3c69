//! One target: what its maker and its sender share.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;

use super::dialect::Dialect;
use super::options::{Protocol, PushTarget};
use super::queue::{Queue, QueuedRequest};
use super::status::{Negotiated, TargetStatus};
use crate::bridge::Bridge;
use crate::exposition::write::{GoneSeries, WriteVersion};
use crate::lock::lock;
use crate::program::clock;
use crate::telemetry::{PushMetrics, PushResult};
use crate::time::Timestamp;

/// Bytes of series that are gone whose stale markers were not delivered. The rest is counted as lost.
const MAX_LOST_BYTES: usize = 4 << 20;

/// One target, shared by its maker and its sender.
pub(crate) struct Target {
    pub(crate) options: PushTarget,
    pub(super) bridge: Bridge,
    pub(super) metrics: PushMetrics,
    state: std::sync::Mutex<TargetState>,
    /// A request was added, or the maker has ended.
    pub(super) queued: Notify,
    /// A cycle is wanted now.
    pub(super) wanted: Notify,
}

struct TargetState {
    queue: Queue,
    status: TargetStatus,
    /// Series whose stale markers were not delivered.
    lost: Vec<GoneSeries>,
    lost_bytes: usize,
    /// Samples of a request; halved when the receiver finds a request too large.
    batch_samples: usize,
    is_closed: bool,
    /// Nothing is sent any more.
    is_ended: bool,
}

impl TargetState {
    fn newest(&self) -> Option<Timestamp> {
        self.status.may_have.max(self.queue.newest())
    }

    fn newest_sent(&self) -> Option<Timestamp> {
        self.status.may_have.max(self.queue.sending())
    }
}

/// The state of a target and its queue at one moment.
#[derive(Debug)]
pub(crate) struct TargetReport {
    pub(crate) status: TargetStatus,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_samples: u64,
    pub(crate) queue_requests: usize,
    pub(crate) queue_age_seconds: f64,
    /// How long no cycle can be made, because the wall clock was set back; 0 if it was not.
    pub(crate) clock_wait_seconds: f64,
}

impl Target {
    pub(super) fn new(options: PushTarget, bridge: &Bridge) -> Arc<Self> {
        let metrics = bridge.telemetry().push(&options.name);
        let protocol = match options.protocol {
            Protocol::Auto => Negotiated::Unknown,
            Protocol::V1 => Negotiated::V1,
            Protocol::V2 => Negotiated::V2,
            Protocol::Otlp => Negotiated::Otlp,
        };
        let state = TargetState {
            queue: Queue::new(options.queue),
            status: TargetStatus::new(protocol),
            lost: Vec::new(),
            lost_bytes: 0,
            batch_samples: options.batch_samples,
            is_closed: false,
            is_ended: false,
        };
        let state = std::sync::Mutex::new(state);
        Arc::new(Self { options, bridge: bridge.clone(), metrics, state, queued: Notify::new(), wanted: Notify::new() })
    }

    /// The protocol of the next cycle.
    pub(super) fn dialect(&self) -> Dialect {
        lock(&self.state).status.protocol.dialect()
    }

    /// Samples of a request.
    pub(super) fn batch_samples(&self) -> usize {
        lock(&self.state).batch_samples
    }

    /// Changes the state of the target.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut TargetStatus) -> T) -> T {
        change(&mut lock(&self.state).status)
    }

    /// Adds a request of a cycle.
    pub(super) fn push(&self, request: QueuedRequest) {
        let samples = request.samples();
        let (dropped, result) = {
            let mut state = lock(&self.state);
            state.status.made += samples;
            state.status.last_cycle = Some(request.time);
            match state.is_ended {
                true => (vec![request], PushResult::DroppedEnd),
                false => (state.queue.push(request), PushResult::DroppedFull),
            }
        };
        self.metrics.made.increment(samples);
        self.settle_all(dropped, result);
        self.queued.notify_one();
    }

    /// Drops old values.
    pub(super) fn drop_old(&self) {
        let dropped = lock(&self.state).queue.drop_old(Instant::now());
        self.settle_all(dropped, PushResult::DroppedAge);
    }

    /// Drops everything that waits.
    pub(super) fn drop_all(&self, result: PushResult) {
        let dropped = lock(&self.state).queue.clear();
        self.settle_all(dropped, result);
    }

    fn settle_all(&self, requests: Vec<QueuedRequest>, result: PushResult) {
        for request in requests {
            self.settle_as(result, request);
        }
    }

    /// Counts a whole request under one result. Its stale markers are kept for the next cycle unless they were written.
    pub(super) fn settle_as(&self, result: PushResult, request: QueuedRequest) {
        self.count(result, request.samples(), request.counts.exemplars as u64);
        // After a rejection the same markers would be rejected again, and names of the other version never arrived.
        if matches!(result, PushResult::DroppedAge | PushResult::DroppedFull) {
            self.keep_markers(request.gone);
        }
    }

    /// Counts samples and exemplars under a result.
    pub(super) fn count(&self, result: PushResult, samples: u64, exemplars: u64) {
        self.metrics.settle(result, samples, exemplars);
        let mut state = lock(&self.state);
        state.status.settled.get_mut(result as usize).into_iter().for_each(|settled| *settled += samples);
    }

    fn keep_markers(&self, gone: Vec<GoneSeries>) {
        let mut state = lock(&self.state);
        let mut lost = 0;
        for series in gone {
            let bytes = series.bytes();
            if state.lost_bytes + bytes > MAX_LOST_BYTES {
                lost += 1;
            } else {
                state.lost_bytes += bytes;
                state.lost.push(series);
            }
        }
        self.metrics.markers_lost.increment(lost);
    }

    /// Takes the series whose stale markers were not delivered.
    pub(super) fn take_lost_markers(&self) -> Vec<GoneSeries> {
        let mut state = lock(&self.state);
        state.lost_bytes = 0;
        std::mem::take(&mut state.lost)
    }

    /// The next request to send.
    pub(super) fn next(&self) -> Option<QueuedRequest> {
        lock(&self.state).queue.next()
    }

    /// Notes that the request that was being sent is settled.
    pub(super) fn settled(&self) {
        lock(&self.state).queue.settled();
    }

    /// Sends two halves next, and makes later requests smaller.
    pub(super) fn put_back(&self, halves: [QueuedRequest; 2]) {
        let mut state = lock(&self.state);
        let largest = halves.iter().map(|half| half.samples()).max().unwrap_or_default();
        state.batch_samples = state.batch_samples.min(usize::try_from(largest).unwrap_or(usize::MAX)).max(2);
        state.queue.put_back(halves);
    }

    /// Notes that the receiver may have written something of the cycle of this time.
    pub(super) fn may_have(&self, time: Timestamp) {
        self.update(|status| status.may_have = status.may_have.max(Some(time)));
    }

    /// The time that the next cycle must be later than: the newest cycle that waits, or that the receiver may have.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        lock(&self.state).newest()
    }

    /// Nothing is added any more.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.queued.notify_one();
    }

    /// Drops everything that is not settled. Call it when the sender has ended.
    pub(super) fn end(&self) {
        let (waiting, sending) = {
            let mut state = lock(&self.state);
            state.is_ended = true;
            // The request that is being sent may arrive.
            state.status.may_have = state.newest_sent();
            (state.queue.clear(), state.queue.settled())
        };
        self.settle_all(waiting, PushResult::DroppedEnd);
        self.count(PushResult::DroppedEnd, sending.samples, sending.exemplars);
    }

    /// Whether everything is sent and nothing will be added.
    pub(super) fn is_done(&self) -> bool {
        let state = lock(&self.state);
        state.is_closed && state.queue.len() == 0
    }

    /// Whether every sample has its final result. After a change to 1.0, the same samples are made again first.
    pub(super) fn is_settled(&self) -> bool {
        let TargetReport { status, queue_samples, queue_requests, .. } = self.report();
        let count = |result: PushResult| status.settled.get(result as usize).copied().unwrap_or_default();
        let is_decided = [PushResult::Written, PushResult::Rejected, PushResult::Deduplicated].into_iter().any(|result| count(result) > 0);
        queue_requests == 0 && queue_samples == 0 && (is_decided || status.made == 0)
    }

    /// The state now.
    pub(crate) fn report(&self) -> TargetReport {
        let state = lock(&self.state);
        let now = clock::to_wall(clock::now());
        let (made, newest) = (state.status.last_cycle.filter(|last| *last > now), state.newest());
        let wait_ms = made.and(newest).map_or(0, |newest| newest.millis_since(now));
        let age = state.queue.oldest().map_or(0.0, |made| made.elapsed().as_secs_f64());
        TargetReport {
            status: state.status.clone(),
            queue_bytes: state.queue.bytes(),
            queue_samples: state.queue.samples(),
            queue_requests: state.queue.len(),
            queue_age_seconds: age,
            clock_wait_seconds: wait_ms as f64 / 1000.0,
        }
    }

    /// Sets the gauges.
    pub(super) fn observe(&self) {
        let report = self.report();
        self.metrics.queue_bytes.set(report.queue_bytes as f64);
        self.metrics.queue_samples.set(report.queue_samples as f64);
        self.metrics.queue_age.set(report.queue_age_seconds);
        self.metrics.version.set(match report.status.protocol.dialect() {
            Dialect::Write(WriteVersion::V1) => 1.0,
            Dialect::Write(WriteVersion::V2) => 2.0,
            Dialect::Otlp => 0.0,
        });
        let since_epoch = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.metrics.last_success.set(report.status.last_success.map_or(0.0, since_epoch));
        self.metrics.lag.set(report.status.written_made.map_or(0.0, |made| made.elapsed().as_secs_f64()));
        self.metrics.clock_wait.set(report.clock_wait_seconds);
    }
}
