//! gate: who may ask, by the web configuration file in force: TLS, users, rate, and the headers of every answer.
//!
//! The file, and the certificates that it names, are looked at in intervals, by their text, as mapping files are; each
//! connection and each request takes what is in force when it comes. What was read with a mistake never comes into force.
//! Knows no paths of the server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::HeaderMap;
use rustls::ServerConfig;
use tokio::time::Instant;

use super::auth::{Passwords, Verdict};
use super::config::{self, Rate, WebConfig, WebConfigError};
use crate::telemetry::{Telemetry, WebMetrics};

/// How often the file is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// The door of all listeners of one program.
pub(crate) struct Gate {
    in_force: RwLock<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Mutex<Bucket>,
    source: Mutex<Option<Source>>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    /// The file and those that it names.
    files: Vec<PathBuf>,
    /// Of the texts that were last tried, good or bad.
    tried: u64,
    has_tls: bool,
    was_blank: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is answered.
    Free,
    /// 401.
    Unauthorized,
    /// 429.
    TooMany,
    /// 503: so many passwords are being checked.
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
        let loaded = config::read(&path)?;
        let source =
            Source { path, files: loaded.files, tried: loaded.hash, has_tls: loaded.config.tls.is_some(), was_blank: loaded.is_blank };
        Ok((Self::with(loaded.config, Some(source)), loaded.warnings))
    }

    fn with(config: WebConfig, source: Option<Source>) -> Self {
        let bucket = Mutex::new(Bucket::new(config.rate, Instant::now()));
        Self { in_force: RwLock::new(Arc::new(config)), passwords: Passwords::new(), bucket, source: Mutex::new(source) }
    }

    pub(super) fn config(&self) -> Arc<WebConfig> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For the next connection; none: plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
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

    /// Whether requests are limited by rate now.
    pub(crate) fn has_rate(&self) -> bool {
        self.config().rate.is_some()
    }

    /// Whether a request with these headers may pass. May wait for a password to be checked.
    pub(super) async fn passage(&self, config: &WebConfig, headers: &HeaderMap, metrics: &WebMetrics) -> Passage {
        if !self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(config.rate, Instant::now()) {
            metrics.rate_limited.increment(1);
            return Passage::TooMany;
        }
        if config.users.is_empty() {
            return Passage::Free;
        }
        match self.passwords.check(&config.users, headers).await {
            Verdict::Good => Passage::Free,
            Verdict::Bad => {
                metrics.unauthorized.increment(1);
                Passage::Unauthorized
            }
            Verdict::Busy => {
                metrics.passwords_refused.increment(1);
                Passage::Busy
            }
        }
    }

    /// Looks at the file every second and puts it in force when it has changed. Ends at once where there is none.
    pub(crate) async fn follow(self: Arc<Self>, telemetry: Arc<Telemetry>) {
        telemetry.web.last_was_good.set(1.0);
        if self.source.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            let (gate, telemetry) = (Arc::clone(&self), Arc::clone(&telemetry));
            if tokio::task::spawn_blocking(move || gate.read_if_changed(&telemetry.web)).await.is_err() {
                tracing::error!("reading the web configuration file ended by a panic; it is not read again");
                return;
            }
        }
    }

    /// Reads the file again if a text is another one than was last tried.
    pub(super) fn read_if_changed(&self, metrics: &WebMetrics) {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(source) = source.as_mut() else { return };
        if config::hash_files(&source.files) == source.tried {
            return;
        }
        match reread(source) {
            Ok(config) => {
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                metrics.reloads_good.increment(1);
                metrics.last_was_good.set(1.0);
                tracing::info!(file = %source.path.display(), "the web configuration was read again and is in force");
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

/// What is to come into force, or why not.
fn reread(source: &mut Source) -> Result<WebConfig, Vec<String>> {
    let loaded = match config::read(&source.path) {
        Ok(loaded) => loaded,
        Err(error) => {
            // Also of files that were not there before: when one of them changes, all is tried again.
            source.files = error.files;
            source.tried = config::hash_files(&source.files);
            return Err(error.lines);
        }
    };
    source.files = loaded.files;
    source.tried = loaded.hash;
    let shown = source.path.display();
    if loaded.config.tls.is_some() != source.has_tls {
        let text = if source.has_tls { "TLS cannot be switched off" } else { "TLS cannot be switched on" };
        return Err(vec![format!("{shown}: {text} while the bridge runs; start it again")]);
    }
    // A file that is being written is empty for a moment; taken as it is, it would let everybody in.
    if loaded.is_blank && !source.was_blank {
        return Err(vec![format!("{shown} is empty; to let everybody in write `{{}}`")]);
    }
    source.was_blank = loaded.is_blank;
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

/// Requests that may come at once, and one more each interval.
#[derive(Debug)]
struct Bucket {
    rate: Option<Rate>,
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self { rate, left: rate.map_or(0.0, |rate| f64::from(rate.burst)), at: now }
    }

    /// Takes one, if there is one. Another rate than before begins with a full bucket.
    fn take(&mut self, rate: Option<Rate>, now: Instant) -> bool {
        if rate != self.rate {
            *self = Self::new(rate, now);
        }
        let Some(rate) = self.rate else { return true };
        let passed = now.saturating_duration_since(self.at).as_secs_f64() / rate.interval.as_secs_f64();
        (self.left, self.at) = ((self.left + passed).min(f64::from(rate.burst)), now);
        let is_there = self.left >= 1.0;
        if is_there {
            self.left -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Prefix;

    fn rate(burst: u32) -> Option<Rate> {
        Some(Rate { interval: Duration::from_secs(10), burst })
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_an_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate(2), start);
        let mut take = |seconds| bucket.take(rate(2), start + Duration::from_secs(seconds));
        assert_eq!([0, 0, 0, 9, 10, 10].map(&mut take), [true, true, false, false, true, false]);
        // No more than the burst gathers.
        assert_eq!([1000, 1000, 1000].map(&mut take), [true, true, false]);
        // Another burst is another bucket; none lets nothing through, no rate everything.
        assert!(bucket.take(rate(1), start) && !bucket.take(rate(1), start));
        assert!(!bucket.take(rate(0), start) && bucket.take(None, start));
    }

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
        let count = |outcome: &str| {
            let family = telemetry.families().into_iter().find(|f| f.name == "statsd_bridge_web_config_reloads_total").unwrap();
            family.lines.iter().find(|line| line.contains(outcome)).and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
        };
        assert_eq!((count("failure"), count("success")), (Some(4), Some(1)));
        write("{}");
        assert_eq!(burst(), None, "an empty map is meant");
    }
}
