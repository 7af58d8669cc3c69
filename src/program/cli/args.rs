//! The flags as the user types them. The flags of statsd_exporter keep their names and defaults.
//!
//! Each help heading with many flags has its own file. The first paragraph of a flag's doc comment is its line in `-h`; `--help` shows
//! all paragraphs. clap identifies a flag by the name of its field, so a field name must be unique over all headings and the tools
//! (`tool_args`). Must not know the settings that are built from flags.

mod limit_flags;
mod listening_flags;
mod lists;
mod mapping_flags;
mod numbers;
mod push_flags;
mod source_flags;
mod web_flags;
mod wire_flags;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use self::limit_flags::LimitFlags;
pub(super) use self::limit_flags::OverflowPolicy;
use self::listening_flags::ListeningFlags;
pub(super) use self::listening_flags::UnixFraming;
pub(super) use self::lists::{List, all};
use self::mapping_flags::MappingFlags;
pub(super) use self::push_flags::PushFlags;
use self::source_flags::SourceFlags;
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
    next_line_help = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(super) struct Args {
    /// What to do other than run the bridge.
    #[arg(value_enum)]
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
    pub(super) sources: SourceFlags,
    #[command(flatten)]
    pub(super) state: StateFlags,
    #[command(flatten)]
    pub(super) web: WebFlags,
    #[command(flatten)]
    pub(super) push: PushFlags,
    #[command(flatten)]
    pub(super) compatibility: CompatibilityFlags,
    #[command(flatten)]
    pub(super) logging: LoggingFlags,
    #[command(flatten)]
    pub(super) program: ProgramFlags,
}

/// The flags of the heading State: what survives a restart.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "State")]
pub(super) struct StateFlags {
    /// File that keeps series over a restart; "" for none.
    ///
    /// Gauges and sets also survive a crash. Only the file's owner can read it. A lock on FILE.lock keeps a second bridge from using it.
    #[arg(long = "state.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(super) file: OsString,
    /// Interval between writes of the state file; at least 1s.
    ///
    /// A crash loses the changes of gauges and sets since the last write.
    #[arg(long = "state.interval", value_name = "DURATION", default_value = "30s", value_parser = interval)]
    pub(super) interval: Duration,
    /// Ignore state files older than this; 0 for no limit.
    #[arg(long = "state.max-age", value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(super) max_age: Duration,
}

/// The flags of the heading Compatibility: what a command line of statsd_exporter may contain.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compatibility")]
pub(super) struct CompatibilityFlags {
    /// Behave as another program does.
    ///
    /// With statsd_exporter: ms, h and d samples become summaries; self-metrics have the prefix statsd_exporter_; the field c:ID
    /// becomes a label; bare tags and Graphite tags are off; a sample's value has no limit; OpenMetrics is never sent; and lines are
    /// parsed by the rules of statsd_exporter. Flags override these defaults.
    #[arg(long = "compat", value_name = "PROGRAM", value_enum)]
    pub(super) compat: Option<Compat>,
    /// Accepted without effect.
    #[arg(long = "statsd.cache-size", value_name = "N")]
    pub(super) cache_size: Option<u64>,
    /// Accepted without effect.
    #[arg(long = "statsd.cache-type", value_name = "TYPE", value_parser = ["lru", "random"])]
    pub(super) cache_type: Option<String>,
    /// Accepted without effect: the bridge has no queue.
    #[arg(long = "statsd.event-queue-size", value_name = "N")]
    pub(super) event_queue_size: Option<u64>,
    /// Accepted without effect.
    #[arg(long = "statsd.event-flush-threshold", value_name = "N")]
    pub(super) event_flush_threshold: Option<u64>,
    /// Accepted without effect.
    #[arg(long = "statsd.event-flush-interval", value_name = "DURATION", value_parser = duration::parse)]
    pub(super) event_flush_interval: Option<Duration>,
    /// Accepted without effect: the bridge has no queue.
    #[arg(long = "statsd.udp-packet-queue-size", value_name = "N")]
    pub(super) udp_packet_queue_size: Option<u64>,
    /// Accepted without effect.
    #[arg(long = "debug.dump-fsm", value_name = "FILE")]
    pub(super) dump_fsm: Option<String>,
}

/// The flags of the heading Logging.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(super) struct LoggingFlags {
    /// Lowest severity that is logged.
    ///
    /// The log is written to stderr.
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info")]
    pub(super) level: LogLevel,
    /// Format of log lines.
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt")]
    pub(super) format: LogFormat,
    /// File that DogStatsD events are appended to, as lines of JSON; "" for none.
    ///
    /// Each line is an event as in /api/v1/events. The file is opened again when it is renamed or removed. If it is too slow, events
    /// are left out and counted.
    #[arg(long = "events.log-file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(super) events_log_file: OsString,
}

/// The flags of the heading Program.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Program")]
pub(super) struct ProgramFlags {
    /// Check flags and configuration, then exit without opening a port.
    #[arg(long = "check-config", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(super) check_config: bool,
    /// Time limit at shutdown for reading what the kernel still holds.
    ///
    /// The limit applies to all sockets together. HTTP responses in progress then have the same time to finish.
    #[arg(long = "shutdown.drain", value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    pub(super) shutdown_drain: Duration,
    /// How long scrapes are answered at shutdown after the last line is read.
    #[arg(long = "shutdown.linger", value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    pub(super) shutdown_linger: Duration,
    /// Folder whose *.statsd files demo sends.
    #[arg(long = "examples", value_name = "DIR", default_value = "./proto-examples")]
    pub(super) examples: PathBuf,
    /// Print help; -h prints a summary.
    #[arg(short = 'h', long = "help", action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version.
    #[arg(short = 'V', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
}

/// What to do other than run the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// Run the bridge and send it the *.statsd files of --examples every 5 s.
    Demo,
    /// Exit with 0 if the bridge at --web.listen-address is ready, else with 1.
    Healthcheck,
}

/// A program whose behaviour the bridge can copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compat {
    /// prometheus/statsd_exporter.
    #[value(name = "statsd_exporter")]
    StatsdExporter,
}

/// Lowest severity that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Logfmt,
    Json,
}

fn interval(text: &str) -> Result<Duration, String> {
    const MIN: Duration = Duration::from_secs(1);
    duration::parse(text).and_then(|time| if time >= MIN { Ok(time) } else { Err("expected at least 1s".to_owned()) })
}
