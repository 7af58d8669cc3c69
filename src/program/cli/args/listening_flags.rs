//! The flags of the heading Listening: where lines are received, and where they are relayed to. Must not open a socket or resolve a
//! host name.

use std::ffi::OsString;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::StringValueParser;

use super::lists::{List, list};
use super::numbers::{datagram, positive, within};
use crate::program::duration;

/// The flags of the heading Listening.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(in crate::program::cli) struct ListeningFlags {
    /// UDP addresses; repeatable; "" for none.
    #[arg(long = "statsd.listen-udp", value_name = "ADDRESS", default_value = ":9125", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_udp: Vec<List<String>>,
    /// TCP addresses; repeatable; "" for none.
    #[arg(long = "statsd.listen-tcp", value_name = "ADDRESS", default_value = ":9125", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_tcp: Vec<List<String>>,
    /// File with TLS for the TCP addresses; "" for plain text.
    ///
    /// It has the section tls_server_config, as a file of --web.config.file. The file and its certificates are read again when they
    /// change.
    #[arg(long = "statsd.tls-config-file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) tls_config_file: OsString,
    /// Path of a Unix datagram socket; @NAME for an abstract one; "" for none.
    #[arg(long = "statsd.listen-unixgram", value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) listen_unixgram: String,
    /// Paths of Unix stream sockets; @NAME for an abstract one; repeatable; "" for none.
    #[arg(long = "statsd.listen-unix", value_name = "PATH", default_value = "", hide_default_value = true, value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_unix: Vec<List<String>>,
    /// How Unix streams are split.
    #[arg(long = "statsd.unix-framing", value_name = "HOW", default_value = "auto", value_enum)]
    pub(in crate::program::cli) unix_framing: UnixFraming,
    /// Permissions of the Unix sockets, octal.
    ///
    /// They apply to the datagram socket and to stream sockets. With the default, only the owner of a socket can send. 722 allows all
    /// users to send.
    #[arg(long = "statsd.unixsocket-mode", value_name = "MODE", default_value = "755")]
    pub(in crate::program::cli) unixsocket_mode: String,
    /// User that owns the Unix sockets, by name or number; "" for the user of the bridge.
    ///
    /// Another user than that of the bridge needs the capability CAP_CHOWN.
    #[arg(long = "statsd.unixsocket-owner", value_name = "USER", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) unixsocket_owner: String,
    /// Group of the Unix sockets, by name or number; "" for the group of the bridge.
    ///
    /// With mode 775, all members of the group can send.
    #[arg(long = "statsd.unixsocket-group", value_name = "GROUP", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) unixsocket_group: String,
    /// Receive on the sockets that systemd passes, not on --statsd.listen-*.
    ///
    /// Each passed UDP socket has one receiving thread. With --web.systemd-socket too, FileDescriptorName= of the units must be
    /// statsd for these sockets and web for those of HTTP.
    #[arg(long = "statsd.systemd-socket", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) statsd_systemd_socket: bool,
    /// Size of the receive buffer; 0 for the default size.
    ///
    /// The default is 16 MiB for UDP, the system's default for Unix datagrams, and unchanged for sockets of systemd. The kernel may
    /// grant less.
    #[arg(long = "statsd.read-buffer", value_name = "BYTES", default_value = "0")]
    pub(in crate::program::cli) read_buffer: usize,
    /// Receiving threads per UDP address; 0 for one per four cores.
    ///
    /// 0 starts at least 1 thread and at most 8.
    #[arg(long = "udp.workers", value_name = "N", default_value = "0", value_parser = workers)]
    pub(in crate::program::cli) udp_workers: usize,
    /// Coalescing delay between receives; at most 10ms; 0 for none [default: 200us to 1ms].
    ///
    /// Datagrams gather in the receive buffer during this pause, so that one call receives more of them. The default depends on the
    /// size of the receive buffer. For Unix datagrams it is the longest delay (1ms by default); theirs adapts, so that their queue does not fill.
    #[arg(long = "udp.nap", value_name = "DURATION", value_parser = coalescing_delay)]
    pub(in crate::program::cli) udp_coalescing_delay: Option<Duration>,
    /// Open TCP connections.
    ///
    /// For one more, a connection is evicted: of the address with the most connections, the one that has been idle longest.
    #[arg(long = "tcp.max-connections", value_name = "N", default_value = "1024", value_parser = positive)]
    pub(in crate::program::cli) tcp_max_connections: usize,
    /// Idle time after which a TCP connection is closed; 0 for never.
    #[arg(long = "tcp.idle-timeout", value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(in crate::program::cli) tcp_idle_timeout: Duration,
    /// Open connections of Unix stream sockets.
    ///
    /// For one more, a connection is evicted: of the process with the most connections, the one that has been idle longest.
    #[arg(long = "unix.max-connections", value_name = "N", default_value = "1024", value_parser = positive)]
    pub(in crate::program::cli) unix_max_connections: usize,
    /// Idle time after which a Unix stream connection is closed; 0 for never.
    #[arg(long = "unix.idle-timeout", value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(in crate::program::cli) unix_idle_timeout: Duration,
    /// Networks that may send over UDP and TCP, such as 10.0.0.0/8; repeatable.
    ///
    /// Without this flag, all networks may send. Datagrams and connections from other networks are discarded, counted and logged at
    /// intervals. The address of a datagram can be forged.
    #[arg(long = "statsd.allow-from", value_name = "NETWORK", default_value = "", hide_default_value = true, value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) statsd_allow_from: Vec<List<String>>,
    /// Servers to relay lines to: HOST:PORT or udp://, tcp://, unix://, unixstream://; repeatable.
    ///
    /// A filter may follow: tcp://HOST:PORT?name=shop.*&tag=env:prod relays samples with one of the names and one of the tags. With
    /// unixstream://PATH?framing=length, each frame begins with its length, as in DogStatsD.
    #[arg(long = "statsd.relay.address", value_name = "TARGET", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) relay_address: Vec<List<String>>,
    /// Length of a relayed datagram.
    #[arg(long = "statsd.relay.packet-length", value_name = "BYTES", default_value = "1400", value_parser = datagram)]
    pub(in crate::program::cli) relay_packet_length: usize,
    /// Bytes that wait for one relay target; further lines are dropped.
    #[arg(long = "statsd.relay.queue-bytes", value_name = "BYTES", default_value = "4194304", value_parser = positive)]
    pub(in crate::program::cli) relay_queue_bytes: usize,
    /// How long a line may wait for a relay target; 0 for any time.
    #[arg(long = "statsd.relay.max-age", value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    pub(in crate::program::cli) relay_max_age: Duration,
}

/// How Unix streams are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::program::cli) enum UnixFraming {
    /// The first four bytes of a connection decide.
    Auto,
    /// Frames, each with its length in four bytes, as DogStatsD clients send them.
    Length,
    /// Lines that end with a newline.
    Newline,
}

fn workers(text: &str) -> Result<usize, String> {
    within(text, 0, 1024)
}

fn coalescing_delay(text: &str) -> Result<Duration, String> {
    // A longer delay only fills the receive buffer.
    const MAX: Duration = Duration::from_millis(10);
    duration::parse(text).and_then(|delay| if delay <= MAX { Ok(delay) } else { Err("expected at most 10ms".to_owned()) })
}
