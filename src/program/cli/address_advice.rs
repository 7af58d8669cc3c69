//! What to write where an address is wrong, which depends on the flag.

use crate::program::net::AddressError;

/// What is to be said after the error of an address, for this flag.
pub(super) fn address_advice(flag: &str, error: &AddressError) -> String {
    match error {
        AddressError::Path { path, .. } if flag == "statsd.listen-udp" => {
            format!("; --statsd.listen-unixgram={path} takes datagrams there")
        }
        AddressError::Path { .. } if flag == "statsd.listen-tcp" => {
            "; a Unix socket for datagrams is that of --statsd.listen-unixgram".to_owned()
        }
        AddressError::Path { .. } => "; lines are relayed over UDP only".to_owned(),
        _ => String::new(),
    }
}

/// What is wrong with the path of a Unix datagram socket that has a scheme in front.
pub(super) fn socket_path_advice(path: &str) -> Option<String> {
    let rest = ["unixgram:", "unix:"].into_iter().find_map(|scheme| path.strip_prefix(scheme))?;
    let alone = rest.strip_prefix("//").unwrap_or(rest);
    Some(format!("{path:?} has a scheme in front; write {alone}"))
}
