//! pending: a parsed sample that is not recorded yet.

use crate::ingest::protocol::Sample;
use crate::source::Source;

/// A sample with its sender and the hash of its identity.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pending<'a> {
    pub(crate) sample: Sample<'a>,
    pub(crate) source: &'a Source,
    pub(crate) hash: u64,
}
