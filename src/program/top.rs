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

/// The bridge cannot be asked.
const UNREACHABLE: u8 = 1;

/// Where a bridge answers that was told nothing else.
const DEFAULT_URL: &str = "http://127.0.0.1:9102";

/// Shows it; returns the exit code.
pub(super) fn run(top: &Top) -> u8 {
    let client = match client(top) {
        Ok(client) => client,
        Err(why) => {
            let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
            return UNREACHABLE;
        }
    };
    let first = match Readout::take(&client, top.limit) {
        Ok(first) => first,
        Err(why) => {
            let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
            return UNREACHABLE;
        }
    };
    let is_live = !top.once && top.format == AnswerFormat::Text && io::stdout().is_terminal();
    // That nobody reads it is no error.
    let _ = if is_live { live(&client, top, first) } else { once(top.format, &first, &mut io::stdout().lock()) };
    0
}

fn once(format: AnswerFormat, now: &Readout, out: &mut dyn Write) -> io::Result<()> {
    match format {
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(
                &mut *out,
                &json!({ "cardinality": now.cardinality, "conflicts": now.conflicts, "rejections": now.rejections }),
            )?;
            writeln!(out)
        }
        AnswerFormat::Text => lines::lines(now, None).iter().try_for_each(|line| writeln!(out, "{}", line.text)),
    }
}

/// Whom to ask, and as whom.
fn client(top: &Top) -> Result<Client, String> {
    let (base, is_here) = match &top.url {
        Some(base) => (base.clone(), false),
        None => running_base()?,
    };
    let identity = top.cert_file.clone().zip(top.key_file.clone()).map(|(certificate, key)| ClientIdentity { certificate, key });
    let trust = match &top.ca_file {
        Some(path) => Some(Trust::Authorities(path.clone())),
        // The certificate of a bridge that was found among the processes is made out to the name that others use.
        None => (top.insecure || is_here).then_some(Trust::Anybody),
    };
    let config = match trust {
        _ if !base.has_tls() => None,
        Some(trust) => Some(ask::client_config(&trust, identity.as_ref())?),
        None => return Err(format!("{base}: name who signs its certificate with --ca-file, or take any with --insecure")),
    };
    let password = top.password_file.as_deref().map(first_line).transpose()?;
    Client::new(base, config, top.user.as_deref().zip(password.as_deref()))
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Where the bridge that runs here answers, and whether there is one; the default address where there is none, or several.
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
    // A question that is still open is not waited for.
    runtime.shutdown_background();
    done
}

/// Asks, draws and waits, until somebody wants it to end.
async fn show(client: &Client, top: &Top, first: Readout, screen: &mut Screen) -> io::Result<()> {
    let (mut before, mut now, mut trouble) = (None, first, None);
    loop {
        let title = format!("statsd-bridge top   {}   every {:?}   q: quit", client.base(), top.interval);
        let lines = lines::lines(&now, before.as_ref());
        screen.draw(&title, trouble.as_deref(), &lines)?;
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
