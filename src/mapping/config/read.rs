//! Converts nodes of the tree into typed values. A value of the wrong type becomes an error that names the expected type. A key whose
//! value is `null` is treated as absent.

use super::findings::{At, Findings, code};
use super::keys::{self, Section};
use super::nearest::{nearest, synonym_of};
use super::tree::{Key, Node, Plain, YamlValue};
use super::{pattern, signed_duration};
use crate::name::NameValidation;

/// The state shared while parsing one file.
pub(super) struct File<'a> {
    /// The findings so far.
    pub(super) findings: Findings,
    /// Whether the file has `syntax: extended`.
    pub(super) extended: bool,
    /// Which names of families and labels are valid.
    pub(super) names: NameValidation,
    /// Returns the value of an environment variable.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The text for a mistake that statsd_exporter accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerated<'t> {
    /// The mistake.
    pub(super) mistake: &'t str,
    /// How the value is interpreted. Only warnings include it.
    pub(super) effect: &'t str,
    /// The correction.
    pub(super) correction: &'t str,
}

/// The entries of a map with checked keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n>(&'n [(Key, Node)]);

impl<'n> Fields<'n> {
    /// Returns the value of `key`, or `None` if it is absent or null.
    pub(super) fn get(self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Returns the position of `key`, or `None` if it is absent or its value is null.
    pub(super) fn place(self, key: &str) -> Option<At> {
        self.entry(key).map(|(key, _)| key.at)
    }

    fn entry(self, key: &str) -> Option<&'n (Key, Node)> {
        self.0.iter().find(|(at, node)| at.name == key && !matches!(node.value, YamlValue::Null))
    }
}

impl File<'_> {
    /// Returns the map of a section. Unknown keys are errors, old spellings are warnings.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, section: Section) -> Option<Fields<'n>> {
        match &node.value {
            YamlValue::Map(entries) => {
                let mut parent = None;
                for entry @ (key, value) in entries {
                    self.check_key(key, value, section, parent.and_then(|parent| likely_parent(parent, value)));
                    if section.keys.contains(&key.name.as_str()) {
                        parent = Some(entry);
                    }
                }
                Some(Fields(entries))
            }
            YamlValue::Null => Some(Fields(&[])),
            YamlValue::List(_) if section == keys::TOP => {
                self.wrong_type(node, section.name, "a map of keys and values", "write `mappings:` above it")
            }
            YamlValue::Scalar(..) if section == keys::TOP => {
                let instead = "write YAML: `mappings:`, and below it rules such as `- match: ...` (the format that statsd_exporter had before is not read)";
                self.wrong_type(node, section.name, "a map of keys and values", instead)
            }
            _ => self.wrong_type(node, section.name, "a map of keys and values", ""),
        }
    }

    /// Checks that `section` has the key. `parent` is the key above that this one probably belongs to, if its indentation is missing.
    fn check_key(&mut self, key: &Key, value: &Node, section: Section, parent: Option<&str>) {
        if section.keys.contains(&key.name.as_str()) || self.findings.is_full() {
            return;
        }
        if let Some((old, new)) = section.old_keys.iter().find(|(old, _)| *old == key.name) {
            self.findings.warning(key.at, code::OLD_KEY, format!("`{old}` is an old spelling; write `{new}`"));
            return;
        }
        let advice = match parent {
            Some(parent) => format!("if it belongs to `{parent}`, it is indented further: write two more spaces before it"),
            None => keys::advice(&key.name, if let YamlValue::Scalar(text, _) = &value.value { text } else { "" }, section),
        };
        self.findings.error(key.at, code::UNKNOWN_KEY, format!("{} has no key `{}`; {advice}", section.name, key.name));
    }

    /// Returns a text. Numbers and booleans are returned as written.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            YamlValue::Scalar(text, _) => Some(text),
            _ => self.wrong_type(node, what, "a text", text_instead(node)),
        }
    }

    /// Returns an unquoted boolean.
    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Flag(flag)) => Some(*flag),
            _ => self.wrong_type(node, what, "true or false, without quotes", ""),
        }
    }

    /// Reports a mistake that statsd_exporter accepts: a warning, or an error in the extended syntax.
    pub(super) fn warn_unless_extended(&mut self, at: At, code: &'static str, tolerated: Tolerated<'_>) {
        let Tolerated { mistake, effect, correction } = tolerated;
        if self.extended {
            self.findings.error(at, code, format!("{mistake}; {correction}"));
        } else {
            self.findings.warning(at, code, format!("{mistake}; {effect}; {correction}"));
        }
    }

    /// Returns an unquoted number. It can be infinite or NaN.
    pub(super) fn any_number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Number(number)) => Some(*number),
            _ => self.wrong_type(node, what, "a number, without quotes", &number_instead(node)),
        }
    }

    /// Returns an unquoted finite number.
    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Number(number)) if number.is_finite() => Some(*number),
            _ => self.wrong_type(node, what, "a finite number, without quotes", &number_instead(node)),
        }
    }

    /// Returns a whole number from 0 to `max`. Fractions are truncated with a warning, as in statsd_exporter.
    pub(super) fn whole(&mut self, node: &Node, what: &str, max: u32) -> Option<u32> {
        match &node.value {
            YamlValue::Scalar(text, Plain::Number(number)) if number.fract() != 0.0 && (0.0..=f64::from(max)).contains(number) => {
                let effect = format!("it counts as {}", number.trunc());
                let wrong = format!("{what} takes a whole number, not `{text}`");
                self.warn_unless_extended(
                    node.at,
                    code::BAD_VALUE,
                    Tolerated { mistake: &wrong, effect: &effect, correction: "write a whole number" },
                );
                Some(*number as u32)
            }
            YamlValue::Scalar(_, Plain::Number(number)) if number.fract() == 0.0 && (0.0..=f64::from(max)).contains(number) => {
                Some(*number as u32)
            }
            _ => self.wrong_type(node, what, &format!("a whole number from 0 to {max}"), ""),
        }
    }

    /// Returns a duration in milliseconds, which can be negative.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<i64> {
        let text = self.text(node, what)?;
        match signed_duration::parse(text, self.extended) {
            Ok(millis) => Some(millis),
            Err(text) => {
                self.findings.error(node.at, code::BAD_DURATION, format!("{what}: {text}"));
                None
            }
        }
    }

    /// Returns the items of a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            YamlValue::List(items) => Some(items),
            _ => self.wrong_type(node, what, "a list", &list_instead(node)),
        }
    }

    /// Returns a list of texts. A single text is a list of one.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        if let YamlValue::Scalar(text, _) = &node.value {
            return vec![text.clone()];
        }
        let items = self.list(node, what).unwrap_or_default();
        items.iter().filter_map(|item| self.text(item, what).map(str::to_owned)).collect()
    }

    /// Returns the entries of a map with arbitrary keys, in the order of the file.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        match &node.value {
            YamlValue::Map(entries) => entries,
            _ => self.wrong_type(node, what, "a map of keys and values", map_instead(node)).unwrap_or_default(),
        }
    }

    /// Returns the entries of a map with arbitrary keys and text values. A null value is the empty text.
    pub(super) fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Key, &'n str)> {
        let mut pairs = Vec::new();
        for (key, value) in self.entries(node, what) {
            match &value.value {
                YamlValue::Null => pairs.push((key, "")),
                _ => pairs.extend(self.text(value, what).map(|text| (key, text))),
            }
        }
        pairs
    }

    /// Returns the value for one of `words`.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all = || words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty());
        let advice = match nearest(text, all()).or_else(|| synonym_of(text, all())) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it is one of {}", all().collect::<Vec<_>>().join(", ")),
        };
        self.findings.error(node.at, code::BAD_VALUE, format!("`{text}` is not a valid {what}; {advice}"));
        None
    }

    /// Returns the name of a label that the file defines, if it is valid and Prometheus does not reserve it.
    pub(super) fn defined_label(&mut self, at: At, name: &str) -> Option<String> {
        if !pattern::is_label(name, self.names) {
            self.findings.error(at, code::BAD_LABEL, pattern::bad_label(name));
            return None;
        }
        if pattern::is_reserved(name) {
            let text = format!("Prometheus keeps the label `{name}` for itself; choose another name");
            self.findings.error(at, code::RESERVED_LABEL, text);
            return None;
        }
        Some(name.to_owned())
    }

    /// Adds an error for a value of the wrong type. `instead` is the correction, or empty.
    fn wrong_type<T>(&mut self, node: &Node, what: &str, expected: &str, instead: &str) -> Option<T> {
        let got = match &node.value {
            YamlValue::Null => "nothing".to_owned(),
            YamlValue::Scalar(text, _) => format!("`{}`", text.chars().take(60).collect::<String>()),
            YamlValue::List(_) => "a list".to_owned(),
            YamlValue::Map(_) => "a map".to_owned(),
        };
        let text = format!("{what} takes {expected}, not {got}");
        self.findings.error(node.at, code::BAD_TYPE, if instead.is_empty() { text } else { format!("{text}; {instead}") });
        None
    }
}

/// Returns the name of `parent`, the closest known key above an unknown one, if the unknown key probably belongs to it and its
/// indentation is missing: `parent` accepts arbitrary keys, and it has no value or `value` looks like a label template.
fn likely_parent<'n>((parent, given): &'n (Key, Node), value: &Node) -> Option<&'n str> {
    const WITH_ARBITRARY_KEYS: [&str; 5] = ["labels", "match_tags", "rename_labels", "set_labels", "map_values"];
    let is_empty = matches!(given.value, YamlValue::Null);
    let has_reference = matches!(&value.value, YamlValue::Scalar(text, _) if text.contains('$'));
    (WITH_ARBITRARY_KEYS.contains(&parent.name.as_str()) && (is_empty || has_reference)).then_some(parent.name.as_str())
}

fn text_instead(node: &Node) -> &'static str {
    match &node.value {
        YamlValue::Map(_) => "a text that begins with `{` needs quotes",
        YamlValue::List(_) => "a text that begins with `[` needs quotes",
        _ => "",
    }
}

fn number_instead(node: &Node) -> String {
    let YamlValue::Scalar(text, Plain::Text) = &node.value else { return String::new() };
    if text.split(' ').filter(|word| word.parse::<f64>().is_ok()).count() > 1 {
        return format!("write a comma between numbers: {}", text.split_whitespace().collect::<Vec<_>>().join(", "));
    }
    match signed_duration::parse(text, true) {
        Ok(millis) if millis != 0 => format!("write a number of seconds: {}", millis as f64 / 1e3),
        _ => String::new(),
    }
}

fn list_instead(node: &Node) -> String {
    match &node.value {
        YamlValue::Scalar(text, _) if !text.is_empty() => format!("write [{text}]"),
        YamlValue::Map(entries) if entries.iter().any(|(key, _)| key.name == "match") => "write `- ` before each `match`".to_owned(),
        _ => String::new(),
    }
}

fn map_instead(node: &Node) -> &'static str {
    match &node.value {
        YamlValue::List(_) => "write its entries without `- ` and without [ ]",
        YamlValue::Scalar(text, _) if text.contains(':') => "write a space behind each `:`",
        YamlValue::Scalar(text, _) if text.contains('=') => "write `key: value`",
        _ => "",
    }
}
