//! Puts the rules that the flags name in force: at start, on request, and when the files change.
//!
//! A change is read, checked and compiled as a whole before it counts; after any mistake the rules in force stay. Files are
//! compared by their text at intervals: unlike the kernel's file watches, that notices an editor's rename, a swapped link of a
//! ConfigMap and a change on a network file system. Must not know how a rule matches.

use std::sync::Arc;
use std::time::Duration;

use crate::bridge::Bridge;
use crate::program::clock;
use crate::program::reload_requests::{ReloadOutcome, ReloadRequests};
use crate::program::rulebook::{Mistakes, RuleFile, Rulebook, Sources, vanished};

/// How long a file that has changed, or cannot be read, is given before that counts: it may just be in the middle of being written.
const SETTLE: Duration = Duration::from_millis(50);

/// Keeps a bridge's rules those of its sources.
pub(super) struct Reloader {
    bridge: Bridge,
    sources: Sources,
    /// Of the texts that were last tried, good or bad.
    tried: u64,
    /// Those that the rules in force were read from.
    files: Vec<RuleFile>,
}

impl Reloader {
    /// Reads the sources and puts them in force.
    ///
    /// # Errors
    ///
    /// The mistakes in them; the bridge has no rules then.
    pub(super) fn start(bridge: &Bridge, sources: &Sources) -> Result<Self, Mistakes> {
        let book = sources.read()?;
        let mut reloader = Self { bridge: bridge.clone(), sources: sources.clone(), tried: 0, files: Vec::new() };
        reloader.put_in_force(book);
        Ok(reloader)
    }

    /// The bridge whose rules it keeps.
    pub(super) fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Reads the sources again and puts them in force, unless there is a mistake in them: then that is logged and counted.
    pub(super) fn reload(&mut self) -> ReloadOutcome {
        let read = self.sources.read().and_then(|book| match vanished(&self.files, &book.files, &self.sources.paths) {
            findings if findings.is_empty() => Ok(book),
            findings => Err(Mistakes(findings)),
        });
        match read {
            Ok(book) => {
                self.put_in_force(book);
                self.bridge.telemetry().rules.reloads_good.increment(1);
                tracing::info!(rules = self.bridge.rule_count(), "mapping files were read again and are in force");
                Ok(())
            }
            Err(mistakes) => {
                self.tried = self.sources.text_hash().unwrap_or(0);
                self.bridge.telemetry().rules.reloads_bad.increment(1);
                self.bridge.telemetry().rules.last_was_good.set(0.0);
                for mistake in &mistakes.0 {
                    tracing::error!("{mistake}");
                }
                tracing::error!("mapping files were read again and are not in force; the rules from before stay");
                Err(mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
            }
        }
    }

    /// Reloads if the texts are not those that were last tried. May wait a moment; not for an async thread.
    pub(super) fn reload_if_changed(&mut self) -> ReloadOutcome {
        let is_tried = |hash: Option<u64>| hash == Some(self.tried);
        let seen = self.sources.text_hash();
        if is_tried(seen) {
            return Ok(());
        }
        std::thread::sleep(SETTLE);
        let settled = self.sources.text_hash();
        if is_tried(settled) {
            return Ok(());
        }
        // Files that are just being written are for the next time.
        if settled.is_some() && settled != seen { Ok(()) } else { self.reload() }
    }

    fn put_in_force(&mut self, book: Rulebook) {
        for warning in &book.findings {
            tracing::warn!("{warning}");
        }
        self.tried = book.hash;
        self.files = book.files;
        let metrics = &self.bridge.telemetry().rules;
        metrics.loaded.set(book.rules.config().rules.len() as f64);
        metrics.hash.set(book.hash as f64);
        metrics.last_was_good.set(1.0);
        metrics.last_good_time.set(clock::to_wall(clock::now()).as_millis() as f64 / 1000.0);
        self.bridge.replace_rules(book.rules);
    }

    /// Reloads on request, and when the files changed, looked at every `interval` (0: never). Never ends.
    pub(super) async fn follow(self, requests: Arc<ReloadRequests>, interval: Duration) {
        let interval = if interval.is_zero() || self.sources.paths.is_empty() { Duration::MAX } else { interval };
        let (mut reloader, mut answered) = (self, 0);
        loop {
            let asked = tokio::select! {
                asked = requests.asked_beyond(answered) => Some(asked),
                () = tokio::time::sleep(interval) => None,
            };
            let step = move || {
                let outcome = if asked.is_some() { reloader.reload() } else { reloader.reload_if_changed() };
                (reloader, outcome)
            };
            let Ok((back, outcome)) = tokio::task::spawn_blocking(step).await else {
                let why = "reading the mapping files ended by a panic; they are not read again";
                tracing::error!("{why}");
                return requests.answer(u64::MAX, Err(why.into()));
            };
            reloader = back;
            if let Some(asked) = asked {
                answered = asked;
                requests.answer(asked, outcome);
            }
        }
    }
}
