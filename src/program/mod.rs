//! The program: everything that needs sockets, clocks, a runtime or a terminal. The core imports nothing from here.
//!
//! ```text
//! cli          the command line and the environment, parsed
//!   settings   everything that the flags set
//! run          sets up sockets, bridge and web server, and runs them until a signal
//!   listener   receives lines over UDP, TCP and Unix sockets
//!   web        the HTTP server
//!   push       sends the registry's series to receivers of remote write
//!   tls        TLS of servers, by the section of a web configuration file
//!   configuration  the flags in force, and the files that are reloaded
//!   history    the last 15 minutes of some self-metrics
//!     family_history  new series and rates of families in that time
//!   reload     reads the rules again
//!     reload_requests  requests for a reload, and their outcomes
//!   readiness  whether all parts work
//!   rebinding  binds Unix sockets again whose paths were removed
//! running      finds the bridge that runs on this machine
//! tools        subcommands about rules, which need no running bridge
//! watching     tail and capture: lines as they arrive at a running bridge
//! top, doctor, demo, healthcheck, check_config   the other subcommands
//! event_file   appends DogStatsD events to a file
//! net, ask, rulebook, presets, state_file, regular_file, descriptors, faults, fair_turns, clock, console, duration, flag_names, flag_values, load_record, logging,
//! line_queue, event_json, plain_text, wall_time, version
//!              shared parts
//! ```

mod ask;
mod check_config;
pub mod cli;
mod clock;
mod configuration;
mod console;
mod demo;
mod descriptors;
mod doctor;
mod duration;
mod event_file;
mod event_json;
mod fair_turns;
mod family_history;
mod faults;
mod flag_names;
mod flag_values;
mod healthcheck;
mod history;
mod line_queue;
pub(crate) mod listener;
mod load_record;
mod logging;
pub(crate) mod measured;
mod net;
mod plain_text;
mod presets;
mod push;
mod reaching;
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
mod tls;
mod tools;
mod top;
mod version;
mod wall_time;
mod watching;
mod web;
mod wording;

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
    // A healthcheck without flags asks the bridge that runs on this machine.
    let has_flags = arguments.len() > 2;
    match cli::parse(arguments) {
        Ok(Invocation::Run(settings)) => start::start(&settings, None),
        Ok(Invocation::Demo(settings, folder)) => start::demo(&settings, &folder),
        Ok(Invocation::Healthcheck { address, web_config }) => {
            let running = if has_flags { None } else { running::web() };
            let (address, web_config) = running.map_or((address, web_config), |web| (web.address, web.config));
            match healthcheck::run(&address, web_config.as_deref()) {
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
        Ok(Invocation::Watch(watching)) => ExitCode::from(watching::run(&watching)),
        Ok(Invocation::Doctor(asked)) => ExitCode::from(doctor::run(&asked, &mut io::stdout().lock())),
        Err(EarlyExit::Help(text)) => say(text.trim_end()),
        Err(EarlyExit::Usage(line)) => fail(2, &line),
    }
}
