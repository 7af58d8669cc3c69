//! DogStatsD events and service checks, each recorded as one sample whose labels the line states.
//!
//! Apart from the pipeline's loop, because they are rare.

use super::{Batch, Worker};
use crate::ingest::pending::Pending;
use crate::ingest::protocol::{Event, Kind, Sample, SampleError, ServiceCheck, Value};
use crate::time::Timestamp;

/// The family of service checks.
const CHECKS: &[u8] = b"service_check_status";

/// The family of events.
const EVENTS: &[u8] = b"dogstatsd_events_total";

impl Worker {
    /// Records a service check as a gauge.
    #[cold]
    #[inline(never)]
    pub(super) fn service_check(&mut self, check: &ServiceCheck<'_>, line: &[u8], batch: &mut Batch<'_>, now: Timestamp) {
        if !self.dialect.service_checks {
            self.tally.service_checks += 1;
            return;
        }
        if str::from_utf8(check.name).is_err() {
            return self.reject(SampleError::MalformedServiceCheck, line, batch.source, now);
        }
        self.tally.service_checks += 1;
        let mut identity = std::mem::take(&mut self.cut);
        let unknown_fields = check.write_identity(&self.dialect, &mut identity);
        let value = Value::Number(f64::from(check.status));
        self.record_stated(Sample { name: CHECKS, kind: Kind::Gauge, value, unknown_fields, ..Sample::default() }, identity, batch, now);
    }

    /// Counts an event by its type, its priority and the type of its source.
    #[cold]
    #[inline(never)]
    pub(super) fn event(&mut self, event: &Event<'_>, batch: &mut Batch<'_>, now: Timestamp) {
        self.tally.events += 1;
        if !self.dialect.events {
            return;
        }
        self.engine.telemetry().event_kept(self.engine.events().note(event, *batch.source, now));
        let mut identity = std::mem::take(&mut self.cut);
        let unknown_fields = event.write_identity(&mut identity);
        let value = Value::Number(1.0);
        self.record_stated(Sample { name: EVENTS, kind: Kind::Counter, value, unknown_fields, ..Sample::default() }, identity, batch, now);
    }

    /// Records a sample with this identity. Records earlier samples first, to keep their order.
    fn record_stated(&mut self, sample: Sample<'_>, mut identity: Vec<u8>, batch: &mut Batch<'_>, now: Timestamp) {
        // Under statsd_exporter's rules, tags that are not UTF-8 reject the line, which is an event or a check and contains no samples.
        if str::from_utf8(&identity).is_err() {
            identity = String::from_utf8_lossy(&identity).into_owned().into_bytes();
        }
        self.record(batch, now);
        let sample = Sample { tags: &identity, first: true, ..sample };
        let pending = Pending { sample, source: batch.source, hash: self.hash(&sample, batch.source) };
        self.tally.samples += 1;
        self.record_unknown(&pending, false, now);
        self.cut = identity;
    }
}
