//! The settings of the program, as built from flags and environment variables.
//!
//! Holds values only. Must not know how a setting takes effect. It knows the names of flags, for messages, but not what they mean.

use std::path::PathBuf;
use std::time::Duration;

use crate::program::flag_names::FlagNames;
use crate::program::flag_values::FlagValue;
use crate::program::listener::relay::RelayOptions;
use crate::program::listener::stream::{StreamOptions, UnixOptions};
use crate::program::listener::udp::UdpOptions;
use crate::program::listener::unix::UnixgramOptions;
use crate::program::logging::LogOptions;
use crate::program::net::{Address, WebAddress};
use crate::program::push::PushOptions;
use crate::program::{rulebook, web};

/// Everything that the program needs to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The options of the core.
    pub bridge: crate::options::Options,
    /// Mapping files, presets and labels.
    pub mapping: rulebook::Sources,
    /// Interval between checks for changed mapping files; 0 for no checks.
    pub watch_interval: Duration,
    /// UDP addresses. Without any, UDP is off.
    pub udp: Vec<Address>,
    /// Options of the UDP listeners.
    pub udp_options: UdpOptions,
    /// TCP addresses. Without any, TCP is off.
    pub tcp: Vec<Address>,
    /// Options of the TCP listeners.
    pub tcp_options: StreamOptions,
    /// The TLS configuration file of the TCP listeners; `None` for plain text.
    pub tcp_tls: Option<PathBuf>,
    /// The Unix datagram socket.
    pub unixgram: Option<UnixgramOptions>,
    /// Unix stream sockets. Without any, Unix streams are off.
    pub unix: Vec<UnixOptions>,
    /// Options of the Unix stream listeners.
    pub unix_options: StreamOptions,
    /// Whether sockets that systemd passes replace `udp`, `tcp`, `unixgram` and `unix`.
    pub statsd_systemd: bool,
    /// The relay of lines.
    pub relay: RelayOptions,
    /// HTTP addresses.
    pub web: Vec<WebAddress>,
    /// HTTP addresses for lifecycle and deletion requests. Without any, the addresses in `web` answer them.
    pub web_admin: Vec<WebAddress>,
    /// Whether sockets that systemd passes replace `web`.
    pub web_systemd: bool,
    /// The web configuration file.
    pub web_config: Option<PathBuf>,
    /// Options of the web server.
    pub web_options: web::WebOptions,
    /// Receivers of remote write.
    pub push: PushOptions,
    /// The state file.
    pub state: Option<SnapshotOptions>,
    /// The file that DogStatsD events are appended to.
    pub event_file: Option<PathBuf>,
    /// Severity and format of log lines.
    pub log: LogOptions,
    /// Time limit at shutdown for reading what the kernel still holds, for all sockets together. HTTP responses in progress then have
    /// the same time.
    pub drain: Duration,
    /// How long scrapes are answered at shutdown.
    pub linger: Duration,
    /// Given flags that have no effect.
    pub without_effect: Vec<&'static str>,
    /// The names of flags in messages.
    pub flag_names: FlagNames,
    /// Warnings about unknown environment variables with the bridge's prefix.
    pub unknown_variables: Vec<String>,
    /// All flags in force, without secrets, for reports.
    pub flags: Vec<FlagValue>,
}

/// Options of the state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Path of the file.
    pub path: PathBuf,
    /// Interval between snapshots.
    pub interval: Duration,
    /// Older files are ignored; `None` for no limit.
    pub max_age: Option<Duration>,
}
