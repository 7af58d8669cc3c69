//! Unix datagrams (`unixgram`): one thread receives batches with `recvmmsg`, as for UDP.
//!
//! The kernel queues few datagrams (`net.unix.max_dgram_qlen`, 10 on many systems). It drops none: with a full queue, it blocks the sender,
//! or rejects the datagram if the sender does not wait. So the coalescing delay adapts to what gathers in the queue ([`Pauses`]).
//! A socket of systemd outlives the process: it is not shut, and senders wait in its queue for the next process.
//! At shutdown of other sockets, the kernel is first made to accept nothing more, so that senders get an error for later datagrams.
//!
//! Must not know the contents of a datagram, except that lines end with a newline.

use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::batch::{DatagramBatch, Wait};
use super::health::SocketHealth;
use super::intake::Intake;
use super::pauses::Pauses;
use super::peers::Processes;
use super::receiver::{Receiver, set_timer_slack};
use super::stop::Stop;
use super::udp::UdpOptions;
use crate::program::net::{BindError, OwnedPath, PathAccess, PathError, bind_path, error_text, shown_path};
use crate::program::readiness::Readiness;
use crate::program::rebinding::{CHECK_INTERVAL, Rebinding};
use crate::source::Source;
use crate::telemetry::Telemetry;

/// Time limit of a receive call, after which the thread checks the stop signal.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(250);
/// What the kernel counts for a queued datagram of some 500 bytes against the send buffer of its sender.
const BYTES_A_DATAGRAM: usize = 1536;
/// The kernel's setting for the queue of a new socket, in datagrams.
const QUEUE_SETTING: &str = "/proc/sys/net/unix/max_dgram_qlen";
/// The kernel's setting for the send buffer of a sender that does not ask for a size, in bytes.
const SEND_BUFFER_SETTING: &str = "/proc/sys/net/core/wmem_default";
/// A queue of this length holds the bursts of clients that do not wait.
const GOOD_QUEUE: usize = 512;

/// Options of the Unix datagram socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixgramOptions {
    /// Path of the socket; a leading `@` means an abstract name, which is not in the file system.
    pub path: String,
    /// Who can send through the path.
    pub access: PathAccess,
    /// Size of the receive buffer to request, in bytes; 0 for the system's default.
    pub read_buffer_bytes: usize,
    /// Length limit of a datagram in bytes. Of a longer datagram, the complete lines are recorded.
    pub datagram_bytes: usize,
    /// The longest pause before the next receive after a batch that was not full; zero for none, `None` for a millisecond. The pause
    /// adapts to the senders, so that the queue does not fill.
    pub coalescing_delay: Option<Duration>,
}

impl UnixgramOptions {
    /// The options of a socket of systemd, whose path and permissions the unit sets.
    pub(crate) fn of_systemd(udp: &UdpOptions) -> Self {
        let UdpOptions { read_buffer_bytes, datagram_bytes, coalescing_delay, .. } = *udp;
        Self {
            path: String::new(),
            access: PathAccess { mode: 0, owner: None, group: None },
            read_buffer_bytes,
            datagram_bytes,
            coalescing_delay,
        }
    }
}

/// A bound socket. Dropping it removes its path.
pub(crate) struct BoundUnixgram {
    socket: UnixDatagram,
    path: Option<OwnedPath>,
    options: UnixgramOptions,
    /// The number of datagrams that the kernel queues; `None` if the setting cannot be read.
    queue: Option<usize>,
    /// Whether the socket outlives this process, because systemd holds it too.
    is_inherited: bool,
}

impl BoundUnixgram {
    /// Binds the socket. A socket without a listener at the path is replaced.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound; the path exists and is not a socket; another program listens on it.
    pub(crate) fn bind(options: &UnixgramOptions) -> Result<Self, BindError> {
        Self::try_bind(options).map_err(|error| BindError::of_path("unixgram", &options.path, error))
    }

    /// Takes a socket that systemd bound. Its path is never removed or bound again, and its receive buffer keeps the size that the unit
    /// sets, unless one is requested. Of the options, the path and its permissions have no effect.
    ///
    /// # Errors
    ///
    /// The options of the socket cannot be set.
    pub(crate) fn inherit(socket: UnixDatagram, options: UnixgramOptions) -> io::Result<Self> {
        let path = shown_path(&socket.local_addr()?);
        socket.set_nonblocking(false)?;
        Self::configured(socket, None, UnixgramOptions { path, ..options }, true)
    }

    /// The path or abstract name as typed.
    pub(crate) fn path(&self) -> &str {
        &self.options.path
    }

    fn try_bind(options: &UnixgramOptions) -> Result<Self, PathError> {
        let words = |error: io::Error| error_text(&error);
        let probe = |path: &Path| UnixDatagram::unbound()?.connect(path);
        let (socket, path) = bind_path(&options.path, &options.access, UnixDatagram::bind_addr, probe)?;
        Self::configured(socket, path, options.clone(), false).map_err(|error| words(error).into())
    }

    fn configured(socket: UnixDatagram, path: Option<OwnedPath>, options: UnixgramOptions, is_inherited: bool) -> io::Result<Self> {
        if options.read_buffer_bytes > 0 {
            socket2::SockRef::from(&socket).set_recv_buffer_size(options.read_buffer_bytes)?;
        }
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
        let queue = setting(QUEUE_SETTING);
        Ok(Self { socket, path, options, queue, is_inherited })
    }

    /// Starts the thread. It ends soon after `stop` is set.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn start(
        self,
        telemetry: &Arc<Telemetry>,
        stop: &Arc<Stop>,
        readiness: &Arc<Readiness>,
        intake: Intake,
    ) -> io::Result<JoinHandle<()>> {
        let pauses = Pauses::new(self.options.coalescing_delay, capacity(self.queue, setting(SEND_BUFFER_SETTING)));
        self.announce(pauses.longest());
        let path = self.options.path.clone();
        if let Some(queue) = self.queue {
            telemetry.unixgram_queue(&path).set(queue as f64);
        }
        let mut batch = DatagramBatch::new(self.options.datagram_bytes, Source::Unixgram);
        let peers = intake.processes().map(Processes::of_receiver);
        if peers.is_some() {
            self.ask_for_credentials()?;
            batch = batch.with_credentials();
        }
        let receiver = Receiver {
            intake,
            batch,
            health: SocketHealth::new(path.clone(), readiness.part()),
            stop: stop.clone(),
            telemetry: telemetry.clone(),
            counters: telemetry.transport.unixgram.clone(),
            allowed: None,
            peers,
        };
        let rebinding = Rebinding::new(path, telemetry.clone(), readiness.part());
        let thread = UnixgramThread { current: self, old: None, receiver, pauses, rebinding, without_pause: 0 };
        Builder::new().name("unixgram".to_owned()).spawn(move || thread.run())
    }

    /// Makes the kernel tell the sender of each datagram.
    fn ask_for_credentials(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).set_passcred(true)
    }

    fn announce(&self, longest_coalescing_delay: Duration) {
        let path = &self.options.path;
        match self.queue {
            Some(queue) if queue < GOOD_QUEUE => tracing::info!(
                path, queue_datagrams = queue, ?longest_coalescing_delay, raise_with = %format_args!("sysctl -w net.unix.max_dgram_qlen={GOOD_QUEUE}"),
                "listening on unixgram with a short queue"
            ),
            Some(queue) => tracing::info!(path, queue_datagrams = queue, ?longest_coalescing_delay, "listening on unixgram"),
            None => tracing::warn!(
                path,
                ?longest_coalescing_delay,
                setting = QUEUE_SETTING,
                "listening on unixgram; the length of its queue is unknown"
            ),
        }
    }

    /// Makes the kernel accept nothing more. Returns false if it failed, so that datagrams may still arrive.
    fn shut(&self) -> bool {
        let shut = self.socket.shutdown(Shutdown::Read);
        if let Err(error) = &shut {
            tracing::debug!(%error, "the kernel may receive datagrams while the socket is drained");
        }
        shut.is_ok()
    }
}

/// The thread of the socket.
struct UnixgramThread {
    current: BoundUnixgram,
    /// The previous socket, if the path was removed and bound again. Clients that have it open can still send to it.
    old: Option<BoundUnixgram>,
    receiver: Receiver,
    pauses: Pauses,
    rebinding: Rebinding,
    /// Datagrams received since the last pause.
    without_pause: usize,
}

impl UnixgramThread {
    fn run(mut self) {
        set_timer_slack();
        let mut checked = Instant::now();
        while !self.receiver.stop.is_set() {
            let (received, now) = self.receive();
            self.observe_queue(received);
            self.pause(received, now);
            if now.duration_since(checked) >= CHECK_INTERVAL {
                checked = now;
                self.check_path();
            }
        }
        for socket in [Some(&self.current), self.old.as_ref()].into_iter().flatten() {
            if socket.is_inherited {
                self.receiver.read_queued(socket.socket.as_raw_fd());
                continue;
            }
            let is_shut = socket.shut();
            self.receiver.drain(socket.socket.as_raw_fd(), is_shut);
        }
        self.receiver.intake.finish();
    }

    /// Receives and records a batch of each socket. Returns the larger number of datagrams, and when the last batch was received.
    fn receive(&mut self) -> (usize, Instant) {
        let current = self.current.socket.as_raw_fd();
        let Some(old) = &self.old else { return self.receiver.step(current, Wait::ForOne) };
        wait_for_either(&self.current.socket, &old.socket);
        let (of_current, _) = self.receiver.step(current, Wait::Not);
        let (of_old, now) = self.receiver.step(old.socket.as_raw_fd(), Wait::Not);
        (of_current.max(of_old), now)
    }

    fn pause(&mut self, received: usize, now: Instant) {
        let pause = self.pauses.next(received, received == DatagramBatch::DATAGRAMS, now);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }

    /// Counts if as many datagrams as the queue holds were received without a pause.
    fn observe_queue(&mut self, received: usize) {
        self.without_pause += received;
        if self.current.queue.is_some_and(|queue| self.without_pause >= queue.max(1)) {
            self.receiver.telemetry.transport.unixgram_queue_full.increment(1);
            self.without_pause = 0;
        }
        if received < DatagramBatch::DATAGRAMS {
            self.without_pause = 0;
        }
    }

    /// Binds a path again that was removed.
    fn check_path(&mut self) {
        let options = &self.current.options;
        let rebound = self
            .current
            .path
            .as_ref()
            .and_then(|path| self.rebinding.check(path, || BoundUnixgram::try_bind(options).map_err(String::from)));
        let Some(rebound) = rebound else { return };
        if self.receiver.peers.is_some()
            && let Err(error) = rebound.ask_for_credentials()
        {
            tracing::warn!(%error, "the senders of Unix datagrams are not known");
        }
        let oldest = self.old.replace(std::mem::replace(&mut self.current, rebound));
        if let Some(oldest) = oldest {
            let is_shut = oldest.shut();
            self.receiver.drain(oldest.socket.as_raw_fd(), is_shut);
        }
    }
}

/// Waits until one of the sockets has a datagram, up to the limit of a receive call.
fn wait_for_either(one: &UnixDatagram, other: &UnixDatagram) {
    let mut both = [PollFd::from_borrowed_fd(one.as_fd(), PollFlags::IN), PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(RECEIVE_TIMEOUT.subsec_nanos()) };
    // The receive calls return the same error, and count it.
    if let Err(error) = poll(&mut both, Some(&limit)) {
        tracing::debug!(%error, "cannot wait for two sockets");
    }
}

/// The number of datagrams that one sender can queue: its own send buffer may be the shorter limit. 0 if it is unknown.
fn capacity(queue: Option<usize>, send_buffer_bytes: Option<usize>) -> usize {
    let send_buffer = send_buffer_bytes.map_or(usize::MAX, |bytes| bytes / BYTES_A_DATAGRAM);
    queue.unwrap_or(0).min(send_buffer)
}

fn setting(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options as BridgeOptions;
    use crate::source::Source;

    fn options(path: &Path) -> UnixgramOptions {
        UnixgramOptions {
            path: path.to_str().unwrap().to_owned(),
            access: PathAccess { mode: 0o722, owner: None, group: None },
            read_buffer_bytes: 0,
            datagram_bytes: 20,
            coalescing_delay: None,
        }
    }

    #[test]
    fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixDatagram::bind(&path).unwrap());
        let first = BoundUnixgram::bind(&options(&path)).expect("a socket without a listener");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o722);
        let second = BoundUnixgram::bind(&options(&path)).err().map(|e| e.to_string());
        let at = path.display();
        assert_eq!(second, Some(format!("cannot listen on unixgram {at}: the socket exists and another program listens on it")));
        drop(first);
        assert!(!path.exists(), "removed when dropped");
        fs::write(&path, "precious").unwrap();
        assert!(BoundUnixgram::bind(&options(&path)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    fn start(bound: BoundUnixgram, bridge: &Bridge, stop: &Arc<Stop>) -> JoinHandle<()> {
        bound.start(bridge.telemetry(), stop, &Arc::default(), Intake::new(bridge.worker(), None)).unwrap()
    }

    #[test]
    fn datagrams_are_drained_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bridge = Bridge::of_program(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let bound = BoundUnixgram::bind(&options(&path)).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        // By default, a socket queues this many datagrams before it blocks the sender.
        for _ in 0..5 {
            sender.send_to(b"a:1|g", &path).unwrap();
            sender.send_to(b"a:1|c\nlonger_than_20:1|c", &path).unwrap();
        }
        stop.set();
        start(bound, &bridge, &stop).join().unwrap();
        assert_eq!(bridge.telemetry().sum("unixgram_packets_total"), 10);
        assert!(!path.exists());
        assert_eq!(bridge.registry().conflicts()[0].came.source, Source::Unixgram);
    }

    #[test]
    fn datagrams_accepted_during_the_stop_are_recorded() {
        for _ in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s");
            let bridge = Bridge::of_program(BridgeOptions::default());
            let stop = Stop::new(Duration::from_secs(60));
            let bound = BoundUnixgram::bind(&options(&path)).unwrap();
            let senders = [(); 3].map(|()| {
                let sender = UnixDatagram::unbound().unwrap();
                sender.connect(&path).unwrap();
                std::thread::spawn(move || (0_u64..).find(|_| sender.send(b"a:1|c").is_err()).unwrap())
            });
            let thread = start(bound, &bridge, &stop);
            while bridge.accounting().samples == 0 {
                std::thread::yield_now();
            }
            stop.set();
            thread.join().unwrap();
            let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            assert_eq!(bridge.accounting().recorded, sent);
        }
    }

    #[test]
    fn a_sender_queues_what_the_shorter_limit_allows() {
        assert_eq!([capacity(Some(10), Some(212_992)), capacity(Some(512), Some(212_992)), capacity(Some(512), None)], [10, 138, 512]);
        assert_eq!(capacity(None, Some(212_992)), 0);
    }
}
