//! What the user typed. Names and defaults of the flags of statsd_exporter are as that program has them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use super::duration;
use crate::options::NATIVE_BUCKETS_MAX;

/// StatsD and DogStatsD in, Prometheus out.
#[derive(Debug, Parser)]
#[command(
    name = "statsd-bridge",
    args_override_self = true,
    max_term_width = 120,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "Every flag is also an environment variable: STATSD_BRIDGE_ and its name in capitals, dots and dashes as \
                  underscores (STATSD_BRIDGE_STATSD_LISTEN_UDP). A flag counts before its variable.\n\
                  A flag that takes BOOL is switched on by --FLAG and off by --no-FLAG."
)]
pub(super) struct Args {
    /// "demo": run, and replay the *.statsd files of a folder (--examples) at the own UDP address, again every 5 s.
    /// "healthcheck": ask the bridge at --web.listen-address whether it is ready; exit 0 if it is, else 1.
    #[arg(value_enum, hide_possible_values = true)]
    pub(super) task: Option<Task>,

    /// UDP addresses; may be given more than once; "" for none.
    #[arg(long = "statsd.listen-udp", value_name = "ADDRESS", default_value = ":9125", value_delimiter = ',')]
    #[arg(help_heading = "Listening")]
    pub(super) listen_udp: Vec<String>,
    /// TCP addresses; may be given more than once; "" for none.
    #[arg(long = "statsd.listen-tcp", value_name = "ADDRESS", default_value = ":9125", value_delimiter = ',')]
    #[arg(help_heading = "Listening")]
    pub(super) listen_tcp: Vec<String>,
    /// Path of a Unix datagram socket, or an abstract name with @ in front; "" for none.
    #[arg(long = "statsd.listen-unixgram", value_name = "PATH", default_value = "", hide_default_value = true, help_heading = "Listening")]
    pub(super) listen_unixgram: String,
    /// Permissions of the Unix datagram socket, octal. With the default only its owner can send; 722 lets everybody.
    #[arg(long = "statsd.unixsocket-mode", value_name = "MODE", default_value = "755", help_heading = "Listening")]
    pub(super) unixsocket_mode: String,
    /// Receive buffer to ask the kernel for; 0 asks for 16 MiB for UDP and leaves the system's for Unix datagrams.
    #[arg(long = "statsd.read-buffer", value_name = "BYTES", default_value = "0", help_heading = "Listening")]
    pub(super) read_buffer: usize,
    /// Receiving threads for each UDP address; 0 for one a core.
    #[arg(long = "udp.workers", value_name = "N", default_value = "0", value_parser = workers, help_heading = "Listening")]
    pub(super) udp_workers: usize,
    /// Pause that lets datagrams gather before the next receive; 0 for none [default: 200us to 1ms, by the receive buffer granted].
    #[arg(long = "udp.nap", value_name = "DURATION", value_parser = nap, help_heading = "Listening")]
    pub(super) udp_nap: Option<Duration>,
    /// TCP connections open at once; one more is closed at once.
    #[arg(long = "tcp.max-connections", value_name = "N", default_value = "1024", value_parser = positive)]
    #[arg(help_heading = "Listening")]
    pub(super) tcp_max_connections: usize,
    /// Silence after which a TCP connection is closed; 0 for never.
    #[arg(long = "tcp.idle-timeout", value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    #[arg(help_heading = "Listening")]
    pub(super) tcp_idle_timeout: Duration,
    /// UDP address of another server to pass all lines on to.
    #[arg(
        long = "statsd.relay.address",
        value_name = "ADDRESS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Listening"
    )]
    pub(super) relay_address: String,
    /// Bytes of a relayed datagram at most.
    #[arg(long = "statsd.relay.packet-length", value_name = "BYTES", default_value = "1400", value_parser = datagram)]
    #[arg(help_heading = "Listening")]
    pub(super) relay_packet_length: usize,

    /// Read DogStatsD tags: name:1|c|#key:value.
    #[arg(long = "statsd.parse-dogstatsd-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(help_heading = "Wire")]
    pub(super) parse_dogstatsd_tags: bool,
    /// Read InfluxDB tags: name,key=value:1|c.
    #[arg(long = "statsd.parse-influxdb-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(help_heading = "Wire")]
    pub(super) parse_influxdb_tags: bool,
    /// Read Librato tags: name#key=value:1|c.
    #[arg(long = "statsd.parse-librato-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(help_heading = "Wire")]
    pub(super) parse_librato_tags: bool,
    /// Read SignalFX tags: name[key=value]:1|c.
    #[arg(long = "statsd.parse-signalfx-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(help_heading = "Wire")]
    pub(super) parse_signalfx_tags: bool,
    /// A DogStatsD tag without a value becomes key="true"; else it is a tag error [default: true, with --compat false].
    #[arg(long = "statsd.bare-tags", value_name = "BOOL", action = ArgAction::Set, help_heading = "Wire")]
    pub(super) bare_tags: Option<bool>,
    /// The field c:ID becomes the label container_id; else it is skipped [default: false, with --compat true].
    #[arg(long = "statsd.container-id", value_name = "BOOL", action = ArgAction::Set, help_heading = "Wire")]
    pub(super) container_id: Option<bool>,
    /// Which names and label names are kept: legacy escapes all but letters, digits and _; utf8 keeps what is sent, and each
    /// page escapes it as its scraper asks.
    #[arg(long = "name-validation", value_name = "NAMES", value_enum, default_value = "legacy", help_heading = "Wire")]
    pub(super) name_validation: NameSet,
    /// Key of the DogStatsD tag that names a sample's trace, such as trace_id: it is no label but makes exemplars; "" for none.
    #[arg(long = "exemplars.tag", value_name = "KEY", default_value = "", hide_default_value = true, help_heading = "Wire")]
    pub(super) exemplars_tag: String,
    /// What ms, h and d become [default: histogram, with --compat summary].
    #[arg(long = "statsd.observer-type", value_name = "TYPE", value_enum, help_heading = "Wire")]
    pub(super) observer_type: Option<ObserverType>,
    /// Upper bounds of histogram buckets, ascending [default: 0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10].
    #[arg(long = "statsd.histogram-buckets", value_name = "BOUNDS", value_delimiter = ',', help_heading = "Wire")]
    pub(super) histogram_buckets: Option<Vec<f64>>,
    /// From when on histograms keep native buckets too, which only protobuf shows.
    #[arg(long = "statsd.native-histograms", value_name = "WHEN", value_enum, default_value = "asked", help_heading = "Wire")]
    pub(super) native_histograms: NativeHistograms,
    /// How much wider than the one before a native bucket is at most; 1 for native buckets only where a rule gives a factor.
    #[arg(long = "statsd.native-histogram-factor", value_name = "FACTOR", default_value = "1.1", value_parser = factor)]
    #[arg(help_heading = "Wire")]
    pub(super) native_histogram_factor: f64,
    /// Native buckets of a series at most, up to 512; beyond it the resolution is halved.
    #[arg(long = "statsd.native-histogram-max-buckets", value_name = "N", default_value = "160", value_parser = native_buckets)]
    #[arg(help_heading = "Wire")]
    pub(super) native_histogram_max_buckets: u32,

    /// Mapping file, or folder of them; may be given more than once, an earlier one counts before a later one.
    #[arg(long = "statsd.mapping-config", value_name = "FILE", help_heading = "Mapping")]
    pub(super) mapping_config: Vec<PathBuf>,
    /// Rules for an application that come with the bridge; counted after all files. "preset list" names them.
    #[arg(long = "preset", value_name = "NAME", value_delimiter = ',', help_heading = "Mapping")]
    pub(super) preset: Vec<String>,
    /// Label of every family; may be given more than once. It replaces a tag of the same name.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label, help_heading = "Mapping")]
    pub(super) label: Vec<(String, String)>,
    /// Look at the mapping files this often, and read them again if they changed; 0 for never.
    #[arg(long = "mapping.watch-interval", value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    #[arg(help_heading = "Mapping")]
    pub(super) mapping_watch_interval: Duration,
    /// Counters go when unseen for this long, where no rule says otherwise; 0 for never.
    #[arg(long = "ttl.counters", value_name = "DURATION", default_value = "0", value_parser = duration::parse, help_heading = "Mapping")]
    pub(super) ttl_counters: Duration,
    /// Gauges go when unseen for this long; 0 for never.
    #[arg(long = "ttl.gauges", value_name = "DURATION", default_value = "0", value_parser = duration::parse, help_heading = "Mapping")]
    pub(super) ttl_gauges: Duration,
    /// Histograms and summaries go when unseen for this long; 0 for never.
    #[arg(long = "ttl.observers", value_name = "DURATION", default_value = "0", value_parser = duration::parse, help_heading = "Mapping")]
    pub(super) ttl_observers: Duration,
    /// Sets go when unseen for this long; 0 for never.
    #[arg(long = "ttl.sets", value_name = "DURATION", default_value = "0", value_parser = duration::parse, help_heading = "Mapping")]
    pub(super) ttl_sets: Duration,
    /// A counter, histogram or summary that comes back within this time after it expired goes on from its old value; 0 for never.
    #[arg(long = "ttl.grace", value_name = "DURATION", default_value = "1h", value_parser = duration::parse, help_heading = "Mapping")]
    pub(super) ttl_grace: Duration,
    /// The first page with a new counter shows it at 0, so that rate() and increase() see its first samples.
    #[arg(long = "counters.start-at-zero", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Mapping")]
    pub(super) counters_start_at_zero: bool,

    /// Series in all.
    #[arg(long = "limits.series", value_name = "N", default_value = "200000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_series: usize,
    /// Families, which is distinct metric names.
    #[arg(long = "limits.families", value_name = "N", default_value = "10000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_families: usize,
    /// Series of one family.
    #[arg(long = "limits.series-per-family", value_name = "N", default_value = "10000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_series_per_family: usize,
    /// Distinct values of one label in one family.
    #[arg(long = "limits.values-per-label", value_name = "N", default_value = "5000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_values_per_label: usize,
    /// Distinct label names in one family.
    #[arg(long = "limits.labels-per-family", value_name = "N", default_value = "256", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_labels_per_family: usize,
    /// Bytes that all series take, reckoned from their labels and kinds.
    #[arg(long = "limits.series-bytes", value_name = "BYTES", default_value = "100663296", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_series_bytes: usize,
    /// What becomes of samples of new series at a limit of their family.
    #[arg(long = "limits.overflow", value_name = "POLICY", value_enum, default_value = "fold", help_heading = "Limits")]
    pub(super) limits_overflow: OverflowPolicy,
    /// Expired series whose values are kept for --ttl.grace.
    #[arg(long = "limits.resting-series", value_name = "N", default_value = "50000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_resting_series: usize,
    /// Series that may have exemplars.
    #[arg(long = "limits.exemplar-series", value_name = "N", default_value = "10000", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_exemplar_series: usize,
    /// Bytes of a line, up to 1048576.
    #[arg(long = "limits.line-bytes", value_name = "BYTES", default_value = "65535", value_parser = line)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_line_bytes: usize,
    /// Bytes of a name.
    #[arg(long = "limits.name-bytes", value_name = "BYTES", default_value = "1024", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_name_bytes: usize,
    /// Bytes of the tags of a line.
    #[arg(long = "limits.tags-bytes", value_name = "BYTES", default_value = "8192", value_parser = positive)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_tags_bytes: usize,
    /// Tags of a line.
    #[arg(long = "limits.tags", value_name = "N", default_value = "128", value_parser = positive, help_heading = "Limits")]
    pub(super) limits_tags: usize,
    /// Bytes of a datagram, up to 65535; of a longer one the whole lines that fit are taken.
    #[arg(long = "limits.datagram-bytes", value_name = "BYTES", default_value = "65535", value_parser = datagram)]
    #[arg(help_heading = "Limits")]
    pub(super) limits_datagram_bytes: usize,

    /// Keep series in this file over a restart; "" for not at all. It is readable by its owner only.
    #[arg(long = "state.file", value_name = "FILE", default_value = "", hide_default_value = true, help_heading = "State")]
    pub(super) state_file: OsString,
    /// Write the state file this often: what a crash may cost; at least 1s.
    #[arg(long = "state.interval", value_name = "DURATION", default_value = "30s", value_parser = interval, help_heading = "State")]
    pub(super) state_interval: Duration,
    /// Take no state file up that is older; 0 for one of any age.
    #[arg(long = "state.max-age", value_name = "DURATION", default_value = "24h", value_parser = duration::parse, help_heading = "State")]
    pub(super) state_max_age: Duration,

    /// Addresses of the page and the rest over HTTP, or unix:PATH; may be given more than once.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9102", value_delimiter = ',', help_heading = "Web")]
    pub(super) web_listen_address: Vec<String>,
    /// Listen on the sockets that systemd opened, and on no --web.listen-address.
    #[arg(long = "web.systemd-socket", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Web")]
    pub(super) web_systemd_socket: bool,
    /// TLS, users, headers and rate limit, in the format of exporter-toolkit; "" for none.
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true, help_heading = "Web")]
    pub(super) web_config_file: OsString,
    /// Network that may connect, such as 10.0.0.0/8; may be given more than once; all may if none is given.
    #[arg(long = "web.allow-from", value_name = "NETWORK", value_delimiter = ',', help_heading = "Web")]
    pub(super) web_allow_from: Vec<String>,
    /// Addresses on which alone lifecycle and deletion are answered; may be given more than once.
    #[arg(long = "web.admin-listen-address", value_name = "ADDRESS", value_delimiter = ',', help_heading = "Web")]
    pub(super) web_admin_listen_address: Vec<String>,
    /// Path of the page.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", help_heading = "Web")]
    pub(super) web_telemetry_path: String,
    /// Answer PUT and POST of /-/quit and /-/reload.
    #[arg(long = "web.enable-lifecycle", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Web")]
    pub(super) web_enable_lifecycle: bool,
    /// Answer POST of /api/v1/series/delete, which deletes series.
    #[arg(long = "web.enable-admin-api", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Web")]
    pub(super) web_enable_admin_api: bool,
    /// Show the bridge's own process_* on the page; without, the names are free for what is sent.
    #[arg(long = "web.process-metrics", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(help_heading = "Web")]
    pub(super) web_process_metrics: bool,
    /// Say in OpenMetrics when the counting of each counter, histogram and summary began: a line x_created for each series.
    #[arg(long = "web.created-lines", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Web")]
    pub(super) web_created_lines: bool,
    /// HTTP connections open at once; one more is closed at once.
    #[arg(long = "web.max-connections", value_name = "N", default_value = "256", value_parser = positive)]
    #[arg(help_heading = "Web")]
    pub(super) web_max_connections: usize,
    /// Pages rendered at once; a further one waits for its turn.
    #[arg(long = "web.max-renders", value_name = "N", default_value = "2", value_parser = positive, help_heading = "Web")]
    pub(super) web_max_renders: usize,
    /// Pages in memory at once; a page is held until its client has taken it.
    #[arg(long = "web.max-pages", value_name = "N", default_value = "8", value_parser = positive, help_heading = "Web")]
    pub(super) web_max_pages: usize,
    /// How long a response may be stuck without the client taking a byte.
    #[arg(long = "web.write-timeout", value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    #[arg(help_heading = "Web")]
    pub(super) web_write_timeout: Duration,
    /// Silence after which an HTTP connection is closed.
    #[arg(long = "web.idle-timeout", value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    #[arg(help_heading = "Web")]
    pub(super) web_idle_timeout: Duration,

    /// Answer as another program does: summaries, its prefix, container_id label, no bare tags.
    #[arg(long = "compat", value_name = "PROGRAM", value_enum, help_heading = "Compatibility")]
    pub(super) compat: Option<Compat>,
    /// Accepted, no effect.
    #[arg(long = "statsd.cache-size", value_name = "N", help_heading = "Compatibility")]
    pub(super) cache_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.cache-type", value_name = "TYPE", value_parser = ["lru", "random"], help_heading = "Compatibility")]
    pub(super) cache_type: Option<String>,
    /// Accepted, no effect: there is no queue.
    #[arg(long = "statsd.event-queue-size", value_name = "N", help_heading = "Compatibility")]
    pub(super) event_queue_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.event-flush-threshold", value_name = "N", help_heading = "Compatibility")]
    pub(super) event_flush_threshold: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "statsd.event-flush-interval", value_name = "DURATION", value_parser = duration::parse)]
    #[arg(help_heading = "Compatibility")]
    pub(super) event_flush_interval: Option<Duration>,
    /// Accepted, no effect: there is no queue.
    #[arg(long = "statsd.udp-packet-queue-size", value_name = "N", help_heading = "Compatibility")]
    pub(super) udp_packet_queue_size: Option<u64>,
    /// Accepted, no effect.
    #[arg(long = "debug.dump-fsm", value_name = "FILE", help_heading = "Compatibility")]
    pub(super) dump_fsm: Option<String>,

    /// Least severe messages that are written to stderr.
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info", help_heading = "Logging")]
    pub(super) log_level: LogLevel,
    /// Form of the messages.
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt", help_heading = "Logging")]
    pub(super) log_format: LogFormat,

    /// Check flags and configuration, open no port, exit.
    #[arg(long = "check-config", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    #[arg(help_heading = "Program")]
    pub(super) check_config: bool,
    /// How long the page stays up after the last line was taken.
    #[arg(long = "shutdown.linger", value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    #[arg(help_heading = "Program")]
    pub(super) shutdown_linger: Duration,
    /// Folder of the examples that `demo` replays.
    #[arg(long = "examples", value_name = "DIR", default_value = "./proto-examples", help_heading = "Program")]
    pub(super) examples: PathBuf,
    /// Print help.
    // The short form for both: a line or two for each flag.
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort, help_heading = "Program")]
    help: Option<bool>,
    /// Print version.
    #[arg(short = 'V', long = "version", action = ArgAction::Version, help_heading = "Program")]
    version: Option<bool>,
}

/// What to do instead of just running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    Demo,
    Healthcheck,
}

/// A kind of metric for timers, histograms and distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ObserverType {
    Histogram,
    Summary,
}

/// Names of families and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NameSet {
    /// Letters, digits and _.
    Legacy,
    /// Any text.
    Utf8,
}

/// From when on histograms keep native buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NativeHistograms {
    /// Never, whatever a rule says.
    Never,
    /// From the first scrape that asks for protobuf.
    Asked,
    /// From the first sample.
    Always,
}

/// What becomes of samples of new series at a limit of their family; gauges are always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OverflowPolicy {
    /// Into one overflow series of the family.
    Fold,
    /// Into series that lack only the label that explodes.
    DropLabel,
    /// Nowhere: they are refused and counted.
    Refuse,
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

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == usize::MAX => Err(format!("expected a whole number of at least {least}")),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    within(text, 1, usize::MAX)
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor >= 1.0);
    factor.ok_or_else(|| format!("expected a number from 1 on such as 1.1, got {text:?}"))
}

fn native_buckets(text: &str) -> Result<u32, String> {
    within(text, 1, NATIVE_BUCKETS_MAX as usize).map(|buckets| buckets as u32)
}

fn workers(text: &str) -> Result<usize, String> {
    within(text, 0, 1024)
}

fn datagram(text: &str) -> Result<usize, String> {
    within(text, 1, 65_535)
}

fn line(text: &str) -> Result<usize, String> {
    within(text, 1, 1 << 20)
}

fn nap(text: &str) -> Result<Duration, String> {
    // A longer one would only fill the receive buffer.
    const MOST: Duration = Duration::from_millis(10);
    duration::parse(text).and_then(|nap| if nap <= MOST { Ok(nap) } else { Err("expected at most 10ms".to_owned()) })
}

fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_secs(1);
    duration::parse(text).and_then(|time| if time >= LEAST { Ok(time) } else { Err("expected at least 1s".to_owned()) })
}

/// `name=value` with a legal label name that Prometheus does not keep for itself.
fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let mut legal = String::new();
    crate::name::NameValidation::Legacy.push_label(name, &mut legal);
    if name.is_empty() || legal != name {
        return Err(format!("{name:?} is no label name of your own: letters, digits and _, no digit first, not le, quantile or __*"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
