//! The file of `--web.config.file`, in the format of exporter-toolkit: read into settings that are ready for use, or into the list
//! of all its mistakes, each with line and column.
//!
//! ```text
//! tls_section    tls_server_config: certificates, versions, cipher suites, curves, client certificates
//! http_section   http_server_config, basic_auth_users, rate_limit
//!   reader         typed values out of the YAML tree; each mistake with line and column
//!     files          the bytes of the file and of those that it names
//! ```
//! A file that exporter-toolkit accepts is accepted here, except for what rustls does not offer (TLS 1.0 and 1.1) and for durations
//! without a unit. Cipher suites that rustls does not offer are left out with a warning as long as one is left. This module reads
//! files; it knows neither connections nor requests, nor when a file comes into force.

mod files;
mod http_section;
mod reader;
mod tls_section;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

pub(super) use self::files::hash_files;
use self::files::read_file;
use self::reader::{ConfigReader, ConfigSection};
use super::rate_limit::RateLimit;
use crate::mapping::config::tree;

const TOP: ConfigSection = ConfigSection {
    name: "the web configuration file",
    keys: &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"],
};

/// What a file says, checked and ready for use.
#[derive(Debug, Clone, Default)]
pub(in crate::program::web) struct WebConfig {
    /// TLS for connections; none: plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Headers of every response.
    pub(in crate::program::web) headers: Vec<(HeaderName, HeaderValue)>,
    /// Bcrypt hashes by user; empty: everybody may read.
    pub(super) users: HashMap<String, String>,
    /// How many requests may come; none: no limit.
    pub(super) rate: Option<RateLimit>,
}

/// A file that was read, with all files that it names.
#[derive(Debug)]
pub(super) struct LoadedWebConfig {
    pub(super) config: WebConfig,
    /// What the operator should know about it.
    pub(super) warnings: Vec<String>,
    /// The file itself first, then those that it names.
    pub(super) files: Vec<PathBuf>,
    /// Hash of the contents of these files.
    pub(super) hash: u64,
    /// Whether the file is empty.
    pub(super) is_blank: bool,
}

/// Why a web configuration file cannot be used: a line for each mistake, `FILE:LINE:COLUMN: what is wrong and what to write`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct WebConfigError {
    /// At least one.
    pub lines: Vec<String>,
    /// The file and those that it names, as far as they are known.
    pub(super) files: Vec<PathBuf>,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Checks a file, and the files that it names, as a start does; gives its warnings.
///
/// # Errors
///
/// Every mistake in it.
pub(crate) fn check(path: &Path) -> Result<Vec<String>, WebConfigError> {
    read(path).map(|loaded| loaded.warnings)
}

/// Reads a file and those that it names. Takes time for files; not for an async thread.
pub(super) fn read(path: &Path) -> Result<LoadedWebConfig, WebConfigError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| WebConfigError { lines: vec![why], files: vec![path.to_owned()] };
    let bytes = read_file(path).map_err(|why| unreadable(format!("cannot read {shown}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("{shown} is no text in UTF-8")))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = ConfigReader::new(shown, folder, path.to_owned());
    let config = match tree::parse(&text) {
        Ok(root) => build(&root, &mut reader),
        Err((at, _, why)) => {
            reader.error(at, why);
            WebConfig::default()
        }
    };
    if !reader.mistakes.is_empty() {
        return Err(WebConfigError { lines: reader.mistakes(), files: reader.files });
    }
    let hash = hash_files(&reader.files);
    Ok(LoadedWebConfig { config, warnings: reader.warnings, files: reader.files, hash, is_blank: text.trim().is_empty() })
}

fn build(root: &tree::Node, reader: &mut ConfigReader) -> WebConfig {
    let Some(fields) = reader.fields(root, TOP) else { return WebConfig::default() };
    let (http2, headers) = fields.get("http_server_config").map_or((true, Vec::new()), |node| http_section::http_server(node, reader));
    WebConfig {
        tls: fields.get("tls_server_config").and_then(|node| tls_section::tls_server(node, http2, reader)).map(Arc::new),
        headers,
        users: fields.get("basic_auth_users").map(|node| http_section::users(node, reader)).unwrap_or_default(),
        rate: fields.get("rate_limit").and_then(|node| http_section::rate_limit(node, reader)),
    }
}
