//! Samples that the loop does not record: those without a current binding, and those that are recorded alone. With the bytes of a sender
//! that its bindings have in their keys.

use super::{Batch, Worker};
use crate::ingest::origin::OriginKey;
use crate::ingest::pending::Pending;
use crate::ingest::protocol::Sample;
use crate::ingest::recording::Recording;
use crate::source::Source;
use crate::time::Timestamp;

impl Worker {
    /// The bytes of a sender in keys.
    #[inline]
    pub(super) fn origin_of(&self, source: &Source) -> OriginKey {
        OriginKey::of(self.origin, source)
    }

    /// The hash of a key.
    pub(super) fn hash(&self, sample: &Sample<'_>, source: &Source) -> u64 {
        self.bindings.hash(sample) ^ self.bindings.hash_of_origin(self.origin_of(source).as_slice())
    }

    /// Looks up the samples of a batch and records them, before a sample that is recorded alone.
    pub(super) fn record(&mut self, batch: &mut Batch<'_>, now: Timestamp) {
        if self.origin.is_some() { self.record_batch::<true>(batch, now) } else { self.record_batch::<false>(batch, now) }
    }

    /// Records a sample whose binding is new or outdated, or whose slot has another binding with a similar hash.
    #[cold]
    #[inline(never)]
    pub(super) fn record_unknown(&mut self, pending: &Pending<'_>, has_exemplar: bool, now: Timestamp) {
        let Pending { sample, source, hash } = pending;
        let (hash, key) = (*hash, self.origin_of(source));
        let origin = key.as_slice();
        let mut recording = Recording {
            tally: &mut self.tally,
            hits: &mut self.hits,
            log: &mut self.log,
            clients: &mut self.clients,
            pending: std::slice::from_ref(pending),
            now,
            max_value: self.limits.sample_value.get(),
        };
        let known = self.bindings.find(hash, sample, origin);
        if known.and_then(|id| self.bindings.get(id, sample, origin)).is_some_and(|binding| recording.apply(binding, sample)) {
            return;
        }
        // A series may expire at the moment when it is found. It is resolved again then.
        let binding = loop {
            let binding = if has_exemplar {
                self.resolver.resolve_with_series(sample, source, now, recording.tally)
            } else {
                self.resolver.resolve(sample, source, now, recording.tally)
            };
            if recording.apply(&binding, sample) {
                break binding;
            }
        };
        if let Some(id) = known {
            self.upkeep().remove(id);
        }
        if self.resolver.keep(&binding) {
            self.upkeep().keep((sample, origin), hash, binding);
        }
    }
}
