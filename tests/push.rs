//! Push: the release of every sample to receivers of remote write and OTLP, whatever they answer.

mod access;
mod answers;
mod clocks;
mod compliance;
mod databases;
mod faults;
mod hostile;
mod message;
mod mutual;
mod once;
mod otlp;
mod otlp_databases;
mod otlp_message;
pub mod receiver;
mod scraped;
mod series;

use serde_json::Value;

use self::receiver::{Reaction, Receiver, Seen};
use crate::harness::{Launch, Running, until};
use crate::page::Page;

/// A bridge that pushes to a URL every second.
fn pushing(url: &str) -> Launch {
    Launch::new().arg(format!("--push.url={url}")).arg("--push.interval=1s")
}

/// Starts a bridge, and waits for its first push.
fn after_first_push(launch: Launch) -> Running {
    let bridge = launch.start();
    until("the first push", || target(&bridge)["last_success"].as_str().map(drop));
    bridge
}

/// Sends 5 samples of `hits`, which the receiver has at the end.
fn five_arrive(what: &str, receiver: &Receiver, bridge: &Running) {
    (0..5).for_each(|_| bridge.send("hits:1|c"));
    until(&format!("{what}: the counter is pushed"), || (receiver.last("hits") == Some(5.0)).then_some(()));
    expect_sums(bridge);
    assert_eq!(receiver.faults(), [""; 0], "{what}");
}

/// Whether a request has the counter `hits`.
fn has_hits(seen: &Seen) -> bool {
    seen.content.series.iter().any(|series| series.labels.iter().any(|(_, value)| value == "hits"))
}

/// Answers the first request that has the counter `hits` by this reaction, and writes all others.
fn once(reaction: Reaction) -> impl FnMut(&Seen) -> Reaction + Send {
    let mut first = Some(reaction);
    move |seen| match has_hits(seen) {
        true => first.take().unwrap_or(Reaction::Write),
        false => Reaction::Write,
    }
}

/// The first target of `/api/v1/push`.
fn target(bridge: &Running) -> Value {
    let response = bridge.get("/api/v1/push");
    let json: Value = serde_json::from_slice(&response.body).expect("JSON");
    json["data"]["targets"][0].clone()
}

/// The number of samples with this result.
fn samples(bridge: &Running, result: &str) -> u64 {
    target(bridge)["samples"][result].as_u64().unwrap_or_else(|| panic!("no result {result}"))
}

/// Whether every sample that was made has a result, or waits: in the API and in the metrics.
fn add_up(bridge: &Running) -> Result<(), String> {
    let target = target(bridge);
    let settled: u64 = target["samples"].as_object().expect("results").values().filter_map(Value::as_u64).sum();
    let waiting = target["queue"]["samples"].as_u64().expect("a number");
    let made = target["samples_made"].as_u64().expect("a number");
    match made == settled + waiting {
        true => Ok(()),
        false => Err(format!("{made} made, {settled} settled, {waiting} wait: {target:#}")),
    }
}

/// Waits until the numbers of samples add up.
fn expect_sums(bridge: &Running) {
    let mut last = Ok(());
    until("samples of the target add up", || {
        let sums = add_up(bridge);
        if sums != last {
            eprintln!("{sums:?}");
        }
        last = sums;
        last.is_ok().then_some(())
    });
}

/// The sum of a metric of the exposition.
fn metric(page: &Page, name: &str) -> f64 {
    page.sum(&format!("statsd_bridge_{name}"))
}
