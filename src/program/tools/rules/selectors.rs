//! Selectors of the series of a rule's families, in the syntax that PromQL and MetricsQL share.

use std::collections::BTreeSet;

use super::families::Families;
use crate::name::{escape_value_into, is_legacy_name};
use crate::program::cli::RulesForm;
use crate::registry::SET_TIME_SUFFIX;

/// The label with the name of a family, where a rule's record stands for several families.
const FAMILY: &str = "family";

/// Selects the series with the family's name and one of these suffixes.
pub(super) fn selector(families: &Families, suffixes: &[&str]) -> String {
    if let (Some(name), [suffix]) = (families.name.fixed(), suffixes) {
        let line = format!("{name}{suffix}");
        return if is_legacy_name(&line) { line } else { format!("{{__name__={}}}", text(&line)) };
    }
    let suffix = if let [suffix] = suffixes { (*suffix).to_owned() } else { format!("({})", suffixes.join("|")) };
    let pattern = text(&format!("{}{suffix}", families.name.regex()));
    let others: Vec<String> = others(families, suffixes).into_iter().collect();
    if others.is_empty() {
        return format!("{{__name__=~{pattern}}}");
    }
    format!("{{__name__=~{pattern},__name__!~{}}}", text(&others.join("|")))
}

/// Expressions for names that match, but belong to other families.
fn others(families: &Families, suffixes: &[&str]) -> BTreeSet<String> {
    let matching = families.others.iter().filter(|other| families.name.matches_with(&other.example, suffixes));
    let mut found: BTreeSet<String> = matching.map(|other| other.regex.clone()).collect();
    if families.name.is_open() && suffixes.contains(&"") {
        found.insert(format!(".*({SET_TIME_SUFFIX}|_bucket)"));
        if families.has_open_sums {
            found.insert(".*_(sum|count)".to_owned());
        }
    }
    found
}

/// The series as an instant vector. Where it has several families, each gets its name as a label, because functions and operators drop
/// the name.
pub(super) fn instant(families: &Families, suffix: &str) -> String {
    let series = selector(families, &[suffix]);
    match families.name.fixed() {
        Some(_) => series,
        None => format!("label_replace({series}, \"{FAMILY}\", \"$1\", \"__name__\", \"(.+){suffix}\")"),
    }
}

/// The series as a range vector over the window.
pub(super) fn range(families: &Families, suffix: &str, form: &RulesForm) -> String {
    let step = if families.name.fixed().is_some() { String::new() } else { format!(":{}", form.step) };
    format!("{}[{}{step}]", instant(families, suffix), form.window)
}

/// A string of PromQL.
fn text(value: &str) -> String {
    let mut out = "\"".to_owned();
    escape_value_into(value, &mut out);
    out.push('"');
    out
}
