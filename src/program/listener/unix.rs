//! Unix datagrams (`unixgram`). A full socket blocks its senders, and drops nothing. At shutdown, the kernel is first made to accept nothing
//! more, so that senders get an error for later datagrams.
//!
//! Must not know the contents of a datagram, except that lines end with a newline.

mod batch;

use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use tokio::net::UnixDatagram;

use self::batch::UnixgramBatch;
use super::health::SocketHealth;
use super::intake::Intake;
use super::stop::{Stop, stopped};
use crate::program::net::{BindError, OwnedPath, error_text, remove_stale};
use crate::program::readiness::Readiness;
use crate::program::rebinding::{CHECK_INTERVAL, Rebinding};
use crate::telemetry::Telemetry;

/// Interval between ticks of the intake while nothing is received.
const TICK: Duration = Duration::from_millis(500);
/// Pause after an error of a receive call.
const ERROR_DELAY: Duration = Duration::from_millis(10);

/// Options of the Unix datagram socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixgramOptions {
    /// Path of the socket; a leading `@` means an abstract name, which is not in the file system.
    pub path: String,
    /// Permissions of the path.
    pub mode: u32,
    /// Size of the receive buffer to request, in bytes; 0 for the system's default.
    pub read_buffer_bytes: usize,
    /// Length limit of a datagram in bytes. Of a longer datagram, the complete lines are recorded.
    pub datagram_bytes: usize,
}

/// A bound socket. Dropping it removes its path.
pub(crate) struct BoundUnixgram {
    socket: StdDatagram,
    path: Option<OwnedPath>,
    options: UnixgramOptions,
}

impl BoundUnixgram {
    /// Binds the socket. A socket without a listener at the path is replaced.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound; the path exists and is not a socket; another program listens on it.
    pub(crate) fn bind(options: &UnixgramOptions) -> Result<Self, BindError> {
        let failed = |why| BindError::Listen { transport: "unixgram", address: options.path.clone(), why };
        Self::try_bind(options).map_err(failed)
    }

    /// The path or abstract name as typed.
    pub(crate) fn path(&self) -> &str {
        &self.options.path
    }

    fn try_bind(options: &UnixgramOptions) -> Result<Self, String> {
        let words = |error: io::Error| error_text(&error);
        let (socket, path) = if let Some(name) = options.path.strip_prefix('@') {
            let address = SocketAddr::from_abstract_name(name).map_err(words)?;
            (StdDatagram::bind_addr(&address).map_err(words)?, None)
        } else {
            let path = Path::new(&options.path);
            remove_stale(path, |path| StdDatagram::unbound()?.connect(path))?;
            let socket = StdDatagram::bind(path).map_err(words)?;
            let owned = OwnedPath::new(path).map_err(words)?;
            fs::set_permissions(path, fs::Permissions::from_mode(options.mode)).map_err(words)?;
            (socket, Some(owned))
        };
        if options.read_buffer_bytes > 0 {
            socket2::SockRef::from(&socket).set_recv_buffer_size(options.read_buffer_bytes).map_err(words)?;
        }
        socket.set_nonblocking(true).map_err(words)?;
        Ok(Self { socket, path, options: options.clone() })
    }

    /// Registers the socket with the tokio runtime.
    ///
    /// # Errors
    ///
    /// The system refuses a second file descriptor, or tokio refuses the socket.
    pub(crate) fn open(self, readiness: &Arc<Readiness>) -> io::Result<OpenUnixgram> {
        let socket = UnixDatagram::from_std(self.socket.try_clone()?)?;
        let health = SocketHealth::new(self.options.path.clone(), readiness.part());
        Ok(OpenUnixgram { bound: self, socket, health })
    }
}

impl OpenUnixgram {
    /// Receives until `stop` is set, drains what the kernel holds, removes the path and returns. A path that was removed is bound again;
    /// clients that have the old socket open can still send to it.
    pub(crate) async fn serve(self, mut intake: Intake, telemetry: Arc<Telemetry>, stop: Arc<Stop>, readiness: Arc<Readiness>) {
        let options = self.bound.options.clone();
        let mut current = self;
        tracing::info!(path = options.path, "listening on unixgram");
        let mut old: Option<OpenUnixgram> = None;
        let mut rebinding = Rebinding::new(options.path.clone(), telemetry.clone(), readiness.part());
        let mut batch = UnixgramBatch::new(options.datagram_bytes);
        let (mut stopping, mut checked) = (stop.subscribe(), Instant::now());
        loop {
            let ending = tokio::select! {
                biased;
                () = stopped(&mut stopping) => true,
                () = current.readable() => false,
                () = async { match &old { Some(socket) => socket.readable().await, None => std::future::pending().await } } => false,
                () = tokio::time::sleep(TICK) => false,
            };
            for socket in [Some(&mut current), old.as_mut()].into_iter().flatten() {
                // The time limit lets ticks and the stop signal through while datagrams keep coming.
                let until = if ending { stop.deadline() } else { Instant::now() + TICK / 50 };
                let mode = if ending { socket.shut() } else { ReceiveMode::Waiting };
                socket.receive(&mut batch, mode, until, &mut intake, &telemetry).await;
            }
            intake.tick(Instant::now());
            if ending {
                [Some(&current), old.as_ref()].into_iter().flatten().for_each(|socket| socket.count_left(&mut batch, &telemetry));
                return intake.finish();
            }
            if checked.elapsed() >= CHECK_INTERVAL {
                checked = Instant::now();
                let bind =
                    || BoundUnixgram::try_bind(&options).and_then(|bound| bound.open(&readiness).map_err(|error| error_text(&error)));
                let rebound = current.bound.path.as_ref().and_then(|path| rebinding.check(path, bind));
                if let Some(rebound) = rebound {
                    let oldest = old.replace(std::mem::replace(&mut current, rebound));
                    if let Some(mut oldest) = oldest {
                        let mode = oldest.shut();
                        oldest.receive(&mut batch, mode, Instant::now() + TICK, &mut intake, &telemetry).await;
                    }
                }
            }
        }
    }
}

/// How a socket is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReceiveMode {
    /// Through tokio, which waits for datagrams.
    Waiting,
    /// Directly, because tokio may not have seen the latest datagrams yet.
    Draining,
}

/// A bound socket that is registered with the tokio runtime.
pub(crate) struct OpenUnixgram {
    bound: BoundUnixgram,
    socket: UnixDatagram,
    health: SocketHealth,
}

impl OpenUnixgram {
    async fn readable(&self) {
        if self.socket.readable().await.is_err() {
            tokio::time::sleep(ERROR_DELAY).await;
        }
    }

    /// Makes the kernel accept nothing more.
    fn shut(&self) -> ReceiveMode {
        if let Err(error) = self.bound.socket.shutdown(Shutdown::Read) {
            tracing::debug!(%error, "the kernel may receive datagrams while the socket is drained");
        }
        ReceiveMode::Draining
    }

    /// Receives and records all waiting datagrams, at most until the deadline.
    async fn receive(&mut self, batch: &mut UnixgramBatch, mode: ReceiveMode, until: Instant, intake: &mut Intake, telemetry: &Telemetry) {
        while Instant::now() < until {
            let failed = match mode {
                ReceiveMode::Waiting => batch.receive(|b| self.socket.try_recv(b)),
                ReceiveMode::Draining => batch.receive(|b| self.bound.socket.recv(b)),
            };
            batch.record(intake, telemetry);
            match failed {
                None => {
                    self.health.works();
                    tokio::task::yield_now().await;
                }
                Some(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.health.works();
                    break;
                }
                Some(error) => {
                    telemetry.transport.unixgram_errors.increment(1);
                    self.health.failed(&error);
                    tokio::time::sleep(ERROR_DELAY).await;
                }
            }
        }
    }

    /// Counts the datagrams that the kernel still holds at the drain deadline.
    fn count_left(&self, batch: &mut UnixgramBatch, telemetry: &Telemetry) {
        let mut left = 0;
        while batch.receive(|b| self.bound.socket.recv(b)).is_none() {
            left += batch.len();
        }
        left += batch.len();
        if left > 0 {
            telemetry.transport.undrained_packets.increment(left as u64);
            tracing::warn!(datagrams = left, "unix datagrams were not recorded before the drain deadline");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options as BridgeOptions;
    use crate::source::Source;

    fn options(path: &Path) -> UnixgramOptions {
        UnixgramOptions { path: path.to_str().unwrap().to_owned(), mode: 0o722, read_buffer_bytes: 0, datagram_bytes: 20 }
    }

    #[test]
    fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(StdDatagram::bind(&path).unwrap());
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

    #[tokio::test]
    async fn datagrams_are_drained_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bridge = Bridge::of_program(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let bound = BoundUnixgram::bind(&options(&path)).unwrap();
        let sender = StdDatagram::unbound().unwrap();
        // As many as a socket holds by default before it blocks the sender.
        for _ in 0..5 {
            sender.send_to(b"a:1|g", &path).unwrap();
            sender.send_to(b"a:1|c\nlonger_than_20:1|c", &path).unwrap();
        }
        stop.set();
        bound
            .open(&Arc::default())
            .unwrap()
            .serve(Intake::new(bridge.worker(), None), bridge.telemetry().clone(), stop, Arc::default())
            .await;
        assert_eq!(bridge.telemetry().sum("unixgram_packets_total"), 10);
        assert!(!path.exists());
        assert_eq!(bridge.registry().conflicts()[0].came.source, Source::Unixgram);
    }

    #[tokio::test]
    async fn datagrams_accepted_during_the_stop_are_recorded() {
        for _ in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s");
            let bridge = Bridge::of_program(BridgeOptions::default());
            let stop = Stop::new(Duration::from_secs(60));
            let bound = BoundUnixgram::bind(&options(&path)).unwrap();
            let senders = [(); 3].map(|()| {
                let sender = StdDatagram::unbound().unwrap();
                sender.connect(&path).unwrap();
                std::thread::spawn(move || (0_u64..).find(|_| sender.send(b"a:1|c").is_err()).unwrap())
            });
            let serving = tokio::spawn(bound.open(&Arc::default()).unwrap().serve(
                Intake::new(bridge.worker(), None),
                bridge.telemetry().clone(),
                stop.clone(),
                Arc::default(),
            ));
            while bridge.accounting().samples == 0 {
                tokio::task::yield_now().await;
            }
            stop.set();
            serving.await.unwrap();
            let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            assert_eq!(bridge.accounting().recorded, sent);
        }
    }
}
