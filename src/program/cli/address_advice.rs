//! Advice for wrong addresses, by flag.

use crate::program::net::AddressError;

/// The text to append to the error of an address of this flag.
pub(super) fn address_advice(flag: &str, error: &AddressError) -> String {
    match error {
        AddressError::Path { path, .. } if flag == "statsd.listen-udp" => {
            format!("; for a Unix datagram socket, use --statsd.listen-unixgram={path}")
        }
        AddressError::Path { .. } if flag == "statsd.listen-tcp" => {
            "; --statsd.listen-unixgram takes the path of a Unix datagram socket".to_owned()
        }
        _ => String::new(),
    }
}

/// The error of a Unix datagram socket's path that begins with a scheme.
pub(super) fn socket_path_advice(path: &str) -> Option<String> {
    let rest = ["unixgram:", "unix:"].into_iter().find_map(|scheme| path.strip_prefix(scheme))?;
    let alone = rest.strip_prefix("//").unwrap_or(rest);
    Some(format!("{path:?} begins with a scheme; write {alone}"))
}
