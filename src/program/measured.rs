//! measured: what only the benches of this repository call.

use std::sync::Arc;

use crate::bridge::Bridge;
use crate::exposition::write::{WriteCycle, WriteMemory, WriteOptions, WriteVersion};
use crate::time::Timestamp;

/// The cycles of one target of remote write, without compression.
#[derive(Debug)]
pub struct RemoteWrite {
    options: Arc<WriteOptions>,
    memory: WriteMemory,
    time: Timestamp,
}

impl RemoteWrite {
    /// Cycles of 2.0, or of 1.0, with the labels `job` and `instance`. The first one has this time.
    pub fn new(is_v2: bool, time: Timestamp) -> Self {
        let labels = [("instance", "bridge-7d4b9c-x2x5t:9102"), ("job", "statsd-bridge")];
        let options = WriteOptions {
            version: if is_v2 { WriteVersion::V2 } else { WriteVersion::V1 },
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..WriteOptions::default()
        };
        Self { options: Arc::new(options), memory: WriteMemory::default(), time }
    }

    /// Makes the batches of one cycle. Returns their number and their bytes.
    pub fn cycle(&mut self, bridge: &Bridge) -> (usize, usize) {
        let mut cycle = WriteCycle::new(bridge.engine(), &self.options, &self.memory, self.time);
        let mut made = (0, 0);
        while let Some(batch) = cycle.next() {
            made = (made.0 + 1, made.1 + batch.body.len());
        }
        self.memory = cycle.into_memory();
        self.time = self.time.shifted(15_000);
        made
    }
}
