//! What a browser may be made to do by a page of somebody else: send a form or a request to the bridge, or, where a name is pointed at
//! its address (DNS rebinding), read the answer too. Programs such as Prometheus and curl send nothing of what is looked at here, but
//! the host. Knows headers, and neither paths nor sockets.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};

/// Where a request comes from, as every browser of today says it to whom it trusts.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which the bridge may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// In lower case, without ports.
    names: Vec<String>,
    any: bool,
}

impl AllowedHosts {
    /// Reads names and addresses without ports; `*` is any.
    ///
    /// # Errors
    ///
    /// What to write instead, in words.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut hosts = Self::default();
        for text in texts {
            match text.parse::<Authority>() {
                _ if text == "*" => hosts.any = true,
                _ if text.parse::<IpAddr>().is_ok() => hosts.names.push(bare(text)),
                Ok(host) if host.port().is_none() && host.host().len() == text.len() => hosts.names.push(bare(text)),
                _ => return Err(format!("{text:?} is no host: write it as bridge.example or 10.0.0.1, without a port, or * for any")),
            }
        }
        Ok(hosts)
    }

    /// Whether none was named.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.any
    }

    /// Whether the request names a host of the bridge: one of these, the loopback, the address that the client connected to, or a name
    /// without a dot. One that names none comes from no browser.
    pub(in crate::program::web) fn allow(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> bool {
        let named = uri.authority().map(|authority| Some(authority.host().to_owned()));
        let mut hosts = headers.get_all(HOST).iter().map(host_of).chain(named);
        self.any || hosts.all(|host| host.is_some_and(|host| self.has(&host, local)))
    }

    fn has(&self, host: &str, local: Option<SocketAddr>) -> bool {
        let host = bare(host);
        let is_own = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || local.is_some_and(|local| local.ip() == address),
            // A name without a dot belongs to the network that the client is in: nobody outside can point it anywhere.
            Err(_) => !host.is_empty() && !host.contains('.'),
        };
        is_own || self.names.contains(&host)
    }

    /// Whether a request that changes something may have been sent by a browser for a page that is not the bridge's own.
    pub(in crate::program::web) fn may_be_forged(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> bool {
        let site = headers.get(SEC_FETCH_SITE);
        // Referer tells it where a browser leaves out the origin.
        let Some(origin) = headers.get(ORIGIN).or_else(|| headers.get(REFERER)) else {
            return site.is_some_and(|site| site != "none" && site != "same-origin")
                || (site.is_some() && !self.allow(uri, headers, local));
        };
        let is_own_site = site.is_none_or(|site| site == "same-origin" || site == "none");
        !is_own_site || !is_own_origin(origin, uri, headers) || !self.allow(uri, headers, local)
    }
}

/// Whether an origin, or the URL of a page, is that of the bridge as the request names it.
fn is_own_origin(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else { return false };
    let Some(origin) = origin.authority() else { return false };
    let named = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    uri.authority().or(named.as_ref()).is_some_and(|host| host.as_str().eq_ignore_ascii_case(origin.as_str()))
}

/// The host of a header, without its port; none if it is no host.
fn host_of(value: &HeaderValue) -> Option<String> {
    let authority: Authority = value.to_str().ok()?.trim().parse().ok()?;
    (!authority.as_str().contains('@')).then(|| authority.host().to_owned())
}

/// A host as all are compared.
fn bare(host: &str) -> String {
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
    fn a_name_that_somebody_points_at_the_bridge_is_not_its_own() {
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
        assert!(!hosts(&[]).allow(&absolute, &headers(&[("host", "localhost")]), None), "both count");
        assert!(!hosts(&[]).allow(&Uri::from_static("/"), &headers(&[("host", "localhost"), ("host", "evil.example")]), None));
        assert!(hosts(&[]).allow(&Uri::from_static("/"), &HeaderMap::new(), None), "no browser leaves it out");
        for wrong in ["bridge.example:9102", "http://bridge.example", "", "a b", "[::1]:1"] {
            assert!(AllowedHosts::parse([wrong]).is_err_and(|why| why.contains("without a port")), "{wrong}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_from_a_program() {
        let forged = |allowed: &[&str], pairs: &[(&str, &str)]| {
            let mut all = vec![("host", "localhost:9102")];
            all.retain(|(name, _)| !pairs.iter().any(|(other, _)| other == name));
            all.extend_from_slice(pairs);
            hosts(allowed).may_be_forged(&Uri::from_static("/-/quit"), &headers(&all), Some(LOCAL.into()))
        };
        assert!(!forged(&[], &[]) && !forged(&[], &[("host", "bridge.example")]), "a program");
        for own in [
            &[("origin", "http://localhost:9102")][..],
            &[("origin", "http://localhost:9102"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("referer", "http://localhost:9102/"), ("sec-fetch-site", "same-origin")],
            &[("host", "10.0.0.7:9102"), ("origin", "http://10.0.0.7:9102")],
        ] {
            assert!(!forged(&[], own), "{own:?}");
        }
        for foreign in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:8080")],
            &[("origin", "")],
            &[("referer", "http://evil.example/form.html")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:9102")],
            // The name of another, pointed at the bridge.
            &[("host", "evil.example:9102"), ("origin", "http://evil.example:9102"), ("sec-fetch-site", "same-origin")],
            &[("host", "evil.example:9102"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(forged(&[], foreign), "{foreign:?}");
        }
        let named = [("host", "bridge.example"), ("origin", "https://bridge.example")];
        assert!(forged(&[], &named) && !forged(&["bridge.example"], &named) && !forged(&["*"], &named));
    }
}
