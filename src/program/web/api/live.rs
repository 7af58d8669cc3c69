//! What the views show: the bridge, its past, its configuration, its push targets, and how it is reached.

use std::sync::Arc;

use crate::bridge::Bridge;
use crate::program::configuration::Configuration;
use crate::program::history::History;
use crate::program::push::Pushers;
use crate::time::Timestamp;

/// The sources of all reports of one listener.
pub(in crate::program::web) struct Live {
    pub(in crate::program::web) bridge: Bridge,
    /// The push targets, if the program has them.
    pub(in crate::program::web) pushers: Option<Pushers>,
    pub(in crate::program::web) history: Arc<History>,
    /// The flags in force, and the files that are reloaded.
    pub(in crate::program::web) configuration: Arc<Configuration>,
    /// The clock that samples are recorded with.
    pub(in crate::program::web) clock: fn() -> Timestamp,
    /// The path of the exposition.
    pub(in crate::program::web) telemetry_path: String,
    /// A shell command that sends a sample.
    pub(in crate::program::web) sample_command: Option<String>,
    /// Whether this listener deletes series.
    pub(in crate::program::web) can_delete: bool,
    /// Whether this listener shows lines as they arrive.
    pub(in crate::program::web) can_watch: bool,
    /// Whether this listener reloads the mapping files.
    pub(in crate::program::web) can_reload: bool,
}
