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
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::password_hash::PasswordHash;
use super::rate_limit::RateLimit;
use crate::mapping::config::tree;
use crate::program::tls::config_reader::{ConfigReader, ConfigSection};
use crate::program::tls::files::{hash_files, read_file};
use crate::program::tls::section::tls_server;

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

/// The result of reading a file and all files that it names.
#[derive(Debug)]
pub(super) struct LoadedWebConfig {
    pub(super) config: WebConfig,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
    /// The file itself, then the files that it names.
    pub(super) files: Vec<PathBuf>,
    /// The hash of the contents of these files.
    pub(super) hash: u64,
    /// Whether the file is empty.
    pub(super) is_blank: bool,
}

/// Why a web configuration file is invalid: one line for each error, `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct WebConfigError {
    /// At least one.
    pub lines: Vec<String>,
    /// The file itself, then the files that it names, as far as they were read.
    pub(super) files: Vec<PathBuf>,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Validates a file and the files that it names, as at startup. Returns the warnings.
///
/// # Errors
///
/// All errors in the file.
pub(crate) fn check(path: &Path) -> Result<Vec<String>, WebConfigError> {
    read(path).map(|loaded| loaded.warnings)
}

/// Reads a file and the files that it names. Blocks on file I/O; do not call it on an async thread.
pub(super) fn read(path: &Path) -> Result<LoadedWebConfig, WebConfigError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| WebConfigError { lines: vec![why], files: vec![path.to_owned()] };
    let bytes = read_file(path).map_err(|why| unreadable(format!("cannot read {shown}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("{shown} is not valid UTF-8")))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = ConfigReader::new(shown, folder, path.to_owned());
    let config = match tree::parse(&text) {
        Ok(root) => build(&root, &mut reader),
        Err((at, _, why)) => {
            reader.error(at, why);
            WebConfig::default()
        }
    };
    if !reader.errors.is_empty() {
        return Err(WebConfigError { lines: reader.error_lines(), files: reader.files });
    }
    let hash = hash_files(&reader.files);
    Ok(LoadedWebConfig { config, warnings: reader.warnings, files: reader.files, hash, is_blank: text.trim().is_empty() })
}

fn build(root: &tree::Node, reader: &mut ConfigReader) -> WebConfig {
    let Some(fields) = reader.fields(root, TOP) else { return WebConfig::default() };
    let http = fields.get("http_server_config").map(|node| http_section::http_server(node, reader)).unwrap_or_default();
    WebConfig {
        tls: fields.get("tls_server_config").and_then(|node| tls_server(node, http.http2, reader)).map(Arc::new),
        headers: http.headers,
        users: fields.get("basic_auth_users").map(|node| http_section::users(node, reader)).unwrap_or_default(),
        rate: fields.get("rate_limit").and_then(|node| http_section::rate_limit(node, reader)),
    }
}
