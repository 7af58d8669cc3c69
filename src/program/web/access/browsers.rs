//! Protection against requests that other websites cause a browser to send. Such a website can submit forms to the bridge; with DNS
//! rebinding, where the website's name resolves to the bridge's address, it can also read responses. Of the headers checked here,
//! programs such as Prometheus and curl send only `Host`.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};

/// Current browsers send this header with every request to a trustworthy origin.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts that requests may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// In lower case, without ports.
    names: Vec<String>,
    any: bool,
}

impl AllowedHosts {
    /// Parses names and addresses without ports; `*` allows any host.
    ///
    /// # Errors
    ///
    /// A message that says what to write instead.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut hosts = Self::default();
        for text in texts {
            match text.parse::<Authority>() {
                _ if text == "*" => hosts.any = true,
                _ if text.parse::<IpAddr>().is_ok() => hosts.names.push(normalized(text)),
                Ok(host) if host.port().is_none() && host.host().len() == text.len() => hosts.names.push(normalized(text)),
                _ => return Err(format!("{text:?} is not a host; expected a name or address without a port, or * for any host")),
            }
        }
        Ok(hosts)
    }

    /// Whether no host is configured.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.any
    }

    /// Whether the request names an allowed host: a configured one, a loopback address, the address that the client connected to, or a
    /// name without a dot. A request without a host is allowed, because browsers always send one.
    pub(in crate::program::web) fn allow(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> bool {
        let named = uri.authority().map(|authority| Some(authority.host().to_owned()));
        let mut hosts = headers.get_all(HOST).iter().map(host_of).chain(named);
        self.any || hosts.all(|host| host.is_some_and(|host| self.contains(&host, local)))
    }

    fn contains(&self, host: &str, local: Option<SocketAddr>) -> bool {
        let host = normalized(host);
        let is_own = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || local.is_some_and(|local| local.ip() == address),
            // A name without a dot is resolved within the client's network; an outside attacker cannot control it.
            Err(_) => !host.is_empty() && !host.contains('.'),
        };
        is_own || self.names.contains(&host)
    }

    /// Whether a browser may have sent this state-changing request for a website other than the bridge.
    pub(in crate::program::web) fn may_be_cross_site(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> bool {
        let site = headers.get(SEC_FETCH_SITE);
        // Some browsers omit Origin but send Referer.
        let Some(origin) = headers.get(ORIGIN).or_else(|| headers.get(REFERER)) else {
            return site.is_some_and(|site| site != "none" && site != "same-origin")
                || (site.is_some() && !self.allow(uri, headers, local));
        };
        let is_own_site = site.is_none_or(|site| site == "same-origin" || site == "none");
        !is_own_site || !is_own_origin(origin, uri, headers) || !self.allow(uri, headers, local)
    }
}

/// Whether an `Origin` or `Referer` has the same authority as the request.
fn is_own_origin(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else { return false };
    let Some(origin) = origin.authority() else { return false };
    let named = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    uri.authority().or(named.as_ref()).is_some_and(|host| host.as_str().eq_ignore_ascii_case(origin.as_str()))
}

/// The host in a `Host` header, without the port; `None` if it is invalid.
fn host_of(value: &HeaderValue) -> Option<String> {
    let authority: Authority = value.to_str().ok()?.trim().parse().ok()?;
    (!authority.as_str().contains('@')).then(|| authority.host().to_owned())
}

/// Normalizes a host for comparison.
fn normalized(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: ([u8; 4], u16) = ([10, 0, 0, 7], 9102);

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        pairs.iter().map(pair).collect()
    }

    fn hosts(texts: &[&str]) -> AllowedHosts {
        AllowedHosts::parse(texts.iter().copied()).unwrap()
    }

    #[test]
    fn rebound_names_are_not_allowed() {
        let allows = |allowed: &[&str], host: &str| {
            hosts(allowed).allow(&Uri::from_static("/metrics"), &headers(&[("host", host)]), Some(LOCAL.into()))
        };
        for own in ["localhost", "LocalHost:9102", "localhost.:1", "127.0.0.1:9102", "127.1.2.3", "[::1]:9102", "10.0.0.7:9102", "10.0.0.7"]
        {
            assert!(allows(&[], own), "{own}");
        }
        let foreign = ["evil.example", "evil.example:9102", "localhost.evil.example", "10.0.0.8", "", "a b", "u@localhost", "0.0.0.0"];
        for host in foreign {
            assert!(!allows(&[], host) && !allows(&["bridge.example"], host), "{host}");
            assert!(allows(&["*"], host), "{host}");
        }
        assert!(allows(&["Bridge.example", "fd00::1"], "bridge.EXAMPLE:9102") && allows(&["fd00::1"], "[fd00::1]:9102"));
        let absolute = Uri::from_static("http://evil.example/metrics");
        assert!(!hosts(&[]).allow(&absolute, &headers(&[("host", "localhost")]), None), "both hosts are checked");
        assert!(!hosts(&[]).allow(&Uri::from_static("/"), &headers(&[("host", "localhost"), ("host", "evil.example")]), None));
        assert!(hosts(&[]).allow(&Uri::from_static("/"), &HeaderMap::new(), None), "browsers always send a host");
        for wrong in ["bridge.example:9102", "http://bridge.example", "", "a b", "[::1]:1"] {
            assert!(AllowedHosts::parse([wrong]).is_err_and(|why| why.contains("without a port")), "{wrong}");
        }
    }

    #[test]
    fn cross_site_requests_are_distinguished_from_programs() {
        let cross_site = |allowed: &[&str], pairs: &[(&str, &str)]| {
            let mut all = vec![("host", "localhost:9102")];
            all.retain(|(name, _)| !pairs.iter().any(|(other, _)| other == name));
            all.extend_from_slice(pairs);
            hosts(allowed).may_be_cross_site(&Uri::from_static("/-/quit"), &headers(&all), Some(LOCAL.into()))
        };
        assert!(!cross_site(&[], &[]) && !cross_site(&[], &[("host", "bridge.example")]), "a program");
        for own in [
            &[("origin", "http://localhost:9102")][..],
            &[("origin", "http://localhost:9102"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("referer", "http://localhost:9102/"), ("sec-fetch-site", "same-origin")],
            &[("host", "10.0.0.7:9102"), ("origin", "http://10.0.0.7:9102")],
        ] {
            assert!(!cross_site(&[], own), "{own:?}");
        }
        for foreign in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:8080")],
            &[("origin", "")],
            &[("referer", "http://evil.example/form.html")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:9102")],
            // A foreign name that resolves to the bridge.
            &[("host", "evil.example:9102"), ("origin", "http://evil.example:9102"), ("sec-fetch-site", "same-origin")],
            &[("host", "evil.example:9102"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(cross_site(&[], foreign), "{foreign:?}");
        }
        let named = [("host", "bridge.example"), ("origin", "https://bridge.example")];
        assert!(cross_site(&[], &named) && !cross_site(&["bridge.example"], &named) && !cross_site(&["*"], &named));
    }
}
