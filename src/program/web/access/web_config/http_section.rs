//! The sections `http_server_config`, `basic_auth_users` and `rate_limit`.

use std::collections::HashMap;
use std::str::FromStr;

use base64::Engine;
use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};

use super::reader::{ConfigReader, ConfigSection, shortened};
use crate::mapping::config::tree::{Node, Plain, YamlValue};
use crate::program::duration;
use crate::program::web::access::rate_limit::RateLimit;

const HTTP_SERVER: ConfigSection = ConfigSection { name: "`http_server_config`", keys: &["http2", "headers"] };

const RATE_LIMIT: ConfigSection = ConfigSection { name: "`rate_limit`", keys: &["interval", "burst"] };

/// The headers that may be set; where a header has a closed list of values, that list.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// From this cost on, checking one password takes seconds.
const SLOW_COST: u32 = 15;

/// Whether HTTP/2 is offered over TLS, and the headers of every response.
pub(super) fn http_server(node: &Node, reader: &mut ConfigReader) -> (bool, Vec<(HeaderName, HeaderValue)>) {
    let Some(fields) = reader.fields(node, HTTP_SERVER) else { return (true, Vec::new()) };
    let http2 = fields.get("http2").and_then(|node| reader.flag(node, "`http2`")).unwrap_or(true);
    let pairs = fields.get("headers").map(|node| reader.pairs(node, "`headers`")).unwrap_or_default();
    let mut headers = Vec::new();
    for (key, at, value) in pairs {
        let Some((name, values)) = HEADERS.iter().find(|(name, _)| *name == key.name) else {
            let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
            reader.error(key.at, format!("the header `{}` cannot be set; write one of {}", shortened(&key.name), names.join(", ")));
            continue;
        };
        if !values.is_empty() && !values.contains(&value) {
            reader.error(at, format!("`{}` is no value of {name}; write {}", shortened(value), values.join(" or ")));
            continue;
        }
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => reader.error(at, format!("this is no value of a header; write {name} in visible characters, on one line")),
        }
    }
    (http2, headers)
}

/// Bcrypt hashes by user.
pub(super) fn users(node: &Node, reader: &mut ConfigReader) -> HashMap<String, String> {
    let mut users = HashMap::new();
    for (key, at, hash) in reader.pairs(node, "`basic_auth_users`") {
        let user = shortened(&key.name);
        if key.name.contains(':') {
            reader.error(key.at, format!("the user `{user}` can never log in: basic authentication ends a name at its first colon"));
            continue;
        }
        // The value is not shown: an operator who forgot to hash has written the password.
        match cost(hash) {
            Some(cost) => {
                if cost >= SLOW_COST {
                    let text = format!("the hash of `{user}` has a cost of {cost}: checking it takes seconds; 10 to 12 is enough");
                    reader.warning(at, &text);
                }
                users.insert(key.name.clone(), hash.to_owned());
            }
            None => {
                let text = format!("the value of `{user}` is no bcrypt hash; make one with: htpasswd -nBC 10 '' | tr -d ':'");
                reader.error(at, text);
            }
        }
    }
    users
}

/// The cost of a well-formed bcrypt hash.
fn cost(hash: &str) -> Option<u32> {
    let parts = HashParts::from_str(hash).ok()?;
    let (salt, rest) = hash.rsplit_once('$')?.1.split_at_checked(22)?;
    (bcrypt::BASE_64.decode(salt).is_ok() && bcrypt::BASE_64.decode(rest).is_ok()).then_some(())?;
    Some(parts.get_cost()).filter(|cost| (4..=31).contains(cost))
}

/// The limit, if there is one.
pub(super) fn rate_limit(node: &Node, reader: &mut ConfigReader) -> Option<RateLimit> {
    let fields = reader.fields(node, RATE_LIMIT)?;
    let burst = fields.get("burst").and_then(|node| reader.whole(node, "`burst`")).unwrap_or(0);
    let interval = fields.get("interval")?;
    let text = reader.text(interval, "`interval`")?;
    if matches!(&interval.value, YamlValue::Scalar(_, Plain::Number(n)) if *n != 0.0) {
        reader.error(interval.at, format!("`interval` needs a unit: write it as {text}s or {text}ms"));
        return None;
    }
    match duration::parse(text) {
        Ok(interval) if interval.is_zero() => None,
        Ok(time) => {
            if burst == 0 {
                reader.warning(interval.at, "`burst` is 0, so every request is refused; write at least 1");
            }
            Some(RateLimit { interval: time, burst })
        }
        Err(why) => {
            reader.error(interval.at, format!("`interval`: {why}"));
            None
        }
    }
}
