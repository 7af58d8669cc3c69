//! The sections `http_server_config`, `basic_auth_users` and `rate_limit`.

use std::collections::HashMap;
use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};

use crate::mapping::config::tree::{Node, Plain, YamlValue};
use crate::program::duration;
use crate::program::tls::config_reader::{ConfigReader, ConfigSection, shortened};
use crate::program::web::access::password_hash::PasswordHash;
use crate::program::web::access::rate_limit::RateLimit;

const HTTP_SERVER: ConfigSection = ConfigSection { name: "`http_server_config`", keys: &["http2", "headers"] };

const RATE_LIMIT: ConfigSection = ConfigSection { name: "`rate_limit`", keys: &["interval", "burst"] };

/// The headers that may be set, with the allowed values of each; an empty list allows any value.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// At this cost, checking one password takes seconds.
const SLOW_COST: u32 = 15;

/// The section `http_server_config`.
pub(super) struct HttpServer {
    /// Whether HTTP/2 is offered over TLS.
    pub(super) http2: bool,
    /// Headers to add to every response.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Default for HttpServer {
    fn default() -> Self {
        Self { http2: true, headers: Vec::new() }
    }
}

/// Reads `http_server_config`.
pub(super) fn http_server(node: &Node, reader: &mut ConfigReader) -> HttpServer {
    let Some(fields) = reader.fields(node, HTTP_SERVER) else { return HttpServer::default() };
    let http2 = fields.get("http2").and_then(|node| reader.flag(node, "`http2`")).unwrap_or(true);
    let pairs = fields.get("headers").map(|node| reader.pairs(node, "`headers`")).unwrap_or_default();
    let mut headers = Vec::new();
    for (key, at, value) in pairs {
        let Some((name, values)) = HEADERS.iter().find(|(name, _)| *name == key.name) else {
            let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
            reader
                .error(key.at, format!("the header `{}` cannot be set; supported headers are {}", shortened(&key.name), names.join(", ")));
            continue;
        };
        if !values.is_empty() && !values.contains(&value) {
            reader.error(at, format!("invalid value `{}` of {name}; expected {}", shortened(value), values.join(" or ")));
            continue;
        }
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => reader.error(at, format!("invalid value of {name}; a header value consists of visible characters on one line")),
        }
    }
    HttpServer { http2, headers }
}

/// Reads `basic_auth_users`: password hashes by user.
pub(super) fn users(node: &Node, reader: &mut ConfigReader) -> HashMap<String, PasswordHash> {
    let mut users = HashMap::new();
    for (key, at, hash) in reader.pairs(node, "`basic_auth_users`") {
        let user = shortened(&key.name);
        if key.name.contains(':') {
            reader.error(key.at, format!("the user `{user}` can never log in; basic authentication does not support colons in user names"));
            continue;
        }
        // The message must not show the value: it may be an unhashed password.
        let Some(hash) = PasswordHash::parse(hash) else {
            reader.error(at, format!("the value of `{user}` is not a bcrypt hash; create one with: htpasswd -nBC 10 '' | tr -d ':'"));
            continue;
        };
        if hash.cost() >= SLOW_COST {
            let cost = hash.cost();
            reader
                .warning(at, &format!("the hash of `{user}` has a cost of {cost}: each check takes seconds; a cost of 10 to 12 is enough"));
        }
        users.insert(key.name.clone(), hash);
    }
    users
}

/// Reads `rate_limit`; `None` for no limit.
pub(super) fn rate_limit(node: &Node, reader: &mut ConfigReader) -> Option<RateLimit> {
    let fields = reader.fields(node, RATE_LIMIT)?;
    let burst = fields.get("burst").and_then(|node| reader.whole(node, "`burst`")).unwrap_or(0);
    let interval = fields.get("interval")?;
    let text = reader.text(interval, "`interval`")?;
    if matches!(&interval.value, YamlValue::Scalar(_, Plain::Number(n)) if *n != 0.0) {
        reader.error(interval.at, format!("`interval` needs a unit, for example {text}s or {text}ms"));
        return None;
    }
    match duration::parse(text) {
        Ok(interval) if interval.is_zero() => None,
        Ok(time) => {
            if burst == 0 {
                reader.warning(interval.at, "`burst` is 0, so every request is rejected; set it to at least 1");
            }
            Some(RateLimit { interval: time, burst })
        }
        Err(error) => {
            reader.error(interval.at, format!("`interval`: {error}"));
            None
        }
    }
}
