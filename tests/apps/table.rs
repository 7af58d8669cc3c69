//! An application's `metrics.tsv`: the name, type, labels and buckets of each metric, written by hand from the documents.

use std::collections::BTreeSet;

use super::application::folder;
use crate::page::{Family, Page};

/// A row of the table: one metric.
struct Row {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
    /// The upper bounds of a histogram as the exposition writes them, without `+Inf`. Empty for other types.
    bounds: Vec<String>,
}

fn rows(application: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(folder(application).join("metrics.tsv")).expect("the table is there");
    let list = |text: &str, separator: char| -> Vec<String> {
        if text == "-" { Vec::new() } else { text.split(separator).map(str::to_owned).collect() }
    };
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, kind, labels, bounds, _derived] = columns[..] else { panic!("not five columns: {line}") };
        let labels = list(labels, ',').into_iter().collect();
        Row { name: name.into(), kind: kind.into(), labels, bounds: list(bounds, ' ') }
    };
    let rows: Vec<Row> = text.lines().filter(|line| !line.starts_with('#')).skip(1).map(row).collect();
    assert!(rows.len() >= 5, "{application}: a table of {} rows", rows.len());
    rows
}

/// Checks that the exposition has exactly the families of the table, with their types, labels and buckets. The bridge's
/// self-metrics and process metrics are left out.
pub fn assert_as_the_table_says(application: &str, page: &Page) {
    let rows = rows(application);
    let mut wrong: Vec<String> = Vec::new();
    for row in &rows {
        match page.family(&row.name) {
            None => wrong.push(format!("{} is not on the page", row.name)),
            Some(family) => wrong.extend(differences(row, family).into_iter().map(|what| format!("{} {what}", row.name))),
        }
    }
    wrong.extend(others(&rows, page).map(|family| format!("{} is not in the table", family.name)));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn others<'a>(rows: &'a [Row], page: &'a Page) -> impl Iterator<Item = &'a Family> {
    let own = |name: &str| name.starts_with("statsd_bridge_") || name.starts_with("process_");
    page.families.iter().filter(move |family| !own(&family.name) && rows.iter().all(|row| row.name != family.name))
}

fn differences(row: &Row, family: &Family) -> Vec<String> {
    let mut found = Vec::new();
    if family.kind != row.kind {
        found.push(format!("is a {}, not a {}", family.kind, row.kind));
    }
    for line in &family.lines {
        let labels: BTreeSet<String> = line.labels.iter().map(|(key, _)| key.clone()).filter(|key| key != "le").collect();
        if labels != row.labels {
            found.push(format!("has {} with the labels {labels:?}, not {:?}", line.series, row.labels));
        }
    }
    // The buckets are in the order of their bounds, series by series. Each series must have all of them.
    let bounds: Vec<&str> = family.lines.iter().flat_map(|line| &line.labels).filter(|(key, _)| key == "le").map(|(_, le)| &**le).collect();
    let mut expected: Vec<&str> = row.bounds.iter().map(String::as_str).collect();
    if !expected.is_empty() {
        expected.push("+Inf");
    }
    let each = if expected.is_empty() { bounds.is_empty() } else { bounds.chunks(expected.len()).all(|chunk| chunk == expected) };
    if !each || (bounds.is_empty() != expected.is_empty()) {
        found.push(format!("has the buckets {bounds:?}, not {expected:?}"));
    }
    found
}

#[apply(test)]
fn a_page_that_differs_from_its_table_is_noticed() {
    let row = |kind: &str, labels: &[&str], bounds: &[&str]| {
        let owned = |list: &[&str]| -> Vec<String> { list.iter().map(|&text| text.to_owned()).collect() };
        Row { name: "x".into(), kind: kind.into(), labels: owned(labels).into_iter().collect(), bounds: owned(bounds) }
    };
    let page = "# HELP x h\n# TYPE x histogram\nx_bucket{a=\"1\",le=\"2\"} 1\nx_bucket{a=\"1\",le=\"+Inf\"} 1\nx_sum{a=\"1\"} 1\nx_count{a=\"1\"} 1\n";
    let page = Page::parse(page).expect("a good page");
    let family = page.family("x").expect("a family");
    assert!(differences(&row("histogram", &["a"], &["2"]), family).is_empty());
    for wrong in [row("summary", &["a"], &["2"]), row("histogram", &["a", "b"], &["2"]), row("histogram", &["a"], &["2", "3"])] {
        assert!(!differences(&wrong, family).is_empty(), "{} {:?} {:?}", wrong.kind, wrong.labels, wrong.bounds);
    }
    assert_eq!(others(&[], &page).count(), 1);
}
