//! Checks requests against the active web configuration, and activates the file when it changes.
//!
//! Every second the gate hashes the file and the certificates that it names, as the bridge does with mapping files. Each connection
//! and each request uses the configuration that is active when it arrives. An invalid file is never activated. This module does not
//! depend on paths or responses.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::HeaderMap;
use rustls::ServerConfig;
use tokio::time::Instant;

use super::passwords::{PasswordVerdict, Passwords};
use super::rate_limit::TokenBucket;
use super::web_config::{self, WebConfig};
use crate::program::load_record::LoadRecord;
use crate::program::net::ClientAddress;
use crate::program::tls::config_file::ConfigFileError;
use crate::program::tls::files::hash_files;
use crate::telemetry::{Telemetry, WebMetrics};

/// How often the gate checks whether the files have changed.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Access control for the requests of all listeners.
pub(crate) struct Gate {
    active: RwLock<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Mutex<TokenBucket>,
    file: Mutex<Option<WatchedFile>>,
    /// What is known of the file; `None` without one.
    record: Option<Arc<LoadRecord>>,
}

/// The file that the configuration was read from.
#[derive(Debug, Clone)]
struct WatchedFile {
    path: PathBuf,
    /// The file itself, and the files that it names.
    files: Vec<PathBuf>,
    /// The hash of the last contents read, valid or not.
    last_hash: u64,
    has_tls: bool,
    was_blank: bool,
}

/// The checks that apply to a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::program::web) struct AccessChecks {
    pub(in crate::program::web) password: bool,
    /// Whether it counts towards `rate_limit`.
    pub(in crate::program::web) rate: bool,
}

/// The result of checking a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum AccessDecision {
    /// The request is allowed.
    Allowed,
    /// 401: user or password missing or wrong.
    Unauthorized,
    /// 429: over `rate_limit`.
    RateLimited,
    /// 503: too many password checks are in progress.
    Busy,
}

impl Gate {
    /// Allows every request over plain HTTP.
    pub(crate) fn open() -> Self {
        Self::with(WebConfig::default(), None)
    }

    /// Reads a file and activates it. Also returns the warnings.
    ///
    /// # Errors
    ///
    /// All errors in the file.
    pub(crate) fn read(path: PathBuf) -> Result<(Self, Vec<String>), ConfigFileError> {
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
        let record = file.as_ref().map(|file| {
            let record = LoadRecord::default();
            record.put_paths_in_force(&file.files);
            Arc::new(record)
        });
        Self { active: RwLock::new(Arc::new(config)), passwords: Passwords::new(), bucket, file: Mutex::new(file), record }
    }

    /// What is known of the file and of its last reload; `None` without a file.
    pub(crate) fn record(&self) -> Option<Arc<LoadRecord>> {
        self.record.clone()
    }

    /// The active configuration.
    pub(in crate::program::web) fn config(&self) -> Arc<WebConfig> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The TLS configuration for the next connection; `None` for plain HTTP.
    pub(in crate::program::web) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.config().tls.clone()
    }

    /// Whether connections use TLS. A reload does not change that.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// Whether requests currently need a password.
    pub(crate) fn has_users(&self) -> bool {
        !self.config().users.is_empty()
    }

    /// Checks a request. May wait until its password is compared.
    pub(in crate::program::web) async fn decide(
        &self,
        config: &WebConfig,
        checks: AccessChecks,
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
                metrics.passwords_rejected.increment(1);
                AccessDecision::Busy
            }
        }
    }

    /// Checks the files every second and activates them when they have changed. Returns immediately if there is no file.
    pub(crate) async fn follow(self: Arc<Self>, telemetry: Arc<Telemetry>) {
        telemetry.web.last_was_good.set(1.0);
        if self.file.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let (gate, telemetry) = (Arc::clone(&self), Arc::clone(&telemetry));
            if tokio::task::spawn_blocking(move || gate.reload_if_changed(&telemetry.web)).await.is_err() {
                tracing::error!("panic while reloading the web configuration file; it will not be reloaded again");
                return;
            }
        }
    }

    /// Reloads the file if its contents have changed.
    fn reload_if_changed(&self, metrics: &WebMetrics) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else { return };
        if hash_files(&file.files) == file.last_hash {
            return;
        }
        let reloaded = reload(file);
        if let Some(record) = &self.record {
            record.followed(reloaded.as_ref().map(|_| &*file.files).map_err(|lines| &**lines));
        }
        match reloaded {
            Ok(config) => {
                *self.active.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                metrics.reloads_good.increment(1);
                metrics.last_was_good.set(1.0);
                tracing::info!(file = %file.path.display(), "web configuration reloaded");
            }
            Err(lines) => {
                metrics.reloads_bad.increment(1);
                metrics.last_was_good.set(0.0);
                for line in lines {
                    tracing::error!("{line}");
                }
                tracing::error!("failed to reload the web configuration; the previous configuration stays active");
            }
        }
    }
}

/// Reads the file again; returns the configuration to activate, or the errors.
fn reload(file: &mut WatchedFile) -> Result<WebConfig, Vec<String>> {
    let loaded = match web_config::read(&file.path) {
        Ok(loaded) => loaded,
        Err(error) => {
            // Also watch files that only this version names: a change of one of them triggers a reload.
            file.files = error.files;
            file.last_hash = hash_files(&file.files);
            return Err(error.lines);
        }
    };
    file.files = loaded.files;
    file.last_hash = loaded.hash;
    let shown = file.path.display();
    if loaded.config.tls.is_some() != file.has_tls {
        let action = if file.has_tls { "disabled" } else { "enabled" };
        return Err(vec![format!("{shown}: TLS cannot be {action} by a reload; restart the bridge")]);
    }
    // An editor may truncate the file before writing it. Activating the empty file would allow every request.
    if loaded.is_blank && !file.was_blank {
        return Err(vec![format!("{shown}: the file is empty; write `{{}}` to allow every request")]);
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
    fn an_invalid_file_is_never_activated() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("web.yml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("rate_limit: {interval: 1s, burst: 1}");
        let (gate, warnings) = Gate::read(path.clone()).unwrap();
        assert!(warnings.is_empty());
        let telemetry = Telemetry::new(Prefix::Bridge, crate::telemetry::Owner::Program);
        let burst = || {
            gate.reload_if_changed(&telemetry.web);
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
        assert_eq!(burst(), None, "an empty map is intended");
    }
}
