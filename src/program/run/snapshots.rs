//! Schedules snapshots: restores series at the start, and saves them at intervals and after the last sample is recorded.
//!
//! Must not know the format of a snapshot, nor how its file is replaced.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::start_error::StartError;
use crate::bridge::Bridge;
use crate::lock::lock;
use crate::program::clock::{self, now};
use crate::program::net::error_text;
use crate::program::settings::SnapshotOptions;
use crate::program::state_file::{Ending, RestoreOutcome, StateFile, Written};
use crate::state::format::Mark;
use crate::time::Timestamp;

/// Saves a bridge's series in a file.
pub(super) struct Snapshots {
    keeper: Arc<Keeper>,
    timer: JoinHandle<()>,
}

struct Keeper {
    bridge: Bridge,
    file: StateFile,
    /// Whether the last snapshot is written. The lock is held while a snapshot is written.
    is_ended: Mutex<bool>,
}

impl Snapshots {
    /// Restores the series in the file and starts the timer; `None` without options. Await it before anything is received.
    ///
    /// # Errors
    ///
    /// The file cannot be written. A file that cannot be read is not an error.
    pub(super) async fn start(bridge: &Bridge, options: Option<&SnapshotOptions>) -> Result<Option<Self>, StartError> {
        let Some(SnapshotOptions { path, interval, max_age }) = options.cloned() else { return Ok(None) };
        let unusable = |error| StartError::State { path: path.clone(), error };
        let file = StateFile::at(&path).map_err(unusable)?;
        let keeper = Arc::new(Keeper { bridge: bridge.clone(), file, is_ended: Mutex::default() });
        let restoring = Arc::clone(&keeper);
        let restored = tokio::task::spawn_blocking(move || restoring.restore(max_age)).await;
        restored.map_err(|error| unusable(std::io::Error::other(error)))?;
        Ok(Some(Self { timer: tokio::spawn(tick(Arc::clone(&keeper), interval)), keeper }))
    }

    /// Writes the last snapshot, after one that may be in progress. Returns whether it is written. Await it after the last sample is
    /// recorded.
    pub(super) async fn end(self) -> bool {
        self.timer.abort();
        self.keeper.snapshot(Mark::End).await
    }
}

async fn tick(keeper: Arc<Keeper>, interval: Duration) {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        keeper.snapshot(Mark::Running).await;
    }
}

impl Keeper {
    async fn snapshot(self: &Arc<Self>, mark: Mark) -> bool {
        let keeper = Arc::clone(self);
        tokio::task::spawn_blocking(move || keeper.write(mark)).await.unwrap_or_else(|_| {
            self.bridge.telemetry().state.failed.increment(1);
            tracing::error!("writing a snapshot panicked");
            false
        })
    }

    /// Writes a snapshot. Returns whether this snapshot, or a later one, is written.
    fn write(&self, mark: Mark) -> bool {
        let mut is_ended = lock(&self.is_ended);
        // A snapshot of the timer may have waited for a thread until now.
        if *is_ended {
            return true;
        }
        *is_ended = mark == Mark::End;
        clock::refresh(&self.bridge);
        let (start, written_at) = (Instant::now(), now());
        let metrics = &self.bridge.telemetry().state;
        let file = self.file.path().display();
        match self.file.write(&self.bridge, written_at, mark) {
            Ok(Written { counts, bytes }) => {
                metrics.written.increment(1);
                metrics.seconds.set(start.elapsed().as_secs_f64());
                metrics.bytes.set(bytes as f64);
                metrics.time.set(clock::to_wall(written_at).as_millis() as f64 / 1000.0);
                tracing::debug!(%file, series = counts.series, bytes, "a snapshot was written");
                if counts.left_out > 0 {
                    tracing::error!(%file, series = counts.left_out, "series are too large for the state file and are not saved");
                }
                true
            }
            Err(error) => {
                metrics.failed.increment(1);
                tracing::error!(%file, error = error_text(&error), "a snapshot could not be written");
                false
            }
        }
    }

    fn restore(&self, max_age: Option<Duration>) {
        clock::refresh(&self.bridge);
        let (start, now) = (Instant::now(), now());
        let now_by_wall = clock::to_wall(now);
        let file = self.file.path().display();
        let age = |written: Timestamp| format!("{}s", now_by_wall.millis_since(written) / 1000);
        match self.file.restore(&self.bridge, max_age, now) {
            RestoreOutcome::Nothing => tracing::info!(%file, "no state file yet: all series start empty"),
            RestoreOutcome::TooOld { written, ending } => {
                self.warn_of(&ending, false);
                tracing::warn!(%file, age = age(written), "the state file is older than --state.max-age: all series start empty");
            }
            RestoreOutcome::Bad { error, aside } => {
                let aside = aside.map_or_else(|error| format!("not renamed: {}", error_text(&error)), |path| path.display().to_string());
                tracing::error!(%file, %error, kept = aside, "the state file is unusable and is renamed: all series start empty");
            }
            RestoreOutcome::Restored { restored, written, ending } => {
                self.warn_of(&ending, true);
                if written > now_by_wall {
                    tracing::warn!(%file, "the state file is from the future: the clock went back");
                }
                let metrics = &self.bridge.telemetry().state;
                metrics.restored.set((restored.series + restored.folded) as f64);
                metrics.rejected.set(restored.rejected as f64);
                let crate::registry::Restored { series, folded, rejected, expired } = restored;
                if folded + rejected > 0 {
                    tracing::warn!(%file, folded, rejected, "not all series of the state file fit the limits, rules or names in force");
                }
                let seconds = start.elapsed().as_secs_f64();
                tracing::info!(%file, age = age(written), series, folded, rejected, expired, seconds, "series were restored");
            }
        }
    }

    /// Logs why totals start at 0, if they do. `is_restored` is whether any series of the file are restored.
    fn warn_of(&self, ending: &Ending, is_restored: bool) {
        let file = self.file.path().display();
        match ending {
            Ending::Crash if is_restored => tracing::warn!(
                %file,
                "the bridge did not shut down cleanly: counters, histograms and summaries start at 0, gauges and sets continue"
            ),
            Ending::Clean | Ending::Crash => {}
            Ending::MarkRemains { error, aside } => {
                let aside = match aside {
                    Ok(path) => path.display().to_string(),
                    Err(error) => format!("not renamed: {}", error_text(error)),
                };
                tracing::error!(
                    %file,
                    error = error_text(error),
                    kept = aside,
                    "the state file cannot be marked as restored and is renamed: counters, histograms and summaries start at 0"
                );
            }
        }
    }
}
