//! What the screen waits for: keys, signals and answers of the bridge, each from a thread of its own, so that none waits for another.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::SIGWINCH;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::app::{Answer, Request};
use super::query::readout;
use crate::program::ask::Client;

/// Something that changes the screen.
pub(super) enum Happening {
    Key(KeyEvent),
    Paste(String),
    /// The terminal has another size.
    Resized,
    Answer(Answer),
    /// The program continues after it was stopped.
    Resumed,
    /// A signal, or the end of the terminal.
    End,
}

/// Keys, signals and answers.
pub(super) struct Happenings {
    sender: Sender<Happening>,
    receiver: Receiver<Happening>,
}

impl Happenings {
    /// Starts to wait for signals.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        sizes(sender.clone())?;
        signals(sender.clone())?;
        Ok(Self { sender, receiver })
    }

    /// Starts to read keys, if stdin is a terminal. Must be called in raw mode.
    pub(super) fn read_keys(&self) -> io::Result<()> {
        if !io::stdin().is_terminal() {
            return Ok(());
        }
        let sender = self.sender.clone();
        // Reading blocks. The thread ends with the process.
        thread::Builder::new().name("keys".to_owned()).spawn(move || {
            loop {
                let happening = match event::read() {
                    Ok(Event::Key(key)) => Happening::Key(key),
                    Ok(Event::Paste(text)) => Happening::Paste(text),
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => Happening::End,
                };
                let is_end = matches!(happening, Happening::End);
                if sender.send(happening).is_err() || is_end {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Sends a request; its answer is a happening.
    pub(super) fn ask(&self, client: &Client, request: Request) {
        let (client, sender, sheet) = (client.clone(), self.sender.clone(), request.sheet);
        let asking = thread::Builder::new().name("request".to_owned()).spawn(move || {
            let result = readout(&client, &request.paths);
            // The screen may have ended.
            let _ = sender.send(Happening::Answer(Answer { sheet, result }));
        });
        if let Err(error) = asking {
            let _ = self.sender.send(Happening::Answer(Answer { sheet, result: Err(format!("cannot start a thread: {error}")) }));
        }
    }

    /// The next happening; `None` after a time without one.
    pub(super) fn next(&self, within: Duration) -> Option<Happening> {
        match self.receiver.recv_timeout(within) {
            Ok(happening) => Some(happening),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Happening::End),
        }
    }
}

/// Waits for other sizes of the terminal. The reader of keys must not: where a key arrives together with this signal, it would leave the
/// key in the terminal until the next one. So all threads that start later block the signal.
fn sizes(sender: Sender<Happening>) -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(SIGWINCH);
    signals.thread_block()?;
    let wait = move || while signals.wait().is_ok() && sender.send(Happening::Resized).is_ok() {};
    thread::Builder::new().name("sizes".to_owned()).spawn(wait)?;
    Ok(())
}

/// Catches the signals that end or resume the program.
fn signals(sender: Sender<Happening>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all: Vec<Signal> = {
        let _entered = runtime.enter();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::from_raw(libc::SIGCONT)];
        kinds.into_iter().map(signal).collect::<io::Result<_>>()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let [interrupt, terminate, hangup, resume] = all.as_mut_slice() else { return };
            loop {
                let happening = tokio::select! {
                    _ = interrupt.recv() => Happening::End,
                    _ = terminate.recv() => Happening::End,
                    _ = hangup.recv() => Happening::End,
                    _ = resume.recv() => Happening::Resumed,
                };
                if sender.send(happening).is_err() {
                    return;
                }
            }
        });
    })?;
    Ok(())
}
