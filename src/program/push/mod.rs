//! Pushes the registry's series to receivers of remote write and OTLP: a second reader beside the scrape.
//!
//! ```text
//! Pushers   starts, replaces and ends the targets
//!   maker_thread  one thread for the cycles of a target
//!   maker     every interval: registry -> requests, compressed          exposition/write
//!     compressor  compresses requests into memory of exactly their size
//!     queue     bounded by bytes and age; drops the values of the oldest cycle
//!   sender    one request at a time, until it is settled               client: HTTP, TLS, proxy     answer, otlp_answer: what to do
//!   status    the state of a target, for the API                       dialect: headers, compression, halves
//! ```
//! Values are cumulative, so an outage of a receiver costs resolution and no totals. Receiving lines never waits for a receiver.

mod answer;
mod backoff;
mod client;
mod compressor;
mod config;
mod dialect;
mod maker;
mod maker_thread;
mod options;
mod otlp_answer;
mod queue;
mod reload;
mod secret;
mod sender;
mod status;
mod target;
mod url;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::client::HttpClient;
pub(crate) use self::config::{
    BATCH_SAMPLES, NHCB_ADVICE, QUEUE_BYTES, complete, header, histograms, interval, label, protocol, queue_age, target_of, timeout,
};
use self::maker::Maker;
use self::maker_thread::MakerThread;
pub(crate) use self::options::{OtelVariables, Protocol, PushOptions, PushTarget, QueueLimits};
pub(crate) use self::reload::check_config;
use self::sender::Sender;
pub(crate) use self::status::{LastAnswer, Negotiated};
pub(crate) use self::target::{Target, TargetReport};
pub(crate) use self::url::PushUrl;
use crate::bridge::Bridge;
use crate::lock::lock;
use crate::program::tls::config_file::ConfigFileError;
use crate::telemetry::PushSkip;
use crate::time::Timestamp;

/// Interval at which gauges are set.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which a single push is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Time limit for the last requests of a target that a reload ends.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(5);

/// All targets of the program.
#[derive(Clone)]
pub(crate) struct Pushers {
    bridge: Bridge,
    running: Arc<Mutex<Vec<Running>>>,
    /// The targets, also while a reload replaces some.
    shown: Arc<Mutex<Vec<Arc<Target>>>>,
    /// Locked while targets are replaced or ended, so that the end of the program finds all of them. True after the end.
    is_ended: Arc<tokio::sync::Mutex<bool>>,
}

/// A target with its tasks.
struct Running {
    target: Arc<Target>,
    /// Set to true to make the last cycle.
    end: watch::Sender<bool>,
    making: JoinHandle<()>,
    sending: JoinHandle<()>,
}

impl Pushers {
    /// Starts the targets. Each makes its first cycle at once.
    ///
    /// # Errors
    ///
    /// A target that cannot be used.
    pub(crate) async fn start(targets: &[PushTarget], bridge: &Bridge) -> Result<Self, ConfigFileError> {
        let pushers = Self { bridge: bridge.clone(), running: Arc::default(), shown: Arc::default(), is_ended: Arc::default() };
        let mut running = Vec::new();
        for (target, client) in targets.iter().zip(clients(targets)?) {
            running.push(pushers.spawn(target, client, None).await);
        }
        pushers.set(running);
        Ok(pushers)
    }

    /// Makes one cycle for each target and waits until it is settled, at most for the time limit of a request.
    ///
    /// # Errors
    ///
    /// A target that cannot be used.
    pub(crate) async fn once(targets: &[PushTarget], bridge: &Bridge) -> Result<Vec<Arc<Target>>, ConfigFileError> {
        let pushers = Self::start(targets, bridge).await?;
        let began = Instant::now();
        for target in pushers.targets() {
            while !target.is_settled() && began.elapsed() < target.options.timeout {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        let all = std::mem::take(&mut *lock(&pushers.running));
        for Running { target, making, sending, .. } in all {
            making.abort();
            sending.abort();
            drop(tokio::join!(making, sending));
            target.end();
        }
        Ok(pushers.targets())
    }

    fn set(&self, running: Vec<Running>) {
        *lock(&self.shown) = running.iter().map(|running| Arc::clone(&running.target)).collect();
        *lock(&self.running) = running;
    }

    /// Ends the targets that are not in `targets`, and starts those that are new. Targets with the same options continue.
    ///
    /// # Errors
    ///
    /// A target that cannot be used. Nothing changes.
    async fn replace(&self, targets: &[PushTarget]) -> Result<(), ConfigFileError> {
        let is_ended = self.is_ended.lock().await;
        if *is_ended {
            return Ok(());
        }
        let is_kept = |target: &PushTarget| lock(&self.running).iter().any(|running| running.target.options == *target);
        let new: Vec<PushTarget> = targets.iter().filter(|target| !is_kept(target)).cloned().collect();
        let mut clients = clients(&new)?.into_iter();
        let (mut kept, ended): (Vec<_>, Vec<_>) = {
            let running = std::mem::take(&mut *lock(&self.running));
            running.into_iter().partition(|running| targets.contains(&running.target.options))
        };
        let mut last = Vec::new();
        ended.iter().for_each(|running| {
            running.end.send_replace(true);
        });
        for running in ended {
            let target = Arc::clone(&running.target);
            running.ended(Instant::now() + REPLACE_TIMEOUT).await;
            if !targets.iter().any(|other| other.name == target.options.name) {
                self.bridge.telemetry().push_ended(&target.options.name);
            }
            last.push((target.options.name.clone(), target.newest()));
        }
        let mut running = Vec::new();
        for target in targets {
            let same = kept.iter().position(|running| running.target.options == *target).map(|at| kept.swap_remove(at));
            // A target whose options changed goes on with later timestamps.
            let last = last.iter().find(|(name, _)| *name == target.name).and_then(|(_, last)| *last);
            match same {
                Some(same) => running.push(same),
                None => {
                    debug_assert!(clients.len() > 0, "each new target has a client");
                    let Some(client) = clients.next() else { continue };
                    running.push(self.spawn(target, client, last).await);
                }
            }
        }
        self.set(running);
        Ok(())
    }

    /// Makes the first cycle of a target, and starts its tasks.
    async fn spawn(&self, options: &PushTarget, client: HttpClient, last: Option<Timestamp>) -> Running {
        let target = Target::new(options.clone(), &self.bridge);
        let (end, ending) = watch::channel(false);
        // Before any line is received, so that every counter that begins later is sent with a 0 first.
        let mut thread = MakerThread::new(&target, last);
        thread.make(Maker::make).await;
        let sending = tokio::spawn(Sender::new(&target, client).run());
        let making = tokio::spawn(make_cycles(Arc::clone(&target), thread, ending));
        tracing::info!(target = &*options.name, url = %options.url, interval = ?options.interval, "pushing");
        Running { target, end, making, sending }
    }

    /// The targets now, in the order of the configuration.
    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        lock(&self.shown).clone()
    }

    /// Sets the gauges every second.
    pub(crate) async fn observe(self) {
        let mut interval = tokio::time::interval(OBSERVE_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.targets().iter().for_each(|target| target.observe());
        }
    }

    /// Makes the last cycle of each target, and sends what waits, at most until `deadline`. What is left is counted. Call it when all
    /// listeners have ended.
    pub(crate) async fn end(&self, deadline: Instant) {
        let mut is_ended = self.is_ended.lock().await;
        *is_ended = true;
        let running = std::mem::take(&mut *lock(&self.running));
        running.iter().for_each(|running| {
            running.end.send_replace(true);
        });
        for running in running {
            running.ended(deadline).await;
        }
    }
}

impl Running {
    /// Waits until everything is sent, at most until `deadline`, and counts what was not.
    async fn ended(self, deadline: Instant) {
        let Self { target, end: _end, mut making, mut sending } = self;
        let name = &*target.options.name;
        let is_made = tokio::time::timeout_at(deadline.into(), &mut making).await;
        target.close();
        let is_sent = tokio::time::timeout_at(deadline.into(), &mut sending).await;
        for task in [making, sending] {
            task.abort();
            // Without a result if it is over already.
            if !task.is_finished() {
                drop(task.await);
            }
        }
        match (is_made, is_sent) {
            (Ok(Ok(())), Ok(Ok(()))) => {}
            (Ok(Err(error)), _) | (_, Ok(Err(error))) => tracing::error!(target = name, %error, "a task of a push target ended early"),
            (Err(_), _) | (_, Err(_)) => {
                let samples = target.report().queue_samples;
                tracing::warn!(target = name, samples, "push: the last samples were not sent before the end of the program");
            }
        }
        target.end();
        target.observe();
    }
}

/// The clients of targets. An error ends the start, or the reload.
fn clients(targets: &[PushTarget]) -> Result<Vec<HttpClient>, ConfigFileError> {
    let unusable = |target: &PushTarget, why: String| ConfigFileError {
        lines: vec![format!("push target {}: {why}", target.name)],
        files: Vec::new(),
    };
    targets.iter().map(|target| HttpClient::new(target).map_err(|why| unusable(target, why))).collect()
}

/// Makes a cycle every interval and on request, until the end, and then the last one.
async fn make_cycles(target: Arc<Target>, mut thread: MakerThread, mut ending: watch::Receiver<bool>) {
    let interval = target.options.interval;
    let mut ticks = tokio::time::interval_at((Instant::now() + interval).into(), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = target.wanted.notified() => {}
            // An error means that the owner is gone.
            _ = ending.wait_for(|is_end| *is_end) => break,
        }
        let began = Instant::now();
        thread.make(Maker::make).await;
        (0..began.elapsed().as_nanos() / interval.as_nanos().max(1)).take(1000).for_each(|_| target.metrics.skip(PushSkip::Slow));
    }
    thread.make(Maker::make_last).await;
}
