//! Statements of the documents about the sources and the program, compared with both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{blocks, read};
use crate::harness::{Launch, bridge_command};
use crate::peers;

/// The tokens of a source file as words, without comments and documentation.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn of(text: &str, with_tests: bool) -> Self {
        let mut words = Self::default();
        words.add(text.parse().expect("Rust"), with_tests);
        words
    }

    fn add(&mut self, tokens: TokenStream, with_tests: bool) {
        let mut tokens = tokens.into_iter().peekable();
        let mut skips_item = false;
        while let Some(token) = tokens.next() {
            match (token, tokens.peek()) {
                (TokenTree::Punct(punct), Some(TokenTree::Group(group))) if punct.as_char() == '#' => {
                    let attribute = group.stream().to_string();
                    skips_item |= !with_tests && attribute.replace(' ', "") == "cfg(test)";
                    if attribute.starts_with("doc") {
                        tokens.next();
                    }
                }
                (TokenTree::Punct(punct), _) if skips_item && punct.as_char() == ';' => skips_item = false,
                (TokenTree::Group(group), _) if skips_item && group.delimiter() == Delimiter::Brace => skips_item = false,
                _ if skips_item => (),
                (TokenTree::Group(group), _) => self.add(group.stream(), with_tests),
                (other, _) => self.0.push(other.to_string()),
            }
        }
    }

    fn has(&self, phrase: &[&str]) -> bool {
        self.0.windows(phrase.len()).any(|words| words == phrase)
    }
}

/// The files below `src/` whose words satisfy a condition.
fn sources_that(with_tests: bool, meets: impl Fn(&Words) -> bool) -> BTreeSet<String> {
    let root = peers::repository();
    let (mut folders, mut found) = (vec![root.join("src")], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below the root").to_str().expect("UTF-8").to_owned();
            let is_of_tests = name.ends_with("tests.rs") || name.contains("/tests/");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && (with_tests || !is_of_tests) && meets(&Words::of(&read(&name), with_tests)) {
                found.insert(name);
            }
        }
    }
    found
}

/// The files in the first column of the table that follows a text of ARCHITECTURE.md.
fn files_listed_after(text: &str) -> BTreeSet<String> {
    let document = read("ARCHITECTURE.md");
    let (_, rest) = document.split_once(text).unwrap_or_else(|| panic!("ARCHITECTURE.md lacks {text:?}"));
    let rows = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split('`').nth(1).expect("a file").to_owned()).collect()
}

#[apply(test)]
fn unsafe_code_is_in_the_files_that_the_architecture_lists() {
    assert_eq!(sources_that(true, |words| words.has(&["unsafe"])), files_listed_after("### Unsafe"));
}

#[apply(test)]
fn proc_is_read_by_the_files_that_the_architecture_lists() {
    let reads = |words: &Words| words.0.iter().any(|word| word.starts_with(['"', 'b']) && word.contains("\"/proc"));
    assert_eq!(sources_that(false, reads), files_listed_after("These files read `/proc`"));
}

#[apply(test)]
fn the_environment_is_read_by_the_files_that_the_architecture_lists() {
    let reads = sources_that(false, |words| words.has(&["std", ":", ":", "env"]));
    let (of_flags, others): (BTreeSet<_>, _) = reads.into_iter().partition(|file| file.starts_with("src/program/cli"));
    assert_eq!(others, files_listed_after("These files read environment variables"));
    assert!(!of_flags.is_empty(), "the command line reads variables");
    for file in sources_that(false, |words| words.has(&["clap"])) {
        assert!(file.starts_with("src/program/cli"), "{file} uses clap");
    }
}

#[apply(test)]
fn the_default_number_of_workers_is_the_documented_one() {
    for (document, text) in [
        ("docs/limits.md", "one for every four cores, at least 1 and at most 8"),
        ("docs/deploying.md", "one for every four cores, 1 to 8"),
        ("docs/decisions.md", "**One worker for every four cores**, at least 1 and at most 8"),
    ] {
        assert!(read(document).contains(text), "{document}: {text}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bridge = Launch::new().start();
    let page = bridge.page();
    let buffers = page.lines().filter(|line| line.series.starts_with("statsd_bridge_udp_receive_buffer_bytes{"));
    assert_eq!(buffers.count(), (cores / 4).clamp(1, 8));
    bridge.stop();
}

/// The picture, the code map, the exceptions and the invariants fit on one page. Decisions have their own document.
#[apply(test)]
fn the_architecture_is_one_page() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines");
    assert!(read("docs/decisions.md").lines().filter(|line| line.starts_with("- **")).count() > 20);
}

#[apply(test)]
fn every_self_metric_is_documented() {
    let document = read("docs/metrics.md");
    let bridge = Launch::new().arg("--statsd.relay.address=127.0.0.1:9").start();
    let page = bridge.page();
    let names: Vec<_> = page.families.iter().map(|family| family.name.trim_start_matches("statsd_bridge_")).collect();
    let missing: Vec<_> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(names.len() > 50 && missing.is_empty(), "{missing:?}");
    bridge.stop();
}

#[apply(test)]
fn every_flag_is_documented() {
    let folder = std::fs::read_dir(peers::repository().join("docs")).expect("a folder");
    let files = folder.filter_map(|entry| entry.expect("an entry").file_name().into_string().ok()).filter(|name| name.ends_with(".md"));
    let documents: String = files.map(|name| read(&format!("docs/{name}"))).collect();
    let help = bridge_command().arg("--help").output().expect("the bridge runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let words = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")).map(|rest| rest.trim_start_matches("[no-]"));
    let flags: BTreeSet<_> =
        words.map(|rest| rest.split([' ', '=', '[']).next().unwrap_or_default()).filter(|flag| flag.contains('.')).collect();
    let missing: Vec<_> = flags.iter().filter(|flag| !documents.contains(**flag)).collect();
    assert!(flags.len() > 60 && missing.is_empty(), "of {}: {missing:?}", flags.len());
}

/// A document, its files (name, language and start of the block), and the number of its commands that a test can run.
type Guide = (&'static str, &'static [(&'static str, &'static str, &'static str)], usize);

/// The documents that show what `check`, `explain` and `replay` print.
const GUIDES: [Guide; 4] = [
    ("docs/mappings.md", &[("mapping.yml", "yaml", "syntax: extended"), ("lines.txt", "text", "shop.web1.http")], 3),
    (
        "docs/mapping-tools.md",
        &[("requests.yml", "yaml", "mappings:\n- match: app.*.requests"), ("times.yml", "yaml", "mappings:\n- match: app.*.other")],
        2,
    ),
    ("docs/buckets.md", &[("latency.yml", "yaml", "mappings:\n  - match: api.latency")], 1),
    ("docs/migrating.md", &[("cpu.yml", "yaml", "mappings:\n  - match: \"cpu.*.*\"")], 1),
];

#[apply(test)]
fn the_tools_print_what_the_documents_show() {
    let bash = peers::program("bash");
    let program = Path::new(env!("CARGO_BIN_EXE_statsd-bridge")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    // Some commands cannot run here. One shows a test that fails after a change. For a comparison, the document has no files.
    let is_runnable = |command: &str, shown: &str| {
        command.starts_with("statsd-bridge") && !shown.contains("[failing_test]") && !command.contains("--against")
    };
    for (document, files, commands) in GUIDES {
        let blocks = blocks(document);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, language, start) in files {
            let block = blocks.iter().find(|block| block.language == *language && block.text.starts_with(start));
            let block = block.unwrap_or_else(|| panic!("{document} has no {language} that starts with {start}"));
            std::fs::write(folder.path().join(name), &block.text).expect("written");
        }
        let shown: BTreeMap<_, _> = blocks
            .iter()
            .filter(|block| block.language == "console")
            .filter_map(|block| block.text.strip_prefix("$ ")?.split_once('\n'))
            .filter(|(command, shown)| is_runnable(command, shown))
            .collect();
        assert_eq!(shown.len(), commands, "{document}");
        for (command, shown) in shown {
            let mut command_line = Command::new(&bash);
            for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("STATSD_BRIDGE_")) {
                command_line.env_remove(key);
            }
            let output = command_line.current_dir(&folder).env("PATH", &path).args(["-c", command]).output().expect("Bash runs");
            let printed = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            assert_eq!(printed, shown, "{document}: {command}");
        }
    }
}
