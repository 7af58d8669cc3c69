//! The URL of a target: checked, and shown without its query, which may contain a secret. Must not know what is sent to it.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Scheme;

/// Maximum length of a URL in bytes.
const MAX_BYTES: usize = 2048;

/// An absolute `http` or `https` URL with a host, without user and password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PushUrl(Uri);

impl PushUrl {
    /// Parses a URL. The error says what to write instead. It does not repeat the URL, which may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_as(text, "expected a URL such as http://prometheus:9090/api/v1/write")
    }

    /// Parses the URL of a receiver of OTLP.
    pub(crate) fn parse_otlp(text: &str) -> Result<Self, String> {
        Self::parse_as(text, "expected a URL such as http://collector:4318")
    }

    fn parse_as(text: &str, example: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the URL has {} bytes; at most {MAX_BYTES} are allowed", text.len()));
        }
        if text.contains('#') {
            return Err(format!("the URL has a fragment (#...), which is not sent to a server; {example}"));
        }
        let authority = text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("the URL contains a user or a password; set `basic_auth` in the file of --push.config.file instead".to_owned());
        }
        Self::parsed(text, example)
    }

    /// Parses the URL of a proxy, which may contain a user and a password.
    pub(crate) fn parse_proxy(text: &str) -> Result<Self, String> {
        let url = Self::parsed(text, "expected a URL such as http://proxy:3128")?;
        match url.has_tls() {
            true => Err("the proxy is an https proxy; only http proxies are supported".to_owned()),
            false => Ok(url),
        }
    }

    fn parsed(text: &str, example: &str) -> Result<Self, String> {
        let uri = Uri::from_str(text).map_err(|error| format!("{error}; {example}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(format!("the URL does not start with http:// or https://; {example}"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(format!("the URL has no host; {example}"));
        }
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Err(format!("the URL has an invalid port; {example}"));
        }
        Ok(Self(uri))
    }

    /// A URL for options whose URL is not used.
    pub(crate) fn unused() -> Self {
        Self(Uri::from_static("http://localhost/"))
    }

    /// The URL for a request.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is `https`.
    pub(crate) fn has_tls(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The URL that a redirect names, if it has the same scheme, host and port. Otherwise the location, without its query.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, String> {
        let other = if location.starts_with('/') && !location.starts_with("//") {
            let scheme = if self.has_tls() { "https" } else { "http" };
            let authority = self.0.authority().map(|authority| authority.as_str()).unwrap_or_default();
            Self::parse(&format!("{scheme}://{authority}{location}"))
        } else {
            Self::parse(location)
        };
        let shown = || location.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect();
        match other {
            Ok(other) if other.origin() == self.origin() => Ok(other),
            _ => Err(shown()),
        }
    }

    fn origin(&self) -> (bool, String, u16) {
        let port = self.0.port_u16().unwrap_or(if self.has_tls() { 443 } else { 80 });
        (self.has_tls(), self.host().to_ascii_lowercase(), port)
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.has_tls() { "https" } else { "http" };
        let authority = self.0.authority().map(|authority| authority.as_str()).unwrap_or_default();
        // That of a proxy may contain a password.
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        write!(f, "{scheme}://{authority}{}", self.0.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_query() {
        let url = PushUrl::parse("https://h.example:8443/v1/prometheus/write?db=public&token=s3cret").unwrap();
        assert_eq!(url.to_string(), "https://h.example:8443/v1/prometheus/write");
        assert_eq!(url.uri().query(), Some("db=public&token=s3cret"));
        assert_eq!(PushUrl::parse("http://[::1]:9090").unwrap().host(), "::1");
        assert_eq!(PushUrl::parse("http://[::1]:9090").unwrap().to_string(), "http://[::1]:9090/");
    }

    #[test]
    fn a_url_that_cannot_work_is_rejected_without_its_password() {
        let cases = [
            ("prometheus:9090/api/v1/write", "http://"),
            ("ftp://h/x", "does not start with http://"),
            ("/api/v1/write", "does not start with http://"),
            ("http://user:s3cret@h/api/v1/write", "basic_auth"),
            ("http://h:0/x", "port"),
            ("http://h:99999/x", "port"),
            ("http://h/x#y", "fragment"),
            ("http:///x", "expected a URL"),
            ("", "expected a URL"),
        ];
        for (text, part) in cases {
            let error = PushUrl::parse(text).expect_err(text);
            assert!(error.contains(part) && !error.contains("s3cret"), "{text:?}: {error}");
        }
        assert!(PushUrl::parse(&format!("http://h/{}", "x".repeat(MAX_BYTES))).is_err());
    }

    #[test]
    fn a_redirect_to_another_host_is_not_followed() {
        let url = PushUrl::parse("http://h:9090/a").unwrap();
        for same in ["/b?c=d", "http://H:9090/b?c=d"] {
            assert_eq!(url.redirected(same).unwrap().uri().path_and_query().unwrap().as_str(), "/b?c=d", "{same}");
        }
        for other in ["https://h:9090/b", "http://h:9091/b", "http://g:9090/b", "//g/b", "http://h/b", "b", ""] {
            assert_eq!(url.redirected(&format!("{other}?token=x")), Err(other.to_owned()), "{other}");
        }
        assert!(PushUrl::parse("http://h/a").unwrap().redirected("http://h:80/b").is_ok());
    }
}
