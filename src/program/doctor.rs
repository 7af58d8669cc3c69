//! `statsd-bridge doctor`: sends numbered probes as clients do, reads them back from the exposition, and says why any are missing.
//!
//! ```text
//! route     the ways to the bridge: UDP and TCP, IPv4 and IPv6, Unix sockets
//! readings  what the exposition says before and after
//! streams   where the bridge receives over TCP
//! reasons   why probes are missing, with the command that fixes it
//! ```
//! The probes are samples of one counter, one way after another. Probe n adds 2 to the power of n, so that the growth of the counter
//! shows which probes arrived. Reads the bridge only over HTTP.

mod readings;
mod reasons;
mod route;
mod streams;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::readings::{PROBES, Readings};
use self::reasons::{Reason, of_error, of_loss, stale_entries};
use self::route::Route;
use crate::program::ask::Client;
use crate::program::cli::{AnswerFormat, Doctor};
use crate::program::console::fail;
use crate::program::reaching::client;
use crate::program::running::{self, RunningWeb};

/// Probes over each way.
const COUNT: u32 = 8;
/// Where clients send without an address and a local bridge.
const DEFAULT_ADDRESS: &str = "localhost:9125";
/// Pause between two readings.
const POLL: Duration = Duration::from_millis(100);
/// The kernel's table of NAT entries. Only root can read it.
const CONNTRACK: &str = "/proc/net/nf_conntrack";

/// What happened over one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// All probes arrived.
    Arrived,
    /// Nothing listens there, while probes arrive over another way to the same place.
    Closed,
    /// The bridge takes only TLS there, and the probes are plain text.
    Tls,
    /// At least one probe is missing.
    Lost,
}

#[derive(Serialize)]
struct Finding {
    route: String,
    state: State,
    /// The numbers of missing probes.
    missing: Vec<u32>,
    reasons: Vec<Reason>,
}

/// Why the subcommand cannot probe.
enum Failure {
    /// The usage is wrong.
    Usage(String),
    /// The bridge cannot be reached.
    Unreachable(String),
}

/// Runs the subcommand; returns the exit code.
pub(super) fn run(asked: &Doctor, out: &mut dyn Write) -> u8 {
    let local = running::web();
    match routes(asked, local.as_ref()).and_then(|routes| examine(asked, &routes, local.as_ref()).map_err(Failure::Unreachable)) {
        Ok((findings, remarks)) => {
            // The reader of a pipe, such as `head`, may exit early; the exit code is still right.
            drop(print(asked.format, &findings, &remarks, out));
            let has_loss = findings.iter().any(|finding| finding.state == State::Lost);
            u8::from(has_loss || !findings.iter().any(|finding| finding.state == State::Arrived))
        }
        Err(Failure::Usage(why)) => {
            fail(2, &format!("doctor: {why}"));
            2
        }
        Err(Failure::Unreachable(why)) => {
            fail(1, &why);
            1
        }
    }
}

fn routes(asked: &Doctor, local: Option<&RunningWeb>) -> Result<Vec<Route>, Failure> {
    let mut addresses = match local {
        _ if !asked.addresses.is_empty() => asked.addresses.clone(),
        Some(web) if asked.reach.url.is_none() => web.receives.clone(),
        _ if asked.reach.url.is_some() => of_bridge(asked).map_err(Failure::Unreachable)?,
        _ => Vec::new(),
    };
    if addresses.is_empty() {
        addresses.push(DEFAULT_ADDRESS.to_owned());
    }
    let mut routes = Vec::new();
    for address in addresses {
        for route in Route::all(&address).map_err(Failure::Usage)? {
            if !routes.contains(&route) {
                routes.push(route);
            }
        }
    }
    Ok(routes)
}

/// Where the bridge at `--url` receives, by its exposition and its configuration.
fn of_bridge(asked: &Doctor) -> Result<Vec<String>, String> {
    let client = client(&asked.reach)?;
    let host = client.base().host();
    let readings = Readings::take(&client, &asked.metrics_path)?;
    let Some(tcp) = streams::tcp(&client) else {
        // The port of UDP is usually that of TCP, too.
        return Ok(readings.udp(host).chain(readings.paths()).collect());
    };
    let udp = readings.udp(host).map(|address| format!("udp://{address}"));
    let tcp = tcp.iter().map(|address| format!("tcp://{}", streams::reached(address, host)));
    Ok(udp.chain(tcp).chain(readings.paths()).collect())
}

/// Probes all ways. Returns the findings, and what is wrong although probes arrive.
fn examine(asked: &Doctor, routes: &[Route], local: Option<&RunningWeb>) -> Result<(Vec<Finding>, Vec<Reason>), String> {
    let client = client(&asked.reach)?;
    // Only a local bridge has a process here. With --url, the bridge may be another one.
    let other = local.filter(|_| asked.reach.url.is_none()).map(|web| web.process).filter(|process| is_elsewhere(*process));
    let tcp = streams::tcp(&client);
    let probed = routes.iter().map(|route| probe(asked, &client, route, other, tcp.as_deref())).collect::<Result<Vec<_>, String>>();
    let mut findings = probed?;
    let has_arrived = findings.iter().any(|finding| finding.state == State::Arrived);
    for finding in &mut findings {
        if finding.state == State::Closed && !has_arrived {
            finding.state = State::Lost;
        }
    }
    let table = fs::read_to_string(CONNTRACK).unwrap_or_default();
    let ports = routes.iter().filter_map(|route| if let Route::Udp(address) = route { Some(address.port()) } else { None });
    let ports: std::collections::BTreeSet<u16> = ports.collect();
    Ok((findings, ports.into_iter().filter_map(|port| stale_entries(&table, port)).collect()))
}

/// Whether a process is in another network namespace than this one.
fn is_elsewhere(process: u32) -> bool {
    let namespace = |of: &str| fs::metadata(format!("/proc/{of}/ns/net")).map(|file| (file.dev(), file.ino()));
    matches!((namespace("self"), namespace(&process.to_string())), (Ok(own), Ok(other)) if own != other)
}

/// Probes one way. `tcp` is where the bridge receives over TCP, if it says so.
fn probe(asked: &Doctor, client: &Client, route: &Route, other_namespace: Option<u32>, tcp: Option<&[String]>) -> Result<Finding, String> {
    let before = Readings::take(client, &asked.metrics_path)?;
    let lines: Vec<String> = (0..COUNT).map(|number| format!("{PROBES}:{}|c", 1 << number)).collect();
    let finding = |state, missing, reasons| Finding { route: route.to_string(), state, missing, reasons };
    if let Err(error) = route.send(&lines) {
        let after = Readings::take(client, &asked.metrics_path)?;
        if let Some(reason) = reasons::of_tls(route, &before, &after) {
            return Ok(finding(State::Tls, (0..COUNT).collect(), vec![reason]));
        }
        let is_closed = error.kind() == io::ErrorKind::ConnectionRefused && matches!(route, Route::Udp(_) | Route::Tcp(_));
        let is_absent = matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENETUNREACH | libc::EAFNOSUPPORT));
        let state = if is_closed || is_absent { State::Closed } else { State::Lost };
        return Ok(finding(state, (0..COUNT).collect(), vec![of_error(route, &error, &before, tcp)]));
    }
    let start = Instant::now();
    loop {
        let after = Readings::take(client, &asked.metrics_path)?;
        let grown = after.probes() - before.probes();
        let missing: Vec<u32> = (0..COUNT).filter(|number| (grown as u64 >> number) & 1 == 0).collect();
        if missing.is_empty() {
            return Ok(finding(State::Arrived, missing, Vec::new()));
        }
        // With --counters.start-at-zero, the counter is 0 for a while.
        let is_at_zero = after.has_probes() && after.probes() == 0.0;
        if is_at_zero && after.own("events_total") - before.own("events_total") >= f64::from(COUNT) {
            return Ok(finding(State::Arrived, Vec::new(), vec![reasons::at_zero()]));
        }
        if start.elapsed() >= asked.timeout {
            return Ok(finding(State::Lost, missing, of_loss(route, &before, &after, other_namespace)));
        }
        thread::sleep(POLL);
    }
}

fn print(format: AnswerFormat, findings: &[Finding], remarks: &[Reason], out: &mut dyn Write) -> io::Result<()> {
    if format == AnswerFormat::Json {
        serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "routes": findings, "remarks": remarks }))?;
        return writeln!(out);
    }
    let reasons =
        |reasons: &[Reason], out: &mut dyn Write| reasons.iter().try_for_each(|Reason { why, fix }| writeln!(out, "  {why}\n    {fix}"));
    for Finding { route, state, missing, reasons: found } in findings {
        match state {
            State::Arrived => writeln!(out, "{route}: all {COUNT} probes arrived")?,
            State::Closed => writeln!(out, "{route}: closed")?,
            State::Tls => writeln!(out, "{route}: TLS only")?,
            State::Lost => {
                let numbers = missing.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
                writeln!(out, "{route}: {} of {COUNT} probes are missing (number {numbers})", missing.len())?;
            }
        }
        reasons(found, out)?;
    }
    reasons(remarks, out)
}
