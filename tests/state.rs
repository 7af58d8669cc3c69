//! Series survive a restart: an orderly end loses nothing, sums restart at 0 after a crash; bad state files; limits.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use statsd_bridge::Restored;
use statsd_bridge::internals::format;
use statsd_bridge::options::{Observer, SummaryOptions};
use statsd_bridge::{Bridge, Options, Timestamp};
use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, bridge_command, own, until};
use crate::page::Page;

/// A folder with the state file, for several starts of the program.
struct Kept {
    folder: TempDir,
}

impl Kept {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary directory") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn aside(&self) -> PathBuf {
        self.folder.path().join("state.bad")
    }

    fn launch(&self) -> Launch {
        Launch::new().arg(format!("--state.file={}", self.path().display()))
    }

    fn start(&self) -> Running {
        self.launch().start()
    }
}

/// The families that were sent. Self-metrics follow them.
fn sent(bridge: &Running) -> String {
    let page = bridge.page_text();
    page.split_once("# HELP process_").expect("own metrics").0.to_owned()
}

/// Ends the bridge by SIGTERM without waiting for samples. Returns the log.
fn end(mut bridge: Running) -> String {
    bridge.process.signal(Signal::TERM);
    let status = bridge.process.wait();
    assert!(status.success(), "after SIGTERM: {status}\n{}", bridge.process.log());
    bridge.process.log()
}

const OF_EVERY_KIND: &str =
    "c:2|c|#site:a\nc:1.5|c|#site:b\ng:-7|g|#k:v\nt:320|ms\nt:15|ms|@0.5\nh:3|h|#a:x,b:y\nd:0.2|d\ns:alice|s\ns:bob|s";

#[apply(test)]
fn an_orderly_restart_loses_nothing_of_any_type() {
    for observer in ["histogram", "summary"] {
        let kept = Kept::new();
        let start = || kept.launch().arg(format!("--statsd.observer-type={observer}")).start();
        let bridge = start();
        bridge.send(OF_EVERY_KIND);
        bridge.page_at(9);
        let before = sent(&bridge);
        end(bridge);
        assert_eq!(fs::metadata(kept.path()).expect("a state file").permissions().mode() & 0o777, 0o600);

        let bridge = start();
        assert_eq!(sent(&bridge), before);
        assert_eq!(own(&bridge.page(), "state_restored_series"), 7.0);
        bridge.send("c:1|c|#site:a\ng:+1|g|#k:v\nh:1|h|#a:x,b:y\ns:carol|s\ns:bob|s");
        let page = bridge.page_at(5);
        assert_eq!((page.value("c{site=\"a\"}"), page.value("c{site=\"b\"}")), (Some(3.0), Some(1.5)));
        assert_eq!((page.value("g{k=\"v\"}"), page.value("s")), (Some(-6.0), Some(3.0)));
        assert_eq!(page.value("h_count{a=\"x\",b=\"y\"}"), Some(2.0));
        let before = sent(&bridge);
        bridge.stop();
        let bridge = start();
        assert_eq!(sent(&bridge), before, "after the second restart");
        bridge.stop();
    }
}

#[apply(test)]
fn after_a_crash_gauges_and_sets_are_restored_and_sums_restart_at_0() {
    let kept = Kept::new();
    let mut bridge = kept.launch().arg("--state.interval=1s").start();
    bridge.send("c:5|c\nt:5|ms\ng:7|g\ns:a|s\ns:b|s");
    bridge.page_at(5);
    let snapshots = |page: &Page| own(page, "state_snapshots_total{outcome=\"success\"}");
    let before = snapshots(&bridge.page());
    // The first snapshot may have begun before the sample arrived. The second contains it.
    let page = bridge.page_when("two snapshots", |page| snapshots(page) >= before + 2.0);
    assert!(own(&page, "state_snapshot_bytes") > 0.0 && own(&page, "state_snapshot_timestamp_seconds") > 1.7e9);
    assert_eq!(own(&page, "state_snapshots_total{outcome=\"failure\"}"), 0.0);
    bridge.send("c:1|c");
    bridge.process.signal(Signal::KILL);
    assert!(!bridge.process.wait().success());

    for _ in 0..2 {
        let mut bridge = kept.start();
        assert!(bridge.process.log().contains("the bridge did not shut down cleanly"), "{}", bridge.process.log());
        let page = bridge.page();
        assert_eq!(["c", "t_count", "t_sum", "g", "s"].map(|name| page.value(name)), [0.0, 0.0, 0.0, 7.0, 2.0].map(Some));
        bridge.send("c:2|c");
        assert_eq!(bridge.page_at(1).value("c"), Some(2.0));
        // The crash comes before the next snapshot. The old snapshot does not become one of an orderly end when it is restored.
        bridge.process.signal(Signal::KILL);
        assert!(!bridge.process.wait().success());
    }
    let bridge = kept.start();
    bridge.send("c:3|c");
    bridge.page_at(1);
    end(bridge);
    let bridge = kept.start();
    assert_eq!(bridge.page().value("c"), Some(3.0), "an orderly end after a crash keeps the sum");
    bridge.stop();
}

/// A valid state file with one counter.
fn good_file(kept: &Kept) -> Vec<u8> {
    let bridge = kept.start();
    bridge.send("c:5|c");
    bridge.page_at(1);
    bridge.stop();
    fs::read(kept.path()).expect("a state file")
}

#[apply(test)]
fn a_bad_file_is_logged_and_renamed_and_the_bridge_starts() {
    let kept = Kept::new();
    let good = good_file(&kept);
    let mut newer = good.clone();
    newer[8] = 99;
    let mut flipped = good.clone();
    *flipped.last_mut().expect("a byte") ^= 1;
    let random: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases = [
        (good[..good.len() - 3].to_vec(), "it is truncated"),
        (Vec::new(), "it is truncated"),
        (random, "it is not a state file"),
        (newer, "its format version is 99, this program reads 2 to 4"),
        (flipped, "it is damaged"),
    ];
    for (bytes, why) in cases {
        fs::write(kept.path(), &bytes).expect("written");
        let bridge = kept.start();
        let log = bridge.process.log();
        let line = log.lines().find(|line| line.contains("the state file is unusable")).unwrap_or_else(|| panic!("{why}: not said\n{log}"));
        assert!(line.contains(why) && line.contains("level=error"), "{line}");
        assert!(line.contains(&*kept.path().to_string_lossy()) && line.contains(&*kept.aside().to_string_lossy()), "{line}");
        assert_eq!(bridge.page().value("c"), None);
        assert_eq!(fs::read(kept.aside()).expect("put aside"), bytes, "{why}");
        bridge.stop();
    }
    fs::write(kept.path(), good).expect("written");
    let bridge = kept.start();
    assert_eq!(bridge.page().value("c"), Some(5.0));
    bridge.stop();
}

#[apply(test)]
fn a_file_that_cannot_be_opened_is_renamed_too() {
    let kept = Kept::new();
    // Not even root can open a symbolic link to itself.
    symlink(kept.path(), kept.path()).expect("a link");
    let bridge = kept.start();
    assert!(bridge.process.log().contains("it cannot be read"), "{}", bridge.process.log());
    assert!(fs::symlink_metadata(kept.aside()).expect("put aside").is_symlink());
    end(bridge);
    assert!(fs::symlink_metadata(kept.path()).expect("a state file").is_file());
}

#[apply(test)]
fn a_file_older_than_the_limit_is_not_restored() {
    let kept = Kept::new();
    let good = good_file(&kept);
    let hours = |age: u64| {
        let mut bytes = good.clone();
        let written = u64::from_le_bytes(bytes[12..20].try_into().expect("8 bytes")) - age * 3_600_000;
        bytes[12..20].copy_from_slice(&written.to_le_bytes());
        let sum = crc32(&bytes[..24]);
        bytes[24..28].copy_from_slice(&sum.to_le_bytes());
        fs::write(kept.path(), &bytes).expect("written");
        bytes
    };
    for (age, flag, taken_up) in [(23, "24h", true), (25, "24h", false), (25, "0", true), (2, "1h", false)] {
        let bytes = hours(age);
        let bridge = kept.launch().arg(format!("--state.max-age={flag}")).start();
        assert_eq!(bridge.page().value("c"), taken_up.then_some(5.0), "{age} h, {flag}");
        assert_eq!(bridge.process.log().contains("older than --state.max-age"), !taken_up);
        let stays = fs::read(kept.path()).expect("it stays");
        // Only the mark of an orderly end changes.
        assert_eq!((&stays[..20], &stays[28..]), (&bytes[..20], &bytes[28..]));
        bridge.stop();
    }
}

/// The lock is released when the program ends, orderly or by a crash. Snapshots, which replace the file, do not release it.
#[apply(test)]
fn a_second_bridge_with_the_same_file_does_not_start() {
    let kept = Kept::new();
    for signal in [Signal::KILL, Signal::TERM] {
        let mut first = kept.launch().arg("--state.interval=1s").start();
        until("a snapshot is written", || (first.page().sum("statsd_bridge_state_snapshots_total") > 0.0).then_some(()));
        let mut command = bridge_command();
        command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"]);
        command.arg(format!("--state.file={}", kept.path().display()));
        let mut second = Process::start(command);
        assert_eq!(second.wait().code(), Some(1), "{}", second.log());
        assert!(second.log().contains("another program uses it"), "{}", second.log());
        first.process.signal(signal);
        first.process.wait();
    }
    kept.start().stop();
}

/// The CRC-32 of IEEE 802.3, by its definition.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Each case of proto-examples gives the same exposition after it is saved and restored.
#[apply(test)]
fn every_example_is_restored() {
    let files = statsd_files(Path::new("proto-examples"));
    assert!(files.len() > 50, "{} examples", files.len());
    let now = Timestamp::from_millis(1_700_000_000_000);
    let page = |bridge: &Bridge| {
        let mut page = Vec::new();
        bridge.render(now, &mut page);
        let page = String::from_utf8(page).expect("a page is UTF-8");
        page.split_once("# HELP process_").expect("own metrics").0.to_owned()
    };
    let summaries = Options::default().with(|options| options.observer = Observer::Summary(SummaryOptions::default()));
    for (file, options) in files.iter().flat_map(|file| [(file, Options::default()), (file, summaries.clone())]) {
        let (before, after) = (Bridge::new(options.clone()), Bridge::new(options));
        before.worker().ingest(&fs::read(file).expect("an example"), now);
        let mut bytes = Vec::new();
        before.write_state(now, &mut bytes).expect("memory takes everything");
        let mut input = &bytes[..];
        format::read_header(&mut input).expect("a good header");
        let mut restored = Restored::default();
        let counts = format::read_frames(&mut input, |family| restored += after.restore(family, now)).expect("good frames");
        assert_eq!(restored, Restored { series: counts.series, ..Restored::default() }, "{}", file.display());
        assert_eq!(page(&after), page(&before), "{}", file.display());
    }
}

fn statsd_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "statsd"));
    files.chain(folders.iter().flat_map(|folder| statsd_files(folder))).collect()
}

/// A length without the data behind it is rejected before memory is allocated for it.
#[apply(test)]
fn a_false_length_allocates_no_memory() {
    let mut header = Vec::new();
    Bridge::new(Options::default()).write_state(Timestamp::from_millis(0), &mut header).expect("memory takes everything");
    header.truncate(format::HEADER_BYTES);
    let frame = |claimed: u32, body: &[u8]| [&header, &claimed.to_le_bytes()[..], &crc32(body).to_le_bytes(), body].concat();
    // A counter family `a` with 2^60 series, without their data.
    let many_series = b"\0\x01a\0\0\0\0\x80\x80\x80\x80\x80\x80\x80\x80\x10";
    let long_name = b"\0\x80\x80\x80\x80\x80\x80\x80\x80\x10a";
    let cases = [frame(u32::MAX, b"x"), frame(8 << 20, b"x"), frame(many_series.len() as u32, many_series), frame(11, long_name)];
    for bytes in cases {
        let used = allocation_counter::measure(|| {
            let mut input = &bytes[..];
            format::read_header(&mut input).expect("a good header");
            format::read_frames(&mut input, drop).expect_err("no good frame");
        });
        // serde allocates at most 1 MiB for a sequence before it has read an element.
        assert!(used.bytes_max < 3 << 20, "{} bytes", used.bytes_max);
    }
}

#[apply(test)]
fn a_path_that_cannot_be_written_is_an_error_at_start() {
    let folder = TempDir::new().expect("a temporary directory");
    for path in [folder.path().to_owned(), folder.path().join("absent/state"), Path::new("/dev/null").to_owned()] {
        let mut command = bridge_command();
        command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        command.arg(format!("--state.file={}", path.display()));
        let mut process = Process::start(command);
        assert_eq!(process.wait().code(), Some(1), "{}", process.log());
        assert!(process.log().contains(&format!("--state.file: cannot write {}: ", path.display())), "{}", process.log());
    }
    assert!(folder.path().is_dir() && Path::new("/dev/null").exists());
}

#[apply(test)]
fn a_failed_snapshot_is_counted_logged_and_repeated() {
    let kept = Kept::new();
    let bridge = kept.launch().arg("--state.interval=1s").start();
    let snapshots = |page: &Page, outcome: &str| own(page, &format!("state_snapshots_total{{outcome=\"{outcome}\"}}"));
    // The bridge cannot remove a folder that is not empty.
    let blocked = kept.folder.path().join("state.tmp");
    until("the name is free", || fs::create_dir_all(blocked.join("x")).ok());
    bridge.page_when("a failure", |page| snapshots(page, "failure") >= 1.0);
    bridge.process.logs("a snapshot could not be written");
    fs::remove_dir_all(&blocked).expect("removed");
    let before = snapshots(&bridge.page(), "success");
    bridge.page_when("a success", |page| snapshots(page, "success") > before);
    bridge.stop();
}

#[apply(test)]
fn limits_apply_to_restored_series() {
    let kept = Kept::new();
    let bridge = kept.start();
    let lines: Vec<_> = (0..50).map(|i| format!("c:1|c|#n:{i}\ng:1|g|#n:{i}")).collect();
    bridge.send(lines.join("\n"));
    bridge.page_at(100);
    bridge.stop();
    let bridge = kept.launch().arg("--limits.values-per-label=10").start();
    let page = bridge.page();
    assert_eq!((page.sum("c"), page.value("c{n=\"_overflow_\"}"), page.sum("g")), (50.0, Some(40.0), 10.0));
    assert_eq!((own(&page, "state_restored_series"), own(&page, "state_refused_series"), own(&page, "series")), (60.0, 40.0, 20.0));
    let log = bridge.process.log();
    assert!(log.lines().any(|line| line.contains("folded=40") && line.contains("rejected=40") && line.contains("level=warn")), "{log}");
    bridge.stop();
}

#[apply(test)]
fn limits_of_a_rule_apply_to_its_restored_series() {
    let kept = Kept::new();
    let rules = kept.folder.path().join("rules.yml");
    fs::write(
        &rules,
        "mappings:\n- match: \"app.*\"\n  name: \"app\"\n  help: \"Of the rule.\"\n  labels: {n: \"$1\"}\n  limits: {series: 30}\n",
    )
    .expect("written");
    let start = || {
        let launch = kept.launch().arg("--limits.series-per-family=5");
        launch.arg(format!("--statsd.mapping-config={}", rules.display())).start()
    };
    let bridge = start();
    bridge.send((0..20).map(|i| format!("app.{i}:1|c\n")).collect::<String>());
    bridge.page_at(20);
    let before = sent(&bridge);
    bridge.stop();
    let bridge = start();
    assert_eq!(sent(&bridge), before);
    assert!(before.contains("# HELP app Of the rule.\n"), "{before}");
    bridge.stop();
}

#[apply(test)]
fn restarts_under_load_lose_no_sample() {
    const ROUNDS: u64 = 4;
    const OVER_TCP: u64 = 30_000;
    const OVER_UDP: u64 = 50;
    let kept = Kept::new();
    for round in 0..ROUNDS {
        let bridge = kept.launch().arg("--state.interval=1s").start();
        let mut stream = bridge.tcp();
        // The senders pause while the bridge is down. Part of what they sent is still in the kernel when SIGTERM arrives.
        for chunk in 0..OVER_TCP / 100 {
            let lines: String = (0..100).map(|i| format!("c:1|c|#n:{}\nh:1|h\n", (chunk + i) % 40)).collect();
            stream.write_all(lines.as_bytes()).expect("the bridge reads");
        }
        stream.shutdown(Shutdown::Write).expect("shut down");
        let socket = bridge.udp();
        for _ in 0..OVER_UDP {
            socket.send(b"c:1|c|#n:udp\nh:2|h").expect("a datagram is sent");
        }
        until("the bridge has accepted the connection", || (own(&bridge.page(), "tcp_connections_total") >= 1.0).then_some(()));
        end(bridge);
        let bridge = kept.start();
        let (page, sent) = (bridge.page(), (round + 1) * (OVER_TCP + OVER_UDP));
        assert_eq!((page.sum("c"), page.value("h_count")), (sent as f64, Some(sent as f64)), "round {round}");
        end(bridge);
    }
}

#[apply(test)]
fn without_the_flag_nothing_is_kept() {
    let folder = TempDir::new().expect("a temporary directory");
    let start = || Launch::new().after(&format!("cd '{}'", folder.path().display())).start();
    let bridge = start();
    bridge.send("c:5|c");
    bridge.page_at(1);
    bridge.stop();
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "the bridge wrote no file, neither while it ran nor at its end");
    let bridge = start();
    assert_eq!(bridge.page().value("c"), None);
    bridge.stop();
}
