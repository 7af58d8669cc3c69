//! Loads the rules from the mapping files and presets: at the start, on request, and when the files change.
//!
//! All files are read, checked and compiled before new rules take effect. After an error, the old rules stay in effect. Files are compared
//! by their text at intervals: unlike file watches of the kernel, this detects a rename by an editor, a replaced link of a ConfigMap and a
//! change on a network file system. Must not know how a rule matches.

use std::sync::Arc;
use std::time::Duration;

use crate::bridge::Bridge;
use crate::mapping::Rules;
use crate::program::clock;
use crate::program::load_record::{FileError, FileInForce, LoadCause, LoadRecord};
use crate::program::reload_requests::{ReloadOutcome, ReloadRequests};
use crate::program::rulebook::{Mistakes, RuleFile, Rulebook, Sources, vanished};

/// A changed or unreadable file is read again after this time, because it may be incomplete while it is written.
const SETTLE: Duration = Duration::from_millis(50);

/// Loads the rules of a bridge from their sources.
pub(super) struct Reloader {
    bridge: Bridge,
    sources: Sources,
    /// The hash of the texts that were loaded last, with or without errors; `None` if they could not be read.
    tried: Option<u64>,
    /// The files of the rules in effect.
    files: Vec<RuleFile>,
    record: Arc<LoadRecord>,
}

impl Reloader {
    /// Loads the rules for the first time.
    ///
    /// # Errors
    ///
    /// The errors in the sources. The bridge has no rules then.
    pub(super) fn start(bridge: &Bridge, sources: &Sources) -> Result<Self, Mistakes> {
        let book = sources.read()?;
        let mut reloader =
            Self { bridge: bridge.clone(), sources: sources.clone(), tried: None, files: Vec::new(), record: Arc::default() };
        reloader.put_in_effect(book);
        Ok(reloader)
    }

    /// The bridge that has the rules.
    pub(super) fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// What is known of the rules in force and of the last reload.
    pub(super) fn record(&self) -> Arc<LoadRecord> {
        Arc::clone(&self.record)
    }

    /// Loads the rules again. Errors are logged and counted, and the old rules stay in effect.
    pub(super) fn reload(&mut self, cause: LoadCause) -> ReloadOutcome {
        let read = self.sources.read().and_then(|book| match vanished(&self.files, &book.files, &self.sources.paths) {
            findings if findings.is_empty() => Ok(book),
            findings => Err(Mistakes(findings)),
        });
        match read {
            Ok(book) => {
                self.put_in_effect(book);
                self.bridge.telemetry().rules.reloads_good.increment(1);
                self.record.reloaded(cause, []);
                tracing::info!(rules = self.bridge.rule_count(), "mapping files were reloaded");
                Ok(())
            }
            Err(mistakes) => {
                self.tried = self.sources.text_hash();
                self.bridge.telemetry().rules.reloads_bad.increment(1);
                self.bridge.telemetry().rules.last_was_good.set(0.0);
                self.record.reloaded(cause, mistakes.0.iter().filter(|finding| finding.is_error).map(FileError::from));
                for mistake in &mistakes.0 {
                    tracing::error!("{mistake}");
                }
                tracing::error!("reloading the mapping files failed; the old rules stay in effect");
                Err(mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
            }
        }
    }

    /// Reloads if the texts have changed since the last load, or could not be read then. It may block for a moment.
    pub(super) fn reload_if_changed(&mut self) -> ReloadOutcome {
        let is_tried = |hash: Option<u64>| hash.is_some() && hash == self.tried;
        let seen = self.sources.text_hash();
        if is_tried(seen) {
            return Ok(());
        }
        std::thread::sleep(SETTLE);
        let settled = self.sources.text_hash();
        if is_tried(settled) {
            return Ok(());
        }
        // Files that are still being written are loaded at the next check.
        if settled.is_some() && settled != seen { Ok(()) } else { self.reload(LoadCause::Watch) }
    }

    fn put_in_effect(&mut self, book: Rulebook) {
        for warning in &book.findings {
            tracing::warn!("{warning}");
        }
        self.tried = Some(book.hash);
        self.files = book.files;
        self.record.put_in_force(in_force(&self.sources, &self.files, &book.rules), Some(book.hash));
        let metrics = &self.bridge.telemetry().rules;
        metrics.loaded.set(book.rules.config().rules.len() as f64);
        metrics.hash.set(book.hash as f64);
        metrics.last_was_good.set(1.0);
        metrics.last_good_time.set(clock::to_wall(clock::now()).as_millis() as f64 / 1000.0);
        self.bridge.replace_rules(book.rules);
    }

    /// Reloads on request, and when files have changed, with a check every `interval` (0: no checks). Runs until it is aborted.
    pub(super) async fn follow(self, requests: Arc<ReloadRequests>, interval: Duration) {
        let interval = if interval.is_zero() || self.sources.paths.is_empty() { Duration::MAX } else { interval };
        let (mut reloader, mut answered) = (self, 0);
        loop {
            let asked = tokio::select! {
                asked = requests.asked_beyond(answered) => Some(asked),
                () = tokio::time::sleep(interval) => None,
            };
            let step = move || {
                let outcome = match asked {
                    Some((_, cause)) => reloader.reload(cause),
                    None => reloader.reload_if_changed(),
                };
                (reloader, outcome)
            };
            let Ok((back, outcome)) = tokio::task::spawn_blocking(step).await else {
                let why = "reloading the mapping files panicked; they are not reloaded again";
                tracing::error!("{why}");
                return requests.answer(u64::MAX, Err(why.into()));
            };
            reloader = back;
            if let Some((asked, _)) = asked {
                answered = asked;
                requests.answer(asked, outcome);
            }
        }
    }
}

/// The files and presets of rules, each with its number of rules.
fn in_force(sources: &Sources, files: &[RuleFile], rules: &Rules) -> Vec<FileInForce> {
    let names = files.iter().map(|file| file.path.display().to_string());
    let names = names.chain(sources.presets.iter().map(|name| format!("preset {name}")));
    let of_file = |name: String| {
        let rules = rules.config().rules.iter().filter(|rule| *rule.position.file == *name).count();
        FileInForce { path: name.into(), rules: Some(rules) }
    };
    names.map(of_file).collect()
}
