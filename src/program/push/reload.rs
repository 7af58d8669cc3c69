//! Takes over changes of the push configuration file, as the web server does with its own. An invalid file never takes effect.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::config::{self, Defaults};
use super::options::PushOptions;
use super::{PushTarget, Pushers};
use crate::bridge::Bridge;
use crate::program::load_record::LoadRecord;
use crate::program::tls::config_file::{ConfigFileError, LoadedConfig};
use crate::program::tls::files::hash_files;

/// How often the files are checked.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The targets of flags, and the file with further ones.
pub(crate) struct PushFile {
    options: PushOptions,
    /// The file itself, and the files that it names.
    files: Vec<PathBuf>,
    /// The hash of the last contents read, valid or not.
    hash: u64,
    record: Arc<LoadRecord>,
}

impl Pushers {
    /// Starts the targets of flags and file. Each makes its first cycle at once.
    ///
    /// # Errors
    ///
    /// All errors in the file, or a certificate or key that cannot be used.
    pub(crate) async fn start_all(options: &PushOptions, bridge: &Bridge) -> Result<(Self, PushFile), ConfigFileError> {
        let mut file = PushFile { options: options.clone(), files: Vec::new(), hash: 0, record: Arc::default() };
        let mut targets = options.targets.clone();
        if let Some(config) = check_config(options)? {
            targets.extend(file.take(config));
            file.record.put_paths_in_force(&file.files);
            bridge.telemetry().push_reloads().started();
        }
        Ok((Self::start(&targets, bridge).await?, file))
    }

    /// Checks the file every second and takes over its changes. Ends at once without a file.
    pub(crate) async fn follow(self, mut file: PushFile) {
        if file.options.file.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let read = tokio::task::spawn_blocking(move || {
                let changed = file.changed();
                (file, changed)
            });
            let Ok((same, changed)) = read.await else {
                tracing::error!("panic while reloading the push configuration file; it will not be reloaded again");
                return;
            };
            file = same;
            let result = match changed {
                None => continue,
                Some(Ok(targets)) => self.replace(&targets).await,
                Some(Err(error)) => Err(error),
            };
            self.report(result, &file);
        }
    }

    fn report(&self, result: Result<(), ConfigFileError>, file: &PushFile) {
        let metrics = self.bridge.telemetry().push_reloads();
        metrics.reloaded(result.is_ok());
        file.record.followed(result.as_ref().map(|()| &*file.files).map_err(|error| &*error.lines));
        match result {
            Ok(()) => {
                let path = file.options.file.as_deref().unwrap_or("".as_ref());
                tracing::info!(file = %path.display(), "push configuration reloaded");
            }
            Err(error) => {
                error.lines.iter().for_each(|line| tracing::error!("{line}"));
                tracing::error!("failed to reload the push configuration; the previous targets stay active");
            }
        }
    }
}

impl PushFile {
    /// What is known of the file and of its last reload; `None` without a file.
    pub(crate) fn record(&self) -> Option<Arc<LoadRecord>> {
        self.options.file.as_ref().map(|_| Arc::clone(&self.record))
    }

    /// Remembers the files of a configuration, and returns its targets.
    fn take(&mut self, loaded: LoadedConfig<Vec<PushTarget>>) -> Vec<PushTarget> {
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        (self.files, self.hash) = (loaded.files, loaded.hash);
        loaded.config
    }

    /// All targets, if a file has changed.
    fn changed(&mut self) -> Option<Result<Vec<PushTarget>, ConfigFileError>> {
        if hash_files(&self.files) == self.hash {
            return None;
        }
        let mut targets = self.options.targets.clone();
        match check_config(&self.options) {
            Ok(config) => {
                targets.extend(config.map(|config| self.take(config)).unwrap_or_default());
                Some(Ok(targets))
            }
            Err(error) => {
                // Also watch files that only this version names: a change of one of them triggers a reload.
                self.files.clone_from(&error.files);
                self.hash = hash_files(&self.files);
                Some(Err(error))
            }
        }
    }
}

/// Reads the file, if there is one.
pub(crate) fn check_config(options: &PushOptions) -> Result<Option<LoadedConfig<Vec<PushTarget>>>, ConfigFileError> {
    let read = |path: &PathBuf| {
        let defaults = Defaults { target: &options.defaults, otel: &options.otel };
        config::read(path, defaults, &options.targets)
    };
    options.file.as_ref().map(read).transpose()
}
