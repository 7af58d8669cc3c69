//! Unix datagrams (`unixgram`). When the socket is full, a sender is held up and nothing is dropped. At the end the kernel is
//! first told to take nothing more, so that a sender learns of every datagram that comes too late.
//!
//! Must not know what a datagram holds, except that lines end with a newline.

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
use crate::program::readiness::{Part, Readiness};
use crate::program::rebinding::{CHECK_INTERVAL, Rebinding};
use crate::telemetry::Telemetry;

/// How often the relay is looked at while nothing comes.
const TICK: Duration = Duration::from_millis(500);
/// Pause after an error of a receive call.
const ERROR_NAP: Duration = Duration::from_millis(10);

/// Where and how Unix datagrams are received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixgramOptions {
    /// Path of the socket; a leading `@` means an abstract name, which is in no folder.
    pub path: String,
    /// Permissions of the path.
    pub mode: u32,
    /// Bytes of receive buffer to ask for; 0 leaves the system's.
    pub read_buffer_bytes: usize,
    /// Bytes of the longest datagram; of a longer one the whole lines are taken.
    pub datagram_bytes: usize,
}

/// A bound socket. Its path is removed when it is dropped.
pub(crate) struct BoundUnixgram {
    socket: StdDatagram,
    path: Option<OwnedPath>,
    options: UnixgramOptions,
}

impl BoundUnixgram {
    /// Binds the socket. A socket left behind by a program that is gone is replaced.
    ///
    /// # Errors
    /// A path that exists and is no socket, or on which a program still listens, is left alone.
    pub(crate) fn bind(options: &UnixgramOptions) -> Result<Self, BindError> {
        let failed = |why| BindError::Listen { transport: "unixgram", address: options.path.clone(), why };
        Self::try_bind(options).map_err(failed)
    }

    /// Path or abstract name, as the user typed it.
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

    /// Receives until `stop` is set, drains what the kernel holds, removes the path and returns. A path that was removed meanwhile is
    /// bound again; who has the old socket open goes on to be heard.
    pub(crate) async fn serve(self, mut intake: Intake, telemetry: Arc<Telemetry>, stop: Arc<Stop>, readiness: Arc<Readiness>) {
        let options = self.options.clone();
        let mut current = match OpenUnixgram::new(self, readiness.part()) {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(%error, "cannot receive on unixgram"),
        };
        tracing::info!(path = options.path, "listening on unixgram");
        let mut before: Option<OpenUnixgram> = None;
        let mut rebinding = Rebinding::new(options.path.clone(), telemetry.clone(), readiness.part());
        let mut batch = UnixgramBatch::new(options.datagram_bytes);
        let (mut told, mut checked) = (stop.subscribe(), Instant::now());
        loop {
            let ending = tokio::select! {
                biased;
                () = stopped(&mut told) => true,
                () = current.readable() => false,
                () = async { match &before { Some(socket) => socket.readable().await, None => std::future::pending().await } } => false,
                () = tokio::time::sleep(TICK) => false,
            };
            for socket in [Some(&mut current), before.as_mut()].into_iter().flatten() {
                // Until the kernel has no more; but datagrams without end must not keep the tick or the stop away.
                let until = if ending { stop.deadline() } else { Instant::now() + TICK / 50 };
                let way = if ending { socket.shut() } else { Way::Waiting };
                socket.receive(&mut batch, (way, until), &mut intake, &telemetry).await;
            }
            intake.tick(Instant::now());
            if ending {
                [Some(&current), before.as_ref()].into_iter().flatten().for_each(|socket| socket.count_left(&mut batch, &telemetry));
                return intake.finish();
            }
            if checked.elapsed() >= CHECK_INTERVAL {
                checked = Instant::now();
                let bind = || {
                    Self::try_bind(&options)
                        .and_then(|bound| OpenUnixgram::new(bound, readiness.part()).map_err(|error| error_text(&error)))
                };
                let again = current.bound.path.as_ref().and_then(|path| rebinding.check(path, bind));
                if let Some(again) = again {
                    let oldest = before.replace(std::mem::replace(&mut current, again));
                    if let Some(mut oldest) = oldest {
                        let way = oldest.shut();
                        oldest.receive(&mut batch, (way, Instant::now() + TICK), &mut intake, &telemetry).await;
                    }
                }
            }
        }
    }
}

/// How a socket is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As tokio waits for it.
    Waiting,
    /// The kernel is asked, not tokio, which may not know yet of what has just come.
    Draining,
}

/// A bound socket that is waited for.
struct OpenUnixgram {
    bound: BoundUnixgram,
    socket: UnixDatagram,
    health: SocketHealth,
}

impl OpenUnixgram {
    fn new(bound: BoundUnixgram, part: Part) -> io::Result<Self> {
        let socket = UnixDatagram::from_std(bound.socket.try_clone()?)?;
        let health = SocketHealth::new(bound.options.path.clone(), part);
        Ok(Self { bound, socket, health })
    }

    async fn readable(&self) {
        if self.socket.readable().await.is_err() {
            tokio::time::sleep(ERROR_NAP).await;
        }
    }

    /// Tells the kernel to take nothing more.
    fn shut(&self) -> Way {
        if let Err(error) = self.bound.socket.shutdown(Shutdown::Read) {
            tracing::debug!(%error, "cannot keep the kernel from receiving while the socket is drained");
        }
        Way::Draining
    }

    /// Takes what there is, until then at most.
    async fn receive(&mut self, batch: &mut UnixgramBatch, (way, until): (Way, Instant), intake: &mut Intake, telemetry: &Telemetry) {
        while Instant::now() < until {
            let failed = match way {
                Way::Waiting => batch.receive(|b| self.socket.try_recv(b)),
                Way::Draining => batch.receive(|b| self.bound.socket.recv(b)),
            };
            batch.hand_in(intake, telemetry);
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
                    tokio::time::sleep(ERROR_NAP).await;
                }
            }
        }
    }

    /// Counts what is left in the kernel when the time to drain is over.
    fn count_left(&self, batch: &mut UnixgramBatch, telemetry: &Telemetry) {
        let mut left = 0;
        while batch.receive(|b| self.bound.socket.recv(b)).is_none() {
            left += batch.len();
        }
        left += batch.len();
        if left > 0 {
            telemetry.transport.undrained_packets.increment(left as u64);
            tracing::warn!(datagrams = left, "unix datagrams were not taken when the time to drain was over");
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
    fn a_stale_socket_is_replaced_and_a_live_one_and_a_file_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(StdDatagram::bind(&path).unwrap());
        let first = BoundUnixgram::bind(&options(&path)).expect("nobody listens on it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o722);
        let second = BoundUnixgram::bind(&options(&path)).err().map(|e| e.to_string());
        let at = path.display();
        assert_eq!(second, Some(format!("cannot listen on unixgram {at}: the socket exists and another program listens on it")));
        drop(first);
        assert!(!path.exists(), "removed at the end");
        fs::write(&path, "precious").unwrap();
        assert!(BoundUnixgram::bind(&options(&path)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn datagrams_are_drained_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bridge = Bridge::new(BridgeOptions::default());
        let stop = Stop::new(Duration::from_secs(60));
        let bound = BoundUnixgram::bind(&options(&path)).unwrap();
        let sender = StdDatagram::unbound().unwrap();
        // As many as a socket holds by default before it blocks the sender.
        for _ in 0..5 {
            sender.send_to(b"a:1|g", &path).unwrap();
            sender.send_to(b"a:1|c\nlonger_than_20:1|c", &path).unwrap();
        }
        stop.set();
        bound.serve(Intake::new(bridge.worker(), None), bridge.telemetry().clone(), stop, Arc::default()).await;
        assert_eq!(bridge.telemetry().sum("unixgram_packets_total"), 10);
        assert!(!path.exists());
        assert_eq!(bridge.registry().conflicts()[0].came.source, Source::Unixgram);
    }

    #[tokio::test]
    async fn senders_that_go_on_during_the_stop_lose_nothing_unawares() {
        for _ in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s");
            let bridge = Bridge::new(BridgeOptions::default());
            let stop = Stop::new(Duration::from_secs(60));
            let bound = BoundUnixgram::bind(&options(&path)).unwrap();
            let senders = [(); 3].map(|()| {
                let sender = StdDatagram::unbound().unwrap();
                sender.connect(&path).unwrap();
                std::thread::spawn(move || (0_u64..).find(|_| sender.send(b"a:1|c").is_err()).unwrap())
            });
            let serving =
                tokio::spawn(bound.serve(Intake::new(bridge.worker(), None), bridge.telemetry().clone(), stop.clone(), Arc::default()));
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
