//! A terminal with a screen of its own: drawn over, resized, and left as it was found. Must not know the bridge.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::lines::{LineStyle, ScreenLine};

/// Another screen, no cursor, long lines cut; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A width and height for a terminal that does not say.
const USUAL: (usize, usize) = (80, 24);

/// What ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// `q`, Ctrl-C or a signal.
    End,
    /// The terminal has another size.
    Resized,
}

/// The terminal, until it is dropped.
pub(super) struct Screen {
    keys: Option<Keyboard>,
    ends: [Signal; 3],
    resized: Signal,
    has_colour: bool,
}

/// The keyboard, raw: a key is read when it is pressed, and none is shown.
struct Keyboard {
    /// Told, or left alone, by the thread that reads.
    ended: oneshot::Receiver<()>,
    old: Termios,
}

impl Screen {
    /// Takes the terminal over. Where stdin is none, only signals end it.
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

    /// Draws all anew, as much as there is room for.
    pub(super) fn draw(&self, title: &str, trouble: Option<&str>, lines: &[ScreenLine]) -> io::Result<()> {
        let (width, height) = match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (usize::from(size.ws_col), usize::from(size.ws_row)),
            _ => USUAL,
        };
        let head = [ScreenLine::new(LineStyle::Dim, title), ScreenLine::new(LineStyle::Alert, trouble.unwrap_or_default())];
        let mut out = String::from("\x1b[H");
        for (at, line) in head.iter().chain(lines).take(height).enumerate() {
            let text: String = line.text.chars().take(width).collect();
            let newline = if at == 0 { "" } else { "\r\n" };
            let _ = match line.style.code().filter(|_| self.has_colour) {
                Some(code) => write!(out, "{newline}\x1b[{code}m{text}\x1b[0m\x1b[K"),
                None => write!(out, "{newline}{text}\x1b[K"),
            };
        }
        out.push_str("\x1b[J");
        put(&out)
    }

    /// Waits for something to happen.
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
        // A thread of its own, because a key may never come: it ends with the program.
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            until_end();
            let _ = end.send(());
        })?;
        Ok(keys)
    }

    /// Waits for a key that ends it; for ever without a keyboard.
    async fn end(keys: Option<&mut Self>) {
        match keys {
            Some(keys) => (&mut keys.ended).await.unwrap_or_default(),
            None => std::future::pending().await,
        }
    }
}

/// Reads keys until one of them, or a keyboard that is gone, ends it.
fn until_end() {
    let mut typed = [0; 64];
    loop {
        match io::stdin().lock().read(&mut typed) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            // Ctrl-C and Ctrl-D are 3 and 4.
            Ok(length) if typed.iter().take(length).any(|key| matches!(key, b'q' | b'Q' | 3 | 4)) => return,
            Ok(_) => {}
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.old);
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
