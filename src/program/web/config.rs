//! config: the file of `--web.config.file`, in the format of exporter-toolkit, to settings that are ready for use, or to every
//! mistake in it with its line and column.
//!
//! ```text
//! sheet   typed values out of the YAML tree, each mistake with its place
//!   tls   tls_server_config: certificates, versions, ciphers, curves, client certificates
//!   http  http_server_config, basic_auth_users, rate_limit
//! ```
//! A file that exporter-toolkit takes is taken, but for what rustls does not do (TLS 1.0 and 1.1), and for durations without a
//! unit. Names of cipher suites that rustls does not do are left out with a warning as long as one is left. Reads files, and
//! knows no connection.

mod http;
mod sheet;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use self::sheet::{Section, Sheet};
use crate::mapping::config::tree;

/// Bytes of one file that are read at most, certificates included.
const MOST_BYTES: u64 = 1 << 20;

const TOP: Section =
    Section { name: "the web configuration file", keys: &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"] };

/// What a file says, checked and ready for use.
#[derive(Debug, Clone, Default)]
pub(super) struct WebConfig {
    /// For connections; none: plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// For every answer.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Bcrypt hashes by user; empty: everybody may read.
    pub(super) users: HashMap<String, String>,
    /// How often anybody may ask; none: without a limit.
    pub(super) rate: Option<Rate>,
}

/// One request an interval in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Above zero.
    pub(super) interval: Duration,
    /// With 0 no request passes.
    pub(super) burst: u32,
}

/// A file that was read, with all files that it names.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: WebConfig,
    /// What should be known of it.
    pub(super) warnings: Vec<String>,
    /// The file itself first, then those that it names.
    pub(super) files: Vec<PathBuf>,
    /// Of the texts of these files.
    pub(super) hash: u64,
    /// Whether there is nothing in it.
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
pub(super) fn read(path: &Path) -> Result<Loaded, WebConfigError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| WebConfigError { lines: vec![why], files: vec![path.to_owned()] };
    let bytes = read_file(path).map_err(|why| unreadable(format!("cannot read {shown}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("{shown} is no text in UTF-8")))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut sheet = Sheet::new(shown, folder, path.to_owned());
    let config = match tree::parse(&text) {
        Ok(root) => build(&root, &mut sheet),
        Err((at, _, why)) => {
            sheet.error(at, why);
            WebConfig::default()
        }
    };
    if !sheet.mistakes.is_empty() {
        return Err(WebConfigError { lines: sheet.mistakes(), files: sheet.files });
    }
    let hash = hash_files(&sheet.files);
    Ok(Loaded { config, warnings: sheet.warnings, files: sheet.files, hash, is_blank: text.trim().is_empty() })
}

fn build(root: &tree::Node, sheet: &mut Sheet) -> WebConfig {
    let Some(fields) = sheet.fields(root, TOP) else { return WebConfig::default() };
    let (http2, headers) = fields.get("http_server_config").map_or((true, Vec::new()), |node| http::server(node, sheet));
    WebConfig {
        tls: fields.get("tls_server_config").and_then(|node| tls::server(node, http2, sheet)).map(Arc::new),
        headers,
        users: fields.get("basic_auth_users").map(|node| http::users(node, sheet)).unwrap_or_default(),
        rate: fields.get("rate_limit").and_then(|node| http::rate(node, sheet)),
    }
}

/// A whole file; an error in words.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let words = |error: io::Error| crate::program::net::error_text(&error);
    let mut bytes = Vec::new();
    File::open(path).map_err(words)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {} KiB", MOST_BYTES >> 10));
    }
    Ok(bytes)
}

/// The same for the same texts; a file that cannot be read has a hash too.
pub(super) fn hash_files(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        read_file(file).hash(&mut hasher);
    }
    hasher.finish()
}
