//! `http_server_config`, `basic_auth_users` and `rate_limit`.

use std::collections::HashMap;
use std::str::FromStr;

use base64::Engine;
use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};

use super::Rate;
use super::reader::{Section, Sheet, shortened};
use crate::mapping::config::tree::{Node, Plain, Value};
use crate::program::duration;

const SERVER: Section = Section { name: "`http_server_config`", keys: &["http2", "headers"] };

const RATE: Section = Section { name: "`rate_limit`", keys: &["interval", "burst"] };

/// The headers that may be set, and the values of those that take a few only.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// From this cost on, one password takes seconds.
const SLOW_COST: u32 = 15;

/// Whether HTTP/2 is offered over TLS, and the headers of every answer.
pub(super) fn server(node: &Node, sheet: &mut Sheet) -> (bool, Vec<(HeaderName, HeaderValue)>) {
    let Some(fields) = sheet.fields(node, SERVER) else { return (true, Vec::new()) };
    let http2 = fields.get("http2").and_then(|node| sheet.flag(node, "`http2`")).unwrap_or(true);
    let pairs = fields.get("headers").map(|node| sheet.pairs(node, "`headers`")).unwrap_or_default();
    let mut headers = Vec::new();
    for (key, at, value) in pairs {
        let Some((name, values)) = HEADERS.iter().find(|(name, _)| *name == key.name) else {
            let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
            sheet.error(key.at, format!("the header `{}` cannot be set; write one of {}", shortened(&key.name), names.join(", ")));
            continue;
        };
        if !values.is_empty() && !values.contains(&value) {
            sheet.error(at, format!("`{}` is no value of {name}; write {}", shortened(value), values.join(" or ")));
            continue;
        }
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => sheet.error(at, format!("this is no value of a header; write {name} in visible characters, on one line")),
        }
    }
    (http2, headers)
}

/// Hashes by user.
pub(super) fn users(node: &Node, sheet: &mut Sheet) -> HashMap<String, String> {
    let mut users = HashMap::new();
    for (key, at, hash) in sheet.pairs(node, "`basic_auth_users`") {
        let user = shortened(&key.name);
        if key.name.contains(':') {
            sheet.error(key.at, format!("the user `{user}` can never log in: basic authentication ends a name at its first colon"));
            continue;
        }
        // The value is not shown: whoever forgets to hash has written the password.
        match cost(hash) {
            Some(cost) => {
                if cost >= SLOW_COST {
                    let text = format!("the hash of `{user}` has a cost of {cost}: checking it takes seconds; 10 to 12 is enough");
                    sheet.warning(at, &text);
                }
                users.insert(key.name.clone(), hash.to_owned());
            }
            None => {
                let text = format!("the value of `{user}` is no bcrypt hash; make one with: htpasswd -nBC 10 '' | tr -d ':'");
                sheet.error(at, text);
            }
        }
    }
    users
}

/// The cost of a hash that passwords can be compared with.
fn cost(hash: &str) -> Option<u32> {
    let parts = HashParts::from_str(hash).ok()?;
    let (salt, rest) = hash.rsplit_once('$')?.1.split_at_checked(22)?;
    (bcrypt::BASE_64.decode(salt).is_ok() && bcrypt::BASE_64.decode(rest).is_ok()).then_some(())?;
    Some(parts.get_cost()).filter(|cost| (4..=31).contains(cost))
}

/// The limit, if there is one.
pub(super) fn rate(node: &Node, sheet: &mut Sheet) -> Option<Rate> {
    let fields = sheet.fields(node, RATE)?;
    let burst = fields.get("burst").and_then(|node| sheet.whole(node, "`burst`")).unwrap_or(0);
    let interval = fields.get("interval")?;
    let text = sheet.text(interval, "`interval`")?;
    if matches!(&interval.value, Value::Scalar(_, Plain::Number(n)) if *n != 0.0) {
        sheet.error(interval.at, format!("`interval` needs a unit: write it as {text}s or {text}ms"));
        return None;
    }
    match duration::parse(text) {
        Ok(interval) if interval.is_zero() => None,
        Ok(time) => {
            if burst == 0 {
                sheet.warning(interval.at, "`burst` is 0, so every request is refused; write at least 1");
            }
            Some(Rate { interval: time, burst })
        }
        Err(why) => {
            sheet.error(interval.at, format!("`interval`: {why}"));
            None
        }
    }
}
