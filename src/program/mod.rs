//! program: everything that needs sockets, clocks, a runtime or a terminal. Here: flags, messages, sockets, signals, run; errors to
//! exit codes. The core imports nothing from here.

mod ask;
pub mod cli;
mod clock;
mod demo;
mod duration;
mod healthcheck;
mod listener;
mod logging;
mod net;
mod presets;
mod reload;
mod rulebook;
mod run;
mod settings;
mod state_file;
mod tools;
mod top;
mod version;
mod web;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use self::cli::{EarlyExit, Invocation};
use self::settings::Settings;
use self::version::version;
use crate::bridge::Bridge;
use crate::program::demo::Examples;
use crate::program::reload::Reloader;
use crate::program::run::{Signals, Sockets, StartError, run};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Invocation::Run(settings)) => start(&settings, None),
        Ok(Invocation::Demo(settings, examples)) => demo(&settings, &examples),
        Ok(Invocation::Healthcheck(address, config)) => match healthcheck::run(&address, config.as_deref()) {
            Ok(()) => say("ready"),
            Err(why) => fail(1, &why),
        },
        Ok(Invocation::CheckConfig(settings)) => check_config(&settings),
        Ok(Invocation::Tool(tool)) => ExitCode::from(tools::run_tool::run(&tool, &mut io::stdout().lock(), &mut io::stderr())),
        Ok(Invocation::Top(asked)) => ExitCode::from(top::run(&asked)),
        Err(EarlyExit::Help(text)) => say(text.trim_end()),
        Err(EarlyExit::Usage(line)) => fail(2, &line),
    }
}

/// The remarks of `check`, and statsd_exporter's line and exit codes.
fn check_config(settings: &Settings) -> ExitCode {
    let report = tools::check::check(&settings.mapping, &settings.bridge);
    let _ = write!(io::stderr(), "{}", report.remarks_text());
    if report.exit_code(false) == 1 {
        return fail(1, &format!("the configuration cannot be used; {}", report.summary()));
    }
    if let Some(path) = &settings.web_config {
        match web::check_config(path) {
            Ok(warnings) => warnings.iter().for_each(|warning| drop(writeln!(io::stderr(), "{warning}"))),
            Err(error) => return fail(1, &StartError::from(error).to_string()),
        }
    }
    say("Configuration check successful, exiting")
}

fn demo(settings: &Settings, folder: &Path) -> ExitCode {
    match Examples::read(folder) {
        Ok(_) if settings.udp.is_empty() => fail(2, "demo: a UDP address is needed; see --statsd.listen-udp"),
        Ok(examples) => start(settings, Some(examples)),
        Err(why) => fail(2, &why),
    }
}

fn start(settings: &Settings, examples: Option<Examples>) -> ExitCode {
    logging::start(settings.log);
    for flag in &settings.without_effect {
        tracing::warn!(flag, "this flag is accepted and has no effect: the bridge has nothing to tune there");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &StartError::from(error).to_string()),
    };
    let result = runtime.block_on(serve(settings, examples));
    // Where it ends early, threads that still drain their sockets are not waited for, but a Unix socket's path is removed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result.unwrap_or_else(|error| fail(error.exit_code(), &error.to_string()))
}

/// UDP has threads of its own. Two more are enough for TCP and HTTP: TCP connections take turns at one worker anyway, and
/// with the other thread the page is answered while they do.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build()
}

async fn serve(settings: &Settings, examples: Option<Examples>) -> Result<ExitCode, StartError> {
    let reloader = Reloader::start(&Bridge::new(settings.bridge.clone()), &settings.mapping).map_err(StartError::from)?;
    let sockets = Sockets::bind(settings)?;
    reloader.bridge().telemetry().describe_build(env!("CARGO_PKG_VERSION"), option_env!("STATSD_BRIDGE_REVISION").unwrap_or_default());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    if !settings.log.json {
        greet(settings, &sockets, examples.as_ref());
    }
    let mut asked = async || {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let asked_twice = async {
        asked().await;
        let _ = end.send(());
        asked().await;
    };
    let replay = replay(examples, sockets.udp_address());
    let reload = Arc::new(Notify::new());
    let signals = Signals { end: async { ended.await.unwrap_or_default() }, reload: reload.clone() };
    tokio::select! {
        done = run(sockets, reloader, settings, signals) => done.map(|()| ExitCode::SUCCESS),
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
async fn hangups(reload: &Notify) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return std::future::pending().await };
    while hangups.recv().await.is_some() {
        reload.notify_one();
    }
}

/// What a person reads first: where to send and where to look.
fn greet(settings: &Settings, sockets: &Sockets, examples: Option<&Examples>) {
    let mut lines = vec![version()];
    if let Some(paste) = sockets.line_to_paste() {
        lines.push(format!("send    {paste}"));
    }
    lines.push(format!("scrape  {}", sockets.page_url(&settings.web_options.telemetry_path)));
    lines.extend(examples.map(Examples::describe));
    say(&lines.join("\n"));
}

/// To stdout. That nobody reads it is no reason to end.
fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
    ExitCode::from(code)
}
