//! The instructions of the documents for new users. The tests run commands and compare their output, run calls of clients and
//! compare the lines that they send, and check configuration.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{DEADLINE, Launch, Running, bridge_command, until};
use crate::peers::{self, Version};

/// Statements of the documents about the sources and the program.
mod agreement;

/// A fenced block of a document.
struct Block {
    language: String,
    text: String,
}

fn read(document: &str) -> String {
    std::fs::read_to_string(peers::repository().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn blocks(document: &str) -> Vec<Block> {
    let text = read(document);
    let mut pieces = text.split("```").enumerate().filter(|(n, _)| n % 2 == 1).map(|(_, piece)| piece);
    let split = |piece: &str| piece.split_once('\n').map(|(language, text)| Block { language: language.into(), text: text.into() });
    std::iter::from_fn(|| pieces.next().map(split)).flatten().collect()
}

/// Runs a block in Bash, with the bridge's ports in place of those of the document.
fn run(bridge: &Running, script: &str) -> String {
    let here = script.replace("/127.0.0.1/9125", &format!("/{}/{}", bridge.statsd.ip(), bridge.statsd.port()));
    let here = here.replace("127.0.0.1:9102", &bridge.web.to_string());
    let output = Command::new("bash").args(["-c", &here]).output().expect("Bash runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a block, which must print the output in the document. Samples may arrive after a scrape, so the commands that only read are
/// repeated until they print it.
fn expect(bridge: &Running, script: &str, shown: &str) {
    let (sending, reading): (Vec<_>, Vec<_>) = script.lines().partition(|line| !line.starts_with("curl"));
    run(bridge, &sending.join("\n"));
    let mut printed = String::new();
    let all = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the output of the document", || {
            printed = run(bridge, &reading.join("\n"));
            (printed == shown).then_some(())
        });
    }));
    assert!(all.is_ok(), "{script}\nprints\n{printed}\nand not\n{shown}");
}

#[apply(test)]
fn the_first_commands_of_the_readme_print_what_stands_there_and_send_a_datagram_each() {
    let _programs = [peers::program("curl"), peers::program("bash")];
    let bridge = Launch::new().start();
    let blocks = blocks("README.md");
    let pairs = blocks.windows(2).filter(|pair| pair[0].language == "bash" && pair[1].language == "text");
    let pairs: Vec<_> = pairs.map(|pair| (&pair[0].text, &pair[1].text)).collect();
    assert_eq!(pairs.len(), 2);
    for (n, (script, shown)) in pairs.into_iter().enumerate() {
        expect(&bridge, script, shown);
        assert_eq!(bridge.page().value("statsd_bridge_udp_packets_total"), Some(n as f64 + 1.0), "{script}");
    }
    bridge.stop();
}

/// Runs `explain` with a mapping file of a document. Returns the output.
fn explained(mapping: &str, line: &str) -> String {
    let file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    std::fs::write(file.path(), mapping).expect("written");
    let check = bridge_command().args(["check", "--strict"]).arg(file.path()).output().expect("the bridge runs");
    assert!(check.status.success(), "{mapping}\n{}", String::from_utf8_lossy(&check.stdout));
    let output = bridge_command().args(["explain", line, "--config"]).arg(file.path()).output().expect("the bridge runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[apply(test)]
fn the_rules_for_two_kinds_of_one_name_keep_them_apart() {
    let document = read("docs/clients.md");
    let start = document.find("## One name, one kind").expect("the section");
    let is_rule = |block: &Block| block.language == "yaml" && document[start..].contains(&block.text);
    let rules: Vec<_> = blocks("docs/clients.md").into_iter().filter(is_rule).collect();
    assert_eq!(rules.len(), 2);
    for (rule, name) in rules.iter().zip(["checkout_duration_seconds", "checkout_seconds"]) {
        assert!(explained(&rule.text, "checkout:320|ms").contains(&format!("becomes    histogram {name}\n")), "{}", rule.text);
        assert!(explained(&rule.text, "checkout:1|c").contains("becomes    counter checkout\n"), "{}", rule.text);
    }
    // The first documents for a new user link to the section.
    for first in ["README.md", "docs/quickstart.md"] {
        assert!(read(first).contains("clients.md#one-name-one-kind"), "{first}");
    }
    let bridge = Launch::new().start();
    bridge.send("checkout:1|c");
    bridge.page_at(1);
    bridge.send("checkout:320|ms");
    let page = bridge.page_at(2);
    assert_eq!(page.sum_where("statsd_bridge_events_error_total", "reason", "conflict"), 1.0);
    bridge.process.logs("the first type of a name is kept");
    bridge.stop();
}

/// A row of the table of docs/clients.md: a call, the line that it sends for 250 ms, and the value that is recorded.
fn rows_of_durations() -> Vec<(String, String, f64)> {
    let document = read("docs/clients.md");
    let (_, section) = document.split_once("## Seconds sent as milliseconds").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    let rows = section.replace("\\|", "\u{1}");
    let rows = rows.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let [call, line, recorded] = &cells[..] else { panic!("not three cells: {row}") };
        let end = recorded.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(recorded.len());
        (call.trim_matches('`').to_owned(), line.trim_matches('`').to_owned(), recorded[..end].parse().expect("a number"))
    })
    .collect()
}

/// Runs the calls in its arguments. The clock is simulated, so that each call measures 250 ms.
const CALLS: &str = r#"
import sys
from datadog.dogstatsd import base, context

clock = 0.0
context.monotonic = lambda: clock
statsd = base.DogStatsd(host=sys.argv[1], port=int(sys.argv[2]), disable_telemetry=True, origin_detection_enabled=False)
for call in sys.argv[3:]:
    found = eval(call)
    if found is not None:
        with found:
            clock += 0.25
"#;

#[apply(test)]
fn the_calls_of_datadogpy_send_and_become_what_the_table_says() {
    let python = peers::python_with_clients();
    let rows = rows_of_durations();
    assert_eq!(rows.len(), 5);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut command = Command::new(python);
    command.args(["-B", "-c", CALLS, "127.0.0.1"]).arg(socket.local_addr().expect("an address").port().to_string());
    for key in ["DD_ENV", "DD_SERVICE", "DD_VERSION", "DD_TAGS", "DATADOG_TAGS"] {
        command.env_remove(key);
    }
    let output = command.args(rows.iter().map(|(call, ..)| call)).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut datagram = [0; 512];
    for (call, line, recorded) in &rows {
        let length = socket.recv(&mut datagram).expect("a datagram");
        assert_eq!(String::from_utf8_lossy(&datagram[..length]).trim_end(), line, "{call}");
        let bridge = Launch::new().start();
        bridge.send(line);
        assert_eq!(bridge.page_at(1).value("x_sum"), Some(*recorded), "{call}");
        bridge.stop();
    }
}

#[apply(each_prometheus)]
fn promtool_takes_the_scrape_configurations_of_the_documents(version: Version) {
    let promtool = version.promtool();
    let mut jobs = 0;
    for document in ["README.md", "docs/quickstart.md", "docs/web-config.md"] {
        for block in blocks(document).iter().filter(|block| block.language == "yaml" && block.text.contains("scrape_configs:")) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            for name in ["authority.crt", "prometheus.crt", "prometheus.key", "password"] {
                std::fs::write(folder.path().join(name), "").expect("written");
            }
            std::fs::write(folder.path().join("prometheus.yml"), &block.text).expect("written");
            let check =
                Command::new(&promtool).args(["check", "config", "--syntax-only"]).arg(folder.path().join("prometheus.yml")).output();
            let check = check.expect("promtool runs");
            assert!(check.status.success(), "{document}: {}", String::from_utf8_lossy(&check.stderr));
            jobs += 1;
        }
    }
    assert_eq!(jobs, 3);
    // The quickstart says how many lines the job has.
    let of_quickstart = blocks("docs/quickstart.md").into_iter().find(|block| block.text.contains("scrape_configs:")).expect("the file");
    let (_, job) = of_quickstart.text.split_once("scrape_configs:\n").expect("the key");
    assert!(
        job.lines().count() == 3
            && read("docs/quickstart.md").split_whitespace().collect::<Vec<_>>().join(" ").contains("the last three lines of the file"),
        "{job}"
    );
}

/// No document says that read access cannot be restricted.
#[apply(test)]
fn who_may_read_is_said_wherever_that_matters() {
    for document in ["docs/security.md", "docs/deploying.md", "docs/api.md"] {
        let text = read(document);
        assert!(text.contains("(web-config.md)"), "{document} does not name docs/web-config.md");
        for wrong in ["no TLS and no authentication", "There is no password"] {
            assert!(!text.contains(wrong), "{document}: {wrong}");
        }
    }
    assert!(read("docs/deploying.md").contains("--web.config.file") && read("docs/deploying.md").contains("--web.allow-from"));
}

/// All documents in the root, in docs and in proto-examples.
fn documents() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![peers::repository().join("docs"), peers::repository().join("proto-examples")], Vec::new());
    let root = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| peers::repository().join(name));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            // Virtual environments, build output and installed packages are not part of the repository.
            let is_ours = !path.file_name().is_some_and(|name| name == "node_modules" || name == "target" || name == ".venv");
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.into_iter().chain(root).collect()
}

/// The anchors of a document's headings, for the part of a link after `#`.
fn anchors(document: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(document).unwrap_or_default();
    let outside = text.split("```").step_by(2);
    let headings = outside.flat_map(str::lines).filter(|line| line.starts_with('#'));
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let anchor = |line: &str| line.trim_start_matches('#').trim().to_lowercase().chars().filter(|c| kept(*c)).collect::<String>();
    headings.map(|line| anchor(line).replace(' ', "-")).collect()
}

#[apply(test)]
fn every_link_leads_to_a_file_and_a_heading() {
    let (mut wrong, mut links) = (Vec::new(), 0);
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { document.with_file_name(file) };
            if !target.exists() || !(anchor.is_empty() || anchors(&target).iter().any(|known| known == anchor)) {
                wrong.push(format!("{}: {link}", document.display()));
            }
            links += 1;
        }
    }
    assert!(links > 200 && wrong.is_empty(), "of {links} links: {wrong:#?}");
}

/// The tests that are named beside each promise exist.
#[apply(test)]
fn the_tests_that_hold_promises_exist() {
    let mut named = 0;
    for document in ["limits", "loss", "restarts", "security", "web-config"] {
        let text = read(&format!("docs/{document}.md"));
        let (_, section) = text.split_once("## Promises and the tests that hold them\n").unwrap_or_else(|| panic!("{document} has none"));
        let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        for test in rows.skip(2).flat_map(|row| row.rsplit(" | ").next().unwrap_or_default().split("; ")) {
            let quoted: Vec<_> = test.split('`').skip(1).step_by(2).collect();
            let [name, file] = quoted[..] else { panic!("{document}: {test}") };
            assert!(read(file).contains(&format!("fn {name}(")), "{document}: {file} has no {name}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

/// Words that the house style replaces. A quoted message may contain them.
const AVOIDED: [&str; 11] =
    ["culprit", "own metrics", "whoever", "somebody", "nobody", "refuse", "refused", "refuses", "nap", "naps", "anew"];

#[apply(test)]
fn documents_use_the_words_of_the_house_style() {
    let mut found = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let prose = text.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2)).collect::<Vec<_>>().join(" ");
        // The table of words contains the words to avoid.
        let (prose, _) = prose.split_once("### Words").unwrap_or((&prose, ""));
        let prose = prose.to_lowercase().replace("\"connection refused\"", "");
        let words = prose.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let words = format!(" {words} ");
        found.extend(AVOIDED.iter().filter(|word| words.contains(&format!(" {word} "))).map(|word| (document.clone(), *word)));
    }
    assert!(found.is_empty(), "{found:#?}");
}
