//! The program: everything that needs sockets, clocks, a runtime or a terminal. The core imports nothing from here.
//!
//! ```text
//! cli          what the user typed -> what is to be done
//!   settings   what the bridge is told
//! run          sockets, bridge and web server, put together and run until a signal ends them
//!   listener   lines over UDP, TCP and Unix datagrams
//!   web        HTTP
//!   reload     the rules, read again
//!     reload_requests  who asked for it, and what became of it
//!   readiness  whether all of it works
//!   rebinding  paths of sockets that were removed meanwhile
//! running      the bridge that runs here already, for those who ask it
//! tools        questions about rules, answered without a running bridge
//! top, demo, healthcheck, check_config   the other subcommands
//! net, ask, rulebook, presets, state_file, regular_file, descriptors, faults, clock, console, duration, flag_names, logging, version   what they share
//! ```

mod ask;
mod check_config;
pub mod cli;
mod clock;
mod console;
mod demo;
mod descriptors;
mod duration;
mod faults;
mod flag_names;
mod healthcheck;
mod listener;
mod logging;
mod net;
mod presets;
mod readiness;
mod rebinding;
mod regular_file;
mod reload;
mod reload_requests;
mod rulebook;
mod run;
mod running;
mod settings;
mod state_file;
mod tools;
mod top;
mod version;
mod web;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use self::check_config::check_config;
use self::cli::{EarlyExit, Invocation};
use self::console::{fail, say, warn};
use self::run::start;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // What says nothing itself asks the bridge that runs here.
    let is_bare = arguments.len() == 2;
    match cli::parse(arguments) {
        Ok(Invocation::Run(settings)) => start::start(&settings, None),
        Ok(Invocation::Demo(settings, folder)) => start::demo(&settings, &folder),
        Ok(Invocation::Healthcheck(address, config)) => {
            let running = if is_bare { running::web() } else { None };
            let (address, config) = running.map_or((address, config), |web| (web.address, web.config));
            match healthcheck::run(&address, config.as_deref()) {
                Ok(()) => say("ready"),
                Err(why) => fail(1, &why),
            }
        }
        Ok(Invocation::CheckConfig(settings)) => check_config(&settings),
        Ok(Invocation::Tool(tool)) => {
            cli::unknown_variables().iter().for_each(|line| warn(line));
            ExitCode::from(tools::run_tool(&tool, &mut io::stdout().lock(), &mut io::stderr()))
        }
        Ok(Invocation::Top(asked)) => ExitCode::from(top::run(&asked)),
        Err(EarlyExit::Help(text)) => say(text.trim_end()),
        Err(EarlyExit::Usage(line)) => fail(2, &line),
    }
}
