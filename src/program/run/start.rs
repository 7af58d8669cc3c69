//! Starts the bridge from its settings: logging, runtime, rules, sockets, and the signals that end it or reload the rules.
//!
//! Prints where to send lines and where to scrape. Must not know how lines are received or requests are served.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::start_error::StartError;
use super::{Signals, Sockets, run};
use crate::bridge::Bridge;
use crate::options::Options;
use crate::program::clock;
use crate::program::console::{fail, say_within};
use crate::program::demo::Examples;
use crate::program::descriptors;
use crate::program::load_record::LoadCause;
use crate::program::logging;
use crate::program::reload::Reloader;
use crate::program::reload_requests::ReloadRequests;
use crate::program::settings::Settings;
use crate::program::version::version;

/// Time limit for printing the first lines; a full pipe on stdout does not stop the start.
const GREETING_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the bridge and sends it the examples of a folder.
pub(crate) fn demo(settings: &Settings, folder: &Path) -> ExitCode {
    match Examples::read(folder) {
        Ok(_) if settings.udp.is_empty() => {
            fail(2, &format!("demo: requires a UDP address; see {}", settings.flag_names.of("statsd.listen-udp")))
        }
        Ok(examples) => start(settings, Some(examples)),
        Err(why) => fail(2, &why),
    }
}

/// Starts the bridge and runs it until shutdown. With examples, they are sent to it.
pub(crate) fn start(settings: &Settings, examples: Option<Examples>) -> ExitCode {
    if let Err(error) = logging::start(settings.log) {
        return fail(1, &StartError::from(error).line(&settings.flag_names));
    }
    let code = start_and_run(settings, examples).unwrap_or_else(|error| {
        logging::line(&format!("statsd-bridge: {}", error.line(&settings.flag_names)));
        ExitCode::from(error.exit_code())
    });
    logging::flush();
    code
}

fn start_and_run(settings: &Settings, examples: Option<Examples>) -> Result<ExitCode, StartError> {
    descriptors::raise_limit();
    for line in &settings.unknown_variables {
        tracing::warn!("{line}");
    }
    for flag in &settings.without_effect {
        let flag = settings.flag_names.of(flag);
        tracing::warn!(flag, "this flag has no effect");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(serve(settings, examples));
    // After an early exit, threads that still drain their sockets are not awaited, but paths of Unix sockets are removed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// UDP has its own threads. Two threads are enough for TCP and HTTP: all TCP connections share one worker, and the other thread answers
/// requests meanwhile.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build()
}

async fn serve(settings: &Settings, examples: Option<Examples>) -> Result<ExitCode, StartError> {
    let bridge = Bridge::of_program(Options { started: Some(clock::now()), ..settings.bridge.clone() });
    let reloader = Reloader::start(&bridge, &settings.mapping).map_err(StartError::from)?;
    let sockets = Sockets::bind(settings)?;
    reloader.bridge().telemetry().describe_build(env!("CARGO_PKG_VERSION"), option_env!("STATSD_BRIDGE_REVISION").unwrap_or_default());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut quit = signal(SignalKind::quit())?;
    let hangup = signal(SignalKind::hangup())?;
    // Without a handler, these signals would end the program.
    let _ignored = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    if !settings.log.json {
        greet(settings, &sockets, examples.as_ref());
    }
    let mut requested = async || {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => (), _ = quit.recv() => () }
    };
    let end = Notify::new();
    let requested_twice = async {
        requested().await;
        end.notify_one();
        requested().await;
    };
    let replay = replay(examples, sockets.udp_address());
    let reload = Arc::<ReloadRequests>::default();
    let signals = Signals { end: end.notified(), reload: reload.clone() };
    tokio::select! {
        done = run(sockets, reloader, settings, signals) => done,
        () = requested_twice => {
            tracing::warn!("second shutdown request: exiting at once");
            Ok(ExitCode::FAILURE)
        }
        error = replay => Err(error.into()),
        never = reload_on(hangup, &reload) => match never {},
    }
}

/// Sends the examples of the demo. Resolves only if the demo cannot open a socket.
async fn replay(examples: Option<Examples>, target: Option<SocketAddr>) -> io::Error {
    if let (Some(examples), Some(target)) = (examples, target)
        && let Err(error) = examples.replay(target).await
    {
        return error;
    }
    std::future::pending().await
}

/// Requests a reload of the mapping files at each SIGHUP.
async fn reload_on(mut hangup: Signal, reload: &ReloadRequests) -> Infallible {
    while hangup.recv().await.is_some() {
        reload.ask(LoadCause::Signal);
    }
    debug_assert!(false, "the stream of a signal has no end");
    std::future::pending().await
}

/// Prints where to send lines and where to scrape.
fn greet(settings: &Settings, sockets: &Sockets, examples: Option<&Examples>) {
    let mut lines = vec![format!("{} {}", env!("CARGO_PKG_NAME"), version())];
    if let Some(command) = sockets.example_command() {
        lines.push(format!("send    {command}"));
    }
    if let Some(url) = sockets.scrape_url(&settings.web_options.telemetry_path) {
        lines.push(format!("scrape  {url}"));
    }
    lines.extend(examples.map(Examples::describe));
    say_within(lines.join("\n"), GREETING_TIMEOUT);
}
