//! config: the text of mapping files to a checked [`Config`], or to every mistake in them with line and column.
//!
//! The format is statsd_exporter's, with the keys of its release 0.30.0 taken as old spellings, and more: see
//! `config.example.yml`, which shows every key. A file that statsd_exporter takes is taken; what it refuses is refused, but for
//! labels of one letter and the keys that only the bridge has. Values of its own keys that it refuses (globs such as `**`,
//! `pre*fix` and `{a,b}`, days in durations, `match_metric_type: set`, dropping without a `name`, named groups in names) are
//! taken in a file that says `syntax: extended`. Rejected although statsd_exporter takes it: a bare number as a duration (it
//! means nanoseconds there), a `scale` that is not finite, buckets that do not ascend, a `max_age` below zero: with the last two it
//! fails at the first sample. Taken with a warning, and errors in the extended syntax: quantiles outside 0 to 1, with which it fails
//! at the first scrape, and buckets at `-.inf` and `.nan`, which count nothing, are left out; a bucket or a `quantile` that is null
//! is 0; `age_buckets: 2.5` is 2.
//!
//! # Several files
//!
//! - Rules stand in the order of the files.
//! - The `defaults` of a file hold for its own rules. For unmapped samples, and for rules of files that say nothing, each key
//!   holds as the last file says it; so do `glob_disable_ordering`, `strict_order` and `prefix`, which are of the whole.
//! - Constant labels of all files hold; the later file wins by name.
//! - `syntax` holds for its own file only.
//!
//! Knows no files, only their text and name; asks a function for environment variables.

mod document;
mod duration;
mod environment;
pub(crate) mod findings;
pub(crate) mod keys;
mod labels;
pub(crate) mod nearest;
mod observer;
mod pattern;
mod read;
mod rule;
mod scalar;
mod stanza;
pub(crate) mod tree;
mod yaml_fault;
mod yaml_line;

#[cfg(test)]
mod mistakes_tests;
#[cfg(test)]
mod observer_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::findings::Findings;
use self::read::{Fields, File};
use self::rule::FileDefaults;
use crate::mapping::spec::{Config, Finding, Position};
use crate::name::NameValidation;

pub use self::findings::code;

/// Constant labels at most, in all files together.
const MOST_CONSTANT_LABELS: usize = 64;

/// One mapping file.
#[derive(Debug, Clone)]
pub struct MappingText {
    /// As findings shall name it.
    pub name: Arc<str>,
    /// Its text, of up to 16 MiB.
    pub text: String,
}

impl MappingText {
    /// The line at `position`, of up to 160 characters, and below it a caret at the column; `None` if there is no such line.
    /// What a person reads below a finding.
    pub fn excerpt(&self, position: &Position) -> Option<String> {
        let line = self.text.lines().nth(position.line.checked_sub(1)? as usize)?;
        let line: String = line.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = (position.column.saturating_sub(1) as usize).min(line.chars().count());
        let number = position.line.to_string();
        Some(format!("{number} | {line}\n{:width$} | {:before$}^", "", "", width = number.len()))
    }
}

/// Reads mapping files together; the order counts, as the module says. `environment` gives the values of the variables in
/// constant labels. `None` if any finding is an error. Of each file up to 1,000 errors and 1,000 warnings are kept; they stand
/// in the order of the files, in each by line and column.
pub fn load(sources: &[MappingText], environment: &dyn Fn(&str) -> Option<String>) -> (Option<Config>, Vec<Finding>) {
    load_for(sources, NameValidation::Legacy, environment)
}

/// As [`load`], for a bridge with these names: under [`NameValidation::Utf8`] names of families and labels may be any text.
pub(crate) fn load_for(
    sources: &[MappingText],
    names: NameValidation,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Option<Config>, Vec<Finding>) {
    let mut config = Config::default();
    let mut options = observer::Given::default();
    let mut all = Vec::new();
    for source in sources {
        let mut findings = Findings::new(Arc::clone(&source.name));
        let (text, second) = document::first(source.text.strip_prefix('\u{feff}').unwrap_or(&source.text));
        match tree::parse(text) {
            Err((at, code, text)) => findings.error(at, code, text),
            Ok(root) => {
                let mut file = File { findings, extended: false, names, environment };
                if let Some(fields) = file.fields(&root, keys::TOP) {
                    let defaults = read_file(&mut file, fields, &mut config);
                    options = defaults.observer.over(&options);
                }
                if let Some(at) = second {
                    let said =
                        ["a second document begins here", "only the first is read, as by statsd_exporter", "write one document to a file"];
                    file.doubt(at, code::SECOND_DOCUMENT, said);
                }
                findings = file.findings;
            }
        }
        all.extend(findings.into_sorted());
    }
    config.defaults.observer = options.observer();
    config.defaults.observer_options = options.options();
    (if all.iter().any(|finding| finding.is_error) { None } else { Some(config) }, all)
}

/// Adds what one file says to `config`; returns its defaults.
fn read_file(file: &mut File<'_>, top: Fields<'_>, config: &mut Config) -> FileDefaults {
    if let Some(node) = top.get("syntax") {
        let extended = file.choice(node, "syntax", &[("statsd_exporter", false), ("extended", true)]);
        file.extended = extended.unwrap_or(true);
    }
    let defaults = read_defaults(file, top, config);
    if let Some(node) = top.get("prefix") {
        read_prefix(file, node, config);
    }
    if let Some(node) = top.get("labels") {
        read_constant_labels(file, node, config);
    }
    if let Some(node) = top.get("mappings") {
        for item in file.list(node, "`mappings`").unwrap_or_default() {
            config.rules.extend(rule::read(file, item, &defaults));
        }
    }
    if let Some(node) = top.get("tests") {
        config.tests.extend(stanza::read(file, node));
    }
    defaults
}

fn read_defaults(file: &mut File<'_>, top: Fields<'_>, config: &mut Config) -> FileDefaults {
    let Some(fields) = top.get("defaults").and_then(|node| file.fields(node, keys::DEFAULTS)) else {
        return FileDefaults::default();
    };
    let whole = &mut config.defaults;
    for (key, value) in [("glob_disable_ordering", &mut whole.glob_disable_ordering), ("strict_order", &mut whole.strict_order)] {
        if let Some(flag) = fields.get(key).and_then(|node| file.flag(node, &format!("`{key}`"))) {
            *value = flag;
        }
    }
    let ttl = fields.get("ttl").map(|node| rule::ttl(file, node)).unwrap_or_default();
    whole.ttl = rule::over(ttl, whole.ttl);
    let signed_gauges = rule::signed_gauges(file, fields);
    whole.signed_gauges = signed_gauges.or(whole.signed_gauges);
    let total_suffix = rule::total_suffix(file, fields);
    whole.total_suffix = total_suffix.or(whole.total_suffix);
    FileDefaults {
        match_type: fields.get("match_type").and_then(|node| file.choice(node, "match type", &rule::MATCH_TYPES)),
        ttl,
        signed_gauges,
        total_suffix,
        observer: observer::read(file, fields),
    }
}

fn read_prefix(file: &mut File<'_>, node: &tree::Node, config: &mut Config) {
    let Some(prefix) = file.text(node, "`prefix`") else { return };
    if prefix.is_empty() || pattern::is_label(prefix, file.names) {
        config.prefix = prefix.to_owned();
    } else {
        let mut legal = String::new();
        crate::name::escape_into(prefix, &mut legal);
        file.findings.error(node.at, code::BAD_NAME, format!("the prefix `{prefix}` cannot start a name; write `{legal}`"));
    }
}

fn read_constant_labels(file: &mut File<'_>, node: &tree::Node, config: &mut Config) {
    for (key, text) in file.pairs(node, "`labels`") {
        let name = file.own_label(key.at, &key.name);
        match environment::expand(text, file.environment) {
            Err(fault) => file.findings.error(key.at, code::BAD_ENVIRONMENT, fault),
            Ok(value) => {
                let Some(name) = name else { continue };
                config.constant_labels.retain(|(other, _)| *other != name);
                if config.constant_labels.len() >= MOST_CONSTANT_LABELS {
                    let text = format!("there are more than {MOST_CONSTANT_LABELS} constant labels; remove some");
                    return file.findings.error(key.at, code::BAD_VALUE, text);
                }
                config.constant_labels.push((name, value));
            }
        }
    }
}
