//! Requests with the metadata of all families, for 1.0. In 2.0, each series has its metadata.

use std::sync::Arc;

use super::kind::{number_of, number_of_self};
use super::memory::{Sent, WriteMemory};
use super::message::metadata_message;
use crate::engine::Engine;
use crate::exposition::{Style, unit_in_name};
use crate::name::Escaping;

/// Families of one request, as Prometheus sends them.
const FAMILIES: usize = 2_000;

/// The bodies of metadata requests, 2,000 families each.
pub(crate) struct WriteMetadata {
    sent: Arc<Sent>,
    help: &'static str,
    done: usize,
}

impl WriteMetadata {
    /// The metadata of the families that the last cycle had: type, help and unit, as in 2.0.
    pub(crate) fn new(engine: &Arc<Engine>, memory: &WriteMemory) -> Self {
        Self { sent: Arc::clone(&memory.sent), help: Style::of(engine.options(), Escaping::default()).help, done: 0 }
    }
}

impl Iterator for WriteMetadata {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        let Sent { families, self_families, .. } = &*self.sent;
        for _ in 0..FAMILIES {
            if let Some(of) = families.get(self.done) {
                let (name, help) = (of.names.name(), of.family.help());
                let texts = (name, help.as_deref().unwrap_or(self.help), unit_in_name(&of.family, name).unwrap_or_default());
                metadata_message(number_of(of.family.kind()), texts, &mut body);
            } else if let Some(family) = self.done.checked_sub(families.len()).and_then(|at| self_families.get(at)) {
                metadata_message(number_of_self(family.head.kind), (family.name(), &family.head.help, ""), &mut body);
            } else {
                break;
            }
            self.done += 1;
        }
        (!body.is_empty()).then_some(body)
    }
}
