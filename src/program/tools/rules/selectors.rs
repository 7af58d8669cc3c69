//! Selectors of the series of a rule's families, in the syntax that PromQL and MetricsQL share.

use super::families::Families;
use crate::name::{escape_value_into, is_legacy_name};
use crate::program::cli::RulesForm;

/// The label with the name of a family, where a rule's record stands for several families.
pub(super) const FAMILY: &str = "family";

/// Selects the series with the family's name and this suffix, which is a regular expression if `is_regex`.
pub(super) fn selector(families: &Families, suffix: &str, is_regex: bool) -> String {
    match families.name.fixed() {
        Some(name) if !is_regex && is_legacy_name(name) => format!("{name}{suffix}"),
        Some(name) if !is_regex => format!("{{__name__={}}}", text(&format!("{name}{suffix}"))),
        _ => {
            let pattern = format!("{}{suffix}", families.name.regex());
            let others: Vec<&str> = if suffix.is_empty() { families.others.iter().map(String::as_str).collect() } else { Vec::new() };
            match others.as_slice() {
                [] => format!("{{__name__=~{}}}", text(&pattern)),
                others => format!("{{__name__=~{},__name__!~{}}}", text(&pattern), text(&others.join("|"))),
            }
        }
    }
}

/// The series as an instant vector. Where it has several families, each gets its name as a label, because functions and operators drop
/// the name.
pub(super) fn instant(families: &Families, suffix: &str) -> String {
    let series = selector(families, suffix, false);
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
