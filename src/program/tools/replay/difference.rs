//! The difference between two expositions, by family and series. Must not know the rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::program::tools::parsed_exposition::{ParsedExposition, ParsedFamily, row};

/// All differences between two expositions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The changed families, sorted by name.
    pub families: Vec<(String, Change)>,
}

/// The change of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only the old exposition has it.
    Gone(ParsedFamily),
    /// Only the new exposition has it.
    New(ParsedFamily),
    /// Both expositions have it, with differences.
    Changed {
        /// Old and new type, if they differ.
        kind: Option<(String, String)>,
        /// Rows of the old exposition that are not in the new one.
        minus: Vec<(String, String)>,
        /// Rows of the new exposition that are not in the old one.
        plus: Vec<(String, String)>,
    },
}

impl Difference {
    /// Compares the text of two expositions.
    pub(crate) fn between(old: &str, new: &str) -> Self {
        let (old, new) = (ParsedExposition::parse(old), ParsedExposition::parse(new));
        let names: BTreeSet<&String> = old.families.keys().chain(new.families.keys()).collect();
        let families = names.into_iter().filter_map(|name| {
            let change = match (old.families.get(name), new.families.get(name)) {
                (Some(old), None) => Change::Gone(old.clone()),
                (None, Some(new)) => Change::New(new.clone()),
                (Some(old), Some(new)) if old != new => {
                    let kind = (old.kind != new.kind).then(|| (old.kind.clone(), new.kind.clone()));
                    Change::Changed { kind, minus: only_in(old, new), plus: only_in(new, old) }
                }
                _ => return None,
            };
            Some((name.clone(), change))
        });
        Self { families: families.collect() }
    }

    /// The text output: `-` for the old exposition, `+` for the new one, with at most `limit` rows per family and side.
    pub(crate) fn to_text(&self, limit: usize) -> String {
        let mut out = String::new();
        for (name, change) in &self.families {
            match change {
                Change::Gone(family) => write_whole('-', name, family, limit, &mut out),
                Change::New(family) => write_whole('+', name, family, limit, &mut out),
                Change::Changed { kind, minus, plus } => {
                    let kind = kind.as_ref().map_or_else(String::new, |(old, new)| format!(": {old} -> {new}"));
                    let _ = writeln!(out, "  {name}{kind}");
                    write_rows('-', minus, limit, &mut out);
                    write_rows('+', plus, limit, &mut out);
                }
            }
        }
        if out.is_empty() { "no difference\n".to_owned() } else { out }
    }

    /// The JSON output.
    pub(crate) fn to_json(&self) -> Value {
        let lines = |rows: &[(String, String)]| rows.iter().map(|(series, value)| row(series, value)).collect::<Vec<_>>();
        let families = self.families.iter().map(|(name, change)| match change {
            Change::Gone(family) => json!({ "family": name, "change": "gone", "old_type": family.kind, "minus": lines(&family.rows) }),
            Change::New(family) => json!({ "family": name, "change": "new", "new_type": family.kind, "plus": lines(&family.rows) }),
            Change::Changed { kind, minus, plus } => {
                let (old, new) = kind.clone().unzip();
                json!({
                    "family": name, "change": "changed", "old_type": old, "new_type": new, "minus": lines(minus), "plus": lines(plus),
                })
            }
        });
        Value::Array(families.collect())
    }
}

fn only_in(one: &ParsedFamily, other: &ParsedFamily) -> Vec<(String, String)> {
    let other = other.by_series();
    one.rows.iter().filter(|(series, value)| other.get(series.as_str()) != Some(&value.as_str())).cloned().collect()
}

fn write_whole(sign: char, name: &str, family: &ParsedFamily, limit: usize, out: &mut String) {
    let series = family.series();
    let _ = writeln!(out, "{sign} {name}: {}, {series} series", family.kind);
    write_rows(sign, &family.rows, limit, out);
}

fn write_rows(sign: char, rows: &[(String, String)], limit: usize, out: &mut String) {
    for (series, value) in rows.iter().take(limit) {
        let _ = writeln!(out, "{sign}   {}", row(series, value));
    }
    if rows.len() > limit {
        let _ = writeln!(out, "{sign}   and {} more lines; --all shows them", rows.len() - limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_by_family_and_series() {
        let old = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b gauge\nb 1\n# TYPE d gauge\nd 1\n";
        let new = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"3\"} 2\n# TYPE c gauge\nc 1\n# TYPE d counter\nd 1\n";
        let difference = Difference::between(old, new);
        assert_eq!(
            difference.to_text(20),
            "  a\n-   a{x=\"2\"} 2\n+   a{x=\"3\"} 2\n- b: gauge, 1 series\n-   b 1\n+ c: gauge, 1 series\n+   c 1\n  d: gauge -> counter\n"
        );
        assert_eq!(difference.to_json()[0]["minus"][0], "a{x=\"2\"} 2");
        assert!(difference.to_text(0).contains("-   and 1 more lines"));
        assert_eq!(Difference::between(old, old).to_text(20), "no difference\n");
    }
}
