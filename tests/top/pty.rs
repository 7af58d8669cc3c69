//! A program on a pseudoterminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::screen::Screen;
use crate::harness::until;

/// A program, its terminal, and what the terminal shows.
pub struct Pty {
    child: Child,
    /// Keys are written here.
    keyboard: File,
    /// The program's side.
    terminal: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
    screen: Screen,
}

impl Pty {
    /// Starts a program in a session of its own, whose terminal has this size.
    pub fn start(command: &Command, (width, height): (u16, u16)) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudoterminal");
        grantpt(&near).and_then(|()| unlockpt(&near)).expect("a pseudoterminal");
        let name = ptsname(&near, Vec::new()).expect("a name");
        let terminal = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("the terminal");
        tcsetwinsize(&near, size(width, height)).expect("a size");
        // `setsid` makes the terminal the controlling one, so that it sends signals, and becomes the program.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => session.env(key, value),
                None => session.env_remove(key),
            };
        }
        let side = || terminal.try_clone().expect("a descriptor");
        let child = session.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid of util-linux");
        let keyboard = File::from(near);
        let (mut output, written) = (keyboard.try_clone().expect("a descriptor"), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&written);
        // Ends when the terminal is closed.
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut piece) {
                kept.lock().expect("no panic").extend_from_slice(&piece[..length]);
            }
        });
        Self { child, keyboard, terminal, written, screen: Screen::new(width, height) }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.look();
        self.screen.resize(width, height);
        tcsetwinsize(&self.keyboard, size(width, height)).expect("a size");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child that was not waited for can be signalled");
    }

    /// The lines that the terminal shows now.
    pub fn look(&mut self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.written.lock().expect("no panic"));
        self.screen.feed(&bytes);
        self.screen.lines()
    }

    /// Waits until the screen has all these texts, and returns its lines.
    pub fn shows(&mut self, texts: &[&str]) -> Vec<String> {
        let mut last = Vec::new();
        let what = format!("the terminal shows {texts:?}");
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(&what, || {
                last = self.look();
                let text = last.join("\n");
                texts.iter().all(|part| text.contains(part)).then_some(())
            });
        }));
        if let Err(panic) = found {
            eprintln!("---- the terminal ----\n{}", last.join("\n"));
            std::panic::resume_unwind(panic);
        }
        last
    }

    /// Waits until the program ends, and checks that the terminal is as before.
    pub fn ends(mut self) -> ExitStatus {
        let status = until("the program ends", || self.child.try_wait().expect("a child can be asked"));
        until("the terminal is restored", || {
            self.look();
            let mut modes = self.screen.modes.clone();
            modes.sort_unstable();
            (modes == [7, 25]).then_some(())
        });
        let modes = tcgetattr(&self.terminal).expect("attributes").local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
        status
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(width: u16, height: u16) -> Winsize {
    Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 }
}
