//! `statsd-bridge top`: shows series, limits hit, senders, push targets, conflicts and rejections of a running bridge, once or continuously.
//!
//! ```text
//! readout  queries the API of the bridge
//! lines    formats a readout as lines     push_lines: push targets
//! screen   draws lines on a terminal
//! ```
//! Accesses the bridge only through its HTTP API.

mod lines;
mod push_lines;
mod readout;
mod screen;

use std::io::{self, IsTerminal, Write};

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::lines::ScreenLine;
use self::readout::Readout;
use self::screen::{Event, Screen};
use crate::program::ask::Client;
use crate::program::cli::{AnswerFormat, Top};
use crate::program::reaching::client;

/// The exit code if the bridge cannot be queried or the output cannot be written.
const FAILED: u8 = 1;

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
    let client = client(&top.reach)?;
    let first = Readout::take(&client, top.limit)?;
    let is_live = !top.once && top.format == AnswerFormat::Text && io::stdout().is_terminal();
    let shown = if is_live { live(&client, top, first) } else { once(top.format, &first, &mut io::stdout().lock()) };
    match shown {
        // The reader of a pipe, such as `head`, may exit early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown.map_err(|error| format!("cannot write the output: {error}")),
    }
}

/// The lines of a readout, push targets at the end.
fn all_lines(now: &Readout, before: Option<&Readout>) -> Vec<ScreenLine> {
    let mut all = lines::lines(now, before);
    push_lines::targets(&now.push, &mut all);
    all
}

fn once(format: AnswerFormat, now: &Readout, out: &mut dyn Write) -> io::Result<()> {
    match format {
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(
                &mut *out,
                &json!({ "cardinality": now.cardinality, "conflicts": now.conflicts, "rejections": now.rejections, "sources": now.sources, "push": now.push }),
            )?;
            writeln!(out)
        }
        AnswerFormat::Text => all_lines(now, None).iter().try_for_each(|line| writeln!(out, "{}", line.text)),
    }
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
        let lines = all_lines(&now, before.as_ref());
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
