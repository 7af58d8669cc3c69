//! Addresses as the user types them, `HOST:PORT`, and the socket addresses that they stand for.
//!
//! An empty host means every address of the machine, IPv6 and IPv4. Must not open a socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A checked `host:port`. [`fmt::Display`] gives back what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Nothing was typed: IPv6 and IPv4.
    Any,
    Ip(IpAddr),
    Name(String),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing like an address at all.
    #[error("{0:?} is no address: expected HOST:PORT, such as 127.0.0.1:9125, [::1]:9125 or :9125")]
    Form(String),
    /// It can be told what was meant.
    #[error("{text:?} is no address: {why}; write {instead}")]
    Instead {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        why: &'static str,
        /// What to write in its place.
        instead: String,
    },
    /// A Unix socket.
    #[error("{text:?} is no address with a port, but a path")]
    Path {
        /// What was typed.
        text: String,
        /// The path in it.
        path: String,
    },
    /// The port is no number up to 65535.
    #[error("{0:?} is no address: the port must be a number from 0 to 65535")]
    Port(String),
    /// Several colons, no brackets.
    #[error("{0:?} is no address: an IPv6 address stands in brackets, such as [::1]:9125")]
    Brackets(String),
    /// The name of the host leads nowhere.
    #[error("cannot find the host of {0:?}: {1}")]
    Resolve(String, String),
}

impl Address {
    /// Checks the form; a host name is looked up only by [`candidates`](Self::candidates).
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

    /// The socket addresses to try, best first; never empty.
    pub fn candidates(&self) -> Result<Vec<SocketAddr>, AddressError> {
        match &self.host {
            Host::Any => Ok(vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()]),
            Host::Ip(ip) => Ok(vec![(*ip, self.port).into()]),
            Host::Name(name) => {
                let failed = |why: String| AddressError::Resolve(self.text.clone(), why);
                let found = (name.as_str(), self.port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
                let found: Vec<SocketAddr> = found.collect();
                // IPv4 first, as Go does it: who sends to `localhost` mostly means 127.0.0.1.
                let best = found.iter().find(|a| a.is_ipv4()).or(found.first());
                best.map(|a| vec![*a]).ok_or_else(|| failed("it has no address".to_owned()))
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

/// What was meant by a text that has the form of something else: a URL, a path, a host or a port alone, a star.
fn another_form(text: &str) -> Option<AddressError> {
    let instead = |why, instead: String| Some(AddressError::Instead { text: text.to_owned(), why, instead });
    let path = |path: &str| Some(AddressError::Path { text: text.to_owned(), path: path.to_owned() });
    for scheme in ["unix:", "unixgram:"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return path(rest.strip_prefix("//").unwrap_or(rest));
        }
    }
    if let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_name(scheme)) {
        let authority = rest.split('/').next().unwrap_or_default();
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
        return match (authority, has_port) {
            ("", _) => None,
            (_, true) if scheme.starts_with("http") => instead("it is that of a URL", authority.to_owned()),
            (_, true) => instead("it has a scheme in front", authority.to_owned()),
            (_, false) => instead("it has a scheme in front and no port", format!("{}:PORT", authority.trim_end_matches(':'))),
        };
    }
    if text.starts_with('@') || text.contains('/') {
        return path(text);
    }
    if is_number(text) && text.parse::<u16>().is_ok() {
        return instead("a port has a colon in front", format!(":{text}"));
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = text.strip_suffix(':').unwrap_or(text);
    if bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) || is_name(host) {
        return instead("the port is missing", format!("{host}:PORT"));
    }
    let port = text.strip_prefix("*:").filter(|port| is_number(port))?;
    instead("every address of the machine is no host at all", format!(":{port}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// IPv4 as such, where a socket for both families tells it as `::ffff:a.b.c.d`.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip.is_ipv4() => (ip, address.port()).into(),
        _ => address,
    }
}

/// Where a program on this machine reaches what is bound to `address`.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        // The IPv6 wildcard takes IPv4 as well, and 127.0.0.1 is there even where IPv6 is not.
        ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_are_addresses() {
        for text in ["127.0.0.1:9125", ":9125", "[::1]:9125", "[::]:0", "localhost:9125", "a-b.c_d:1"] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn forms_that_are_none() {
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
    fn what_was_meant_is_told() {
        for (text, expected) in [
            ("udp://127.0.0.1:9125", "it has a scheme in front; write 127.0.0.1:9125"),
            ("tcp://:9125", "it has a scheme in front; write :9125"),
            ("udp://[::1]:9125/", "it has a scheme in front; write [::1]:9125"),
            ("udp://localhost", "it has a scheme in front and no port; write localhost:PORT"),
            ("http://127.0.0.1:9102/metrics", "it is that of a URL; write 127.0.0.1:9102"),
            ("127.0.0.1", "the port is missing; write 127.0.0.1:PORT"),
            ("localhost:", "the port is missing; write localhost:PORT"),
            ("[::1]", "the port is missing; write [::1]:PORT"),
            ("9125", "a port has a colon in front; write :9125"),
            ("*:9125", "every address of the machine is no host at all; write :9125"),
            (":65536", "the port must be a number from 0 to 65535"),
            ("localhost:http", "the port must be a number from 0 to 65535"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert_eq!(error.to_string(), format!("{text:?} is no address: {expected}"));
        }
        for (text, path) in [("unix:/run/s", "/run/s"), ("unix:///run/s", "/run/s"), ("/run/s", "/run/s"), ("@s", "@s"), ("./s:1", "./s:1")]
        {
            assert_eq!(Address::parse(text), Err(AddressError::Path { text: text.to_owned(), path: path.to_owned() }));
        }
    }

    #[test]
    fn an_empty_host_is_both_families_and_a_name_prefers_ipv4() {
        let any = Address::parse(":7").unwrap().candidates().unwrap();
        assert_eq!(any, ["[::]:7".parse().unwrap(), "0.0.0.0:7".parse().unwrap()]);
        let local = Address::parse("localhost:7").unwrap().candidates().unwrap();
        assert!(local[0].ip().is_loopback());
    }

    #[test]
    fn mapped_ipv4_is_told_as_ipv4_and_a_scope_is_kept() {
        let told = |text: &str| canonical(text.parse().unwrap()).to_string();
        assert_eq!(told("[::ffff:10.0.0.1]:7"), "10.0.0.1:7");
        for other in ["10.0.0.1:7", "[::1]:7", "[fe80::1%3]:7"] {
            assert_eq!(told(other), other);
        }
    }
}
