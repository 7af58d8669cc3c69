//! The flags of the heading Web: the HTTP server. Must not open a socket or read the web configuration file.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::StringValueParser;
use clap::{ArgAction, ValueEnum};

use super::lists::{List, list};
use super::numbers::positive;
use crate::program::duration;

/// The flags of the heading Web.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Web")]
pub(in crate::program::cli) struct WebFlags {
    /// HTTP addresses, or unix:PATH; repeatable.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9102", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_address: Vec<List<String>>,
    /// Serve HTTP on the sockets that systemd passes, not on --web.listen-address.
    #[arg(long = "web.systemd-socket", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) systemd_socket: bool,
    /// File with TLS, users, headers and rate limit; "" for none.
    ///
    /// The format is that of the exporter-toolkit.
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) config_file: OsString,
    /// Network that may connect, such as 10.0.0.0/8; repeatable.
    ///
    /// Without this flag, all networks may connect.
    #[arg(long = "web.allow-from", value_name = "NETWORK", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) allow_from: Vec<List<String>>,
    /// Host name that requests may use; * for any; repeatable.
    ///
    /// Requests may always use a loopback name or the server's own address. Without this flag, host names are checked on loopback
    /// addresses only, and where a browser's request changes something.
    #[arg(long = "web.allowed-hosts", value_name = "HOST", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) allowed_hosts: Vec<List<String>>,
    /// HTTP addresses for lifecycle and deletion requests; repeatable.
    ///
    /// The other addresses then answer such requests with 404.
    #[arg(long = "web.admin-listen-address", value_name = "ADDRESS", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) admin_listen_address: Vec<List<String>>,
    /// Path that needs no password, such as /-/healthy; repeatable.
    ///
    /// It applies where --web.config.file has users.
    #[arg(long = "web.no-auth-paths", value_name = "PATH", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) no_auth_paths: Vec<List<String>>,
    /// Path of the exposition.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics")]
    pub(in crate::program::cli) telemetry_path: String,
    /// Enable PUT and POST of /-/quit and /-/reload.
    ///
    /// Without this flag, they are answered with 403.
    #[arg(long = "web.enable-lifecycle", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) enable_lifecycle: bool,
    /// Enable POST of /api/v1/series/delete, which deletes series.
    #[arg(long = "web.enable-admin-api", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) enable_admin_api: bool,
    /// Enable /api/v1/tail, which shows lines as they arrive.
    ///
    /// Lines may contain secrets. With --web.admin-listen-address, only those addresses show them.
    #[arg(long = "web.enable-tail", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) enable_tail: bool,
    /// Viewers of /api/v1/tail at once; another one gets 503.
    #[arg(long = "web.max-tails", value_name = "N", default_value = "4", value_parser = positive)]
    pub(in crate::program::cli) max_tails: usize,
    /// Expose the bridge's own process_* metrics.
    ///
    /// When off, samples may use these names.
    #[arg(long = "web.process-metrics", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) process_metrics: bool,
    /// When to answer in OpenMetrics [default: auto].
    ///
    /// Scrapers that do not accept OpenMetrics never get it. With --compat, the default is never.
    #[arg(long = "web.openmetrics", value_name = "WHEN", value_enum)]
    pub(in crate::program::cli) openmetrics: Option<OpenMetricsWhen>,
    /// Add _created lines to OpenMetrics.
    ///
    /// The line of a counter, histogram or summary has the time at which its count began.
    #[arg(long = "web.created-lines", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) created_lines: bool,
    /// Open HTTP connections that have sent a request.
    ///
    /// For one more, a connection without a request in progress is evicted.
    #[arg(long = "web.max-connections", value_name = "N", default_value = "256", value_parser = positive)]
    pub(in crate::program::cli) max_connections: usize,
    /// Open HTTP connections before their first request.
    ///
    /// Connections that wait for a slot of --web.max-connections are included. The limit is at most a quarter of the limit of
    /// open files.
    #[arg(long = "web.max-waiting-connections", value_name = "N", default_value = "2048", value_parser = positive)]
    pub(in crate::program::cli) max_waiting_connections: usize,
    /// Expositions rendered at once; others wait.
    #[arg(long = "web.max-renders", value_name = "N", default_value = "2", value_parser = positive)]
    pub(in crate::program::cli) max_renders: usize,
    /// Expositions in memory at once.
    ///
    /// An exposition stays in memory until its client has received it.
    #[arg(long = "web.max-pages", value_name = "N", default_value = "8", value_parser = positive)]
    pub(in crate::program::cli) max_pages: usize,
    /// Time after which a response that the client does not read is cut.
    #[arg(long = "web.write-timeout", value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(in crate::program::cli) write_timeout: Duration,
    /// Idle time after which an HTTP connection is closed.
    #[arg(long = "web.idle-timeout", value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    pub(in crate::program::cli) idle_timeout: Duration,
}

/// When to answer in OpenMetrics, of the scrapers that accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum OpenMetricsWhen {
    /// If OpenMetrics shows something that text cannot (exemplars, _created lines, units of rules), or the scraper accepts no text.
    Auto,
    /// For each scraper that accepts it.
    Always,
    /// For no scraper.
    Never,
}
