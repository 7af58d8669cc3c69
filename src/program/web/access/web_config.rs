//! Reads the file of `--web.config.file`, in the format of exporter-toolkit. Returns the settings ready for use, or all errors with
//! line and column.
//!
//! ```text
//! http_section   http_server_config, basic_auth_users, rate_limit
//! ```
//! The section `tls_server_config`, and how a file is read, are in `program/tls`.
//!
//! Files that exporter-toolkit accepts are accepted, except for TLS 1.0 and 1.1, which rustls does not implement, and durations without
//! a unit. Cipher suites that rustls does not implement cause a warning and are ignored, as long as at least one remains. This module
//! does not depend on connections or requests, and does not decide when a file is activated.

mod http_section;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::password_hash::PasswordHash;
use super::rate_limit::RateLimit;
use crate::mapping::config::tree::Node;
use crate::program::tls::config_file::{ConfigFileError, LoadedConfig, read_config};
use crate::program::tls::config_reader::{ConfigReader, ConfigSection};
use crate::program::tls::section::{HTTP2, tls_server};

const TOP: ConfigSection = ConfigSection {
    name: "the web configuration file",
    keys: &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"],
};

/// The validated contents of a file.
#[derive(Debug, Clone, Default)]
pub(in crate::program::web) struct WebConfig {
    /// The TLS configuration; `None` for plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Headers to add to every response.
    pub(in crate::program::web) headers: Vec<(HeaderName, HeaderValue)>,
    /// Password hashes by user; if empty, requests need no password.
    pub(super) users: HashMap<String, PasswordHash>,
    /// The rate limit; `None` for no limit.
    pub(super) rate: Option<RateLimit>,
}

/// Validates a file and the files that it names, as at startup. Returns the warnings.
///
/// # Errors
///
/// All errors in the file.
pub(crate) fn check(path: &Path) -> Result<Vec<String>, ConfigFileError> {
    read(path).map(|loaded| loaded.warnings)
}

/// Reads a file and the files that it names. Blocks on file I/O; do not call it on an async thread.
pub(super) fn read(path: &Path) -> Result<LoadedConfig<WebConfig>, ConfigFileError> {
    read_config(path, build)
}

fn build(root: &Node, reader: &mut ConfigReader) -> Option<WebConfig> {
    let fields = reader.fields(root, TOP)?;
    let http = fields.get("http_server_config").map(|node| http_section::http_server(node, reader)).unwrap_or_default();
    let protocols: &[&[u8]] = if http.http2 { &[HTTP2, b"http/1.1"] } else { &[b"http/1.1"] };
    Some(WebConfig {
        tls: fields.get("tls_server_config").and_then(|node| tls_server(node, protocols, reader)).map(Arc::new),
        headers: http.headers,
        users: fields.get("basic_auth_users").map(|node| http_section::users(node, reader)).unwrap_or_default(),
        rate: fields.get("rate_limit").and_then(|node| http_section::rate_limit(node, reader)),
    })
}
