//! Where the bridge receives lines over TCP, as its configuration says: no self-metric does. Must not send probes.

use serde_json::Value;

use crate::program::ask::Client;
use crate::program::net::Address;

/// The report with the flags in force.
const PATH: &str = "/api/v1/configuration?q=statsd.listen-tcp";
const MAX_BYTES: usize = 1 << 20;

/// The TCP addresses of a bridge; `None` if it does not say them.
pub(super) fn tcp(client: &Client) -> Option<Vec<String>> {
    let answer = client.get(PATH, MAX_BYTES).ok().filter(|answer| answer.status == 200)?;
    of_report(&serde_json::from_slice(&answer.body).ok()?)
}

fn of_report(report: &Value) -> Option<Vec<String>> {
    let flags = report["data"]["flags"].as_array()?;
    let value = flags.iter().find(|flag| flag["flag"] == "statsd.listen-tcp")?["value"].as_str()?;
    let addresses: Vec<String> = value.split(',').map(str::trim).filter(|address| !address.is_empty()).map(str::to_owned).collect();
    // Which port the kernel picked is not known.
    addresses.iter().all(|address| !address.ends_with(":0")).then_some(addresses)
}

/// An address as clients reach it that reach the HTTP server at `host`.
pub(super) fn reached(address: &str, host: &str) -> String {
    let bound = Address::parse(address).ok().and_then(|parsed| parsed.candidates().ok()).map(|found| found.best);
    match bound.filter(|bound| bound.ip().is_unspecified()) {
        Some(bound) => format!("{host}:{}", bound.port()),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_those_of_the_flag() {
        let of = |value: &str| of_report(&json!({ "data": { "flags": [{ "flag": "statsd.listen-tcp", "value": value }] } }));
        assert_eq!(of("127.0.0.1:1,[::1]:2"), Some(vec!["127.0.0.1:1".to_owned(), "[::1]:2".to_owned()]));
        assert_eq!((of(""), of("127.0.0.1:0")), (Some(Vec::new()), None));
        assert_eq!(of_report(&json!({ "data": { "flags": [] } })), None);
        assert_eq!((reached(":9125", "a"), reached("[::]:9125", "a")), ("a:9125".to_owned(), "a:9125".to_owned()));
        assert_eq!(reached("127.0.0.1:9125", "a"), "127.0.0.1:9125");
    }
}
