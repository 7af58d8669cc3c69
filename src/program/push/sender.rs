//! Sends the requests of a target's queue, one after the other, and counts what became of each sample.
//!
//! A request is sent again until it is settled or too old, always with the same bytes. Must not know how requests are made.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::answer::{Answer, Final, Verdict, Written};
use super::backoff;
use super::client::{HttpClient, SendError};
use super::compressor::Compressor;
use super::dialect::{Coding, Dialect};
use super::maker;
use super::options::{Protocol, PushTarget};
use super::otlp_answer::OtlpAnswer;
use super::queue::QueuedRequest;
use super::status::{LastAnswer, Negotiated};
use super::target::Target;
use crate::exposition::write::{WriteBatch, WriteVersion};
use crate::program::faults::Faults;
use crate::telemetry::{PushOutcome, PushResult};

/// The sender of one target.
pub(super) struct Sender {
    target: Arc<Target>,
    client: HttpClient,
    failures: Faults,
    rejections: Faults,
    warnings: Faults,
    file_faults: Faults,
}

/// What to do after an attempt.
enum Next {
    /// The request is settled.
    Settled,
    /// Send it again after this delay at least.
    Again(Option<Duration>),
}

impl Sender {
    pub(super) fn new(target: &Arc<Target>, client: HttpClient) -> Self {
        let target = Arc::clone(target);
        let [failures, rejections, warnings, file_faults] = std::array::from_fn(|_| Faults::default());
        Self { target, client, failures, rejections, warnings, file_faults }
    }

    /// Sends until the target is closed and its queue is empty.
    pub(super) async fn run(mut self) {
        loop {
            let Some(request) = self.target.next() else {
                if self.target.is_done() {
                    return;
                }
                self.target.queued.notified().await;
                continue;
            };
            self.refresh_client();
            self.settle(request).await;
        }
    }

    /// Reads certificates again that were renewed.
    fn refresh_client(&mut self) {
        if let Err(error) = self.client.refresh(&self.target.options) {
            let target = &*self.target.options.name;
            self.file_faults.warn(|_| tracing::warn!(target, error, "push: changed certificates cannot be used; those in use stay"));
        }
    }

    /// Sends a request until it is settled.
    async fn settle(&mut self, request: QueuedRequest) {
        let mut attempt = 0;
        loop {
            if request.dialect != self.target.dialect() && self.target.options.protocol == Protocol::Auto {
                return self.drop(request, PushResult::DroppedFallback);
            }
            if request.is_old(Instant::now(), self.target.options.queue.age) {
                return self.drop(request, PushResult::DroppedAge);
            }
            let headers = request.dialect.headers(self.coding(&request), attempt);
            let next = match self.client.post(&headers, request.body.clone()).await {
                Ok(answer) => self.take(answer, &request),
                Err(error) => self.failed(&error),
            };
            self.target.metrics.sent_bytes.increment(request.body.len() as u64);
            let Next::Again(asked) = next else { return };
            // It may be written although no success was reported.
            self.target.may_have(request.time);
            attempt += 1;
            self.target.metrics.retries.increment(1);
            tokio::time::sleep(backoff::delay(attempt, asked)).await;
        }
    }

    fn coding(&self, request: &QueuedRequest) -> Coding {
        request.dialect.coding(self.target.options.compression)
    }

    fn drop(&self, request: QueuedRequest, result: PushResult) {
        self.target.settled();
        self.target.settle_as(result, request);
    }

    /// Notes that no answer came.
    fn failed(&mut self, error: &SendError) -> Next {
        self.target.metrics.request(PushOutcome::NoAnswer);
        let PushTarget { name: target, url, protocol, .. } = &self.target.options;
        let is_grpc = *protocol == Protocol::Otlp && url.has_port_of_grpc();
        let advice = if is_grpc { "; 4317 is the port of OTLP over gRPC: use that of OTLP over HTTP, 4318" } else { "" };
        let error = format!("{}{advice}", error.0);
        self.target.update(|status| {
            status.last = Some(LastAnswer::error(&error));
            status.failures += 1;
        });
        self.failures.warn(|attempts| tracing::warn!(target, attempts, error, "push: no answer; the request is sent again"));
        Next::Again(None)
    }

    /// Does what an answer asks for.
    fn take(&mut self, answer: Answer, request: &QueuedRequest) -> Next {
        let (answer, verdict) = match request.dialect {
            Dialect::Write(version) => {
                let verdict = answer.verdict(version, request.counts);
                let verdict = self.fall_back_on(&answer, verdict, request);
                (answer, verdict)
            }
            Dialect::Otlp => self.read_otlp(answer, request),
        };
        self.target.update(|status| status.last = Some(LastAnswer::of(&answer)));
        match verdict {
            Verdict::Retry => return self.retry(&answer),
            Verdict::FallBack => self.fall_back(&answer, request),
            Verdict::Halve => self.halve(&answer, request),
            Verdict::Final { written, kind: Final::Rejected } => self.reject(&answer, (request, written)),
            Verdict::Final { written, kind } => self.accept(&answer, (request, written), kind),
        }
        Next::Settled
    }

    /// Reads an answer of OTLP.
    fn read_otlp(&mut self, answer: Answer, request: &QueuedRequest) -> (Answer, Verdict) {
        let read = OtlpAnswer::of(&answer);
        let (target, verdict) = (&*self.target.options.name, read.verdict(answer.status, request.counts));
        if let (Some(text), Verdict::Final { kind: Final::Accepted, .. }) = (read.warning(), verdict) {
            self.warnings.warn(|requests| tracing::warn!(target, requests, text, "push: the receiver wrote all samples, with a warning"));
        }
        let (text, advice) = (read.text(&answer), read.advice(&answer));
        (Answer { text, advice, ..answer }, verdict)
    }

    /// Without a protocol in the configuration, a receiver that answers 400 without the headers of 2.0 may be one that only knows 1.0.
    fn fall_back_on(&self, answer: &Answer, verdict: Verdict, request: &QueuedRequest) -> Verdict {
        let is_auto = self.target.options.protocol == Protocol::Auto;
        if verdict == Verdict::FallBack && !is_auto {
            return Verdict::Final { written: Written::default(), kind: Final::Rejected };
        }
        let is_unknown = self.target.update(|status| status.protocol == Negotiated::Unknown);
        let is_probe = is_auto && is_unknown && request.dialect == Dialect::Write(WriteVersion::V2) && answer.status == 400;
        if is_probe && !answer.knows_version_2() { Verdict::FallBack } else { verdict }
    }

    fn retry(&mut self, answer: &Answer) -> Next {
        self.target.metrics.request(PushOutcome::Retryable);
        self.target.update(|status| status.failures += 1);
        let (target, status, text) = (&*self.target.options.name, answer.status, &*answer.text);
        self.failures.warn(|attempts| {
            tracing::warn!(target, attempts, status, text, "push: the receiver cannot write now; the request is sent again")
        });
        Next::Again(answer.retry_after)
    }

    /// Changes to 1.0 for all later cycles, and asks for one at once.
    fn fall_back(&mut self, answer: &Answer, request: &QueuedRequest) {
        self.target.metrics.request(PushOutcome::Rejected);
        let name = &*self.target.options.name;
        tracing::info!(target = name, status = answer.status, "push: the receiver does not know remote write 2.0; 1.0 is used");
        self.target.update(|status| status.protocol = if answer.status == 400 { Negotiated::Probing } else { Negotiated::V1 });
        self.drop(request.clone(), PushResult::DroppedFallback);
        self.target.drop_all(PushResult::DroppedFallback);
        self.target.wanted.notify_one();
    }

    fn halve(&mut self, answer: &Answer, request: &QueuedRequest) {
        match halves(request, self.coding(request)) {
            Some(halves) => {
                self.target.metrics.request(PushOutcome::Retryable);
                self.target.put_back(halves);
            }
            None => self.reject(answer, (request, Written::default())),
        }
    }

    fn reject(&mut self, answer: &Answer, settled: (&QueuedRequest, Written)) {
        self.target.metrics.request(PushOutcome::Rejected);
        let version = match settled.0.dialect {
            Dialect::Write(version) => version,
            Dialect::Otlp => WriteVersion::V1,
        };
        if !answer.wrote_nothing(version) {
            self.target.may_have(settled.0.time);
        }
        let (written, rejected) = self.count(settled, PushResult::Rejected);
        self.target.update(|status| {
            status.last_rejection = Some(LastAnswer::of(answer));
            if status.protocol == Negotiated::Probing {
                status.protocol = Negotiated::Unclear;
            }
        });
        let (target, status, text, advice) = (&*self.target.options.name, answer.status, &*answer.text, answer.advice);
        let location = answer.location.as_deref().unwrap_or_default();
        self.rejections.warn(|requests| {
            tracing::error!(target, requests, status, written, rejected, text, location, advice, "push: the receiver rejected samples");
        });
    }

    fn accept(&mut self, answer: &Answer, (request, written): (&QueuedRequest, Written), kind: Final) {
        self.target.metrics.request(PushOutcome::Success);
        let rest = if kind == Final::Deduplicated { PushResult::Deduplicated } else { PushResult::Rejected };
        let (_, rejected) = self.count((request, written), rest);
        let is_partial = rest == PushResult::Rejected && rejected > 0;
        let failures = self.target.update(|status| {
            if is_partial {
                status.last_rejection = Some(LastAnswer::of(answer));
            }
            status.last_success = Some(SystemTime::now());
            status.last_written = status.last_written.max(Some(request.time));
            status.written_made = status.written_made.max(Some(request.made));
            if kind != Final::Deduplicated {
                status.may_have = status.may_have.max(Some(request.time));
            }
            match status.protocol {
                Negotiated::Unknown | Negotiated::Unclear if answer.knows_version_2() => status.protocol = Negotiated::V2,
                Negotiated::Probing if request.samples() > 0 => status.protocol = Negotiated::V1,
                _ => {}
            }
            std::mem::take(&mut status.failures)
        });
        let target = &*self.target.options.name;
        if failures > 0 {
            tracing::info!(target, failures, "push: the receiver accepts requests again");
            self.failures = Faults::default();
        }
        if is_partial {
            let (status, text) = (answer.status, &*answer.text);
            self.rejections
                .warn(|requests| tracing::error!(target, requests, status, rejected, text, "push: the receiver wrote only a part"));
        }
    }

    /// Counts the written samples of a request, and the others under `rest`. Returns both numbers.
    fn count(&self, (request, written): (&QueuedRequest, Written), rest: PushResult) -> (u64, u64) {
        self.target.settled();
        let exemplars = request.counts.exemplars as u64;
        let others = (request.samples().saturating_sub(written.samples), exemplars.saturating_sub(written.exemplars));
        self.target.count(PushResult::Written, written.samples, written.exemplars);
        self.target.count(rest, others.0, others.1);
        (written.samples, others.0)
    }
}

/// Two requests with about half of the series each; `None` for a request of one series.
fn halves(request: &QueuedRequest, coding: Coding) -> Option<[QueuedRequest; 2]> {
    let whole = WriteBatch { body: coding.decode(&request.body)?, counts: request.counts, gone: request.gone.clone() };
    let (a, b) = request.dialect.split(whole).ok()?;
    debug_assert!(maker::adds_up(request.counts, [a.counts, b.counts]), "halves differ from the whole");
    let mut compressor = Compressor::new(coding);
    let mut half = |batch| maker::request(batch, (request.time, request.made), (request.dialect, request.is_edges), &mut compressor);
    Some([half(a)?.0, half(b)?.0])
}
