//! A program that sends samples with a client library, prints its progress, and waits for a line on stdin before it continues.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use crate::harness::{DEADLINE, until};

/// A running program. Dropping it kills the program.
pub struct Script {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Script {
    /// Starts a command, without the environment variables of Datadog's clients, unless the command sets them.
    pub fn start(mut command: Command) -> Self {
        for (key, _) in std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("DD_")) {
            if command.get_envs().all(|(name, _)| name != key) {
                command.env_remove(key);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let input = child.stdin.take().expect("stdin is a pipe");
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, input, lines }
    }

    /// The next line of the program's output, or `None` when the program has closed it.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the script is silent"),
        }
    }

    /// Answers a line, so that the program continues.
    pub fn go_on(&mut self) {
        self.input.write_all(b"\n").expect("the script reads");
    }

    /// Waits until the program ends, and returns the rest of its output. The exit code must be 0.
    pub fn end(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.line()).collect();
        let status = until("the script ends", || self.child.try_wait().expect("a child can be asked"));
        assert!(status.success(), "{status}: {lines:?}");
        lines
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
