//! pending: a sample between its line and its cell.

use crate::ingest::protocol::Sample;
use crate::source::Source;

/// A sample with its sender and its place in the table of bindings.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pending<'a> {
    pub(crate) sample: Sample<'a>,
    pub(crate) source: &'a Source,
    pub(crate) hash: u64,
}
