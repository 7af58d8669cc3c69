//! Who sent it over Unix sockets: processes, users and containers, as the kernel tells them.

use std::fs;
use std::io::{BufRead as _, BufReader, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Launch, Running, own_sum, until};
use crate::sources::{agrees, number, of, sources};
use crate::{peers, runner};

/// Sends as many lines as each line of its input says, each in a datagram or a write of its own.
const SENDER: &str = "
import socket, sys
kind, path = sys.argv[1:]
sender = socket.socket(socket.AF_UNIX, getattr(socket, kind))
sender.connect(path)
line = b'from_child:1|c' if kind == 'SOCK_DGRAM' else b'from_child:1|c\\n'
for count in sys.stdin:
    for _ in range(int(count)):
        sender.send(line)
    print('sent', flush=True)
";

/// A process that sends.
pub struct Sender {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Sender {
    /// `kind` is SOCK_DGRAM or SOCK_STREAM. `enter` is called before the process has a connection.
    pub fn start(kind: &str, path: &Path, enter: impl FnOnce(u32)) -> Self {
        // The process has a connection when its shell has read a line.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read go && exec \"$@\"", "sh"]).arg(peers::python_with_clients()).args(["-u", "-c", SENDER, kind]).arg(path);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let (mut input, output) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        enter(process.id());
        input.write_all(b"go\n").expect("it reads");
        Self { process, input, output: BufReader::new(output) }
    }

    pub fn send(&mut self, count: usize) {
        writeln!(self.input, "{count}").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes");
        assert_eq!(line, "sent\n");
    }

    fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process, and waits until the kernel has forgotten it.
    pub fn end(mut self) {
        drop(self.input);
        assert!(self.process.wait().expect("a child").success());
    }
}

/// Runs a scenario. If it fails on a machine that was too busy to tell the bridge a container in time, it runs again.
pub fn in_time(scenario: impl Fn(&mut Option<Running>)) {
    until("every container was known in time", || {
        let mut bridge = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| scenario(&mut bridge)));
        match outcome {
            Ok(()) => Some(()),
            Err(_) if bridge.as_ref().is_some_and(|bridge| bridge.process.log().contains("is not known in time")) => None,
            Err(failure) => resume_unwind(failure),
        }
    });
}

/// A bridge with both kinds of Unix sockets.
fn bridge() -> (TempDir, [PathBuf; 2], Running) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let paths = ["datagrams.sock", "streams.sock"].map(|name| folder.path().join(name));
    let [datagrams, streams] = &paths;
    let launch = Launch::new().arg("--log.level=debug").arg(format!("--statsd.listen-unixgram={}", datagrams.display()));
    let bridge = launch.arg(format!("--statsd.listen-unix={}", streams.display())).start();
    (folder, paths, bridge)
}

fn lines(data: &Value, sender: &str) -> f64 {
    number(&of(data, sender)["lines"])
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[apply(test)]
fn processes_are_listed_until_they_end_and_then_together() {
    let (_folder, [datagrams, streams], bridge) = bridge();
    let user = user();
    let own = UnixDatagram::unbound().expect("a socket");
    own.connect(&datagrams).expect("the bridge listens");
    for _ in 0..3 {
        own.send(b"own:1|c").expect("sent");
    }
    // The kernel names a socket that asks for credentials itself, and not those that send to it.
    assert!(own.local_addr().expect("an address").is_unnamed());
    let [mut first, mut second] = [(); 2].map(|()| Sender::start("SOCK_DGRAM", &datagrams, |_| ()));
    let mut stream = Sender::start("SOCK_STREAM", &streams, |_| ());
    first.send(5);
    second.send(7);
    stream.send(11);
    let page = bridge.page_when("all lines are counted", |page| own_sum(page, "lines_total") >= 26.0);
    assert_eq!((page.value("own"), page.value("from_child")), (Some(3.0), Some(23.0)));
    let data = sources(&bridge, "");
    agrees(&data, &page);
    let named = |transport: &str, pid: u32| format!("{transport} pid {pid} uid {user}");
    let of_process = of(&data, &named("unixgram", first.id()));
    assert_eq!((number(&of_process["lines"]), number(&of_process["datagrams"])), (5.0, 5.0), "{of_process}");
    assert_eq!((&of_process["pid"], &of_process["uid"], &of_process["container_id"]), (&first.id().into(), &user.into(), &Value::Null));
    assert_eq!([lines(&data, &named("unixgram", second.id())), lines(&data, &named("unix", stream.id()))], [7.0, 11.0]);
    assert_eq!(lines(&data, &named("unixgram", std::process::id())), 3.0);

    [first, second, stream].into_iter().for_each(Sender::end);
    // A tenth sender of the same user adds no entry either, however many there are.
    for _ in 0..5 {
        let mut short = Sender::start("SOCK_DGRAM", &datagrams, |_| ());
        short.send(2);
        short.end();
    }
    let together = until("the processes that have ended are one sender", || {
        let data = sources(&bridge, "");
        (number(&data["tracked"]) == 3.0).then_some(data)
    });
    assert_eq!(lines(&together, &format!("unixgram uid {user}")), 22.0, "{together}");
    let streams = of(&together, &format!("unix uid {user}"));
    assert_eq!((number(&streams["lines"]), &streams["pid"], &streams["uid"]), (11.0, &Value::Null, &user.into()), "{together}");
    assert_eq!(lines(&together, &named("unixgram", std::process::id())), 3.0);
    agrees(&together, &bridge.page());
    bridge.stop();
}

/// A cgroup with the name that Docker gives to that of a container.
pub struct Cgroup {
    parent: PathBuf,
    path: PathBuf,
}

impl Cgroup {
    /// Skips the test if the machine permits none.
    pub fn of_container(id: &str) -> Self {
        for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer"] {
            let parent = Path::new(mount).join(format!("statsd-bridge-test-{}-{}", std::process::id(), &id[..8]));
            let path = parent.join(format!("docker-{}.scope", id));
            if Path::new(mount).join("cgroup.procs").is_file() && fs::create_dir_all(&path).is_ok() {
                return Self { parent, path };
            }
        }
        runner::skip("the right to create a cgroup")
    }

    pub fn enter(&self, pid: u32) {
        fs::write(self.path.join("cgroup.procs"), pid.to_string()).expect("the process is moved");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // After a failure, its processes end a moment later.
        let start = Instant::now();
        for folder in [&self.path, &self.parent] {
            while fs::remove_dir(folder).is_err() && start.elapsed() < DEADLINE {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

#[apply(test)]
fn all_processes_of_a_container_are_one_sender() {
    let id = "c0ffee".repeat(10) + "0123";
    let cgroup = Cgroup::of_container(&id);
    in_time(|running| senders_of_a_container(&id, &cgroup, running));
}

fn senders_of_a_container(id: &str, cgroup: &Cgroup, running: &mut Option<Running>) {
    let (_folder, [datagrams, streams], bridge) = bridge();
    let bridge = &*running.insert(bridge);
    for count in 1..=5 {
        let mut short = Sender::start("SOCK_DGRAM", &datagrams, |pid| cgroup.enter(pid));
        short.send(count);
        // Before it ends, so that the bridge finds it.
        let sent = f64::from((1..=count as u32).sum::<u32>());
        bridge.page_when("its lines are counted", |page| own_sum(page, "lines_total") >= sent);
        short.end();
    }
    let mut stream = Sender::start("SOCK_STREAM", &streams, |pid| cgroup.enter(pid));
    stream.send(4);
    let page = bridge.page_when("all lines are counted", |page| own_sum(page, "lines_total") >= 19.0);
    let data = sources(bridge, "");
    agrees(&data, &page);
    assert_eq!(number(&data["tracked"]), 2.0, "{data}");
    let entry = of(&data, &format!("unixgram container {id}"));
    assert_eq!((number(&entry["lines"]), &entry["container_id"]), (15.0, &id.into()), "{entry}");
    assert_eq!((&entry["pid"], &entry["uid"], &entry["transport"]), (&Value::Null, &Value::Null, &"unixgram".into()), "{entry}");
    assert_eq!(lines(&data, &format!("unix container {id}")), 4.0, "{data}");
    stream.end();
    running.take().expect("it runs").stop();
}

#[apply(test)]
fn files_that_a_sender_passes_are_not_opened() {
    let (_folder, [datagrams, _], bridge) = bridge();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", bridge.process.id())).expect("readable").count();
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.connect(&datagrams).expect("the bridge listens");
    sender.send(b"passed:1|c").expect("sent");
    bridge.page_at(1);
    let before = descriptors();
    let file = fs::File::open("/dev/null").expect("a file");
    for _ in 0..100 {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut passed = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd(); 8];
        assert!(passed.push(SendAncillaryMessage::ScmRights(&files)));
        sendmsg(&sender, &[IoSlice::new(b"passed:1|c")], &mut passed, SendFlags::empty()).expect("sent");
    }
    let page = bridge.page_at(101);
    assert_eq!(page.value("passed"), Some(101.0));
    assert!(descriptors() <= before + 2, "{} after {before}", descriptors());
    let data = sources(&bridge, "");
    assert_eq!(lines(&data, &format!("unixgram pid {} uid {}", std::process::id(), user())), 101.0);
    // A connection that closed at once is a process too.
    drop(UnixStream::connect(&datagrams).expect_err("it is no stream socket"));
    bridge.stop();
}

#[apply(test)]
fn without_a_list_of_senders_the_kernel_is_not_asked() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let bridge = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display())).arg("--sources.max=0").start();
    UnixDatagram::unbound().expect("a socket").send_to(b"bad", &path).expect("sent");
    bridge.process.logs("source=unixgram ");
    bridge.stop();
}
