//! The live display: a loop that draws, and waits for keys, signals and answers.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::app::{After, App};
use super::draw::{Theme, draw};
use super::happenings::{Happening, Happenings};
use super::terminal::Screen;
use crate::program::ask::Client;
use crate::program::console;

/// The screen shows the age of its data, so it is drawn at least this often.
const REDRAW: Duration = Duration::from_secs(1);

/// How long the program waits to be stopped, where nothing may stop it.
const STOPPED: Duration = Duration::from_millis(500);

/// Shows the display until a key or a signal ends it.
pub(super) fn run(client: &Client, mut app: App) -> io::Result<()> {
    let theme = Theme { has_colour: console::has_colour() };
    let happenings = Happenings::start()?;
    let mut screen = Screen::enter()?;
    happenings.read_keys()?;
    loop {
        while let Some(request) = app.due(Instant::now()) {
            happenings.ask(client, request);
        }
        screen.draw(|frame| draw(frame, &mut app, theme))?;
        let mut within = wait(&app);
        // All that happened so far is drawn at once.
        while let Some(happening) = happenings.next(within) {
            within = Duration::ZERO;
            match take(&mut app, happening) {
                After::Continue => {}
                After::Redraw => {
                    screen.leave();
                    screen.enter_again()?;
                }
                After::Suspend => suspend(&mut screen, &happenings)?,
                After::End => return Ok(()),
            }
        }
    }
}

/// How long nothing needs to be done.
fn wait(app: &App) -> Duration {
    let due = app.sheet().and_then(|sheet| sheet.due).filter(|_| !app.is_paused);
    due.map_or(REDRAW, |due| due.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(10), REDRAW))
}

fn take(app: &mut App, happening: Happening) -> After {
    let now = Instant::now();
    match happening {
        Happening::Key(key) => return app.key(key, now),
        Happening::Paste(text) => app.paste(&text, now),
        Happening::Answer(answer) => app.take(answer, now),
        Happening::Resized => {}
        // Another program may have written to the terminal.
        Happening::Resumed => return After::Redraw,
        Happening::End => return After::End,
    }
    After::Continue
}

/// Stops the program, as the shell expects of Ctrl-Z, until it is resumed.
fn suspend(screen: &mut Screen, happenings: &Happenings) -> io::Result<()> {
    screen.leave();
    kill_process(getpid(), Signal::TSTP)?;
    // What was typed or answered meanwhile is lost, except for the end, which comes again as an error of the terminal.
    while happenings.next(STOPPED).is_some_and(|happening| !matches!(happening, Happening::Resumed | Happening::End)) {}
    screen.enter_again()
}
