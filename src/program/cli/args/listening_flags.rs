//! The flags of the heading Listening: where lines come from, and where they are relayed to. Must not open or look up an
//! address.

use std::time::Duration;

use clap::builder::StringValueParser;

use super::lists::{List, list};
use super::numbers::{datagram, positive, within};
use crate::program::duration;

/// Where lines come from, and where they are passed on to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(in crate::program::cli) struct ListeningFlags {
    /// UDP addresses; may be given more than once; "" for none.
    #[arg(long = "statsd.listen-udp", value_name = "ADDRESS", default_value = ":9125", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_udp: Vec<List<String>>,
    /// TCP addresses; may be given more than once; "" for none.
    #[arg(long = "statsd.listen-tcp", value_name = "ADDRESS", default_value = ":9125", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) listen_tcp: Vec<List<String>>,
    /// Path of a Unix datagram socket, or an abstract name with @ in front; "" for none.
    #[arg(long = "statsd.listen-unixgram", value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) listen_unixgram: String,
    /// Permissions of the Unix datagram socket, octal. With the default only its owner can send; 722 lets everybody.
    #[arg(long = "statsd.unixsocket-mode", value_name = "MODE", default_value = "755")]
    pub(in crate::program::cli) unixsocket_mode: String,
    /// Receive buffer to ask the kernel for; 0 asks for 16 MiB for UDP and leaves the system's for Unix datagrams.
    #[arg(long = "statsd.read-buffer", value_name = "BYTES", default_value = "0")]
    pub(in crate::program::cli) read_buffer: usize,
    /// Receiving threads for each UDP address; 0 for one for every four cores, 1 to 8.
    #[arg(long = "udp.workers", value_name = "N", default_value = "0", value_parser = workers)]
    pub(in crate::program::cli) udp_workers: usize,
    /// Pause that lets datagrams gather before the next receive; 0 for none [default: 200us to 1ms, by the receive buffer granted].
    #[arg(long = "udp.nap", value_name = "DURATION", value_parser = nap)]
    pub(in crate::program::cli) udp_nap: Option<Duration>,
    /// TCP connections open at once; for one more, one that has been silent for long is closed, of the address that holds most.
    #[arg(long = "tcp.max-connections", value_name = "N", default_value = "1024", value_parser = positive)]
    pub(in crate::program::cli) tcp_max_connections: usize,
    /// Silence after which a TCP connection is closed; 0 for never.
    #[arg(long = "tcp.idle-timeout", value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(in crate::program::cli) tcp_idle_timeout: Duration,
    /// UDP address of another server to pass all lines on to.
    #[arg(long = "statsd.relay.address", value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) relay_address: String,
    /// Bytes of a relayed datagram at most.
    #[arg(long = "statsd.relay.packet-length", value_name = "BYTES", default_value = "1400", value_parser = datagram)]
    pub(in crate::program::cli) relay_packet_length: usize,
}

fn workers(text: &str) -> Result<usize, String> {
    within(text, 0, 1024)
}

fn nap(text: &str) -> Result<Duration, String> {
    // A longer one would only fill the receive buffer.
    const MOST: Duration = Duration::from_millis(10);
    duration::parse(text).and_then(|nap| if nap <= MOST { Ok(nap) } else { Err("expected at most 10ms".to_owned()) })
}
