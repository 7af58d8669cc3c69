//! The options of the sockets that receive lines, and of the relay.

use super::wrong_value::{WrongValue, wrong};
use crate::program::cli::address_advice::{address_advice, socket_path_advice};
use crate::program::cli::args::{Args, List, UnixFraming, all};
use crate::program::listener::framing::{FramingLimits, StreamFraming};
use crate::program::listener::relay::{RelayOptions, RelayTarget};
use crate::program::listener::stream::{StreamOptions, UnixOptions};
use crate::program::listener::udp::UdpOptions;
use crate::program::listener::unix::UnixgramOptions;
use crate::program::net::{Address, AllowedNetwork, PathAccess, check_path};

fn address(flag: &'static str, text: &str) -> Result<Address, WrongValue> {
    Address::parse(text).map_err(|error| wrong(flag, format_args!("{error}{}", address_advice(flag, &error))))
}

pub(super) fn addresses(flag: &'static str, texts: &[List<String>]) -> Result<Vec<Address>, WrongValue> {
    all(texts).map(|text| address(flag, text)).collect()
}

/// One worker per four cores, from 1 to 8.
///
/// One worker records about ten million samples a second. Each worker has its own bindings and cells, so that two workers on two cores
/// need half as much memory again and record no more samples. Samples of a gauge keep their order within one worker only.
fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 4).clamp(1, 8)
}

/// The networks that may send lines.
fn statsd_networks(args: &Args) -> Result<Vec<AllowedNetwork>, WrongValue> {
    all(&args.listening.statsd_allow_from).map(|text| AllowedNetwork::parse(text).map_err(|why| wrong("statsd.allow-from", why))).collect()
}

pub(super) fn udp_options(args: &Args) -> Result<UdpOptions, WrongValue> {
    Ok(UdpOptions {
        allow_from: statsd_networks(args)?,
        workers: if args.listening.udp_workers == 0 { default_workers() } else { args.listening.udp_workers },
        read_buffer_bytes: args.listening.read_buffer,
        datagram_bytes: args.limits.datagram_bytes,
        coalescing_delay: args.listening.udp_coalescing_delay,
    })
}

pub(super) fn tcp_options(args: &Args) -> Result<StreamOptions, WrongValue> {
    Ok(StreamOptions {
        max_connections: args.listening.tcp_max_connections,
        idle_timeout: args.listening.tcp_idle_timeout,
        framing: StreamFraming::Newline,
        limits: framing_limits(args),
        allow_from: statsd_networks(args)?,
    })
}

pub(super) fn unix_options(args: &Args) -> StreamOptions {
    StreamOptions {
        max_connections: args.listening.unix_max_connections,
        idle_timeout: args.listening.unix_idle_timeout,
        framing: match args.listening.unix_framing {
            UnixFraming::Auto => StreamFraming::Auto,
            UnixFraming::Length => StreamFraming::Length,
            UnixFraming::Newline => StreamFraming::Newline,
        },
        limits: framing_limits(args),
        // Unix connections have no address.
        allow_from: Vec::new(),
    }
}

fn framing_limits(args: &Args) -> FramingLimits {
    FramingLimits { line_bytes: args.limits.line_bytes, frame_bytes: args.limits.datagram_bytes }
}

/// Who can use the Unix sockets.
fn path_access(args: &Args) -> Result<PathAccess, WrongValue> {
    let mode = u32::from_str_radix(&args.listening.unixsocket_mode, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or_else(|| {
        wrong("statsd.unixsocket-mode", format_args!("expected octal permissions such as 755, got {:?}", args.listening.unixsocket_mode))
    })?;
    let name = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
    Ok(PathAccess { mode, owner: name(&args.listening.unixsocket_owner), group: name(&args.listening.unixsocket_group) })
}

/// Checks the path of a Unix socket, or its abstract name.
fn socket_path(flag: &'static str, path: &str) -> Result<String, WrongValue> {
    socket_path_advice(flag, path).map_or_else(|| check_path(path), Err).map_err(|why| wrong(flag, why))?;
    Ok(path.to_owned())
}

pub(super) fn unixgram(args: &Args) -> Result<Option<UnixgramOptions>, WrongValue> {
    // The mode is checked even without a socket, so that an invalid value is always an error.
    let access = path_access(args)?;
    if args.listening.listen_unixgram.is_empty() {
        return Ok(None);
    }
    Ok(Some(UnixgramOptions {
        path: socket_path("statsd.listen-unixgram", &args.listening.listen_unixgram)?,
        access,
        read_buffer_bytes: args.listening.read_buffer,
        datagram_bytes: args.limits.datagram_bytes,
        coalescing_delay: args.listening.udp_coalescing_delay,
    }))
}

pub(super) fn unix(args: &Args) -> Result<Vec<UnixOptions>, WrongValue> {
    const FLAG: &str = "statsd.listen-unix";
    let access = path_access(args)?;
    let one = |path: &String| match path {
        path if *path == args.listening.listen_unixgram => {
            Err(wrong(FLAG, format_args!("{path:?} is also the path of --statsd.listen-unixgram; each socket needs its own")))
        }
        path => Ok(UnixOptions { path: socket_path(FLAG, path)?, access: access.clone() }),
    };
    all(&args.listening.listen_unix).map(one).collect()
}

pub(super) fn relay(args: &Args) -> Result<RelayOptions, WrongValue> {
    const FLAG: &str = "statsd.relay.address";
    let mut targets = Vec::<RelayTarget>::new();
    for text in all(&args.listening.relay_address) {
        let target = RelayTarget::parse(text).map_err(|why| wrong(FLAG, why))?;
        // The metrics of a target have its address as their label.
        if targets.iter().any(|other| other.has_address_of(&target)) {
            return Err(wrong(FLAG, format_args!("{text:?} has the address of another target; give one all names and tags")));
        }
        targets.push(target);
    }
    Ok(RelayOptions {
        targets,
        packet_bytes: args.listening.relay_packet_length,
        queue_bytes: args.listening.relay_queue_bytes,
        max_age: args.listening.relay_max_age,
    })
}
