//! The senders of proto-examples/clients, in ten languages. Each sends 10,000 samples to the program. All samples must arrive, the
//! values must be exact, and docs/clients.md must have the measured numbers.
//!
//! The senders pace themselves. Compilers write to target/peers/clients, and use no network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Launch, Process};
use crate::page::{Page, without_own};
use crate::peers;

/// The number of samples of each sender.
const SAMPLES: u64 = 10_000;

/// A sender: its file below proto-examples/clients, and its language and library as in the table of docs/clients.md.
struct Sender {
    file: &'static str,
    language: &'static str,
    library: &'static str,
}

/// A line that a sender with a library sends in each round. `i` is the number of the round, starting at 1.
#[derive(Clone, Copy)]
enum Line {
    /// `client.requests:N|c`, with tags.
    Requests(u64),
    /// `client.requests:1|c`, without tags.
    BareRequests,
    /// `client.bytes:i|c`.
    Bytes,
    /// `client.queue_depth:i|g`.
    Depth,
    /// `client.queue_depth:-3|g`.
    DepthChange,
    /// `client.request_time:T|ms`, where T is 0, 250, 500 and 750 in turn.
    Time,
    /// `client.job_seconds:0.75|h`.
    Job,
    /// `client.response_size:i mod 8|d`.
    Size,
    /// One of 100 members of `client.users`, in turn.
    User,
}
use Line::{BareRequests, Bytes, Depth, DepthChange, Job, Requests, Size, Time, User};

/// The path of a file below proto-examples/clients.
fn source(file: &str) -> PathBuf {
    peers::repository().join("proto-examples/clients").join(file)
}

/// The folder of the compiled senders.
fn built() -> PathBuf {
    let folder = peers::repository().join("target/peers/clients");
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder
}

/// Runs a compiler, which must succeed without output. It has no deadline, because a cold cache makes it slow.
fn compile(mut command: Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command:?}: {}, and no warning:\n{said}", output.status);
}

/// Runs a sender with a new bridge, and waits until all samples have arrived. Compares the sender's row of the table, and returns
/// the exposition with the self-metrics.
fn send(sender: &Sender, mut command: Command) -> String {
    let bridge = Launch::new().start();
    // These variables would change the samples that a client sends.
    for (key, _) in std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("DD_")) {
        command.env_remove(key);
    }
    // Senders accept host and port as arguments or from the environment. The host argument must override the variable.
    command.arg(bridge.statsd.ip().to_string()).env("STATSD_HOST", "192.0.2.1").env("STATSD_PORT", bridge.statsd.port().to_string());
    let mut process = Process::start(command);
    let status = process.wait();
    assert!(status.success() && process.log().is_empty(), "{status}\n{}", process.log());
    let page = bridge.page_at(SAMPLES);
    for name in ["udp_kernel_drops_total", "sample_errors_total", "events_error_total", "tag_errors_total", "unknown_fields_total"] {
        assert_eq!(page.sum(&format!("statsd_bridge_{name}")), 0.0, "{name}");
    }
    let text = bridge.page_text();
    bridge.stop();
    assert_row(sender, &page);
    text
}

/// Asserts that the sender's row in docs/clients.md has the measured numbers.
fn assert_row(sender: &Sender, page: &Page) {
    let measured = |name: &str| thousands(page.sum(&format!("statsd_bridge_{name}")));
    let file = sender.file.rsplit('/').next().unwrap_or_default();
    let row = format!(
        "| {} | {} | [{file}](../proto-examples/clients/{}) | {} | {} | {} |",
        sender.language,
        sender.library,
        sender.file,
        thousands(SAMPLES as f64),
        measured("samples_total"),
        measured("udp_packets_total"),
    );
    let table = std::fs::read_to_string(peers::repository().join("docs/clients.md")).expect("docs/clients.md is there");
    assert!(table.lines().any(|line| line == row), "docs/clients.md lacks the row\n{row}");
}

/// A whole number with a comma between thousands.
fn thousands(number: f64) -> String {
    let digits = format!("{number}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Runs a sender without a library. The exposition must be that of expected.prom.
fn assert_expected_page(sender: &Sender, command: Command) {
    let expected = std::fs::read_to_string(source("expected.prom")).expect("the expected page is there");
    let found = without_own(&send(sender, command), "statsd_bridge_");
    assert!(found == expected, "---- expected\n{expected}---- found\n{found}");
}

/// The expected series after rounds of these lines, 10,000 samples in all.
fn series_of(lines: &[Line]) -> BTreeMap<&'static str, f64> {
    let rounds = SAMPLES / lines.len() as u64;
    assert_eq!(rounds * lines.len() as u64, SAMPLES, "rounds are whole");
    let sum = |of: fn(u64) -> u64| (1..=rounds).map(of).sum::<u64>() as f64;
    let mut series: BTreeMap<&'static str, f64> = BTreeMap::new();
    let mut add = |name, value| *series.entry(name).or_default() += value;
    for line in lines {
        match line {
            Requests(n) => add("client_requests{method=\"GET\",route=\"/orders\"}", (rounds * n) as f64),
            BareRequests => add("client_requests", rounds as f64),
            Bytes => add("client_bytes", sum(|i| i)),
            Depth => add("client_queue_depth", rounds as f64),
            DepthChange => add("client_queue_depth", -3.0),
            Time => {
                add("client_request_time_sum", 0.25 * sum(|i| i % 4));
                add("client_request_time_count", rounds as f64);
                add("client_request_time_bucket{le=\"0.25\"}", sum(|i| u64::from(i % 4 <= 1)));
            }
            Job => {
                add("client_job_seconds_sum", 0.75 * rounds as f64);
                add("client_job_seconds_count", rounds as f64);
                add("client_job_seconds_bucket{le=\"0.5\"}", 0.0);
            }
            Size => {
                add("client_response_size_sum", sum(|i| i % 8));
                add("client_response_size_count", rounds as f64);
                add("client_response_size_bucket{le=\"2.5\"}", sum(|i| u64::from(i % 8 <= 2)));
            }
            User => add("client_users", rounds.min(100) as f64),
        }
    }
    series
}

/// Runs a sender with a library. The exposition must have these series, and no family without one of them.
fn assert_series(library: &Sender, command: Command, lines: &[Line]) {
    let text = without_own(&send(library, command), "statsd_bridge_");
    let page = Page::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let expected = series_of(lines);
    let found: BTreeMap<_, _> = expected.keys().map(|&name| (name, page.value(name).unwrap_or(f64::NAN))).collect();
    assert_eq!(found, expected, "\n{text}");
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for family in families {
        assert!(expected.keys().any(|name| name.starts_with(family)), "{family} was not sent");
    }
}

// ---- without a library ----

/// Every sender that uses only the standard library of its language.
const PLAIN: [Sender; 10] = [
    Sender { file: "bash/send.sh", language: "Bash", library: "none" },
    Sender { file: "c/send.c", language: "C", library: "none" },
    Sender { file: "go/send.go", language: "Go", library: "none" },
    Sender { file: "java/Send.java", language: "Java", library: "none" },
    Sender { file: "node/send.js", language: "Node", library: "none" },
    Sender { file: "perl/send.pl", language: "Perl", library: "none" },
    Sender { file: "php/send.php", language: "PHP", library: "none" },
    Sender { file: "python/send.py", language: "Python", library: "none" },
    Sender { file: "ruby/send.rb", language: "Ruby", library: "none" },
    Sender { file: "rust/send.rs", language: "Rust", library: "none" },
];

fn plain(file: &str) -> &'static Sender {
    PLAIN.iter().find(|sender| sender.file == file).unwrap_or_else(|| panic!("{file} is not in the list"))
}

fn interpreted(file: &str, interpreter: &str) {
    let interpreter = peers::program(interpreter);
    let mut command = Command::new(interpreter);
    command.arg(source(file));
    assert_expected_page(plain(file), command);
}

fn compiled(file: &str, compiler: &str, flags: &[&str]) {
    let compiler = peers::program(compiler);
    let program = built().join(format!("send-{}", file.split('/').next().unwrap_or_default()));
    let mut command = Command::new(compiler);
    command.args(flags).arg("-o").arg(&program).arg(source(file)).current_dir(built());
    compile(go_offline(command));
    assert_expected_page(plain(file), Command::new(program));
}

/// Keeps Go from using the network and from writing outside target. Other compilers ignore these variables.
fn go_offline(mut command: Command) -> Command {
    command.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOCACHE", peers::repository().join("target/peers/go-cache"));
    command
}

#[apply(test)]
fn bash() {
    interpreted("bash/send.sh", "bash");
}

#[apply(test)]
fn c() {
    compiled("c/send.c", "cc", &["-Wall", "-Wextra"]);
}

#[apply(test)]
fn go() {
    compiled("go/send.go", "go", &["build"]);
}

#[apply(test)]
fn java() {
    let (javac, java) = (peers::program("javac"), peers::program("java"));
    let mut command = Command::new(javac);
    command.args(["-Xlint:all", "-d"]).arg(built()).arg(source("java/Send.java"));
    compile(command);
    let mut command = Command::new(java);
    command.arg("-cp").arg(built()).arg("Send");
    assert_expected_page(plain("java/Send.java"), command);
}

#[apply(test)]
fn node() {
    interpreted("node/send.js", "node");
}

#[apply(test)]
fn perl() {
    interpreted("perl/send.pl", "perl");
}

#[apply(test)]
fn php() {
    interpreted("php/send.php", "php");
}

#[apply(test)]
fn python() {
    interpreted("python/send.py", "python3");
}

#[apply(test)]
fn ruby() {
    interpreted("ruby/send.rb", "ruby");
}

#[apply(test)]
fn rust() {
    compiled("rust/send.rs", "rustc", &["--edition=2024"]);
}

// ---- with the usual library ----

const CACTUS: Sender = Sender { file: "go/with_cactus.go", language: "Go", library: "go-statsd-client" };
const HOT_SHOTS: Sender = Sender { file: "node/with-hot-shots.js", language: "Node", library: "hot-shots" };
const NODE_STATSD: Sender = Sender { file: "node/with-node-statsd.js", language: "Node", library: "node-statsd" };
const NET_STATSD: Sender = Sender { file: "perl/with_net_statsd.pl", language: "Perl", library: "Net::Statsd" };
const DATADOG: Sender = Sender { file: "python/with_datadog.py", language: "Python", library: "datadog" };
const STATSD: Sender = Sender { file: "python/with_statsd.py", language: "Python", library: "statsd" };
const STATSD_RUBY: Sender = Sender { file: "ruby/with_statsd_ruby.rb", language: "Ruby", library: "statsd-ruby" };
const CADENCE: Sender = Sender { file: "rust/cadence/src/main.rs", language: "Rust", library: "cadence" };

/// Every sender with a library.
const WITH_LIBRARY: [&Sender; 8] = [&CACTUS, &HOT_SHOTS, &NODE_STATSD, &NET_STATSD, &DATADOG, &STATSD, &STATSD_RUBY, &CADENCE];

/// The command that runs a sender's file with an interpreter that has the library.
fn script(interpreter: PathBuf, sender: &Sender) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(source(sender.file)).env("NODE_PATH", peers::repository().join("tests/node/node_modules"));
    command
}

#[apply(test)]
fn go_with_cactus() {
    let (go, sources) = peers::go_with_cactus();
    let program = built().join("with-cactus");
    let mut command = Command::new(go);
    command.arg("build").arg("-o").arg(&program).arg(source(CACTUS.file)).env("GOPATH", sources);
    compile(go_offline(command));
    assert_series(&CACTUS, Command::new(program), &[Requests(1), Depth, DepthChange, Time, User]);
}

#[apply(test)]
fn node_with_hot_shots() {
    let node = peers::node_with_hot_shots();
    assert_series(&HOT_SHOTS, script(node, &HOT_SHOTS), &[Requests(1), Bytes, Depth, DepthChange, Time, Job, Size, User]);
}

#[apply(test)]
fn node_with_node_statsd() {
    let node = peers::node_with_node_statsd();
    assert_series(&NODE_STATSD, script(node, &NODE_STATSD), &[Requests(1), Bytes, Depth, Time, User]);
}

#[apply(test)]
fn perl_with_net_statsd() {
    let perl = peers::perl_with_net_statsd();
    assert_series(&NET_STATSD, script(perl, &NET_STATSD), &[BareRequests, Bytes, Depth, Time]);
}

#[apply(test)]
fn python_with_datadog() {
    let python = peers::python_with_clients();
    assert_series(&DATADOG, script(python, &DATADOG), &[Requests(1), Requests(2), Bytes, Depth, Time, Job, Size, User]);
}

#[apply(test)]
fn python_with_statsd() {
    let python = peers::python_with_clients();
    assert_series(&STATSD, script(python, &STATSD), &[Bytes, Depth, DepthChange, Time, User]);
}

#[apply(test)]
fn ruby_with_statsd() {
    let ruby = peers::ruby_with_statsd();
    assert_series(&STATSD_RUBY, script(ruby, &STATSD_RUBY), &[BareRequests, Bytes, Depth, Time, User]);
}

#[apply(test)]
fn rust_with_cadence() {
    let manifest = source("rust/cadence/Cargo.toml");
    let cargo = peers::cargo_with_crates_of(&manifest);
    let mut command = Command::new(cargo);
    command.args(["build", "--offline", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(built().join("cadence")).env_remove("CARGO_BUILD_TARGET_DIR").env_remove("CARGO_TARGET_DIR");
    compile(command);
    let program = built().join("cadence/debug/with-cadence");
    assert_series(&CADENCE, Command::new(program), &[Requests(1), Requests(2), Bytes, Depth, Time, Job, Size, User]);
}

// ---- the list ----

/// The source files below a folder, as relative paths, without build folders.
fn sources_below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_source = path.extension().is_some_and(|e| !["md", "prom", "toml", "lock"].iter().any(|other| e == *other));
        if path.is_dir() && !["target", "node_modules"].contains(&&*name) {
            sources_below(&path, &format!("{prefix}{name}/"), found);
        } else if path.is_file() && is_source {
            found.push(format!("{prefix}{name}"));
        }
    }
}

#[apply(test)]
fn every_sender_is_run_and_is_short() {
    let mut found = Vec::new();
    sources_below(&source(""), "", &mut found);
    found.sort();
    let mut run: Vec<_> = PLAIN.iter().chain(WITH_LIBRARY).map(|sender| sender.file.to_owned()).collect();
    run.sort();
    assert_eq!(found, run);
    for sender in &PLAIN {
        let lines = std::fs::read_to_string(source(sender.file)).expect("text").lines().count();
        assert!(lines < 40, "{} has {lines} lines", sender.file);
    }
}
