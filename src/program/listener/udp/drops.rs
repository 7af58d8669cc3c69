//! The kernel's drops, read once a second by a thread of its own: a receiver that is held up does not hide them.
//!
//! Must not receive anything.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{io, thread};

use super::socket::DropReader;

/// How often the kernel's drop counters are read.
const EVERY: Duration = Duration::from_secs(1);

/// The drops of one socket.
pub(super) struct Drops {
    socket: Arc<UdpSocket>,
    reader: Mutex<DropReader>,
}

impl Drops {
    pub(super) fn new(socket: &Arc<UdpSocket>, reader: DropReader) -> Self {
        Self { socket: Arc::clone(socket), reader: Mutex::new(reader) }
    }

    /// Adds what was dropped since the call before.
    pub(super) fn read(&self) {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).read(&self.socket);
    }
}

/// Starts the thread that reads them. It ends by itself when the last socket is closed.
pub(super) fn watch_drops(all: Vec<Weak<Drops>>) -> io::Result<()> {
    let watch = move || {
        let mut all = all;
        while !all.is_empty() {
            thread::sleep(EVERY);
            all.retain(|drops| {
                drops.upgrade().is_some_and(|drops| {
                    drops.read();
                    true
                })
            });
        }
    };
    thread::Builder::new().name("udp-drops".to_owned()).spawn(watch).map(drop)
}
