//! The sample because of which the registry is asked, as reports tell of it.

use super::example::{SAMPLE_BYTES, shortened};
use crate::source::Source;
use crate::time::Timestamp;

/// A sample that asks for a series: what reports say of it.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    /// Writes it as it was sent; asked only where it is kept.
    pub text: &'a dyn Fn() -> String,
    /// Who sent it.
    pub source: Source,
    /// When it came.
    pub now: Timestamp,
}

impl Arrival<'_> {
    /// The sample as it was sent, cut at 160 bytes.
    pub(super) fn example(&self) -> String {
        shortened(&(self.text)(), SAMPLE_BYTES).to_owned()
    }
}
