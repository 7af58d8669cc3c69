//! The work of a receiving thread, for UDP and Unix sockets: receives a batch, counts it, records it, drains a socket.
//!
//! Must not know how a socket is bound, nor the kind of its addresses.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use super::allowed::AllowedSenders;
use super::batch::{DatagramBatch, Wait};
use super::health::SocketHealth;
use super::intake::Intake;
use super::peers::KnownPeers;
use super::stop::Stop;
use crate::ingest::protocol::SampleError;
use crate::telemetry::{Datagrams, Telemetry};

/// Pause after an error of a receive call, so that a lasting error does not use a whole core.
const ERROR_DELAY: Duration = Duration::from_millis(10);

/// The state of one receiving thread.
pub(super) struct Receiver {
    pub(super) intake: Intake,
    pub(super) batch: DatagramBatch,
    pub(super) health: SocketHealth,
    pub(super) stop: Arc<Stop>,
    pub(super) telemetry: Arc<Telemetry>,
    /// The metrics of this kind of socket.
    pub(super) counters: Datagrams,
    /// Which senders are allowed; `None` for all.
    pub(super) allowed: Option<AllowedSenders>,
    /// The containers of the senders; `None` if nothing needs them.
    pub(super) peers: Option<KnownPeers>,
}

impl Receiver {
    /// Receives into the batch. Returns the number of datagrams. Errors are counted and never end the thread.
    fn receive(&mut self, socket: RawFd, wait: Wait) -> usize {
        match self.batch.receive(socket, wait) {
            Ok(received) => {
                self.health.works();
                received
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                self.health.works();
                0
            }
            Err(error) => {
                self.counters.errors.increment(1);
                self.health.failed(&error);
                thread::sleep(ERROR_DELAY);
                0
            }
        }
    }

    /// Receives a batch, records it, and ticks the intake. Returns the number of datagrams, and when they were received.
    pub(super) fn step(&mut self, socket: RawFd, wait: Wait) -> (usize, Instant) {
        let received = self.receive(socket, wait);
        let now = Instant::now();
        self.record(now);
        self.intake.tick(now);
        (received, now)
    }

    /// Counts and records the batch.
    fn record(&mut self, now: Instant) {
        if self.batch.len() == 0 {
            return;
        }
        if let Some(allowed) = &self.allowed {
            self.batch.reject(|source| allowed.allows(source));
        }
        if let Some(peers) = &mut self.peers {
            self.batch.name_containers(|peer| peers.container(peer, now));
        }
        for (cut, is_whole) in self.batch.truncated() {
            self.counters.truncated.increment(1);
            self.intake.reject_line(SampleError::TruncatedLine, cut, is_whole, now);
        }
        self.intake.datagrams(self.batch.datagrams(), now);
        // Last: a reader that sees a datagram here also sees its lines and samples.
        self.counters.packets.increment(self.batch.len() as u64);
    }

    /// Reads and records what the kernel still holds. Datagrams that are left at the deadline are counted as lost. If the socket is
    /// not shut, draining ends at the deadline, because new datagrams may arrive at any time.
    pub(super) fn drain(&mut self, socket: RawFd, is_shut: bool) {
        let mut lost = 0;
        while self.receive(socket, Wait::Not) > 0 {
            if !self.stop.is_late() {
                self.record(Instant::now());
            } else if is_shut {
                lost += self.batch.len() as u64;
            } else {
                self.record(Instant::now());
                break;
            }
        }
        if lost > 0 {
            self.telemetry.transport.undrained_packets.increment(lost);
            tracing::warn!(address = self.health.address(), datagrams = lost, "datagrams were not recorded before the drain deadline");
        }
    }

    /// Reads and records what the kernel holds of a socket that outlives this process. The next process reads what arrives later, so a
    /// batch that is not full ends it.
    pub(super) fn read_queued(&mut self, socket: RawFd) {
        while !self.stop.is_late() {
            let received = self.receive(socket, Wait::Not);
            self.record(Instant::now());
            if received < DatagramBatch::DATAGRAMS {
                break;
            }
        }
    }
}

/// Makes sleeps of this thread exact to a microsecond. The kernel's default of 50 microseconds is too long for the coalescing delay.
pub(super) fn set_timer_slack() {
    const NANOSECONDS: libc::c_ulong = 1000;
    // SAFETY: PR_SET_TIMERSLACK takes one number and accesses no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, NANOSECONDS) };
    if result != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "timer slack cannot be set: coalescing delays are longer");
    }
}
