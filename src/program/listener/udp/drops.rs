//! Reads the kernel's drop counters once a second in a separate thread, so that they are current even if a receiver is blocked.
//!
//! Must not receive anything.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{io, thread};

use super::socket::DropReader;
use crate::lock::lock;

/// Interval between two readings.
const INTERVAL: Duration = Duration::from_secs(1);

/// The drop counter of one socket.
pub(super) struct Drops {
    socket: Arc<UdpSocket>,
    reader: Mutex<DropReader>,
}

impl Drops {
    pub(super) fn new(socket: &Arc<UdpSocket>, reader: DropReader) -> Self {
        Self { socket: Arc::clone(socket), reader: Mutex::new(reader) }
    }

    /// Adds the drops since the last call to the metric.
    pub(super) fn read(&self) {
        lock(&self.reader).read(&self.socket);
    }
}

/// Starts the thread that reads the counters. It ends when the last socket is closed.
pub(super) fn watch_drops(all: Vec<Weak<Drops>>) -> io::Result<()> {
    let watch = move || {
        let mut all = all;
        while !all.is_empty() {
            thread::sleep(INTERVAL);
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
