//! `statsd-bridge top`: shows series, limits hit, senders, conflicts and rejections of a running bridge, once or continuously.
//!
//! ```text
//! readout  queries the API of the bridge
//! lines    formats a readout as lines
//! screen   draws lines on a terminal
//! ```
//! Accesses the bridge only through its HTTP API.

mod lines;
mod readout;
mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::readout::Readout;
use self::screen::{Event, Screen};
use crate::program::ask::{self, Base, Client, ClientIdentity, Trust};
use crate::program::cli::{AnswerFormat, Top};
use crate::program::net::WebAddress;
use crate::program::running::{self, RunningWeb};
use crate::program::web::Gate;

/// The exit code if the bridge cannot be queried or the output cannot be written.
const FAILED: u8 = 1;

/// The URL of a bridge with default flags.
const DEFAULT_URL: &str = "http://127.0.0.1:9102";

/// Runs the subcommand; returns the exit code.
pub(super) fn run(top: &Top) -> u8 {
    match query_and_show(top) {
        Ok(()) => 0,
        Err(error) => {
            // If stderr cannot be written either, only the exit code remains.
            let _ = writeln!(io::stderr(), "statsd-bridge: {error}");
            FAILED
        }
    }
}

fn query_and_show(top: &Top) -> Result<(), String> {
    let client = client(top)?;
    let first = Readout::take(&client, top.limit)?;
    let is_live = !top.once && top.format == AnswerFormat::Text && io::stdout().is_terminal();
    let shown = if is_live { live(&client, top, first) } else { once(top.format, &first, &mut io::stdout().lock()) };
    match shown {
        // The reader of a pipe, such as `head`, may exit early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown.map_err(|error| format!("cannot write the output: {error}")),
    }
}

fn once(format: AnswerFormat, now: &Readout, out: &mut dyn Write) -> io::Result<()> {
    match format {
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(
                &mut *out,
                &json!({ "cardinality": now.cardinality, "conflicts": now.conflicts, "rejections": now.rejections, "sources": now.sources }),
            )?;
            writeln!(out)
        }
        AnswerFormat::Text => lines::lines(now, None).iter().try_for_each(|line| writeln!(out, "{}", line.text)),
    }
}

/// Creates the HTTP client from the flags.
fn client(top: &Top) -> Result<Client, String> {
    let (base, is_local) = match &top.url {
        Some(base) => (base.clone(), false),
        None => running_base()?,
    };
    let identity = top.cert_file.clone().zip(top.key_file.clone()).map(|(certificate, key)| ClientIdentity { certificate, key });
    let trust = match &top.ca_file {
        Some(path) => Some(Trust::Authorities(path.clone())),
        // A bridge on this machine is reached by address, but its certificate is usually issued for a host name.
        None => (top.insecure || is_local).then_some(Trust::Any),
    };
    let config = match trust {
        _ if !base.has_tls() => None,
        Some(trust) => Some(ask::client_config(&trust, identity.as_ref())?),
        None => return Err(format!("{base}: https requires --ca-file or --insecure")),
    };
    let password = top.password_file.as_deref().map(first_line).transpose()?;
    Client::new(base, config, top.user.as_deref().zip(password.as_deref()))
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().next().map(str::to_owned).ok_or_else(|| format!("{}: the file is empty", path.display()))
}

/// The URL of the bridge that runs on this machine, and whether there is exactly one; otherwise the default URL.
fn running_base() -> Result<(Base, bool), String> {
    let Some(RunningWeb { address: WebAddress::Tcp(address), config }) = running::web() else {
        return Base::parse(DEFAULT_URL).map(|base| (base, false));
    };
    let scheme = if config.is_some_and(|path| Gate::read(path).is_ok_and(|(gate, _)| gate.has_tls())) { "https" } else { "http" };
    let target = ask::target(&address)?;
    Base::parse(&format!("{scheme}://{target}")).map(|base| (base, true))
}

fn live(client: &Client, top: &Top, first: Readout) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let mut screen = Screen::enter()?;
        show(client, top, first, &mut screen).await
    });
    // Do not wait for a query in progress.
    runtime.shutdown_background();
    done
}

/// Queries and draws in a loop until a key or a signal ends it.
async fn show(client: &Client, top: &Top, first: Readout, screen: &mut Screen) -> io::Result<()> {
    let (mut before, mut now, mut query_error) = (None, first, None);
    loop {
        let title = format!("statsd-bridge top   {}   every {:?}   q: quit", client.base(), top.interval);
        let lines = lines::lines(&now, before.as_ref());
        screen.draw(&title, query_error.as_deref(), &lines)?;
        let (client, limit) = (client.clone(), top.limit);
        let mut next = Box::pin(async {
            sleep(top.interval).await;
            spawn_blocking(move || Readout::take(&client, limit)).await
        });
        let taken = loop {
            tokio::select! {
                taken = next.as_mut() => break taken,
                event = screen.event() => match event {
                    Event::End => return Ok(()),
                    Event::Resized => screen.draw(&title, query_error.as_deref(), &lines)?,
                }
            }
        };
        match taken.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(taken) => (before, now, query_error) = (Some(now), taken, None),
            Err(error) => query_error = Some(format!("query failed, showing the previous data: {error}")),
        }
    }
}
