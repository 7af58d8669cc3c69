//! What is asked about, and what is known of all names.

use crate::arrivals::ArrivedName;
use crate::program::web::api::live::Live;
use crate::time::Timestamp;

/// A question at a time.
pub(super) struct Question<'a> {
    pub(super) live: &'a Live,
    pub(super) now: Timestamp,
    /// Raw names that arrived.
    pub(super) arrived: Vec<ArrivedName>,
}
