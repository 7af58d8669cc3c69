//! `statsd-bridge top`: asks a running bridge what takes the room and who hit which limit, and shows it, once or live.
//!
//! ```text
//! readout  questions to the bridge -> what it says at one time
//! lines    that -> lines for people
//! screen   lines -> a terminal, which is left as it was
//! ```
//! Must not know the bridge other than by its API over HTTP.

mod lines;
mod readout;
mod screen;

use std::io::{self, IsTerminal, Write};

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::readout::Readout;
use self::screen::{Event, Screen};
use crate::program::cli::{AnswerFormat, Top};

/// The bridge cannot be asked.
const UNREACHABLE: u8 = 1;

/// Shows it; returns the exit code.
pub(super) fn run(top: &Top) -> u8 {
    let first = match Readout::take(&top.url, top.limit) {
        Ok(first) => first,
        Err(why) => {
            let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
            return UNREACHABLE;
        }
    };
    let is_live = !top.once && top.format == AnswerFormat::Text && io::stdout().is_terminal();
    // That nobody reads it is no error.
    let _ = if is_live { live(top, first) } else { once(top.format, &first, &mut io::stdout().lock()) };
    0
}

fn once(format: AnswerFormat, now: &Readout, out: &mut dyn Write) -> io::Result<()> {
    match format {
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &json!({ "cardinality": now.cardinality, "conflicts": now.conflicts }))?;
            writeln!(out)
        }
        AnswerFormat::Text => lines::lines(now, None).iter().try_for_each(|line| writeln!(out, "{}", line.text)),
    }
}

fn live(top: &Top, first: Readout) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let mut screen = Screen::enter()?;
        show(top, first, &mut screen).await
    });
    // A question that is still open is not waited for.
    runtime.shutdown_background();
    done
}

/// Asks, draws and waits, until somebody wants it to end.
async fn show(top: &Top, first: Readout, screen: &mut Screen) -> io::Result<()> {
    let (mut before, mut now, mut trouble) = (None, first, None);
    loop {
        let title = format!("statsd-bridge top   {}   every {:?}   q: quit", top.url, top.interval);
        let lines = lines::lines(&now, before.as_ref());
        screen.draw(&title, trouble.as_deref(), &lines)?;
        let (url, limit) = (top.url.clone(), top.limit);
        let mut next = Box::pin(async {
            sleep(top.interval).await;
            spawn_blocking(move || Readout::take(&url, limit)).await
        });
        let taken = loop {
            tokio::select! {
                taken = next.as_mut() => break taken,
                event = screen.event() => match event {
                    Event::End => return Ok(()),
                    Event::Resized => screen.draw(&title, trouble.as_deref(), &lines)?,
                }
            }
        };
        match taken.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(taken) => (before, now, trouble) = (Some(now), taken, None),
            Err(why) => trouble = Some(format!("no answer, showing what was: {why}")),
        }
    }
}
