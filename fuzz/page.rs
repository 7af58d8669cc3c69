//! Checks of every exposition, for any input: readable lines, one TYPE per family, no duplicate series.

use std::collections::HashSet;

/// Panics, which reports a finding, if a scraper cannot read the exposition.
pub fn check(page: &[u8]) {
    let text = std::str::from_utf8(page).expect("a page is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    let (mut types, mut series) = (HashSet::new(), HashSet::new());
    for line in text.split_terminator('\n') {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            assert!(types.insert(of.split(' ').next()), "two types: {line}");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{line}");
            assert!(series.insert(name), "twice: {line}");
        }
    }
}
