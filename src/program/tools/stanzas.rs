//! Runs the `tests:` stanzas of mapping files: a new bridge ingests the lines of each, and its exposition is compared. Must not read files.

use super::{Remark, Severity};
use crate::bridge::Bridge;
use crate::mapping::Rules;
use crate::mapping::spec::Test;
use crate::options::Options;
use crate::time::Timestamp;

/// The time of all samples. Its value does not matter.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Runs all tests. Returns a remark for each missing line and each unexpected family.
pub(super) fn run(rules: &Rules, options: &Options) -> Vec<Remark> {
    rules.config().tests.iter().flat_map(|test| run_one(test, rules, options)).collect()
}

fn run_one(test: &Test, rules: &Rules, options: &Options) -> Vec<Remark> {
    let remark = |text| Remark::new(Severity::Error, "failing_test", &test.position, text);
    // Each bridge needs its own compiled rules.
    let Ok(rules) = Rules::compile(rules.config().clone()) else {
        debug_assert!(false, "the rules were compiled before");
        return vec![remark("the rules of this test cannot be compiled again".to_owned())];
    };
    let bridge = Bridge::new(options.clone());
    bridge.replace_rules(rules);
    let mut worker = bridge.worker();
    test.lines.iter().for_each(|line| worker.ingest(line.as_bytes(), NOW));
    let mut exposition = Vec::new();
    bridge.render(NOW, &mut exposition);
    let exposition = String::from_utf8_lossy(&exposition);
    let lines: Vec<&str> = exposition.lines().collect();
    let missing = test.expect.iter().map(|line| line.trim()).filter(|line| !lines.contains(line));
    let missing = missing.map(|line| remark(format!("this test expects `{line}`, but {}", similar_lines(line, &lines))));
    let is_there = |family: &&String| lines.iter().any(|line| line.split(' ').nth(2) == Some(family.trim()) && line.starts_with("# TYPE "));
    let unwanted = test.absent.iter().filter(is_there);
    let unwanted = unwanted.map(|family| remark(format!("this test expects no family `{family}`, but the exposition has it")));
    missing.chain(unwanted).collect()
}

/// The lines that the exposition has instead of a missing one: at most three lines of the same name.
fn similar_lines(wanted: &str, lines: &[&str]) -> String {
    let name = name_of(wanted);
    let near: Vec<String> = lines.iter().filter(|line| name_of(line) == name).take(3).map(|line| format!("`{line}`")).collect();
    if near.is_empty() {
        format!("the exposition has no series of the name `{name}`")
    } else {
        format!("the exposition has {}", near.join(", "))
    }
}

fn name_of(line: &str) -> &str {
    line.split_once(['{', ' ']).map_or(line, |(name, _)| name)
}
