//! Finds globs whose last `*` likely means the rest of the name, although it matches one segment only.
//!
//! Knows patterns and names of rules. Must not know which samples arrive.

use crate::mapping::spec::{Action, Config, MatchType, Rule};
use crate::mapping::template::{Reference, references};
use crate::program::tools::{Remark, Severity};

pub(super) fn rest(config: &Config) -> Vec<Remark> {
    let rests = config.rules.iter().filter_map(|rule| Some((rule, Rest::of(rule)?)));
    rests.filter(|(rule, rest)| is_for_the_rest(rule, rest, &config.rules)).map(|(rule, rest)| remark(rule, &rest)).collect()
}

/// A glob of `*` segments, with or without a plain first segment.
struct Rest<'a> {
    plain: Option<&'a str>,
    stars: usize,
}

impl<'a> Rest<'a> {
    fn of(rule: &'a Rule) -> Option<Self> {
        if rule.match_type != MatchType::Glob || !rule.match_tags.is_empty() {
            return None;
        }
        let first = rule.pattern.split('.').next()?;
        let plain = (first != "*").then_some(first);
        let mut others = rule.pattern.split('.').skip(usize::from(plain.is_some()));
        let stars = rule.pattern.split('.').count() - usize::from(plain.is_some());
        (stars > 0 && others.all(|segment| segment == "*") && !first.contains('{')).then_some(Self { plain, stars })
    }

    fn segments(&self) -> usize {
        self.stars + usize::from(self.plain.is_some())
    }

    /// Whether the names of `pattern` can start with it.
    fn begins(&self, pattern: &str) -> bool {
        self.plain.is_none_or(|plain| pattern.split('.').next() == Some(plain))
    }

    /// The regular expression for the rest of a name, as a YAML string.
    fn regex(&self) -> String {
        let plain = self.plain.map(|plain| format!("{plain}\\.")).unwrap_or_default();
        format!("'^{plain}{}(.+)$'", "([^.]+)\\.".repeat(self.stars - 1))
    }
}

/// Whether the rule is likely for all remaining names: it keeps the last segment at the end of the name, or drops the samples, and the file has
/// rules for names with more segments. A file with such a rule for each number of segments uses `*` correctly.
fn is_for_the_rest(rule: &Rule, rest: &Rest<'_>, all: &[Rule]) -> bool {
    let same_file = || all.iter().filter(|other| other.position.file == rule.position.file && other.match_type == MatchType::Glob);
    let deeper = || same_file().filter(|other| other.pattern.split('.').count() > rest.segments() && rest.begins(&other.pattern));
    let is_like = |other: &Rule| Rest::of(other).is_some_and(|other| other.plain == rest.plain);
    let has_many = || same_file().any(|other| other.pattern.contains("**") && rest.begins(&other.pattern));
    if deeper().any(is_like) || has_many() {
        return false;
    }
    match rule.action {
        // A rule for all remaining names is the last one.
        Action::Drop => deeper().next().is_some() && same_file().next_back().is_some_and(|last| last.position == rule.position),
        Action::Map => ends_with_the_last_capture(rule, rest) && (deeper().next().is_some() || same_file().nth(1).is_none()),
    }
}

fn ends_with_the_last_capture(rule: &Rule, rest: &Rest<'_>) -> bool {
    let is_last = references(&rule.name).last() == Some(&Reference::Number(rest.stars));
    is_last && [format!("${}", rest.stars), format!("${{{}}}", rest.stars)].iter().any(|end| rule.name.ends_with(end))
}

fn remark(rule: &Rule, rest: &Rest<'_>) -> Remark {
    let example = rule.pattern.replace('*', "x");
    let text = format!(
        "`*` is one segment: `{}` matches `{example}` and not `{example}.y`; to match all remaining names, write `match: {}` with \
         `match_type: regex`, which is tried after all globs",
        rule.pattern,
        rest.regex(),
    );
    Remark::new(Severity::Note, "star_is_one_segment", &rule.position, text)
}
