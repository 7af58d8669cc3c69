//! Why probes did not arrive, and the command that fixes or shows it. Must not send probes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;

use super::readings::{PROBES, Readings};
use super::route::Route;
use crate::program::net::error_text;

/// One reason.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reason {
    /// What is wrong.
    pub(super) why: String,
    /// A command or flag that fixes it, or shows more.
    pub(super) fix: String,
}

fn reason(why: impl Into<String>, fix: impl Into<String>) -> Reason {
    Reason { why: why.into(), fix: fix.into() }
}

/// Why sending failed. `tcp` is where the bridge receives over TCP, if it says so.
pub(super) fn of_error(route: &Route, error: &io::Error, readings: &Readings, tcp: Option<&[String]>) -> Reason {
    match route {
        Route::Udp(address) | Route::Tcp(address) => match error.kind() {
            ErrorKind::ConnectionRefused => closed(route, *address, readings, tcp),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                reason("there is no answer: a firewall or a network policy drops packets, or the host is down", "nft list ruleset")
            }
            ErrorKind::PermissionDenied => reason("a firewall of this machine rejects it", "nft list ruleset"),
            ErrorKind::ConnectionReset => reason(
                "the connection was accepted and closed: another program, or a bridge with too many connections",
                "statsd-bridge --tcp.max-connections=N",
            ),
            _ => {
                let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
                let why = format!("this machine has no route over {family}: {}", error_text(error));
                reason(why, format!("ip route get {}", address.ip()))
            }
        },
        Route::Unixgram(path) | Route::Unixstream(path) => of_path(path, error, readings),
    }
}

/// That the bridge requires TLS, if it counted the probes as plain text.
pub(super) fn of_tls(route: &Route, before: &Readings, after: &Readings) -> Option<Reason> {
    let Route::Tcp(address) = route else { return None };
    let is_counted = after.own("tcp_tls_errors_total") > before.own("tcp_tls_errors_total");
    is_counted.then(|| {
        let why = "the bridge takes only TLS at this address (--statsd.tls-config-file), and the probes are plain text";
        reason(why, format!("echo '{PROBES}:1|c' | openssl s_client -quiet -no_ign_eof -connect {address}"))
    })
}

/// The probes are recorded, and the counter is still exposed at 0.
pub(super) fn at_zero() -> Reason {
    reason("the bridge recorded the probes, and exposes their counter at 0 first", "--counters.start-at-zero")
}

/// No program listens at the address.
fn closed(route: &Route, address: SocketAddr, readings: &Readings, tcp: Option<&[String]>) -> Reason {
    let (protocol, flag, command) = match route {
        Route::Udp(_) => ("udp", "statsd.listen-udp", "ss -lunp"),
        _ => ("tcp", "statsd.listen-tcp", "ss -ltnp"),
    };
    let own = match route {
        Route::Udp(_) => readings.labels("udp_receive_buffer_bytes", "address"),
        _ => tcp.unwrap_or_default().iter().map(String::as_str).collect(),
    };
    let of_port: Vec<SocketAddr> =
        own.iter().filter_map(|own| own.parse().ok()).filter(|own: &SocketAddr| own.port() == address.port()).collect();
    let why = format!("no program receives {protocol} at {address}");
    if !of_port.is_empty() {
        let is_other_family = of_port.iter().all(|own| own.is_ipv6() != address.is_ipv6());
        let what = match (is_other_family, address.is_ipv6()) {
            (true, true) => "over IPv4, not over IPv6",
            (true, false) => "over IPv6, not over IPv4",
            (false, _) => "at another address",
        };
        let why = format!("{why}: the bridge listens on {} only, {what}", own.join(", "));
        return reason(why, format!("statsd-bridge --{flag}=:{}, or let clients send to {}", address.port(), own.join(", ")));
    }
    if own.is_empty() && protocol == "tcp" && tcp.is_some() {
        let why = format!("{why}: the bridge receives nothing over TCP, because --{flag} is empty");
        return reason(why, format!("statsd-bridge --{flag}=:{}", address.port()));
    }
    if own.is_empty() {
        return reason(format!("{why}: the port is wrong, or --{flag} is off"), command);
    }
    reason(format!("{why}: the port is wrong; the bridge listens on {}", own.join(", ")), command)
}

fn of_path(path: &str, error: &io::Error, readings: &Readings) -> Reason {
    let bound = readings.labels("unixgram_queue_datagrams", "path").join(", ");
    let elsewhere = if bound.is_empty() { "the bridge has no such socket".to_owned() } else { format!("the bridge listens at {bound}") };
    let flag = format!("statsd-bridge --statsd.listen-unixgram={path}");
    match error.kind() {
        ErrorKind::NotFound => {
            let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
            match folder {
                Some(folder) => {
                    let folder = folder.display();
                    reason(
                        format!("the folder {folder} does not exist here; in a container, mount it; {elsewhere}"),
                        format!("mkdir {folder}"),
                    )
                }
                None => reason(format!("there is no socket at this path; {elsewhere}"), flag),
            }
        }
        ErrorKind::PermissionDenied => permission(path),
        ErrorKind::ConnectionRefused if path.starts_with('@') => {
            reason(format!("no program in this network namespace has this abstract name; {elsewhere}"), flag)
        }
        ErrorKind::ConnectionRefused => match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => reason("the path is a file or folder, not a socket", format!("ls -l {path}")),
            _ => reason(format!("no program listens: the one that made the socket has ended; {elsewhere}"), flag),
        },
        ErrorKind::WouldBlock | ErrorKind::TimedOut => reason(
            "the queue of the socket is full: its program is stopped or too slow, or the queue is too short",
            "sysctl -w net.unix.max_dgram_qlen=512",
        ),
        _ if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            reason("the socket is of another kind: a stream instead of datagrams, or the reverse", "ss -lxp")
        }
        _ => reason(error_text(error), "ss -lxp"),
    }
}

/// Sending needs write permission for the socket, and search permission for its folders.
fn permission(path: &str) -> Reason {
    if let Ok(there) = fs::symlink_metadata(path) {
        let (mode, user, group) = (there.permissions().mode() & 0o777, there.uid(), there.gid());
        return reason(
            format!("this user may not write to the socket, which has mode {mode:o}, user {user} and group {group}"),
            "statsd-bridge --statsd.unixsocket-mode=722",
        );
    }
    let closed = Path::new(path).ancestors().skip(1).find(|folder| fs::symlink_metadata(folder).is_ok());
    let folder = closed.map_or_else(|| "/".to_owned(), |folder| folder.display().to_string());
    reason(format!("this user may not enter the folder {folder}"), format!("chmod o+x {folder}"))
}

/// Why probes were sent without an error and are not in the exposition.
pub(super) fn of_loss(route: &Route, before: &Readings, after: &Readings, other_namespace: Option<u32>) -> Vec<Reason> {
    let grew = |name: &str| after.own(name) - before.own(name);
    let mut reasons = Vec::new();
    if grew("udp_kernel_drops_total") > 0.0 {
        reasons.push(reason("the kernel dropped datagrams: the receive buffer was full", "sysctl -w net.core.rmem_max=16777216"));
    }
    if grew("tcp_connections_refused_total") > 0.0 && matches!(route, Route::Tcp(_)) {
        reasons.push(reason("the bridge closed a connection: too many are open", "statsd-bridge --tcp.max-connections=N"));
    }
    let rejected = ["sample_errors_total", "events_error_total", "events_actions_total", "limited_samples_total"];
    if grew(route.counter()) > 0.0 && (reasons.is_empty() || rejected.iter().any(|name| grew(name) > 0.0)) {
        let why = "the bridge receives over this way, but a rule renames or drops the probes, or a limit rejects them";
        reasons.push(reason(why, format!("statsd-bridge explain '{PROBES}:1|c' --statsd.mapping-config=FILE")));
    }
    if !reasons.is_empty() {
        return reasons;
    }
    if let Some(process) = other_namespace {
        let why = format!("the bridge (process {process}) is in another network namespace, and another program gets the probes");
        reasons.push(reason(why, format!("nsenter --target {process} --net statsd-bridge doctor")));
    }
    let (shown, port) = match route {
        Route::Udp(address) => ("ss -lunp", Some(address.port())),
        Route::Tcp(address) => ("ss -ltnp", Some(address.port())),
        Route::Unixgram(_) | Route::Unixstream(_) => ("ss -lxp", None),
    };
    let filter = port.map(|port| format!(" 'sport = :{port}'")).unwrap_or_default();
    reasons
        .push(reason("another program gets the probes, such as a second bridge, or --url is another bridge", format!("{shown}{filter}")));
    if let Route::Udp(address) = route {
        reasons.push(reason("the network drops datagrams on the way: a firewall, a network policy, or the MTU", "nft list ruleset"));
        reasons.push(reason(
            "a NAT entry of the kernel still leads to a bridge that is gone",
            format!("conntrack -D -p udp --orig-port-dst {}", address.port()),
        ));
    }
    reasons
}

/// The NAT entries for a UDP address that lead to several destinations: senders with an old entry do not reach the new bridge.
pub(super) fn stale_entries(table: &str, port: u16) -> Option<Reason> {
    let entries = table.lines().filter(|line| line.split_ascii_whitespace().any(|word| word == "udp"));
    let pairs = entries.filter_map(|line| {
        let values = |key: &'static str| line.split_ascii_whitespace().filter_map(move |word| word.strip_prefix(key));
        // The first of each is that of the sender, the second that of the answer.
        let is_to_port = values("dport=").next()?.parse() == Ok(port);
        let (to, from) = (values("dst=").next()?, values("src=").nth(1)?);
        (is_to_port && to != from).then_some((to, from))
    });
    let pairs: BTreeSet<_> = pairs.collect();
    let (to, _) = pairs.iter().find(|(to, from)| pairs.iter().any(|(other, another)| other == to && another != from))?;
    let backends: Vec<&str> = pairs.iter().filter(|(other, _)| other == to).map(|(_, from)| *from).collect();
    Some(reason(
        format!(
            "NAT entries for udp {to}:{port} lead to {}: senders with an entry for a bridge that is gone lose everything",
            backends.join(" and ")
        ),
        format!("conntrack -D -p udp --orig-dst {to} --orig-port-dst {port}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_without_a_route_and_a_firewall_are_told_apart() {
        let readings = Readings::of("\nstatsd_bridge_lines_total 0\n".to_owned()).expect("a bridge");
        let of = |address: &str, code| {
            let Reason { why, fix } = of_error(&Route::Udp(address.parse().unwrap()), &io::Error::from_raw_os_error(code), &readings, None);
            format!("{why} | {fix}")
        };
        for code in [libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT, libc::EHOSTUNREACH] {
            let shown = of("[2001:db8::1]:9125", code);
            assert!(
                shown.starts_with("this machine has no route over IPv6: ") && shown.ends_with(" | ip route get 2001:db8::1"),
                "{shown}"
            );
        }
        assert!(of("10.0.0.1:9125", libc::ENETUNREACH).starts_with("this machine has no route over IPv4: "));
        assert_eq!(of("10.0.0.1:9125", libc::EPERM), "a firewall of this machine rejects it | nft list ruleset");
    }

    #[test]
    fn stale_nat_entries_are_found() {
        let entry = |from: &str, to: &str| {
            format!(
                "ipv4 2 udp 17 29 src={from} dst=10.96.0.1 sport=4000 dport=8125 [UNREPLIED] src={to} dst={from} sport=8125 dport=4000 use=1\n"
            )
        };
        let table = entry("10.0.0.2", "10.0.1.1") + &entry("10.0.0.3", "10.0.1.2");
        let found = stale_entries(&table, 8125).expect("two destinations");
        assert_eq!(found.fix, "conntrack -D -p udp --orig-dst 10.96.0.1 --orig-port-dst 8125");
        assert!(found.why.contains("10.0.1.1 and 10.0.1.2"), "{}", found.why);
        assert_eq!(stale_entries(&table, 9125), None);
        assert_eq!(stale_entries(&(entry("10.0.0.2", "10.0.1.1") + &entry("10.0.0.3", "10.0.1.1")), 8125), None);
    }
}
