//! Bridges whose cycles are decoded with messages that follow the published definitions.

mod edges;
mod histograms;
mod markers;
mod messages;
mod otlp;
mod otlp_messages;
mod parts;
mod random;
mod series;
mod zeros;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::messages::{Histogram, Received};
use super::{HistogramForm, WriteBatch, WriteCycle, WriteMemory, WriteOptions, WriteVersion};
use crate::{Bridge, Options, Timestamp};

pub(super) const START: u64 = 1_700_000_000_000;
pub(super) const STEP: u64 = 15_000;
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A bridge and the target that it is pushed to, with the time of the next cycle.
pub(super) struct Target {
    pub(super) bridge: Bridge,
    pub(super) options: Arc<WriteOptions>,
    pub(super) memory: WriteMemory,
    pub(super) time: u64,
}

/// Options of a target whose self-metrics would only disturb.
pub(super) fn plain(version: WriteVersion) -> WriteOptions {
    WriteOptions { version, self_metrics: false, ..WriteOptions::default() }
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl Target {
    pub(super) fn new(options: Options, write: WriteOptions) -> Self {
        Self { bridge: Bridge::new(options), options: Arc::new(write), memory: WriteMemory::default(), time: START }
    }

    /// Ingests lines a second before the next cycle.
    pub(super) fn ingest(&self, lines: &str) {
        self.bridge.worker().ingest(lines.as_bytes(), at(self.time - 1_000));
    }

    pub(super) fn delete(&self, name: &str) {
        self.bridge.delete_series(&|family, _| family == name, false);
    }

    /// The batches of the next cycle.
    pub(super) fn batches(&mut self) -> Vec<WriteBatch> {
        let mut cycle = WriteCycle::new(self.bridge.engine(), &self.options, &self.memory, at(self.time));
        let batches = drain(&mut cycle);
        self.memory = cycle.into_memory();
        self.time += STEP;
        batches
    }

    /// What a receiver gets in the next cycle, by name and labels as text.
    pub(super) fn cycle(&mut self) -> Got {
        let batches = self.batches();
        Got::of(self.options.version, &batches)
    }
}

pub(super) fn drain(cycle: &mut WriteCycle) -> Vec<WriteBatch> {
    std::iter::from_fn(|| cycle.next()).collect()
}

/// The series of one cycle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Got(pub(super) BTreeMap<String, Received>);

impl Got {
    /// Decodes batches, and checks what holds for every message.
    pub(super) fn of(version: WriteVersion, batches: &[WriteBatch]) -> Self {
        let mut all = BTreeMap::new();
        let mut stamps = BTreeSet::new();
        for batch in batches {
            let series = messages::decode(version, &batch.body);
            assert_eq!(messages::counts(&series), batch.counts);
            assert_eq!(batch.gone.len(), batch.counts.markers);
            for one in series {
                one.check(version);
                let key = one.text();
                for time in one.times() {
                    assert!(stamps.insert((key.clone(), time)), "two samples of {key} at {time}");
                }
                assert!(all.insert(key.clone(), one).is_none(), "{key} is there twice");
            }
        }
        Self(all)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).filter(|name| *name != "up" && !name.starts_with("up{")).collect()
    }

    pub(super) fn of_name(&self, text: &str) -> &Received {
        self.0.get(text).unwrap_or_else(|| panic!("no {text} in {:?}", self.names()))
    }

    /// The floats of a series, each with its time.
    pub(super) fn floats(&self, text: &str) -> Vec<(f64, u64)> {
        self.of_name(text).samples.iter().map(|sample| (sample.value, sample.timestamp as u64)).collect()
    }

    /// The last float.
    pub(super) fn value(&self, text: &str) -> f64 {
        self.of_name(text).samples.last().map_or(f64::NEG_INFINITY, |sample| sample.value)
    }

    fn histogram(&self, text: &str) -> &Histogram {
        self.of_name(text).histograms.last().unwrap_or_else(|| panic!("{text} is no histogram"))
    }

    /// The series with a stale marker.
    pub(super) fn stale(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, series)| series.is_stale()).map(|(name, _)| name.as_str()).collect()
    }
}
