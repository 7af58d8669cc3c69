//! Addresses of the web server: `HOST:PORT` or `unix:PATH`. Must not open a socket or know HTTP.

use std::fmt;
use std::path::PathBuf;

use super::address::{Address, AddressError};
use super::socket_path::check_path;

/// An address of the web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebAddress {
    /// `HOST:PORT`.
    Tcp(Address),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl WebAddress {
    /// Parses `HOST:PORT` or `unix:PATH`.
    ///
    /// # Errors
    ///
    /// The message says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix("unix:") else {
            return Address::parse(text).map(Self::Tcp).map_err(|error| match &error {
                AddressError::Path { path, .. } => format!("{error}; write unix:{path}"),
                _ if text.starts_with("https://") => format!("{error}; TLS is set in --web.config.file"),
                _ => error.to_string(),
            });
        };
        if path.starts_with('@') {
            return Err(format!("{text:?}: an abstract socket has no permissions; write unix:/run/statsd-bridge/web.sock"));
        }
        check_path(path).map(|()| Self::Unix(PathBuf::from(path)))
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_tcp_or_a_path() {
        for text in ["127.0.0.1:9102", ":0", "unix:/run/a.sock", "unix:relative"] {
            assert_eq!(WebAddress::parse(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "unix:", "unix:@name", "vsock://:1", &format!("unix:/{}", "x".repeat(107))] {
            assert!(WebAddress::parse(text).is_err(), "{text}");
        }
        for (text, advice) in [
            ("/run/a.sock", "not HOST:PORT; write unix:/run/a.sock"),
            ("http://:9102/metrics", "it is a URL; write :9102"),
            ("https://a:9102", "it is a URL; write a:9102; TLS is set in --web.config.file"),
        ] {
            assert!(WebAddress::parse(text).expect_err(text).ends_with(advice), "{text}");
        }
    }
}
