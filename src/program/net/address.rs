//! Addresses of the form `HOST:PORT`, and the socket addresses that they resolve to.
//!
//! An empty host means all addresses of the machine, IPv6 and IPv4. Must not open a socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A valid `HOST:PORT`. [`fmt::Display`] writes it as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// An empty host: all addresses, IPv6 and IPv4.
    Any,
    Ip(IpAddr),
    Name(String),
}

/// The reason why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text has no known form.
    #[error("{0:?} is not an address: expected HOST:PORT, such as 127.0.0.1:9125, [::1]:9125 or :9125")]
    Form(String),
    /// The text has another form, from which the intended address is known.
    #[error("{text:?} is not an address: {why}; write {instead}")]
    Instead {
        /// The address as typed.
        text: String,
        /// What is wrong with it.
        why: &'static str,
        /// The intended address.
        instead: String,
    },
    /// It is the path of a Unix socket.
    #[error("{text:?} is a path, not HOST:PORT")]
    Path {
        /// The text as typed.
        text: String,
        /// The path.
        path: String,
    },
    /// The port is not a number up to 65535.
    #[error("{0:?} is not an address: the port must be a number from 0 to 65535")]
    Port(String),
    /// It has several colons and no brackets.
    #[error("{0:?} is not an address: write an IPv6 address in brackets, such as [::1]:9125")]
    Brackets(String),
    /// The host name cannot be resolved.
    #[error("cannot resolve the host of {0:?}: {1}")]
    Resolve(String, String),
}

/// The socket addresses of an address, to try in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    /// The address to try first.
    pub best: SocketAddr,
    /// The address to try where the system does not support the address family of `best`.
    pub alternative: Option<SocketAddr>,
}

impl Address {
    /// Parses an address. [`candidates`](Self::candidates) resolves a host name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(error) = another_form(text) {
            return Err(error);
        }
        let form = || AddressError::Form(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let host = if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').and_then(|h| h.parse::<Ipv6Addr>().ok());
            Host::Ip(inner.ok_or_else(form)?.into())
        } else if host.contains(':') {
            return Err(AddressError::Brackets(text.to_owned()));
        } else if host.is_empty() {
            Host::Any
        } else if let Ok(ip) = host.parse::<Ipv4Addr>() {
            Host::Ip(ip.into())
        } else if is_name(host) {
            Host::Name(host.to_owned())
        } else {
            return Err(form());
        };
        let port = port.parse().ok().filter(|_| is_number(port)).ok_or_else(|| AddressError::Port(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), host, port })
    }

    /// The socket addresses to try.
    pub fn candidates(&self) -> Result<Candidates, AddressError> {
        let only = |best| Candidates { best, alternative: None };
        match &self.host {
            Host::Any => Ok(Candidates {
                best: (Ipv6Addr::UNSPECIFIED, self.port).into(),
                alternative: Some((Ipv4Addr::UNSPECIFIED, self.port).into()),
            }),
            Host::Ip(ip) => Ok(only((*ip, self.port).into())),
            Host::Name(name) => {
                let failed = |why: String| AddressError::Resolve(self.text.clone(), why);
                let found = (name.as_str(), self.port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
                let found: Vec<SocketAddr> = found.collect();
                // IPv4 first, as in Go: clients that send to `localhost` mostly use 127.0.0.1.
                let best = found.iter().find(|a| a.is_ipv4()).or(found.first());
                best.map(|a| only(*a)).ok_or_else(|| failed("it has no address".to_owned()))
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// The error of a text with another known form: a URL, a path, a host or a port alone, or `*` as the host.
fn another_form(text: &str) -> Option<AddressError> {
    let instead = |why, instead: String| Some(AddressError::Instead { text: text.to_owned(), why, instead });
    let path = |path: &str| Some(AddressError::Path { text: text.to_owned(), path: path.to_owned() });
    for scheme in ["unix:", "unixgram:", "unixstream:"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return path(rest.strip_prefix("//").unwrap_or(rest));
        }
    }
    if let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_name(scheme)) {
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
        return match (authority, has_port) {
            ("", _) => None,
            (_, true) if scheme.starts_with("http") => instead("it is a URL", authority.to_owned()),
            (_, true) => instead("it begins with a scheme", authority.to_owned()),
            (_, false) => instead("it begins with a scheme and has no port", format!("{}:PORT", authority.trim_end_matches(':'))),
        };
    }
    if text.starts_with('@') || text.contains('/') {
        return path(text);
    }
    if is_number(text) && text.parse::<u16>().is_ok() {
        return instead("the colon before the port is missing", format!(":{text}"));
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = text.strip_suffix(':').unwrap_or(text);
    if bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) || is_name(host) {
        return instead("the port is missing", format!("{host}:PORT"));
    }
    let port = text.strip_prefix("*:").filter(|port| is_number(port))?;
    instead("for all addresses of the machine, leave out the host", format!(":{port}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Converts an IPv4-mapped address (`::ffff:a.b.c.d`), which dual-stack sockets report, to IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip.is_ipv4() => (ip, address.port()).into(),
        _ => address,
    }
}

/// The address at which programs on this machine reach a socket bound to `address`.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        // The IPv6 wildcard also receives IPv4, and 127.0.0.1 exists even where IPv6 does not.
        ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_addresses() {
        for text in ["127.0.0.1:9125", ":9125", "[::1]:9125", "[::]:0", "localhost:9125", "a-b.c_d:1"] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn invalid_addresses() {
        for text in [
            "9125",
            "host",
            "127.0.0.1:",
            "[::1]:",
            "udp://",
            "://:1",
            ":70000",
            ":-1",
            ":+1",
            "::1:9125",
            "[::1:9125",
            "[x]:1",
            "a b:1",
            "",
            ":",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert_eq!(Address::parse("::1:9125"), Err(AddressError::Brackets("::1:9125".to_owned())));
    }

    #[test]
    fn errors_show_the_intended_address() {
        for (text, expected) in [
            ("udp://127.0.0.1:9125", "it begins with a scheme; write 127.0.0.1:9125"),
            ("tcp://:9125", "it begins with a scheme; write :9125"),
            ("udp://[::1]:9125/", "it begins with a scheme; write [::1]:9125"),
            ("udp://localhost", "it begins with a scheme and has no port; write localhost:PORT"),
            ("http://127.0.0.1:9102/metrics", "it is a URL; write 127.0.0.1:9102"),
            ("127.0.0.1", "the port is missing; write 127.0.0.1:PORT"),
            ("localhost:", "the port is missing; write localhost:PORT"),
            ("[::1]", "the port is missing; write [::1]:PORT"),
            ("9125", "the colon before the port is missing; write :9125"),
            ("*:9125", "for all addresses of the machine, leave out the host; write :9125"),
            (":65536", "the port must be a number from 0 to 65535"),
            ("localhost:http", "the port must be a number from 0 to 65535"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert_eq!(error.to_string(), format!("{text:?} is not an address: {expected}"));
        }
        for (text, path) in [("unix:/run/s", "/run/s"), ("unix:///run/s", "/run/s"), ("/run/s", "/run/s"), ("@s", "@s"), ("./s:1", "./s:1")]
        {
            assert_eq!(Address::parse(text), Err(AddressError::Path { text: text.to_owned(), path: path.to_owned() }));
        }
    }

    #[test]
    fn an_empty_host_is_both_families_and_a_name_prefers_ipv4() {
        let any = Address::parse(":7").unwrap().candidates().unwrap();
        assert_eq!(any, Candidates { best: "[::]:7".parse().unwrap(), alternative: Some("0.0.0.0:7".parse().unwrap()) });
        let local = Address::parse("localhost:7").unwrap().candidates().unwrap();
        assert!(local.best.ip().is_loopback());
    }

    #[test]
    fn mapped_ipv4_becomes_ipv4_and_a_scope_is_kept() {
        let shown = |text: &str| canonical(text.parse().unwrap()).to_string();
        assert_eq!(shown("[::ffff:10.0.0.1]:7"), "10.0.0.1:7");
        for other in ["10.0.0.1:7", "[::1]:7", "[fe80::1%3]:7"] {
            assert_eq!(shown(other), other);
        }
    }
}
