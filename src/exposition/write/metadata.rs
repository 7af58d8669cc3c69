//! Requests with the metadata of all families, for 1.0. In 2.0, each series has its metadata.

use std::sync::Arc;

use super::memory::WriteMemory;
use crate::engine::Engine;

/// The bodies of metadata requests, 2,000 families each.
#[derive(Debug)]
pub(crate) struct WriteMetadata {}

impl WriteMetadata {
    /// The metadata of the families that the last cycle had.
    pub(crate) fn new(_engine: &Arc<Engine>, _memory: &WriteMemory) -> Self {
        Self {}
    }
}

impl Iterator for WriteMetadata {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        None
    }
}
