//! The comparison of `cargo bench --bench instructions -- --check`: a regression makes it fail, with the names of the cases.

use std::collections::BTreeMap;

#[path = "../benches/instructions/baseline.rs"]
mod baseline;

use baseline::{Baseline, MadeBy};

fn counts(factor: f64) -> BTreeMap<String, f64> {
    [("parse/plain", 100.0), ("ingest/known_1000", 400.0)].map(|(name, count)| (name.to_owned(), count * factor)).into()
}

fn baseline(factor: f64) -> Baseline {
    Baseline { made_by: MadeBy { rustc: "rustc 1.2.3".to_owned(), processor: "x86_64".to_owned() }, cases: counts(factor) }
}

#[apply(test)]
fn a_baseline_six_percent_lower_is_a_regression_with_its_names() {
    let objections = baseline(1.0 / 1.06).objections(&counts(1.0), 5.0);
    assert_eq!(
        objections,
        [
            "ingest/known_1000: 400.0 instructions a line, +6.0 %, where 5 % are allowed",
            "parse/plain: 100.0 instructions a line, +6.0 %, where 5 % are allowed",
        ]
    );
}

#[apply(test)]
fn only_the_case_that_is_worse_is_named() {
    let mut now = counts(1.0);
    now.insert("parse/plain".to_owned(), 107.0);
    assert_eq!(baseline(1.0).objections(&now, 5.0), ["parse/plain: 107.0 instructions a line, +7.0 %, where 5 % are allowed"]);
}

#[apply(test)]
fn within_five_percent_and_below_there_is_nothing_to_object_to() {
    for factor in [1.0, 1.0 / 1.04, 1.5] {
        assert_eq!(baseline(factor).objections(&counts(1.0), 5.0), [""; 0], "{factor}");
    }
}

#[apply(test)]
fn cases_come_and_go_with_the_baseline() {
    let mut now = counts(1.0);
    now.remove("parse/plain");
    now.insert("parse/packed".to_owned(), 1.0);
    assert_eq!(baseline(1.0).objections(&now, 5.0), ["parse/packed: not recorded", "parse/plain: recorded, but no case"]);
}

#[apply(test)]
fn a_file_holds_what_was_written() {
    let written = baseline(1.01234);
    let read = Baseline::read(&written.write()).unwrap();
    assert_eq!(read.made_by, written.made_by);
    assert_eq!(read.cases, BTreeMap::from([("ingest/known_1000".to_owned(), 404.9), ("parse/plain".to_owned(), 101.2)]));
    assert!(read.change("parse/plain", 202.4).is_some_and(|change| (change - 100.0).abs() < 1e-9));
    for (text, why) in [("{}", "no \"rustc\""), ("[", "EOF")] {
        assert!(Baseline::read(text).unwrap_err().contains(why), "{text}");
    }
    let zero = written.write().replace("101.2", "0.0");
    assert_eq!(Baseline::read(&zero).unwrap_err(), "parse/plain: 0.0 is no count");
}

#[apply(test)]
fn the_recorded_baseline_can_be_read() {
    let recorded = Baseline::read(include_str!("../benches/instructions.baseline.json")).unwrap();
    assert!(recorded.made_by.rustc.starts_with("rustc 1."));
    assert!(recorded.cases.len() >= 15);
}
