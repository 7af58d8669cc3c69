//! The version of the program.

/// The version number, such as `0.1.0`, with the revision if `STATSD_BRIDGE_REVISION` was set for the build.
pub(super) fn version() -> String {
    let number = env!("CARGO_PKG_VERSION");
    match option_env!("STATSD_BRIDGE_REVISION").filter(|revision| !revision.is_empty()) {
        Some(revision) => format!("{number} (revision {revision})"),
        None => number.to_owned(),
    }
}
