//! Senders over UDP, which count what they have sent.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use super::network::Node;
use crate::harness::until;

/// Senders for one bridge.
const SENDERS: usize = 3;

/// The time between two datagrams of a sender.
const PAUSE: Duration = Duration::from_millis(20);

/// The senders of one bridge, in its namespace.
pub struct Senders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    /// A value of the gauge that the first sender sends next, plus 1; 0 for none.
    level: AtomicU64,
    is_paused: AtomicBool,
    /// Senders that have noticed the pause.
    paused: AtomicUsize,
    is_over: AtomicBool,
}

impl Senders {
    /// Starts the senders.
    pub fn start(node: &Node, port: u16) -> Self {
        let shared = Arc::<Shared>::default();
        let thread = |nth: usize| {
            let shared = Arc::clone(&shared);
            node.spawn(move || send(nth, &shared, port))
        };
        let threads = (0..SENDERS).map(thread).collect();
        Self { shared, threads }
    }

    /// Sets the gauge.
    pub fn set_level(&self, level: u64) {
        self.shared.level.store(level + 1, SeqCst);
        until("the gauge is sent", || (self.shared.level.load(SeqCst) == 0).then_some(()));
    }

    /// Pauses all senders. Returns how many samples of the counter they have sent.
    pub fn pause(&self) -> u64 {
        self.shared.is_paused.store(true, SeqCst);
        until("the senders pause", || (self.shared.paused.load(SeqCst) == SENDERS).then_some(()));
        self.shared.sent.load(SeqCst)
    }

    /// Ends the pause.
    pub fn resume(&self) {
        self.shared.is_paused.store(false, SeqCst);
        until("the senders go on", || (self.shared.paused.load(SeqCst) == 0).then_some(()));
    }

    /// Ends the senders. Returns how many samples of the counter they have sent.
    pub fn stop(self) -> u64 {
        self.shared.is_over.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a sender ends"));
        self.shared.sent.load(SeqCst)
    }
}

fn send(nth: usize, shared: &Shared, port: u16) {
    // Not connected, so that no error of an earlier datagram makes the kernel reject a later one.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    let send = |text: String| {
        socket.send_to(text.as_bytes(), (Ipv4Addr::LOCALHOST, port)).expect("a datagram is sent");
    };
    while !shared.is_over.load(SeqCst) {
        if shared.is_paused.load(SeqCst) {
            shared.paused.fetch_add(1, SeqCst);
            while shared.is_paused.load(SeqCst) {
                std::thread::sleep(PAUSE);
            }
            shared.paused.fetch_sub(1, SeqCst);
        }
        if nth == 0
            && let Some(level) = shared.level.load(SeqCst).checked_sub(1)
        {
            send(format!("fleet.level:{level}|g"));
            shared.level.store(0, SeqCst);
        }
        send(format!("fleet.hits:1|c|#sender:{nth}"));
        shared.sent.fetch_add(1, SeqCst);
        std::thread::sleep(PAUSE);
    }
}
