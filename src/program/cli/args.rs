//! What the user typed. The flags of statsd_exporter keep their names and defaults.
//!
//! A heading of the help with many flags has a file of its own. Must not know what is built from a flag. clap identifies a flag
//! by the name of its field, so a field's name must occur once in all headings and in no tool (`tool_args`).

mod limit_flags;
mod listening_flags;
mod lists;
mod mapping_flags;
mod numbers;
mod web_flags;
mod wire_flags;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use self::limit_flags::LimitFlags;
pub(super) use self::limit_flags::OverflowPolicy;
use self::listening_flags::ListeningFlags;
pub(super) use self::lists::{List, all};
use self::mapping_flags::MappingFlags;
pub(super) use self::web_flags::OpenMetricsWhen;
use self::web_flags::WebFlags;
use self::wire_flags::WireFlags;
pub(super) use self::wire_flags::{NameSet, NativeBucketsWhen, ObserverType, SignedGaugesMeaning};
use crate::program::duration;

/// StatsD and DogStatsD in, Prometheus out.
#[derive(Debug, Parser)]
#[command(
    name = "statsd-bridge",
    args_override_self = true,
    max_term_width = 120,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "Every flag is also an environment variable: STATSD_BRIDGE_ and its name in capitals, dots and dashes as \
                  underscores (STATSD_BRIDGE_STATSD_LISTEN_UDP). A flag counts before its variable; an unknown variable gets a warning.\n\
                  A flag that may be given more than once also takes a list, A,B, and so does its variable; \\, is a comma in an item, \
                  and \"\" no item.\n\
                  A flag that takes BOOL is switched on by --FLAG and off by --no-FLAG."
)]
pub(super) struct Args {
    /// "demo": run, and replay the *.statsd files of a folder (--examples) at the own UDP address, again every 5 s.
    /// "healthcheck": ask the bridge at --web.listen-address whether it is ready; exit 0 if it is, else 1.
    #[arg(value_enum, hide_possible_values = true)]
    pub(super) task: Option<Task>,

    #[command(flatten)]
    pub(super) listening: ListeningFlags,
    #[command(flatten)]
    pub(super) wire: WireFlags,
    #[command(flatten)]
    pub(super) mapping: MappingFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) state: StateFlags,
    #[command(flatten)]
    pub(super) web: WebFlags,
    #[command(flatten)]
    pub(super) compatibility: CompatibilityFlags,
    #[command(flatten)]
    pub(super) logging: LoggingFlags,
    #[command(flatten)]
    pub(super) program: ProgramFlags,
}

/// What is kept over a restart.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "State")]
pub(super) struct StateFlags {
    /// Keep series in this file over a restart, gauges and sets over a crash; "" for not at all. It is readable by its owner only.
    #[arg(long = "state.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(super) file: OsString,
    /// Write the state file this often: what a crash may cost gauges and sets; at least 1s.
    #[arg(long = "state.interval", value_name = "DURATION", default_value = "30s", value_parser = interval)]
    pub(super) interval: Duration,
    /// Take no state file up that is older; 0 for one of any age.
    #[arg(long = "state.max-age", value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(super) max_age: Duration,
}

/// What a user of statsd_exporter may have in the command line.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compatibility")]
pub(super) struct CompatibilityFlags {
    /// Answer as another program does: summaries, its prefix, container_id label, no bare tags, lines read by its rules.
    #[arg(long = "compat", value_name = "PROGRAM", value_enum)]
    pub(super) compat: Option<Compat>,
    /// Accepted, no effect.
    #[arg(long = "statsd.cache-size", value_name = "N")]
    pub(super) cache_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.cache-type", value_name = "TYPE", value_parser = ["lru", "random"])]
    pub(super) cache_type: Option<String>,
    /// Accepted, no effect: there is no queue.
    #[arg(long = "statsd.event-queue-size", value_name = "N")]
    pub(super) event_queue_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.event-flush-threshold", value_name = "N")]
    pub(super) event_flush_threshold: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.event-flush-interval", value_name = "DURATION", value_parser = duration::parse)]
    pub(super) event_flush_interval: Option<Duration>,
    /// Accepted, no effect: there is no queue.
    #[arg(long = "statsd.udp-packet-queue-size", value_name = "N")]
    pub(super) udp_packet_queue_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "debug.dump-fsm", value_name = "FILE")]
    pub(super) dump_fsm: Option<String>,
}

/// Messages.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(super) struct LoggingFlags {
    /// Least severe messages that are written to stderr.
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info")]
    pub(super) level: LogLevel,
    /// Form of the messages.
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt")]
    pub(super) format: LogFormat,
}

/// The program itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Program")]
pub(super) struct ProgramFlags {
    /// Check flags and configuration, open no port, exit.
    #[arg(long = "check-config", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(super) check_config: bool,
    /// How long what the kernel holds is taken at the end, over all sockets together; then responses under way have as long.
    #[arg(long = "shutdown.drain", value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    pub(super) shutdown_drain: Duration,
    /// How long the page stays up after the last line was taken.
    #[arg(long = "shutdown.linger", value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    pub(super) shutdown_linger: Duration,
    /// Folder of the examples that `demo` replays.
    #[arg(long = "examples", value_name = "DIR", default_value = "./proto-examples")]
    pub(super) examples: PathBuf,
    /// Print help.
    // The short form for both: a line or two for each flag.
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print version.
    #[arg(short = 'V', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
}

/// What to do instead of just running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    Demo,
    Healthcheck,
}

/// A program to answer like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compat {
    #[value(name = "statsd_exporter")]
    StatsdExporter,
}

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Logfmt,
    Json,
}

fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_secs(1);
    duration::parse(text).and_then(|time| if time >= LEAST { Ok(time) } else { Err("expected at least 1s".to_owned()) })
}
