//! The names of a rule's families: fixed, or with captures in them. Must not know the syntax of the output.

use crate::mapping::spec::{Config, Rule};
use crate::mapping::template::{Reference, spelled};
use crate::mapping::unit;
use crate::name::NameValidation;

/// Stands for a capture while a name is built. It is in a private range of Unicode, so that a rule is unlikely to hold it.
const CAPTURE: char = '\u{f8ff}';

/// The text of a name's fixed parts, in order. Captures are between them, so a name with one part is fixed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Vec<String>);

impl Name {
    /// The name of a rule's family, with prefix and unit. `names` are those of the bridge; `captures` is the number of captures and their
    /// names.
    pub(super) fn of(rule: &Rule, config: &Config, names: NameValidation, captures: (usize, &[&str])) -> Self {
        let exists = |reference: &Reference| match reference {
            Reference::Number(number) => *number <= captures.0,
            Reference::Name(name) => captures.1.contains(&name.as_str()),
        };
        let mut text = spelled(&rule.name, |reference| if exists(reference) { CAPTURE.into() } else { String::new() });
        if let Some(unit) = rule.unit {
            text = unit::name_with_unit(&text, unit).into_owned();
        }
        let parts = format!("{}{text}", config.prefix);
        Self(parts.split(CAPTURE).enumerate().map(|(nth, part)| escaped(part, nth == 0, names)).collect())
    }

    /// Adds the suffix of counters, unless the name has it.
    pub(super) fn with_total(mut self) -> Self {
        if let Some(last) = self.0.last_mut().filter(|last| !last.ends_with("_total")) {
            last.push_str("_total");
        }
        self
    }

    /// The name, if it holds no captures.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// Whether it has a letter or a digit that is always the same. The families of other names cannot be selected.
    pub(super) fn is_selective(&self) -> bool {
        self.0.iter().any(|part| part.chars().any(char::is_alphanumeric))
    }

    /// Whether it ends in a capture.
    pub(super) fn is_open(&self) -> bool {
        self.0.len() > 1 && self.0.last().is_some_and(String::is_empty)
    }

    /// Whether every family of the rule has this at the end of its name.
    pub(super) fn ends_with(&self, suffix: &str) -> bool {
        self.0.last().is_some_and(|last| last.ends_with(suffix))
    }

    /// The regular expression for the whole name, without anchors.
    pub(super) fn regex(&self) -> String {
        self.0.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".*")
    }

    /// Whether the name of a series is one of these with one of these suffixes.
    pub(super) fn matches_with(&self, line: &str, suffixes: &[&str]) -> bool {
        suffixes.iter().any(|suffix| line.strip_suffix(suffix).is_some_and(|name| self.matches(name)))
    }

    /// Whether a name is one of these.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((first, others)) = self.0.split_first() else { return false };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else { return false };
        let Some((last, between)) = others.split_last() else { return rest.is_empty() };
        for part in between {
            match rest.split_once(part.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }

    /// The name with a word for each capture, for the name of a record.
    pub(super) fn joined(&self) -> String {
        self.0.join("any")
    }
}

/// A part of a name, escaped as the bridge escapes the whole name.
fn escaped(part: &str, is_first: bool, names: NameValidation) -> String {
    // Only at its start, a digit gets an underscore in front.
    let before = if is_first { "" } else { "x" };
    let mut out = String::new();
    names.push_name(&format!("{before}{part}"), &mut out);
    out.strip_prefix(before).unwrap_or(&out).to_owned()
}

/// The text as a regular expression of RE2.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{MappingText, Rules};

    fn name(yaml: &str, names: NameValidation) -> Name {
        let text = MappingText { name: "m.yml".into(), text: yaml.to_owned() };
        let rules = Rules::from_texts(&[text], names, &|_| None).unwrap();
        let rule = &rules.config().rules[0];
        Name::of(rule, rules.config(), names, (rules.captures_len(0), &rules.capture_names(0)))
    }

    #[test]
    fn names_are_escaped_and_captures_match_any_text() {
        for (yaml, want) in [
            ("mappings: [{match: a, name: a_b}]", "a_b"),
            ("mappings: [{match: a.*.*, name: 'a_$1_1$2'}]", "a_.*_1.*"),
            ("mappings: [{match: a.*, name: a_$1, unit: milliseconds}]", "a_.*_seconds"),
            ("mappings: [{match: a.*, name: a_$2}]", "a_"),
            ("{syntax: extended, prefix: p_, mappings: [{match: a.*, name: '${1}x'}]}", "p_.*x"),
            ("{syntax: extended, mappings: [{match: '^a[.](?P<what>.*)$', match_type: regex, name: 'a_${what}_total'}]}", "a_.*_total"),
        ] {
            assert_eq!(name(yaml, NameValidation::Legacy).regex(), want, "{yaml}");
        }
        let utf8 = name("mappings: [{match: a.*, name: 'a.$1(é)'}]", NameValidation::Utf8);
        assert_eq!(utf8.regex(), r"a\..*\(é\)");
    }

    #[test]
    fn a_pattern_matches_the_names_that_its_regex_matches() {
        let name = name("mappings: [{match: a.*.*, name: a_$1_b_$2_total}]", NameValidation::Legacy);
        for (text, want) in
            [("a_x_b_y_total", true), ("a__b__total", true), ("a_x_b_total", false), ("xa_x_b_y_total", false), ("a_x_b_y_totals", false)]
        {
            assert_eq!(name.matches(text), want, "{text}");
        }
        assert_eq!((name.joined(), name.fixed(), name.is_open()), ("a_any_b_any_total".to_owned(), None, false));
    }
}
