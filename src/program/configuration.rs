//! The configuration in force, for reports: flags with their origin, and the files that are reloaded. Values only.

use std::sync::Arc;
use std::time::Duration;

use crate::program::flag_values::FlagValue;
use crate::program::load_record::LoadRecord;
use crate::program::settings::Settings;

/// The files that are reloaded. `None` for a file that is not used.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Mapping files and presets.
    pub(super) rules: Option<Arc<LoadRecord>>,
    /// The file of `--web.config.file`.
    pub(super) web: Option<Arc<LoadRecord>>,
    /// The file of `--push.config.file`.
    pub(super) push: Option<Arc<LoadRecord>>,
    /// The file of `--statsd.tls-config-file`.
    pub(super) tls: Option<Arc<LoadRecord>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) flags: Vec<FlagValue>,
    /// Given flags that have no effect.
    pub(super) without_effect: Vec<String>,
    /// Warnings about environment variables that belong to no flag.
    pub(super) unknown_variables: Vec<String>,
    /// Interval between checks for changed mapping files; 0 for no checks.
    pub(super) watch_interval: Duration,
    pub(super) files: Files,
}

impl Configuration {
    /// That of the settings.
    pub(super) fn new(settings: &Settings, files: Files) -> Self {
        Self {
            flags: settings.flags.clone(),
            without_effect: settings.without_effect.iter().map(|flag| settings.flag_names.of(flag)).collect(),
            unknown_variables: settings.unknown_variables.clone(),
            watch_interval: settings.watch_interval,
            files,
        }
    }

    /// Says what the value of a flag does not.
    pub(super) fn note(&mut self, flag: &str, note: String) {
        if let Some(value) = self.flags.iter_mut().find(|value| value.flag == flag) {
            value.note = note;
        }
    }
}
