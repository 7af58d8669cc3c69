//! Draws lines on the terminal's alternate screen, and restores the terminal at the end.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::lines::{LineStyle, ScreenLine};

/// Escape sequences: enter the alternate screen, hide the cursor and disable line wrapping; and the reverse.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The size if the terminal does not report one.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// An event of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// `q`, Ctrl-C or a signal.
    End,
    /// The terminal was resized.
    Resized,
}

/// The alternate screen. Dropping it restores the terminal.
pub(super) struct Screen {
    keys: Option<Keyboard>,
    ends: [Signal; 3],
    resized: Signal,
    has_colour: bool,
}

/// The keyboard in raw mode: keys are read immediately and not echoed.
struct Keyboard {
    /// Completes when the reading thread ends.
    ended: oneshot::Receiver<()>,
    old: Termios,
}

impl Screen {
    /// Enters the alternate screen. If stdin is not a terminal, only signals end the program.
    pub(super) fn enter() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let [interrupt, terminate, hangup] = kinds;
        let ends = [interrupt?, terminate?, hangup?];
        let resized = signal(SignalKind::window_change())?;
        let keys = if io::stdin().is_terminal() { Some(Keyboard::take()?) } else { None };
        // https://no-color.org
        let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let screen = Self { keys, ends, resized, has_colour };
        put(ENTER)?;
        Ok(screen)
    }

    /// Redraws the screen with as many lines as fit.
    pub(super) fn draw(&self, title: &str, error: Option<&str>, lines: &[ScreenLine]) -> io::Result<()> {
        let (width, height) = match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (usize::from(size.ws_col), usize::from(size.ws_row)),
            _ => DEFAULT_SIZE,
        };
        let head = [ScreenLine::new(LineStyle::Dim, title), ScreenLine::new(LineStyle::Alert, error.unwrap_or_default())];
        let mut out = String::from("\x1b[H");
        for (at, line) in head.iter().chain(lines).take(height).enumerate() {
            let text: String = line.text.chars().take(width).collect();
            let newline = if at == 0 { "" } else { "\r\n" };
            match line.style.code().filter(|_| self.has_colour) {
                Some(code) => out.push_str(&format!("{newline}\x1b[{code}m{text}\x1b[0m\x1b[K")),
                None => out.push_str(&format!("{newline}{text}\x1b[K")),
            }
        }
        out.push_str("\x1b[J");
        put(&out)
    }

    /// Waits for the next event.
    pub(super) async fn event(&mut self) -> Event {
        let [interrupt, terminate, hangup] = &mut self.ends;
        tokio::select! {
            _ = interrupt.recv() => Event::End,
            _ = terminate.recv() => Event::End,
            _ = hangup.recv() => Event::End,
            _ = self.resized.recv() => Event::Resized,
            () = Keyboard::end(self.keys.as_mut()) => Event::End,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If the terminal was closed, there is nothing to restore.
        let _ = put(LEAVE);
    }
}

impl Keyboard {
    fn take() -> io::Result<Self> {
        let old = tcgetattr(io::stdin())?;
        let mut raw = old.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let (end, ended) = oneshot::channel();
        let keys = Self { ended, old };
        // Reading blocks, so it needs a thread. The thread ends with the process.
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            wait_for_end_key();
            // The receiver no longer exists if a signal ended the screen first.
            let _ = end.send(());
        })?;
        Ok(keys)
    }

    /// Waits for a key that ends the program; waits forever without a keyboard.
    async fn end(keys: Option<&mut Self>) {
        match keys {
            // The thread sends or ends; both mean that no more keys are read.
            Some(keys) => (&mut keys.ended).await.unwrap_or_default(),
            None => std::future::pending().await,
        }
    }
}

/// Reads keys until one ends the program or stdin is closed.
fn wait_for_end_key() {
    let mut typed = [0; 64];
    loop {
        match io::stdin().lock().read(&mut typed) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            // 3 is Ctrl-C, 4 is Ctrl-D.
            Ok(length) if typed.iter().take(length).any(|key| matches!(key, b'q' | b'Q' | 3 | 4)) => return,
            Ok(_) => {}
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // If the terminal was closed, there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.old);
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
