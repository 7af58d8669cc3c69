//! Runs the `tests:` stanzas of mapping files: their lines through a bridge of their own, its exposition compared. Must not read
//! files.

use super::{Remark, Severity};
use crate::bridge::Bridge;
use crate::mapping::Rules;
use crate::mapping::spec::Test;
use crate::options::Options;
use crate::time::Timestamp;

/// Any time does: it stands still.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Runs every test; a remark for each line that is missing and each family that should not be there.
pub(super) fn run(rules: &Rules, options: &Options) -> Vec<Remark> {
    rules.config().tests.iter().flat_map(|test| run_one(test, rules, options)).collect()
}

fn run_one(test: &Test, rules: &Rules, options: &Options) -> Vec<Remark> {
    let bridge = Bridge::new(options.clone());
    bridge.replace_rules(recompiled(rules));
    let mut worker = bridge.worker();
    test.lines.iter().for_each(|line| worker.ingest(line.as_bytes(), NOW));
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    let page = String::from_utf8_lossy(&page);
    let lines: Vec<&str> = page.lines().collect();
    let remark = |text| Remark::new(Severity::Error, "failing_test", &test.position, text);
    let missing = test.expect.iter().map(|line| line.trim()).filter(|line| !lines.contains(line));
    let missing = missing.map(|line| remark(format!("this test expects `{line}`, but {}", what_is_there(line, &lines))));
    let is_there = |family: &&String| lines.iter().any(|line| line.split(' ').nth(2) == Some(family.trim()) && line.starts_with("# TYPE "));
    let unwanted = test.absent.iter().filter(is_there);
    let unwanted = unwanted.map(|family| remark(format!("this test expects no family `{family}`, but the page has it")));
    missing.chain(unwanted).collect()
}

/// The same rules again: a bridge takes its rules for good.
fn recompiled(rules: &Rules) -> Rules {
    // What compiled once compiles again.
    Rules::compile(rules.config().clone()).unwrap_or_default()
}

/// What the page has in place of a line: the lines of its name, at most three.
fn what_is_there(wanted: &str, lines: &[&str]) -> String {
    let name = name_of(wanted);
    let near: Vec<String> = lines.iter().filter(|line| name_of(line) == name).take(3).map(|line| format!("`{line}`")).collect();
    if near.is_empty() { format!("the page has nothing of the name `{name}`") } else { format!("the page has {}", near.join(", ")) }
}

fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}
