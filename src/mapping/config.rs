//! config: parses mapping files into a checked [`Config`], or reports every mistake in them with line and column.
//!
//! The format is statsd_exporter's, with additions. Old spellings of keys, such as `timer_type`, are accepted with a warning, up to
//! those of release 0.30.0. `config.example.yml` shows every key.
//!
//! A file that statsd_exporter accepts is accepted, and a file that it rejects is rejected, with these exceptions:
//!
//! - One-letter labels and the keys that only the bridge has are accepted.
//! - With `syntax: extended`, values that statsd_exporter rejects are accepted: the globs `**`, `pre*fix` and `{a,b}`, days in
//!   durations, `match_metric_type: set`, `action: drop` without a `name`, and named groups in names.
//! - Rejected: a duration without a unit (nanoseconds in statsd_exporter), a `scale` that is not finite, buckets that do not
//!   ascend, and a negative `max_age`. statsd_exporter loads the last two and fails at the first sample.
//! - Accepted with a warning, and rejected with `syntax: extended`: a quantile outside 0 to 1 is left out (statsd_exporter fails
//!   at the first scrape); a bucket at `-.inf` or `.nan` is left out, because it counts nothing; a null bucket or `quantile` is 0;
//!   `age_buckets: 2.5` is 2.
//!
//! # Several files
//!
//! - Rules are ordered by file.
//! - The `defaults` of a file apply to its own rules.
//! - For unmapped samples, and for rules of files that do not set the key, the last file that sets a key wins. The same holds for
//!   `glob_disable_ordering`, `strict_order` and `prefix`, which apply to all files.
//! - Constant labels of all files apply. For equal names the later file wins.
//! - `syntax` applies to its own file only.
//!
//! This module reads no files and no environment: callers pass the texts, and a function that returns environment variables.

mod document;
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
mod signed_duration;
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
use self::read::{Fields, File, Tolerated};
use self::rule::FileDefaults;
use crate::mapping::spec::{Config, Finding, Position};
use crate::name::NameValidation;

pub use self::findings::code;

/// The maximum number of constant labels in all files together.
const MAX_CONSTANT_LABELS: usize = 64;

/// One mapping file.
#[derive(Debug, Clone)]
pub struct MappingText {
    /// The file name that findings show.
    pub name: Arc<str>,
    /// The content of the file, at most 16 MiB.
    pub text: String,
}

impl MappingText {
    /// Returns the line at `position`, cut to 160 characters, with a caret below the column. Returns `None` if the text has no such
    /// line. Intended to be printed below a finding.
    pub fn excerpt(&self, position: &Position) -> Option<String> {
        let line = self.text.lines().nth(position.line.checked_sub(1)? as usize)?;
        let line: String = line.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = (position.column.saturating_sub(1) as usize).min(line.chars().count());
        let number = position.line.to_string();
        Some(format!("{number} | {line}\n{:width$} | {:before$}^", "", "", width = number.len()))
    }
}

/// Parses mapping files into one configuration. The order of the files matters, see the module documentation. `environment` returns
/// the values of environment variables in constant labels.
///
/// The configuration is `None` if any finding is an error. Findings are ordered by file, line and column. At most 1,000 errors and
/// 1,000 warnings are kept for each file.
pub fn load(sources: &[MappingText], environment: &dyn Fn(&str) -> Option<String>) -> (Option<Config>, Vec<Finding>) {
    load_for(sources, NameValidation::Legacy, environment)
}

/// Like [`load`], with the given name validation: under [`NameValidation::Utf8`], names of families and labels may be any text.
pub(crate) fn load_for(
    sources: &[MappingText],
    names: NameValidation,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Option<Config>, Vec<Finding>) {
    let mut config = Config::default();
    let mut options = observer::ObserverSettings::default();
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
                    options = defaults.observer.or(&options);
                }
                if let Some(at) = second {
                    let tolerated = Tolerated {
                        mistake: "a second document begins here",
                        effect: "only the first is read, as by statsd_exporter",
                        correction: "write one document to a file",
                    };
                    file.warn_unless_extended(at, code::SECOND_DOCUMENT, tolerated);
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

/// Adds the content of one file to `config` and returns the defaults of that file.
fn read_file(file: &mut File<'_>, top: Fields<'_>, config: &mut Config) -> FileDefaults {
    if let Some(node) = top.get("syntax") {
        let extended = file.choice(node, "syntax", &[("statsd_exporter", false), ("extended", true)]);
        // After a misspelt word, the extended syntax avoids errors that are only consequences of the first one.
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
    whole.ttl = rule::ttl_or(ttl, whole.ttl);
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
        let name = file.defined_label(key.at, &key.name);
        match environment::expand(text, file.environment) {
            Err(fault) => file.findings.error(key.at, code::BAD_ENVIRONMENT, fault),
            Ok(value) => {
                let Some(name) = name else { continue };
                config.constant_labels.retain(|(other, _)| *other != name);
                if config.constant_labels.len() >= MAX_CONSTANT_LABELS {
                    let text = format!("there are more than {MAX_CONSTANT_LABELS} constant labels; remove some");
                    return file.findings.error(key.at, code::BAD_VALUE, text);
                }
                config.constant_labels.push((name, value));
            }
        }
    }
}
