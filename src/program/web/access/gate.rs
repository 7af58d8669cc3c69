//! Which requests are let in, by the web configuration that is in force, and how a changed file comes into force.
//!
//! The file, and the certificates that it names, are hashed every second, as mapping files are. Each connection and each request
//! takes the configuration that is in force when it arrives. A file with a mistake never comes into force. This module knows
//! neither the paths of the server nor how a response is written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::HeaderMap;
use rustls::ServerConfig;
use tokio::time::Instant;

use super::passwords::{PasswordVerdict, Passwords};
use super::rate_limit::TokenBucket;
use super::web_config::{self, WebConfig, WebConfigError};
use crate::program::web::addresses::ClientAddress;
use crate::telemetry::{Telemetry, WebMetrics};

/// How often the files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Decides on the requests of all listeners of one program.
pub(crate) struct Gate {
    in_force: RwLock<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Mutex<TokenBucket>,
    file: Mutex<Option<WatchedFile>>,
}

/// The file that the configuration comes from.
#[derive(Debug, Clone)]
struct WatchedFile {
    path: PathBuf,
    /// The file and those that it names.
    files: Vec<PathBuf>,
    /// Hash of the contents that were last read, with or without a mistake.
    last_hash: u64,
    has_tls: bool,
    was_blank: bool,
}

/// What is checked of a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::program::web) struct AccessChecks {
    pub(in crate::program::web) password: bool,
    /// Whether it counts in `rate_limit`.
    pub(in crate::program::web) rate: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum AccessDecision {
    /// It is answered.
    Allowed,
    /// 401.
    Unauthorized,
    /// 429: over `rate_limit`.
    RateLimited,
    /// 503: too many passwords are being checked.
    Busy,
}

impl Gate {
    /// Lets everybody in, over plain HTTP.
    pub(crate) fn open() -> Self {
        Self::with(WebConfig::default(), None)
    }

    /// Reads a file and puts it in force; gives its warnings too.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub(crate) fn read(path: PathBuf) -> Result<(Self, Vec<String>), WebConfigError> {
        let loaded = web_config::read(&path)?;
        let file = WatchedFile {
            path,
            files: loaded.files,
            last_hash: loaded.hash,
            has_tls: loaded.config.tls.is_some(),
            was_blank: loaded.is_blank,
        };
        Ok((Self::with(loaded.config, Some(file)), loaded.warnings))
    }

    fn with(config: WebConfig, file: Option<WatchedFile>) -> Self {
        let bucket = Mutex::new(TokenBucket::new(config.rate, Instant::now()));
        Self { in_force: RwLock::new(Arc::new(config)), passwords: Passwords::new(), bucket, file: Mutex::new(file) }
    }

    /// The configuration in force.
    pub(in crate::program::web) fn config(&self) -> Arc<WebConfig> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// TLS of the next connection; none: plain HTTP.
    pub(in crate::program::web) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.config().tls.clone()
    }

    /// Whether connections are TLS, which a reload does not change.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// Whether a password is asked for now.
    pub(crate) fn has_users(&self) -> bool {
        !self.config().users.is_empty()
    }

    /// Decides on a request with these headers from this address. May wait for a password to be checked.
    pub(in crate::program::web) async fn decide(
        &self,
        (config, checks): (&WebConfig, AccessChecks),
        headers: &HeaderMap,
        client: ClientAddress,
        metrics: &WebMetrics,
    ) -> AccessDecision {
        if checks.rate && !self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(config.rate, Instant::now()) {
            metrics.rate_limited.increment(1);
            return AccessDecision::RateLimited;
        }
        if config.users.is_empty() || !checks.password {
            return AccessDecision::Allowed;
        }
        match self.passwords.check(&config.users, headers, client).await {
            PasswordVerdict::Good => AccessDecision::Allowed,
            PasswordVerdict::Bad => {
                metrics.unauthorized.increment(1);
                AccessDecision::Unauthorized
            }
            PasswordVerdict::Busy => {
                metrics.passwords_refused.increment(1);
                AccessDecision::Busy
            }
        }
    }

    /// Looks at the files every second and puts them in force when they have changed. Ends at once where there is none.
    pub(crate) async fn follow(self: Arc<Self>, telemetry: Arc<Telemetry>) {
        telemetry.web.last_was_good.set(1.0);
        if self.file.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let (gate, telemetry) = (Arc::clone(&self), Arc::clone(&telemetry));
            if tokio::task::spawn_blocking(move || gate.read_if_changed(&telemetry.web)).await.is_err() {
                tracing::error!("reading the web configuration file ended by a panic; it is not read again");
                return;
            }
        }
    }

    /// Reads the file again if its contents are not those that were last read.
    fn read_if_changed(&self, metrics: &WebMetrics) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else { return };
        if web_config::hash_files(&file.files) == file.last_hash {
            return;
        }
        match reread(file) {
            Ok(config) => {
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                metrics.reloads_good.increment(1);
                metrics.last_was_good.set(1.0);
                tracing::info!(file = %file.path.display(), "the web configuration was read again and is in force");
            }
            Err(lines) => {
                metrics.reloads_bad.increment(1);
                metrics.last_was_good.set(0.0);
                for line in lines {
                    tracing::error!("{line}");
                }
                tracing::error!("the web configuration was read again and is not in force; what was there before stays");
            }
        }
    }
}

/// The configuration that is to come into force, or why there is none.
fn reread(file: &mut WatchedFile) -> Result<WebConfig, Vec<String>> {
    let loaded = match web_config::read(&file.path) {
        Ok(loaded) => loaded,
        Err(error) => {
            // Files that this version names for the first time count too: when one of them changes, all are read again.
            file.files = error.files;
            file.last_hash = web_config::hash_files(&file.files);
            return Err(error.lines);
        }
    };
    file.files = loaded.files;
    file.last_hash = loaded.hash;
    let shown = file.path.display();
    if loaded.config.tls.is_some() != file.has_tls {
        let text = if file.has_tls { "TLS cannot be switched off" } else { "TLS cannot be switched on" };
        return Err(vec![format!("{shown}: {text} while the bridge runs; start it again")]);
    }
    // A file that is being written is empty for a moment; taken as it is, it would let everybody in.
    if loaded.is_blank && !file.was_blank {
        return Err(vec![format!("{shown} is empty; to let everybody in write `{{}}`")]);
    }
    file.was_blank = loaded.is_blank;
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Prefix;

    #[test]
    fn a_file_with_a_mistake_never_comes_into_force() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("web.yml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("rate_limit: {interval: 1s, burst: 1}");
        let (gate, warnings) = Gate::read(path.clone()).unwrap();
        assert!(warnings.is_empty());
        let telemetry = Telemetry::new(Prefix::Bridge);
        let burst = || {
            gate.read_if_changed(&telemetry.web);
            gate.config().rate.map(|rate| rate.burst)
        };
        assert_eq!(burst(), Some(1));
        for bad in ["rate_limit: {interval: 1s, burst: x}", "", "tls_server_config: {cert_file: none, key_file: none}"] {
            write(bad);
            assert_eq!(burst(), Some(1), "{bad}");
        }
        write("rate_limit: {interval: 1s, burst: 3}");
        assert_eq!(burst(), Some(3));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(burst(), Some(3));
        let count = |outcome: &str| telemetry.count("web_config_reloads_total", ("outcome", outcome));
        assert_eq!((count("failure"), count("success")), (4, 1));
        write("{}");
        assert_eq!(burst(), None, "an empty map is meant");
    }
}
