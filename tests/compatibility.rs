//! docs/compatibility.md: the programs that the tests compare with the bridge, their versions, and the results.
//!
//! Each comparison adds its row by [`seen`]. The committed file must contain exactly these rows. With
//! `STATSD_BRIDGE_WRITE_COMPATIBILITY=1` a test writes its row into the file, so that a person can read the change and commit it.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::peers;

/// The environment variable that makes the tests write the file.
const WRITE: &str = "STATSD_BRIDGE_WRITE_COMPATIBILITY";

/// The line above the rows.
const RULE: &str = "| --- | --- | --- | --- |";

/// The rows of this run. The mutex also keeps two tests from writing the file at once.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Adds a row: the peer, its version, the compared properties and the result. The four texts must be the same in every run.
///
/// Panics if docs/compatibility.md has no such row.
pub fn seen(peer: &str, version: &str, compared: &str, result: &str) {
    let cells = [peer, version, compared, result];
    assert!(cells.iter().all(|cell| !cell.is_empty() && !cell.contains(['|', '\n'])), "a cell of a table: {cells:?}");
    let row = format!("| {} |", cells.join(" | "));
    let mut all = SEEN.lock().unwrap_or_else(|error| error.into_inner());
    all.insert(row.clone());
    let text = read();
    let (before, rows) = parts(&text);
    if writes() {
        let is_earlier = |other: &str| cells_of(other).is_some_and(|other| other[..3] == cells[..3]);
        let mut rows: BTreeSet<&str> = rows.into_iter().filter(|other| !is_earlier(other)).collect();
        rows.insert(&row);
        write(before, rows);
        return;
    }
    assert!(rows.contains(&row.as_str()), "docs/compatibility.md lacks this row; {WRITE}=1 writes it:\n{row}");
}

/// The rows of the file that no test of this run stated. It is called at the end of a complete run.
pub fn unseen() -> Vec<String> {
    let all = SEEN.lock().unwrap_or_else(|error| error.into_inner());
    let text = read();
    let (before, rows) = parts(&text);
    let (stated, unseen): (Vec<&str>, Vec<&str>) = rows.into_iter().partition(|row| all.contains(*row));
    if writes() {
        write(before, stated);
        return Vec::new();
    }
    unseen.into_iter().map(str::to_owned).collect()
}

fn writes() -> bool {
    env::var_os(WRITE).is_some_and(|value| value == "1")
}

fn write<'a>(before: &str, rows: impl IntoIterator<Item = &'a str>) {
    let rows: String = rows.into_iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(path(), format!("{before}{RULE}\n{rows}")).expect("the document can be written");
}

fn path() -> PathBuf {
    peers::repository().join("docs/compatibility.md")
}

fn read() -> String {
    std::fs::read_to_string(path()).expect("docs/compatibility.md is in the repository")
}

/// The text before the rows, and the rows, which end the file.
fn parts(text: &str) -> (&str, Vec<&str>) {
    let (before, rows) = text.split_once(&format!("{RULE}\n")).expect("docs/compatibility.md has a table");
    (before, rows.lines().filter(|line| !line.is_empty()).collect())
}

fn cells_of(row: &str) -> Option<[&str; 4]> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    cells.try_into().ok()
}

#[apply(test)]
fn the_table_is_sorted_and_each_comparison_stands_once() {
    let text = read();
    let (_, rows) = parts(&text);
    let comparisons: Vec<_> = rows.iter().map(|row| cells_of(row).unwrap_or_else(|| panic!("four cells: {row}"))).collect();
    assert!(rows.is_sorted(), "sorted: {rows:#?}");
    let distinct: BTreeSet<_> = comparisons.iter().map(|cells| (cells[0], cells[1], cells[2])).collect();
    assert_eq!(distinct.len(), rows.len(), "{rows:#?}");
}
