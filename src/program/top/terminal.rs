//! The terminal: raw mode and the alternate screen, and their end in every case. Must not know what is drawn.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::termios::tcgetwinsize;

/// The size if the terminal does not report one.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Whether the alternate screen is shown.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// The alternate screen. Dropping it restores the terminal; so does a panic.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    area: Rect,
}

impl Screen {
    /// Enters the alternate screen. If stdin is not a terminal, there are no keys.
    pub(super) fn enter() -> io::Result<Self> {
        restore_on_panic();
        enter()?;
        let area = size();
        let made = terminal(area);
        if made.is_err() {
            leave();
        }
        Ok(Self { terminal: made?, area })
    }

    /// Draws one frame in the size that the terminal has now.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.area != size() {
            self.redraw_all()?;
        }
        self.terminal.draw(render).map(|_| ())
    }

    /// Draws everything next time, and not only what changed.
    fn redraw_all(&mut self) -> io::Result<()> {
        self.area = size();
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = terminal(self.area)?;
        Ok(())
    }

    /// Restores the terminal for a while.
    pub(super) fn leave(&mut self) {
        leave();
    }

    /// Enters the alternate screen again.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        enter()?;
        self.redraw_all()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn terminal(area: Rect) -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    // The size is asked for here, because the library would run `tput` where the terminal does not report one.
    Terminal::with_options(CrosstermBackend::new(io::stdout()), TerminalOptions { viewport: Viewport::Fixed(area) })
}

fn size() -> Rect {
    let (width, height) = match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => DEFAULT_SIZE,
    };
    Rect::new(0, 0, width, height)
}

fn enter() -> io::Result<()> {
    IS_ENTERED.store(true, Ordering::SeqCst);
    let entered = || {
        if io::stdin().is_terminal() {
            enable_raw_mode()?;
        }
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap, EnableBracketedPaste, Clear(ClearType::All))
    };
    entered().inspect_err(|_| leave())
}

/// Restores the terminal, once. If it was closed, there is nothing to restore.
fn leave() {
    if !IS_ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(out, DisableBracketedPaste, EnableLineWrap, Show, LeaveAlternateScreen);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Restores the terminal before the message of a panic, of any thread, and then ends the program: its screen is gone.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let was_entered = IS_ENTERED.load(Ordering::SeqCst);
            leave();
            report(info);
            if was_entered {
                std::process::exit(101);
            }
        }));
    });
}
