//! The targets of the relay as typed: `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix://PATH` (datagrams), `unixstream://PATH`, each with an
//! optional filter. Must not open a socket.

use std::fmt;
use std::net::SocketAddr;

use super::filter::{Filter, Pattern};
use crate::program::net::{Address, AddressError, check_path};

/// Another StatsD server, and the lines that it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayTarget {
    pub(crate) endpoint: Endpoint,
    pub(super) filter: Filter,
    /// Whether a stream has the length of each frame before it, as in DogStatsD, instead of newlines alone.
    pub(super) has_lengths: bool,
}

/// Where a target listens. [`fmt::Display`] writes it without its filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// UDP, with the scheme as typed, which may be absent.
    Udp(Address, &'static str),
    /// TCP.
    Tcp(Address),
    /// Unix datagrams; `@` begins an abstract name.
    Unixgram(String),
    /// A Unix stream; `@` begins an abstract name.
    Unixstream(String),
}

impl RelayTarget {
    /// Parses a target.
    ///
    /// # Errors
    ///
    /// The message names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let endpoint = Endpoint::parse(place)?;
        let (mut filter, mut has_lengths) = (Filter::default(), false);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("name", pattern)) if !pattern.is_empty() => filter.names.push(Pattern::new(pattern)),
                Some(("tag", tag)) if !tag.is_empty() => {
                    let (key, value) = tag.split_once(':').unwrap_or((tag, "*"));
                    filter.tags.push((key.to_owned(), Pattern::new(value)));
                }
                Some(("framing", "length")) if matches!(endpoint, Endpoint::Unixstream(_)) => has_lengths = true,
                Some(("framing", "newline")) if endpoint.is_stream() => has_lengths = false,
                _ => return Err(format!("{text:?}: {parameter:?} is not name=PATTERN, tag=KEY, tag=KEY:PATTERN or framing=length")),
            }
        }
        Ok(Self { endpoint, filter, has_lengths })
    }

    /// Whether both lead to the same address, as typed.
    pub(crate) fn has_address_of(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
    }
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self, String> {
        let checked = |path: &str| check_path(path).map(|()| path.to_owned());
        if let Some(rest) = text.strip_prefix("udp://") {
            Self::remote(rest, |address| Self::Udp(address, "udp://"))
        } else if let Some(rest) = text.strip_prefix("tcp://") {
            Self::remote(rest, Self::Tcp)
        } else if let Some(path) = text.strip_prefix("unixstream://") {
            checked(path).map(Self::Unixstream)
        } else if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unixgram://")) {
            checked(path).map(Self::Unixgram)
        } else {
            Self::remote(text, |address| Self::Udp(address, ""))
        }
    }

    fn remote(text: &str, made: impl FnOnce(Address) -> Self) -> Result<Self, String> {
        Address::parse(text).map(made).map_err(|error| match &error {
            AddressError::Path { path, .. } => format!("{error}; for a Unix datagram socket, write unix://{path}"),
            _ => error.to_string(),
        })
    }

    /// Resolves the host name. `None` for a path.
    pub(crate) fn resolve(&self) -> Result<Option<SocketAddr>, AddressError> {
        let (Self::Udp(address, _) | Self::Tcp(address)) = self else { return Ok(None) };
        let best = address.candidates()?.best;
        if best.ip().is_unspecified() || best.port() == 0 {
            return Err(AddressError::Form(address.to_string()));
        }
        Ok(Some(best))
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unixstream(_))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address, scheme) => write!(f, "{scheme}{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unixgram(path) => write!(f, "unix://{path}"),
            Self::Unixstream(path) => write!(f, "unixstream://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_shown_as_typed_without_their_filter() {
        for text in ["127.0.0.1:8125", "udp://old:8125", "tcp://[::1]:8125", "unix:///run/s", "unix://@name", "unixstream:///run/s"] {
            assert_eq!(RelayTarget::parse(text).unwrap().endpoint.to_string(), text);
            let filtered = RelayTarget::parse(&format!("{text}?name=shop.*&tag=env:prod")).unwrap();
            assert_eq!(filtered.endpoint.to_string(), text);
            assert!(!filtered.filter.is_empty() && !filtered.has_lengths);
        }
        assert!(RelayTarget::parse("unixstream:///run/s?framing=length").unwrap().has_lengths);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "is not an address"),
            ("localhost", "the port is missing; write localhost:PORT"),
            ("/run/s", "for a Unix datagram socket, write unix:///run/s"),
            ("http://old:8125", "it is a URL; write old:8125"),
            ("unix://", "is not a path of a Unix socket"),
            ("old:1?nam=x", "\"nam=x\" is not name=PATTERN"),
            ("old:1?name=", "\"name=\" is not name=PATTERN"),
            ("tcp://old:1?framing=length", "\"framing=length\" is not"),
        ] {
            let error = RelayTarget::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_target_needs_host_and_port() {
        let resolve = |text| RelayTarget::parse(text).unwrap().endpoint.resolve();
        assert!(resolve("127.0.0.1:0").is_err() && resolve("tcp://:8125").is_err());
        assert_eq!(resolve("[::1]:8125"), Ok(Some("[::1]:8125".parse().unwrap())));
        assert_eq!(resolve("unix:///run/s"), Ok(None));
    }
}
