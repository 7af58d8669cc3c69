//! Starts the bridge from its settings: logging, runtime, rules, sockets, and the signals that end it or reload the rules.
//!
//! Tells a person where to send and where to scrape. Must not know flags, nor how anything is received or served.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::start_error::StartError;
use super::{Signals, Sockets, run};
use crate::bridge::Bridge;
use crate::options::Options;
use crate::program::clock;
use crate::program::console::{fail, say_within};
use crate::program::demo::Examples;
use crate::program::descriptors;
use crate::program::logging;
use crate::program::reload::Reloader;
use crate::program::reload_requests::ReloadRequests;
use crate::program::settings::Settings;
use crate::program::version::version;

/// How long the start waits for whoever reads stdout.
const GREETING_AT_MOST: Duration = Duration::from_secs(1);

/// Starts the bridge and replays the examples of a folder at it.
pub(crate) fn demo(settings: &Settings, folder: &Path) -> ExitCode {
    match Examples::read(folder) {
        Ok(_) if settings.udp.is_empty() => {
            fail(2, &format!("demo: a UDP address is needed; see {}", settings.flag_names.of("statsd.listen-udp")))
        }
        Ok(examples) => start(settings, Some(examples)),
        Err(why) => fail(2, &why),
    }
}

/// Starts the bridge and runs it to its end; with examples, it replays them.
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
        tracing::warn!(flag, "this flag is accepted and has no effect: the bridge has nothing to tune there");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(serve(settings, examples));
    // Where it ends early, threads that still drain their sockets are not waited for, but a Unix socket's path is removed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// UDP has threads of its own. Two more are enough for TCP and HTTP: TCP connections take turns at one worker anyway, and
/// with the other thread the page is answered while they do.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build()
}

async fn serve(settings: &Settings, examples: Option<Examples>) -> Result<ExitCode, StartError> {
    let bridge = Bridge::new(Options { started: Some(clock::now()), ..settings.bridge.clone() });
    let reloader = Reloader::start(&bridge, &settings.mapping).map_err(StartError::from)?;
    let sockets = Sockets::bind(settings)?;
    reloader.bridge().telemetry().describe_build(env!("CARGO_PKG_VERSION"), option_env!("STATSD_BRIDGE_REVISION").unwrap_or_default());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut quit = signal(SignalKind::quit())?;
    // They mean nothing here, and would end the program: heard, and that is all.
    let _heard = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    if !settings.log.json {
        greet(settings, &sockets, examples.as_ref());
    }
    let mut asked = async || {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => (), _ = quit.recv() => () }
    };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let asked_twice = async {
        asked().await;
        let _ = end.send(());
        asked().await;
    };
    let replay = replay(examples, sockets.udp_address());
    let reload = Arc::<ReloadRequests>::default();
    let signals = Signals { end: async { ended.await.unwrap_or_default() }, reload: reload.clone() };
    tokio::select! {
        done = run(sockets, reloader, settings, signals) => done,
        () = asked_twice => {
            tracing::warn!("asked to end a second time: ending at once");
            Ok(ExitCode::FAILURE)
        }
        error = replay => Err(error.into()),
        () = hangups(&reload) => Ok(ExitCode::FAILURE),
    }
}

/// Ends only where the demo cannot even have a socket.
async fn replay(examples: Option<Examples>, target: Option<SocketAddr>) -> io::Error {
    if let (Some(examples), Some(target)) = (examples, target)
        && let Err(error) = examples.replay(target).await
    {
        return error;
    }
    std::future::pending().await
}

/// SIGHUP asks to read the mapping files again. Never ends.
async fn hangups(reload: &ReloadRequests) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return std::future::pending().await };
    while hangups.recv().await.is_some() {
        reload.ask();
    }
}

/// What a person reads first: where to send and where to look.
fn greet(settings: &Settings, sockets: &Sockets, examples: Option<&Examples>) {
    let mut lines = vec![format!("{} {}", env!("CARGO_PKG_NAME"), version())];
    if let Some(paste) = sockets.line_to_paste() {
        lines.push(format!("send    {paste}"));
    }
    lines.push(format!("scrape  {}", sockets.page_url(&settings.web_options.telemetry_path)));
    lines.extend(examples.map(Examples::describe));
    say_within(lines.join("\n"), GREETING_AT_MOST);
}
