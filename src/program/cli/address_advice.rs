//! Advice for wrong addresses, by flag.

use crate::program::net::AddressError;

/// The text to append to the error of an address of this flag.
pub(super) fn address_advice(flag: &str, error: &AddressError) -> String {
    const FOR_DATAGRAMS: (&str, &str) = ("datagram", "statsd.listen-unixgram");
    const FOR_STREAMS: (&str, &str) = ("stream", "statsd.listen-unix");
    let AddressError::Path { text, path } = error else { return String::new() };
    let (kind, right) = match flag {
        "statsd.listen-udp" | "statsd.listen-tcp" if text.starts_with("unixgram:") => FOR_DATAGRAMS,
        "statsd.listen-udp" | "statsd.listen-tcp" if text.starts_with("unixstream:") => FOR_STREAMS,
        "statsd.listen-udp" => FOR_DATAGRAMS,
        "statsd.listen-tcp" => FOR_STREAMS,
        _ => return String::new(),
    };
    format!("; for a Unix {kind} socket, use --{right}={path}")
}

/// The error of a Unix socket's path that begins with a scheme. The scheme of the other kind of socket is for the other flag.
pub(super) fn socket_path_advice(flag: &str, path: &str) -> Option<String> {
    let (scheme, rest) = ["unixgram:", "unixstream:", "unix:"].into_iter().find_map(|scheme| Some((scheme, path.strip_prefix(scheme)?)))?;
    let alone = rest.strip_prefix("//").unwrap_or(rest);
    let (other, advice) = match (scheme, flag) {
        ("unixgram:", "statsd.listen-unix") => ("statsd.listen-unixgram", "is for datagrams"),
        ("unixstream:", "statsd.listen-unixgram") => ("statsd.listen-unix", "is for a stream"),
        _ => return Some(format!("{path:?} begins with a scheme; write {alone}")),
    };
    Some(format!("{path:?} {advice}; use --{other}={alone}"))
}
