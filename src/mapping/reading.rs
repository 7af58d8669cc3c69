//! reading: reads rules from texts in one call, with one error type for all mistakes.

use std::fmt;

use super::config::{MappingText, load_for};
use super::report::{ReportLine, write_report};
use super::rules::Rules;
use super::spec::Finding;
use crate::name::NameValidation;

/// The name of the text that [`Rules::from_yaml`] reads, in findings.
const UNNAMED: &str = "rules";

impl Rules {
    /// Reads and compiles the rules of one mapping file, given as text in YAML. Constant labels may not use environment variables, and
    /// names follow [`NameValidation::Legacy`]. [`from_texts`](Self::from_texts) takes both as arguments.
    ///
    /// ```
    /// use statsd_bridge::mapping::Rules;
    ///
    /// let rules = Rules::from_yaml("mappings:\n- match: shop.*.orders\n  name: orders\n  labels: {shop: $1}\n")?;
    /// assert_eq!(rules.len(), 1);
    ///
    /// let error = Rules::from_yaml("mappings:\n- match: shop.*.orders\n  nmae: orders\n").unwrap_err();
    /// assert!(error.to_string().contains("rules:3:3: error: a rule has no key `nmae`; did you mean `name`?"));
    /// # Ok::<(), statsd_bridge::mapping::RulesError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RulesError`] with every mistake in the text.
    pub fn from_yaml(text: &str) -> Result<Self, RulesError> {
        let text = MappingText { name: UNNAMED.into(), text: text.to_owned() };
        Self::from_texts(&[text], NameValidation::default(), &|_| None)
    }

    /// Reads and compiles the rules of several mapping files, in this order: an earlier rule has precedence. `names` must be
    /// the [`Options::names`](crate::Options::names) of the bridge. `environment` returns the values of environment variables in constant
    /// labels: `&|name| std::env::var(name).ok()` reads those of the process.
    ///
    /// # Errors
    ///
    /// [`RulesError`] with every mistake in all texts.
    pub fn from_texts(
        texts: &[MappingText],
        names: NameValidation,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RulesError> {
        let (config, mut findings) = load_for(texts, names, environment);
        let compiled = config.map(Self::compile);
        match compiled {
            Some(Ok(rules)) => return Ok(rules.with_warnings(findings)),
            Some(Err(more)) => findings.extend(more),
            None => {}
        }
        Err(RulesError { findings, texts: texts.to_vec() })
    }
}

/// The mistakes in mapping files: at least one error, and all warnings.
///
/// Its `Display` prints the same text as `statsd-bridge check`: for each finding its file, line and column, what to write instead, and the
/// line with a caret below the column.
#[derive(Debug, Clone)]
pub struct RulesError {
    findings: Vec<Finding>,
    texts: Vec<MappingText>,
}

impl RulesError {
    /// All findings, ordered by file, line and column. At least one is an error.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.findings.iter().map(ReportLine::from).collect();
        let mut text = String::new();
        write_report(&lines, &self.texts, &mut text)?;
        f.write_str(text.trim_end())
    }
}

impl std::error::Error for RulesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_and_a_caret_once_for_each_kind_of_mistake() {
        let text = "mappings:\n- match: a.*\n  name: a\n  tll: 1m\n- match: b.*\n  name: b\n  tll: 1m\n";
        let error = Rules::from_yaml(text).unwrap_err();
        assert_eq!(error.findings().len(), 2);
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("rules:4:3: error: ") && lines[0].ends_with(" [unknown_key]"), "{shown}");
        assert_eq!(lines[1..], ["    4 |   tll: 1m", "      |   ^", "    the same in line 7"], "{shown}");
    }

    #[test]
    fn compiled_rules_keep_warnings_and_rules_that_do_not_compile_are_an_error() {
        let rules = Rules::from_yaml("mappings:\n- {match: a, name: a, timer_type: histogram, buckets: [1]}\n").unwrap();
        assert!(rules.len() == 1 && rules.warnings().iter().all(|finding| !finding.is_error));
        let error = Rules::from_yaml("mappings:\n- {match: \"a(\", match_type: regex, name: a}\n").unwrap_err();
        assert!(error.findings().iter().any(|finding| finding.code == "bad_regex"), "{error}");
    }

    #[test]
    fn environment_and_names_are_arguments() {
        let text = MappingText { name: "f.yml".into(), text: "labels: {zone: \"${ZONE}\"}\n".to_owned() };
        let texts = [text];
        assert!(Rules::from_texts(&texts, NameValidation::Legacy, &|_| None).is_err());
        assert!(Rules::from_texts(&texts, NameValidation::Legacy, &|name| (name == "ZONE").then(|| "a".to_owned())).is_ok());
    }
}
