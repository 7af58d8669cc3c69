//! The program's version as a person reads it.

/// `statsd-bridge 0.1.0`, with the revision if the build was told of it by `STATSD_BRIDGE_REVISION`.
pub(super) fn version() -> String {
    let name = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    match option_env!("STATSD_BRIDGE_REVISION").filter(|revision| !revision.is_empty()) {
        Some(revision) => format!("{name} (revision {revision})"),
        None => name.to_owned(),
    }
}
