//! The flags of the heading Web: expositions and all else over HTTP. Must not open a socket or read the web configuration file.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::StringValueParser;
use clap::{ArgAction, ValueEnum};

use super::lists::{List, list};
use super::numbers::positive;
use crate::program::duration;

/// The page and the rest over HTTP.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Web")]
pub(in crate::program::cli) struct WebFlags {
    /// Addresses of the page and the rest over HTTP, or unix:PATH; may be given more than once.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9102", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_address: Vec<List<String>>,
    /// Listen on the sockets that systemd opened, and on no --web.listen-address.
    #[arg(long = "web.systemd-socket", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) systemd_socket: bool,
    /// TLS, users, headers and rate limit, in the format of exporter-toolkit; "" for none.
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) config_file: OsString,
    /// Network that may connect, such as 10.0.0.0/8; may be given more than once; all may if none is given.
    #[arg(long = "web.allow-from", value_name = "NETWORK", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) allow_from: Vec<List<String>>,
    /// Hosts that requests may name beside the loopback and the address itself, or * for any; may be given more than once. Without,
    /// they are looked at on addresses of the loopback, and where a browser would change something.
    #[arg(long = "web.allowed-hosts", value_name = "HOST", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) allowed_hosts: Vec<List<String>>,
    /// Addresses on which alone lifecycle and deletion are answered; may be given more than once.
    #[arg(long = "web.admin-listen-address", value_name = "ADDRESS", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) admin_listen_address: Vec<List<String>>,
    /// Paths that need no password where --web.config.file has users, such as /-/healthy,/-/ready; may be given more than once.
    #[arg(long = "web.no-auth-paths", value_name = "PATH", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) no_auth_paths: Vec<List<String>>,
    /// Path of the page.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics")]
    pub(in crate::program::cli) telemetry_path: String,
    /// Carry out PUT and POST of /-/quit and /-/reload; without, they are 403.
    #[arg(long = "web.enable-lifecycle", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) enable_lifecycle: bool,
    /// Answer POST of /api/v1/series/delete, which deletes series.
    #[arg(long = "web.enable-admin-api", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) enable_admin_api: bool,
    /// Show the bridge's own process_* on the page; without, the names are free for what is sent.
    #[arg(long = "web.process-metrics", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) process_metrics: bool,
    /// Who gets OpenMetrics of those who ask for it: auto where it has something to show that text has not (exemplars, created lines,
    /// units of rules), else who accepts no text [default: auto, with --compat never].
    #[arg(long = "web.openmetrics", value_name = "WHEN", value_enum)]
    pub(in crate::program::cli) openmetrics: Option<OpenMetricsWhen>,
    /// Say in OpenMetrics when the counting of each counter, histogram and summary began: a line x_created for each series.
    #[arg(long = "web.created-lines", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) created_lines: bool,
    /// HTTP connections whose request has come, open at once; for one more a connection that only takes up room is closed.
    #[arg(long = "web.max-connections", value_name = "N", default_value = "256", value_parser = positive)]
    pub(in crate::program::cli) max_connections: usize,
    /// HTTP connections whose first request is awaited, or that wait for a place of those; at most a quarter of the open files.
    #[arg(long = "web.max-waiting-connections", value_name = "N", default_value = "2048", value_parser = positive)]
    pub(in crate::program::cli) max_waiting_connections: usize,
    /// Pages rendered at once; a further one waits for its turn.
    #[arg(long = "web.max-renders", value_name = "N", default_value = "2", value_parser = positive)]
    pub(in crate::program::cli) max_renders: usize,
    /// Pages in memory at once; a page is held until its client has taken it.
    #[arg(long = "web.max-pages", value_name = "N", default_value = "8", value_parser = positive)]
    pub(in crate::program::cli) max_pages: usize,
    /// How long a response may be stuck without the client taking a byte.
    #[arg(long = "web.write-timeout", value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(in crate::program::cli) write_timeout: Duration,
    /// Silence after which an HTTP connection is closed.
    #[arg(long = "web.idle-timeout", value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    pub(in crate::program::cli) idle_timeout: Duration,
}

/// Who gets OpenMetrics of those who ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum OpenMetricsWhen {
    /// Where it has something to show that text has not, else who accepts no text.
    Auto,
    /// Whoever asks for it.
    Always,
    /// Nobody.
    Never,
}
