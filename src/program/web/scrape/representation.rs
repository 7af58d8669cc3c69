//! The representation of an exposition that a client negotiates: its format and its content coding.

use super::coding::ContentCoding;
use crate::exposition::Negotiated;

/// The form in which an exposition is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) struct Representation {
    /// From the `Accept` header.
    pub(in crate::program::web) format: Negotiated,
    /// From the `Accept-Encoding` header.
    pub(in crate::program::web) coding: ContentCoding,
}
