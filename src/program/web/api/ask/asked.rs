//! A name as it is pasted: without its value, with the labels that Prometheus adds told from those of the series.

use std::sync::Arc;

use crate::registry::{Family, Series, split};
use crate::selector::Selector;

/// Labels that each scrape adds.
const OF_SCRAPE: [&str; 2] = ["instance", "job"];

/// Put before labels of a series that a scrape adds too.
const EXPORTED: &str = "exported_";

/// Values of a label in an answer.
const VALUES: usize = 5;

/// A line of an exposition without `# TYPE`, value, timestamp and exemplar.
pub(super) fn without_value(text: &str) -> &str {
    let comment = ["# TYPE ", "# HELP ", "# UNIT "].into_iter().find_map(|start| text.strip_prefix(start));
    let text = comment.unwrap_or(text).trim_start();
    let (mut in_quotes, mut is_escaped, mut in_braces) = (false, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            '{' if !in_quotes => in_braces = true,
            '}' if !in_quotes => return text.get(..=at).unwrap_or(text),
            c if c.is_whitespace() && !in_quotes && !in_braces => {
                // Spaces before the braces are valid.
                let (name, rest) = (text.get(..at).unwrap_or(text), text.get(at..).unwrap_or_default());
                if !rest.trim_start().starts_with('{') {
                    return name;
                }
            }
            _ => {}
        }
    }
    text
}

/// Whether a text is a name with labels, of which one may have a `|`, and no line.
pub(super) fn is_selector(text: &str) -> bool {
    let brace = text.find('{');
    brace.is_some_and(|brace| text.find('|').is_none_or(|bar| brace < bar)) && Selector::parse(without_value(text)).is_ok()
}

/// The series that a selector means.
pub(super) struct Selected {
    pub(super) series: Vec<Arc<Series>>,
    /// Labels that the scrape adds.
    pub(super) added: Vec<String>,
    /// Labels that no series has.
    pub(super) unknown: Vec<String>,
    /// Whether the series are meant only if the scrape adds the unknown labels.
    pub(super) is_loose: bool,
    /// What is different, where there is no such series.
    pub(super) different: String,
}

/// Selects series of a family. `asked` is the name in the selector, which may have a suffix.
pub(super) fn select(family: &Family, selector: &Selector, asked: &str) -> Selected {
    let (all, own) = (family.series(), family.label_names());
    let has = |label: &str| own.iter().any(|known| known == label);
    let wanted: Vec<(&str, Option<&str>)> = selector.labels().collect();
    let is_exported = |label: &str| wanted.iter().any(|(other, _)| other.strip_prefix(EXPORTED) == Some(label));
    let stripped = |label: &str| label.strip_prefix(EXPORTED).is_some_and(has);
    let of_format = |label: &str| !has(label) && family.kind().reserves(label);
    let is_added = |label: &str| (OF_SCRAPE.contains(&label) && !has(label)) || (has(label) && is_exported(label));
    let is_unknown = |label: &str| !has(label) && !of_format(label) && !is_added(label) && !stripped(label);
    let labels_of = |series: &Series| -> Vec<(String, String)> {
        let own = split(series.labels()).map(|(name, value)| (name.to_string(), value.clone()));
        let own: Vec<_> = own.collect();
        let exported = own.iter().map(|(name, value)| (format!("{EXPORTED}{name}"), value.clone())).filter(|(name, _)| !has(name));
        let exported: Vec<_> = exported.collect();
        own.into_iter().chain(exported).collect()
    };
    let matching = |counts: &dyn Fn(&str) -> bool| -> Vec<Arc<Series>> {
        all.iter().filter(|series| selector.matches_by(asked, &labels_of(series), counts)).cloned().collect()
    };
    let exact = matching(&|label| !of_format(label) && !is_added(label));
    let is_loose = exact.is_empty();
    let series = if is_loose { matching(&|label| !of_format(label) && !is_added(label) && !is_unknown(label)) } else { exact };
    let name =
        |test: &dyn Fn(&str) -> bool| wanted.iter().map(|(label, _)| *label).filter(|label| test(label)).map(str::to_owned).collect();
    let own_label = |label: &'_ str| label.strip_prefix(EXPORTED).filter(|own| has(own)).map_or_else(|| label.to_owned(), str::to_owned);
    let stated = wanted.iter().filter(|(label, _)| !is_added(label) && (has(label) || stripped(label)));
    let stated: Vec<(String, &str)> = stated.filter_map(|(label, value)| Some((own_label(label), (*value)?))).collect();
    let stated: Vec<(&str, &str)> = stated.iter().map(|(label, value)| (label.as_str(), *value)).collect();
    Selected { added: name(&is_added), unknown: name(&is_unknown), is_loose, different: different(&all, &stated), series }
}

/// What is different between wanted labels and those of the series that there are.
pub(super) fn different(all: &[Arc<Series>], wanted: &[(&str, &str)]) -> String {
    let of_label = |(label, value): &(&str, &str)| {
        let mut values: Vec<String> = Vec::new();
        for series in all {
            if let Some((_, own)) = split(series.labels()).find(|(name, _)| *name == **label) {
                if *own == **value {
                    return None;
                }
                if values.len() <= VALUES && !values.iter().any(|known| *known == *own) {
                    values.push(own.to_string());
                }
            }
        }
        let more = if values.len() > VALUES { " and others" } else { "" };
        values.truncate(VALUES);
        let there_are =
            if values.is_empty() { "no series has this label".to_owned() } else { format!("there are {}{more}", values.join(", ")) };
        Some(format!(" No series has {label}={value:?}: {there_are}."))
    };
    wanted.iter().filter_map(of_label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out() {
        for (text, name) in [
            ("web_hits", "web_hits"),
            ("web_hits 6", "web_hits"),
            ("web_hits\t6 1700000000", "web_hits"),
            ("web_hits{a=\"b c} d\"} 6 # {trace_id=\"x\"} 1", "web_hits{a=\"b c} d\"}"),
            ("web_hits {a=\"\\\"}\"} 6", "web_hits {a=\"\\\"}\"}"),
            ("# TYPE web_hits counter", "web_hits"),
            ("{\"web.hits\",a=\"b\"} 6", "{\"web.hits\",a=\"b\"}"),
        ] {
            assert_eq!(without_value(text), name);
        }
        assert!(is_selector("web{path=\"a|b\"} 1") && !is_selector("web:1|c|#a:{b}") && !is_selector("web{:1|c"));
    }
}
