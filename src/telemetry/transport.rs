//! Metrics of datagrams, connections and the relay.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::described::{described_counter, described_counters, described_gauge};
use super::tls_metrics::{StreamTlsErrors, TlsReloads, tcp_tls};
use crate::options::Prefix;

/// Metrics of datagrams and connections.
pub(crate) struct Transport {
    /// UDP datagrams.
    pub udp: Datagrams,
    /// UDP datagrams from networks that may not send.
    pub udp_disallowed: Counter,
    /// Unix datagrams.
    pub unixgram: Datagrams,
    /// Times that as many Unix datagrams as the kernel queues were received without a pause.
    pub unixgram_queue_full: Counter,
    /// Datagrams not read before the time to drain expired.
    pub undrained_packets: Counter,
    /// TCP connections.
    pub tcp: Streams,
    /// Reloads of the TLS configuration of TCP listeners.
    pub tcp_tls_reloads: TlsReloads,
    /// Connections to Unix stream sockets.
    pub unix: Streams,
}

/// Metrics of the datagrams of one kind of socket.
#[derive(Clone)]
pub(crate) struct Datagrams {
    /// Datagrams received.
    pub packets: Counter,
    /// Datagrams that were longer than the limit.
    pub truncated: Counter,
    /// Errors of receive calls.
    pub errors: Counter,
}

/// Metrics of the connections of one kind of stream socket.
#[derive(Clone)]
pub(crate) struct Streams {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections that ended with an error.
    pub errors: Counter,
    /// Connections rejected because the limit of open connections was reached.
    pub rejected: Counter,
    /// Connections from networks that may not send.
    pub disallowed: Counter,
    /// Connections evicted to make room for new ones.
    pub evicted: Counter,
    /// Connections closed because they were idle for too long.
    pub idle_closed: Counter,
    /// Connections open now.
    pub open: Gauge,
    /// Lines that were longer than the limit.
    pub too_long_lines: Counter,
    /// Connections that TLS ended.
    pub tls_errors: StreamTlsErrors,
    /// Frames, of a kind of socket that has them.
    pub frames: Frames,
}

/// Metrics of frames: pieces of a stream that begin with their length.
#[derive(Clone)]
pub(crate) struct Frames {
    /// Complete frames.
    pub complete: Counter,
    /// Frames that were longer than the limit.
    pub too_long: Counter,
    /// Frames whose stream ended before they did.
    pub truncated: Counter,
    /// Connections closed because their stream could not be split.
    pub errors: Counter,
}

/// Metrics of one target of the relay.
#[derive(Clone)]
pub(crate) struct RelayCounters {
    /// Lines sent to the target.
    pub lines: Counter,
    /// Datagrams sent to the target.
    pub packets: Counter,
    /// Lines too long for a datagram.
    pub long_lines: Counter,
    /// Lines that the target's filter leaves out.
    pub filtered_lines: Counter,
    /// Lines lost because the queue was full.
    pub lost_full: Counter,
    /// Lines lost because sending failed.
    pub lost_error: Counter,
    /// Lines that the target's host reported as undeliverable.
    pub lost_unreachable: Counter,
    /// Lines that waited too long.
    pub lost_age: Counter,
    /// Lines that were left at shutdown.
    pub lost_shutdown: Counter,
    /// Failed attempts to resolve, connect or send.
    pub errors: Counter,
    /// Bytes that wait for the target.
    pub queue_bytes: Gauge,
    /// 1 while there is a connection.
    pub connected: Gauge,
}

pub(super) fn transport(p: Prefix) -> Transport {
    let counter = |name, help| described_counter(p, name, help);
    describe_gauge!(
        format!("{}udp_receive_buffer_bytes", p.as_str()),
        "Receive buffer that the kernel granted to a UDP socket. The kernel doubles the requested size."
    );
    describe_gauge!(
        format!("{}unixgram_queue_datagrams", p.as_str()),
        "Datagrams that the kernel queues at the Unix datagram socket before it blocks senders or rejects their datagrams (net.unix.max_dgram_qlen)."
    );
    describe_counter!(
        format!("{}udp_kernel_drops_total", p.as_str()),
        "Datagrams that the kernel dropped at a UDP socket, mostly because its receive buffer was full."
    );
    let [udp_disallowed, tcp_disallowed] = described_counters(
        p,
        ("allow_from_rejected_total", "Datagrams and connections from networks that are not in --statsd.allow-from."),
        "transport",
        ["udp", "tcp"],
    );
    let (tls_errors, tcp_tls_reloads) = tcp_tls(p);
    Transport {
        udp: Datagrams {
            packets: counter("udp_packets_total", "UDP datagrams received."),
            truncated: counter("udp_truncated_packets_total", "UDP datagrams cut at the size limit. Their last line is rejected."),
            errors: counter("udp_receive_errors_total", "Errors of UDP receive calls."),
        },
        unixgram: Datagrams {
            packets: counter("unixgram_packets_total", "Unix datagrams received."),
            truncated: counter("unixgram_truncated_packets_total", "Unix datagrams cut at the size limit. Their last line is rejected."),
            errors: counter("unixgram_receive_errors_total", "Errors of receive calls of the Unix datagram socket."),
        },
        unixgram_queue_full: counter(
            "unixgram_queue_full_total",
            "Times that as many Unix datagrams as the kernel queues were received without a pause. Their senders were probably blocked, or \
             their datagrams rejected.",
        ),
        undrained_packets: counter("undrained_packets_total", "Datagrams not read at shutdown before the time to drain was over."),
        tcp: tcp(p, tcp_disallowed, tls_errors),
        tcp_tls_reloads,
        udp_disallowed,
        unix: unix(p),
    }
}

fn tcp(p: Prefix, disallowed: Counter, tls_errors: StreamTlsErrors) -> Streams {
    let counter = |name, help| described_counter(p, name, help);
    let none = Counter::noop;
    Streams {
        connections: counter("tcp_connections_total", "TCP connections accepted."),
        errors: counter("tcp_connection_errors_total", "TCP connections that ended with an error."),
        disallowed,
        rejected: counter("tcp_connections_refused_total", "TCP connections rejected because too many were open."),
        evicted: counter(
            "tcp_connections_evicted_total",
            "TCP connections evicted for a new one because too many were open: the longest idle one of the address with most connections.",
        ),
        idle_closed: counter("tcp_idle_closed_total", "TCP connections closed because they were idle for longer than the limit."),
        open: described_gauge(p, "tcp_connections_open", "TCP connections open now."),
        too_long_lines: counter("tcp_too_long_lines_total", "Lines over TCP skipped because they were longer than the limit."),
        tls_errors,
        frames: Frames { complete: none(), too_long: none(), truncated: none(), errors: none() },
    }
}

fn unix(p: Prefix) -> Streams {
    let counter = |name, help| described_counter(p, name, help);
    Streams {
        connections: counter("unix_connections_total", "Unix stream connections accepted."),
        errors: counter("unix_connection_errors_total", "Unix stream connections that ended with an error."),
        disallowed: Counter::noop(),
        rejected: counter("unix_connections_rejected_total", "Unix stream connections rejected because too many were open."),
        evicted: counter(
            "unix_connections_evicted_total",
            "Unix stream connections evicted for a new one because too many were open: the longest idle one of the process with most.",
        ),
        idle_closed: counter("unix_idle_closed_total", "Unix stream connections closed because they were idle for longer than the limit."),
        open: described_gauge(p, "unix_connections_open", "Unix stream connections open now."),
        too_long_lines: counter("unix_too_long_lines_total", "Lines over Unix streams skipped because they were longer than the limit."),
        tls_errors: StreamTlsErrors::none(),
        frames: Frames {
            complete: counter("unix_frames_total", "Frames with a length, received over Unix streams."),
            too_long: counter("unix_too_long_frames_total", "Frames over Unix streams skipped because they were longer than the limit."),
            truncated: counter(
                "unix_truncated_frames_total",
                "Frames over Unix streams that ended before their length. Their lines are rejected.",
            ),
            errors: counter("unix_framing_errors_total", "Unix stream connections closed because they sent neither frames nor lines."),
        },
    }
}

pub(super) fn relay_counters(p: Prefix, target: &str) -> RelayCounters {
    let counter = |name: &str, help: &'static str| {
        let full = format!("{}{name}", p.as_str());
        describe_counter!(full.clone(), help);
        counter!(full, "target" => target.to_owned())
    };
    let gauge = |name: &str, help: &'static str| {
        let full = format!("{}{name}", p.as_str());
        describe_gauge!(full.clone(), help);
        gauge!(full, "target" => target.to_owned())
    };
    let lost = |reason: &'static str| {
        let full = format!("{}relay_lines_lost_total", p.as_str());
        describe_counter!(full.clone(), "Lines that the relay's target did not get, by reason.");
        counter!(full, "target" => target.to_owned(), "reason" => reason)
    };
    RelayCounters {
        lines: counter("relay_lines_relayed_total", "Lines sent to the relay's target and not reported as undeliverable by its host."),
        packets: counter("relay_packets_total", "Datagrams sent to the relay's target."),
        long_lines: counter("relay_long_lines_total", "Lines not relayed because they are longer than a datagram of the relay."),
        filtered_lines: counter("relay_lines_filtered_total", "Lines that the filter of the relay's target leaves out."),
        lost_full: lost("queue_full"),
        lost_error: lost("error"),
        lost_unreachable: lost("unreachable"),
        lost_age: lost("age"),
        lost_shutdown: lost("shutdown"),
        errors: counter("relay_errors_total", "Failed attempts to resolve, connect or send to the relay's target."),
        queue_bytes: gauge("relay_queue_bytes", "Bytes that wait for the relay's target."),
        connected: gauge("relay_connected", "1 while the relay has a socket that is connected to its target, otherwise 0."),
    }
}
