//! `statsd-bridge top`: what a running bridge receives, loses and holds, as a live display with tabs, or printed once.
//!
//! ```text
//! live         the loop of the display
//! happenings   keys, signals and answers      terminal: raw mode and the alternate screen
//! app          tabs, pages and keys           prompt: typed texts
//! sheet        a page with its data, filter and order
//! views        the tabs: an answer of the API as a page
//! draw         a page on the screen
//! summary, once  what is printed once
//! page         notes, rows and columns        query: requests   plain: safe text   wording: numbers
//! ```
//! Accesses the bridge only through its HTTP API.

mod app;
mod draw;
mod happenings;
mod live;
mod once;
mod page;
mod plain;
mod prompt;
mod query;
mod sheet;
mod summary;
mod terminal;
mod views;
mod wording;

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use self::app::{Answer, App};
use crate::program::ask::Client;
use crate::program::cli::{AnswerFormat, Top};
use crate::program::reaching::client;

/// The exit code if the bridge cannot be queried or the output cannot be written.
const FAILED: u8 = 1;

/// Families, senders and events, unless `--limit` is given: printed, and in the display, which scrolls.
const PRINTED: u16 = 20;
const DISPLAYED: u16 = 200;

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
    let tab = top.tab.as_deref().and_then(views::place_of);
    let shown = if !top.once && top.answer_format() == AnswerFormat::Text && io::stdout().is_terminal() {
        live(&client, top, tab.unwrap_or(0))?
    } else {
        let limit = top.limit.unwrap_or(PRINTED);
        let text = match tab {
            Some(tab) => once::tab(&client, tab, limit, top.answer_format())?,
            None => once::summary(&client, limit, top.answer_format())?,
        };
        io::stdout().lock().write_all(text.as_bytes())
    };
    match shown {
        // The reader of a pipe, such as `head`, may exit early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown.map_err(|error| format!("cannot write the output: {error}")),
    }
}

/// The display. A bridge that cannot be reached at first is an error, before the screen changes.
fn live(client: &Client, top: &Top, tab: usize) -> Result<io::Result<()>, String> {
    let mut app = App::new(tab, top.limit.unwrap_or(DISPLAYED), &client.base().to_string(), top.interval);
    if let Some(first) = app.due(Instant::now()) {
        let result = Ok(query::readout(client, &first.paths)?);
        app.take(Answer { sheet: first.sheet, result }, Instant::now());
    }
    Ok(live::run(client, app))
}
