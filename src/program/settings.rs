//! What the program is told at its start: the settings, as built from what the user typed.
//!
//! Holds values only. Must not know flags, nor how a setting is carried out.

use std::path::PathBuf;
use std::time::Duration;

use crate::program::flag_names::FlagNames;
use crate::program::listener::relay::RelayOptions;
use crate::program::listener::tcp::TcpOptions;
use crate::program::listener::udp::UdpOptions;
use crate::program::listener::unix::UnixgramOptions;
use crate::program::logging::LogOptions;
use crate::program::net::{Address, WebAddress};
use crate::program::{rulebook, web};

/// Everything that the program needs to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For the core.
    pub bridge: crate::options::Options,
    /// Mapping files, presets and labels.
    pub mapping: rulebook::Sources,
    /// How often the files are looked at; 0 for never.
    pub watch_interval: Duration,
    /// UDP addresses; none turns UDP off.
    pub udp: Vec<Address>,
    /// How UDP is received.
    pub udp_options: UdpOptions,
    /// TCP addresses; none turns TCP off.
    pub tcp: Vec<Address>,
    /// How TCP is received.
    pub tcp_options: TcpOptions,
    /// Unix datagram socket.
    pub unixgram: Option<UnixgramOptions>,
    /// Where lines are passed on to.
    pub relay: Option<RelayOptions>,
    /// Addresses of the page.
    pub web: Vec<WebAddress>,
    /// Addresses on which alone lifecycle and deletion are answered; none: on those of the page.
    pub web_admin: Vec<WebAddress>,
    /// Whether systemd's sockets take the place of `web`.
    pub web_systemd: bool,
    /// The web configuration file.
    pub web_config: Option<PathBuf>,
    /// How the page is served.
    pub web_options: web::WebOptions,
    /// Where series are kept over a restart.
    pub state: Option<SnapshotOptions>,
    /// Severity and form of messages.
    pub log: LogOptions,
    /// How long taking what the kernel holds may take at the end, over all sockets; then as long again for responses under way.
    pub drain: Duration,
    /// How long the page stays up at the end.
    pub linger: Duration,
    /// Flags that were given and have no effect.
    pub without_effect: Vec<&'static str>,
    /// What messages call the flags.
    pub flag_names: FlagNames,
    /// A line for each environment variable that looks like one of the bridge's and is none.
    pub unknown_variables: Vec<String>,
}

/// Where and how often series are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// The file.
    pub path: PathBuf,
    /// From one snapshot to the next: what a crash may cost.
    pub interval: Duration,
    /// A file that is older is not taken up; none for any age.
    pub max_age: Option<Duration>,
}
