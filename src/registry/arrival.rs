//! The sample that made a worker call the registry, as reports show it.

use super::example::{SAMPLE_BYTES, shortened};
use crate::source::Source;
use crate::time::Timestamp;

/// A sample that requests a series, as reports show it.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    /// Formats the sample as it was sent. Called only where the text is kept.
    pub text: &'a dyn Fn() -> String,
    /// The sender.
    pub source: Source,
    /// Time of receipt.
    pub now: Timestamp,
}

impl Arrival<'_> {
    /// The sample as it was sent, truncated to 160 bytes.
    pub(super) fn example(&self) -> String {
        shortened(&(self.text)(), SAMPLE_BYTES).to_owned()
    }
}
