//! rules: compiled rules. Finds the rule that applies to a sample, and expands its name and labels.
//!
//! Globs have precedence over regular expressions, unless the configuration sets strict order. A rule applies only if its kind and its tag
//! conditions match; otherwise the next rule is tried. Rules are immutable, shared between threads and replaced as a whole.

use std::ops::Range;

use super::glob::Glob;
use super::regex::{Expression, ExpressionSet};
use super::spec::{Config, Finding, LabelStep, MatchType, MetricKind, Rule};
use super::template::Template;
use super::trie::{Order, Trie};
use super::tried::{Outcome, Tried};
use super::wild::Wild;

/// Compiled mapping rules, for [`Bridge::replace_rules`](crate::Bridge::replace_rules). [`from_yaml`](Self::from_yaml) makes them. The
/// default has no rules.
#[derive(Debug, Default)]
pub struct Rules {
    config: Config,
    warnings: Vec<Finding>,
    /// One for each of the configuration's rules, in the same order.
    compiled: Vec<Compiled>,
    globs: Trie,
    expressions: ExpressionSet,
    /// The rules of `expressions`, by position.
    expression_rules: Vec<u32>,
}

#[derive(Debug)]
struct Compiled {
    pattern: Pattern,
    kind: Option<MetricKind>,
    tags: Vec<Condition>,
    name: Template,
    labels: Vec<Template>,
}

#[derive(Debug)]
struct Condition {
    key: String,
    value: Wild,
    as_written: String,
}

#[derive(Debug)]
enum Pattern {
    Glob(Glob),
    Regex(Expression),
}

/// The parts of a sample that conditions check: its kind, and its tags with escaped keys and raw values.
#[derive(Clone, Copy)]
struct Attributes<'a> {
    kind: MetricKind,
    tags: &'a [(String, String)],
}

impl Rules {
    /// Compiles a configuration. The findings are all errors: `bad_glob`, `bad_regex`, `bad_match_tags`, `bad_value_map`,
    /// `too_big`. Public for benches and fuzz targets only.
    #[doc(hidden)]
    pub fn compile(config: Config) -> Result<Self, Vec<Finding>> {
        let (mut compiled, mut findings) = (Vec::with_capacity(config.rules.len()), Vec::new());
        for rule in &config.rules {
            match Compiled::new(rule) {
                Ok(one) => compiled.push(one),
                Err((code, text)) => findings.push(finding(rule, code, text)),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let (mut globs, mut expressions, mut expression_rules) = (Trie::default(), Vec::new(), Vec::new());
        for (index, one) in (0_u32..).zip(&compiled) {
            match &one.pattern {
                Pattern::Glob(glob) => glob.paths().iter().for_each(|path| globs.insert(path, index)),
                Pattern::Regex(expression) => {
                    expressions.push(expression);
                    expression_rules.push(index);
                }
            }
        }
        let first = |text| config.rules.iter().find(|rule| rule.match_type == MatchType::Regex).map(|rule| finding(rule, "too_big", text));
        let expressions = ExpressionSet::new(&expressions).map_err(|text| first(text).into_iter().collect::<Vec<_>>())?;
        Ok(Self { config, warnings: Vec::new(), compiled, globs, expressions, expression_rules })
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.config.rules.len()
    }

    /// Whether there is no rule. Constant labels and a prefix may still apply to every sample.
    pub fn is_empty(&self) -> bool {
        self.config.rules.is_empty()
    }

    /// Warnings of the mapping files that the rules were read from.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    pub(super) fn with_warnings(self, warnings: Vec<Finding>) -> Self {
        Self { warnings, ..self }
    }

    /// The configuration of the rules.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Finds the rule that applies to a sample. `name` is raw; `tags` have escaped keys and raw values, and the last tag of a key applies.
    /// Public for benches and fuzz targets only.
    #[doc(hidden)]
    pub fn find<'a>(&'a self, name: &'a str, kind: MetricKind, tags: &[(String, String)]) -> Option<Found<'a>> {
        let attributes = Attributes { kind, tags };
        let fits = |index: u32| self.compiled.get(index as usize).is_some_and(|rule| rule.is_for(attributes));
        let strict = self.config.defaults.strict_order;
        let order = if self.config.defaults.glob_disable_ordering && !strict { Order::Specific } else { Order::File };
        let glob = self.globs.find(name, order, &fits);
        let index = match glob {
            Some(glob) if !strict => Some(glob),
            _ => self.first_expression(name, &fits).filter(|regex| glob.is_none_or(|glob| *regex < glob)).or(glob),
        }?;
        let captures = self.compiled.get(index as usize)?.captures(name)?;
        Some(Found { rule: index as usize, rules: self, name, captures })
    }

    fn first_expression(&self, name: &str, fits: &dyn Fn(u32) -> bool) -> Option<u32> {
        let mut rules = self.expressions.candidates(name).filter_map(|position| self.expression_rules.get(position).copied());
        rules.find(|rule| fits(*rule))
    }

    /// Returns the rules in order of precedence with their outcomes: every rule up to the one that applies, then only rules that match too.
    /// The time is proportional to the number of rules, so only `explain` uses it.
    #[doc(hidden)]
    pub fn tried(&self, name: &str, kind: MetricKind, tags: &[(String, String)]) -> Vec<Tried> {
        let winner = self.find(name, kind, tags).map(|found| found.rule);
        let attributes = Attributes { kind, tags };
        let (mut before, mut after, mut is_over) = (Vec::new(), Vec::new(), false);
        for rule in self.by_precedence() {
            let Some(compiled) = self.compiled.get(rule) else { continue };
            let reason = compiled.mismatch(name).or_else(|| compiled.unmet_condition(attributes));
            match (reason, winner) {
                (_, Some(by)) if by == rule => is_over = true,
                (None, Some(by)) => after.push(Tried { rule, outcome: Outcome::Hidden { by } }),
                (Some(outcome), _) if !is_over => before.push(Tried { rule, outcome }),
                _ => {}
            }
        }
        before.extend(winner.map(|rule| Tried { rule, outcome: Outcome::Matched }));
        before.append(&mut after);
        before
    }

    /// Indices of the rules, globs before regular expressions unless order is strict.
    fn by_precedence(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.compiled.len()).collect();
        if !self.config.defaults.strict_order {
            all.sort_by_key(|rule| self.config.rules.get(*rule).is_some_and(|rule| rule.match_type == MatchType::Regex));
        }
        all
    }

    /// The number of captures of a rule's pattern, without the whole match; 0 for an unknown index.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn captures_len(&self, rule: usize) -> usize {
        self.compiled.get(rule).map_or(0, |rule| rule.pattern.names().len().saturating_sub(1))
    }

    /// Names of the groups of a rule's regular expression.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn capture_names(&self, rule: usize) -> Vec<&str> {
        self.compiled.get(rule).map_or_else(Vec::new, |rule| rule.pattern.names().into_iter().flatten().collect())
    }
}

/// The rule that applies to a sample.
#[derive(Debug)]
pub struct Found<'a> {
    /// Index into the configuration's rules.
    pub rule: usize,
    rules: &'a Rules,
    name: &'a str,
    /// By number; 0 is the whole match of a regular expression, and the whole name for a glob.
    captures: Vec<Range<usize>>,
}

impl<'a> Found<'a> {
    /// Appends the expanded name of the rule: not escaped, without prefix and unit. Appends nothing for a rule without a name.
    pub fn name(&self, out: &mut String) {
        debug_assert!(self.rule < self.rules.compiled.len(), "a found rule is one of the compiled rules");
        if let Some(rule) = self.rules.compiled.get(self.rule) {
            rule.name.expand(&self.by_number(), out);
        }
    }

    /// Appends the rule's own labels, sorted by name, values expanded; a value may be empty.
    pub fn labels(&self, out: &mut Vec<(String, String)>) {
        let Some((rule, compiled)) = self.rules.config.rules.get(self.rule).zip(self.rules.compiled.get(self.rule)) else { return };
        let captures = self.by_number();
        for ((name, _), template) in rule.labels.iter().zip(&compiled.labels) {
            let mut value = String::new();
            template.expand(&captures, &mut value);
            out.push((name.clone(), value));
        }
    }

    /// The values of `$1`, `$2` and so on.
    pub fn captures(&self) -> Vec<&'a str> {
        self.by_number().split_off(1.min(self.captures.len()))
    }

    fn by_number(&self) -> Vec<&'a str> {
        self.captures.iter().map(|range| self.text(range)).collect()
    }

    /// The text of a capture. `\B` also matches between the bytes of a character: only an empty capture can be there.
    fn text(&self, range: &Range<usize>) -> &'a str {
        let text = self.name.get(range.clone());
        debug_assert!(text.is_some() || range.is_empty(), "a capture holds whole characters");
        text.unwrap_or_default()
    }
}

impl Pattern {
    fn names(&self) -> Vec<Option<&str>> {
        match self {
            Self::Glob(glob) => vec![None; glob.captures_len() + 1],
            Self::Regex(expression) => expression.names(),
        }
    }
}

impl Compiled {
    /// Compiles one rule. An error is a code and a sentence.
    fn new(rule: &Rule) -> Result<Self, (&'static str, String)> {
        let pattern = match rule.match_type {
            MatchType::Glob => {
                Pattern::Glob(Glob::parse(&rule.pattern).map_err(|text| ("bad_glob", format!("Bad glob `{}`. {text}", rule.pattern)))?)
            }
            MatchType::Regex => Pattern::Regex(
                Expression::compile(&rule.pattern)
                    .map_err(|text| ("bad_regex", format!("Bad regular expression `{}`. {text}", rule.pattern)))?,
            ),
        };
        let tags = rule.match_tags.iter().map(|tag| match Wild::parse(&tag.value) {
            Ok(value) => Ok(Condition { key: tag.key.clone(), value, as_written: tag.value.clone() }),
            Err(text) => Err(("bad_match_tags", format!("Bad value `{}` of the tag {}. {text}", tag.value, tag.key))),
        });
        let tags = tags.collect::<Result<_, _>>()?;
        check_value_maps(&rule.label_steps)?;
        let names = pattern.names();
        let name = Template::compile(&rule.name, &names);
        let labels = rule.labels.iter().map(|(_, value)| Template::compile(value, &names)).collect();
        Ok(Self { pattern, kind: rule.kind, tags, name, labels })
    }

    /// By number, 0 the whole match.
    fn captures(&self, name: &str) -> Option<Vec<Range<usize>>> {
        match &self.pattern {
            Pattern::Regex(expression) => expression.captures(name),
            Pattern::Glob(glob) => {
                let mut captures = glob.captures(name)?;
                captures.insert(0, 0..name.len());
                Some(captures)
            }
        }
    }

    fn mismatch(&self, name: &str) -> Option<Outcome> {
        match &self.pattern {
            Pattern::Glob(glob) => glob.mismatch(name),
            Pattern::Regex(expression) => (!expression.fits(name)).then_some(Outcome::NoMatch),
        }
    }

    fn is_for(&self, attributes: Attributes<'_>) -> bool {
        self.kind.is_none_or(|kind| kind == attributes.kind) && self.failing(attributes).is_none()
    }

    /// Why the rule does not apply to a sample whose name matches.
    fn unmet_condition(&self, attributes: Attributes<'_>) -> Option<Outcome> {
        if let Some(wants) = self.kind.filter(|kind| *kind != attributes.kind) {
            return Some(Outcome::Kind { wants });
        }
        let (tag, has) = self.failing(attributes)?;
        Some(Outcome::Tag { key: tag.key.clone(), wants: tag.as_written.clone(), has: has.map(str::to_owned) })
    }

    /// The first condition that does not hold, and the tag's value.
    fn failing<'a>(&self, attributes: Attributes<'a>) -> Option<(&Condition, Option<&'a str>)> {
        self.tags.iter().find_map(|tag| {
            let has = attributes.tags.iter().rfind(|(key, _)| *key == tag.key).map(|(_, value)| value.as_str());
            (!has.is_some_and(|value| tag.value.fits(value))).then_some((tag, has))
        })
    }
}

fn check_value_maps(steps: &[LabelStep]) -> Result<(), (&'static str, String)> {
    for step in steps {
        let LabelStep::MapValues(name, pairs) = step else { continue };
        for (glob, _) in pairs {
            Wild::parse(glob).map_err(|text| ("bad_value_map", format!("Bad value `{glob}` of the label {name}. {text}")))?;
        }
    }
    Ok(())
}

fn finding(rule: &Rule, code: &'static str, text: String) -> Finding {
    Finding::new(rule.position.clone(), true, code, text)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
