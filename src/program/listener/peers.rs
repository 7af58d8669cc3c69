//! The containers of the processes that send over Unix sockets.
//!
//! The kernel tells the process of a datagram or a connection, and `/proc/PID/cgroup` its container. A thread of its own reads these
//! files, because the kernel may let a reader wait while it creates cgroups, and the senders of a Unix socket wait for its receiver.
//! Each receiver knows the containers of its last processes. Must not know a socket.

mod cgroup;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::source::{ContainerId, Source, UnixPeer};

/// How long a receiver waits for the container of a new process.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it does not wait again after an answer was late.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// How long a connection waits. Only its own process waits with it.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(5);
/// The age at which a container is asked for again, because the kernel may have given the id to another process.
const MAX_AGE: Duration = Duration::from_secs(10);
/// Processes that a receiver knows.
const MAX_KNOWN: usize = 4096;
/// Questions that wait for the thread.
const MAX_QUESTIONS: usize = 64;
/// Interval between checks for processes that have ended.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// What is called at intervals with a test of whether a process has ended.
pub(crate) type OnCheck = Box<dyn Fn(&dyn Fn(u32) -> bool) + Send>;

/// The process table of the kernel. Its thread ends with the last clone.
#[derive(Clone)]
pub(crate) struct Processes {
    root: Arc<Path>,
    questions: SyncSender<Question>,
}

struct Question {
    pid: u32,
    answer: SyncSender<Answer>,
}

/// What `/proc` says about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Container(Option<ContainerId>),
    /// The process has ended, or its entry is not readable.
    Gone,
}

impl Processes {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn start(on_check: OnCheck) -> io::Result<Self> {
        Self::start_at(Path::new("/proc"), on_check)
    }

    /// As [`start`](Self::start), with another folder for the process table.
    fn start_at(root: &Path, on_check: OnCheck) -> io::Result<Self> {
        let (questions, waiting) = sync_channel(MAX_QUESTIONS);
        let root: Arc<Path> = root.into();
        let thread = ProcessThread { root: Arc::clone(&root), waiting, on_check };
        Builder::new().name("processes".to_owned()).spawn(move || thread.run())?;
        Ok(Self { root, questions })
    }

    /// The containers for one receiver of datagrams.
    pub(super) fn of_receiver(&self) -> KnownPeers {
        KnownPeers { processes: self.clone(), known: HashMap::new(), last: None, impatient_until: None }
    }

    /// The source of a connection, with its container.
    pub(super) async fn source_of_connection(&self, source: Source) -> Source {
        let Source::Unix(peer) = source else { return source };
        let root = Arc::clone(&self.root);
        let read = tokio::task::spawn_blocking(move || read(&root, peer.pid));
        match tokio::time::timeout(CONNECTION_PATIENCE, read).await {
            Ok(Ok(Answer::Container(container))) => Source::Unix(UnixPeer { container, ..peer }),
            _ => source,
        }
    }

    /// `None` if the answer is late.
    fn ask(&self, pid: u32, patience: Duration) -> Option<Answer> {
        let (answer, answered) = sync_channel(1);
        self.questions.try_send(Question { pid, answer }).ok()?;
        answered.recv_timeout(patience).ok()
    }
}

/// The thread that reads the process table.
struct ProcessThread {
    root: Arc<Path>,
    waiting: Receiver<Question>,
    on_check: OnCheck,
}

impl ProcessThread {
    fn run(self) {
        let mut checked = Instant::now();
        loop {
            match self.waiting.recv_timeout(CHECK_INTERVAL.saturating_sub(checked.elapsed())) {
                // The receiver may not wait for the answer any more.
                Ok(Question { pid, answer }) => _ = answer.try_send(read(&self.root, pid)),
                Err(RecvTimeoutError::Timeout) => {
                    (self.on_check)(&has_ended);
                    checked = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Reads what the process table says about a process.
fn read(root: &Path, pid: u32) -> Answer {
    if pid == 0 {
        return Answer::Container(None);
    }
    let path: PathBuf = [root, pid.to_string().as_ref(), "cgroup".as_ref()].iter().collect();
    match fs::read_to_string(path) {
        Ok(text) => Answer::Container(cgroup::container(&text)),
        Err(_) => Answer::Gone,
    }
}

/// Whether no process has this id. It does not depend on who may see the process in `/proc`.
fn has_ended(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// The containers of the last processes of one receiver. A process that is known costs no allocation and no system call.
pub(super) struct KnownPeers {
    processes: Processes,
    /// By process and user.
    known: HashMap<(u32, u32), Known>,
    last: Option<((u32, u32), Known)>,
    /// When an answer was late: until when no receive waits for one.
    impatient_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Known {
    container: Option<ContainerId>,
    at: Instant,
}

impl KnownPeers {
    /// The container of a process.
    pub(super) fn container(&mut self, peer: UnixPeer, now: Instant) -> Option<ContainerId> {
        if peer.pid == 0 {
            return None;
        }
        let key = (peer.pid, peer.uid);
        let is_fresh = |known: &Known| now.saturating_duration_since(known.at) < MAX_AGE;
        if let Some((_, known)) = self.last.filter(|(last, known)| *last == key && is_fresh(known)) {
            return known.container;
        }
        let known = self.known.get(&key).copied();
        let known = match known.filter(is_fresh) {
            Some(known) => known,
            None => self.ask(key, known, now)?,
        };
        self.last = Some((key, known));
        known.container
    }

    /// Asks for a container; `known` is the last answer. `None` if none is known in time.
    #[cold]
    fn ask(&mut self, key: (u32, u32), known: Option<Known>, now: Instant) -> Option<Known> {
        if self.impatient_until.is_some_and(|until| now < until) {
            return known;
        }
        let container = match self.processes.ask(key.0, PATIENCE) {
            Some(Answer::Container(container)) => container,
            // What it sent before it ended may still be in the queue.
            Some(Answer::Gone) => known.and_then(|known| known.container),
            None => {
                tracing::debug!(pid = key.0, "the container of a process is not known in time");
                self.impatient_until = Some(now + IMPATIENCE);
                return known;
            }
        };
        if self.known.len() >= MAX_KNOWN {
            self.known.retain(|_, known| now.saturating_duration_since(known.at) < MAX_AGE);
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let known = Known { container, at: now };
        self.known.insert(key, known);
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::lock::lock;

    const ID: &str = "3f2a8c11d0e94b6a97c5f8e1b2d4a6c8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8";

    fn write(root: &Path, pid: u32, text: &str) {
        fs::create_dir_all(root.join(pid.to_string())).unwrap();
        fs::write(root.join(pid.to_string()).join("cgroup"), text).unwrap();
    }

    fn started(root: &Path) -> Processes {
        Processes::start_at(root, Box::new(|_| {})).unwrap()
    }

    /// The container, also on a machine that is too busy for an answer in time.
    fn asked(peers: &mut KnownPeers, peer: UnixPeer, now: Instant) -> Option<ContainerId> {
        loop {
            peers.impatient_until = None;
            let container = peers.container(peer, now);
            if peers.impatient_until.is_none() {
                return container;
            }
        }
    }

    #[test]
    fn a_process_is_asked_for_once_until_its_answer_is_old() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), 7, &format!("0::/docker/{ID}\n"));
        write(root.path(), 8, "0::/system.slice/cron.service\n");
        let mut peers = started(root.path()).of_receiver();
        let (now, id) = (Instant::now(), ContainerId::new(ID));
        assert_eq!([7, 8, 9, 0].map(|pid| asked(&mut peers, UnixPeer::new(pid, 1), now)), [id, None, None, None]);
        // Nothing is read again, until another process may have the number.
        write(root.path(), 7, "0::/\n");
        write(root.path(), 8, &format!("0::/docker/{ID}\n"));
        assert_eq!([8, 7].map(|pid| asked(&mut peers, UnixPeer::new(pid, 1), now + MAX_AGE / 2)), [None, id]);
        assert_eq!([8, 7].map(|pid| asked(&mut peers, UnixPeer::new(pid, 2), now)), [id, None], "another user");
        assert_eq!([8, 7].map(|pid| asked(&mut peers, UnixPeer::new(pid, 1), now + MAX_AGE)), [id, None]);
        // A known process costs no memory.
        let counted = allocation_counter::measure(|| {
            let known = [8, 7].map(|pid| peers.container(UnixPeer::new(pid, 1), now + MAX_AGE));
            assert_eq!(known, [id, None]);
        });
        assert_eq!(counted.count_total, 0);
        // What is left in the queue of a process that has ended belongs to its container.
        fs::remove_dir_all(root.path().join("8")).unwrap();
        assert_eq!(asked(&mut peers, UnixPeer::new(8, 1), now + 3 * MAX_AGE), id);
    }

    #[test]
    fn the_table_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        let mut peers = started(root.path()).of_receiver();
        let now = Instant::now();
        for pid in 1..=2 * MAX_KNOWN as u32 {
            asked(&mut peers, UnixPeer::new(pid, 1), now);
        }
        assert!(peers.known.len() <= MAX_KNOWN);
    }

    #[test]
    fn no_receiver_waits_long_for_an_answer() {
        // Nobody answers.
        let (questions, waiting) = sync_channel(1);
        let mut peers = Processes { root: Path::new("/nowhere").into(), questions }.of_receiver();
        let now = Instant::now();
        for pid in 1..1_000 {
            assert_eq!(peers.container(UnixPeer::new(pid, 1), now), None);
        }
        assert!(now.elapsed() < 100 * PATIENCE, "it has waited once");
        assert_eq!((waiting.try_iter().count(), peers.known.len()), (1, 0));
    }

    #[test]
    fn processes_that_have_ended_are_told_and_running_ones_are_not() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(has_ended(child.id()) && has_ended(0) && has_ended(u32::MAX));
        assert!(!has_ended(std::process::id()) && !has_ended(1));
    }

    #[test]
    fn the_thread_ends_with_the_last_user() {
        let alive = Arc::new(Mutex::new(()));
        let held = Arc::clone(&alive);
        let processes = Processes::start(Box::new(move |_| drop(lock(&held)))).unwrap();
        let peers = processes.of_receiver();
        drop((processes, peers));
        while Arc::strong_count(&alive) > 1 {
            std::thread::yield_now();
        }
    }
}
