//! One scrape.

pub(super) mod body;
pub(super) mod coding;
mod memory;
pub(super) mod queue;
mod rendering;
