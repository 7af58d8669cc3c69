//! Finds rules that never match, and rules that are tried in another order than in the file. Must not know which samples arrive.

use super::include::{glob_includes, is_catch_all, is_catch_all_glob, regex_includes};
use super::places::place;
use crate::mapping::Rules;
use crate::mapping::spec::{Defaults, MatchType, MetricKind, Rule};
use crate::mapping::tried::Outcome;
use crate::program::tools::{Remark, Severity};

/// Limit of rules for this check, because the number of pairs grows with the square of the number of rules.
const MAX_RULES: usize = 5_000;

/// Remarks on rules for which an earlier rule always matches first.
pub(super) fn dead(rules: &Rules) -> Vec<Remark> {
    let config = rules.config();
    let ordered = by_precedence(&config.rules, config.defaults.strict_order);
    if ordered.len() > MAX_RULES {
        return Vec::new();
    }
    let mut remarks = Vec::new();
    for (place, later) in ordered.iter().enumerate() {
        if let Some(earlier) = ordered.iter().take(place).find(|earlier| hides(earlier, later, &config.defaults)) {
            remarks.push(remark(earlier, later));
        }
    }
    remarks
}

fn by_precedence(rules: &[Rule], strict: bool) -> Vec<&Rule> {
    let mut ordered: Vec<&Rule> = rules.iter().collect();
    if !strict {
        ordered.sort_by_key(|rule| rule.match_type == MatchType::Regex);
    }
    ordered
}

fn is_same(a: &Rule, b: &Rule) -> bool {
    (a.match_type, &a.pattern, a.kind, &a.match_tags) == (b.match_type, &b.pattern, b.kind, &b.match_tags)
}

/// Whether `earlier` matches every sample of `later`, and is tried before it.
fn hides(earlier: &Rule, later: &Rule, defaults: &Defaults) -> bool {
    let kind = earlier.kind.is_none() || earlier.kind == later.kind;
    let same_tag = |wanted: &crate::mapping::spec::TagCondition| {
        later.match_tags.iter().any(|tag| tag.key == wanted.key && (tag.value == wanted.value || wanted.value == "*"))
    };
    if !kind || !earlier.match_tags.iter().all(same_tag) {
        return false;
    }
    match (earlier.match_type, later.match_type) {
        // The more specific glob matches, in any order.
        (MatchType::Glob, MatchType::Glob) if defaults.glob_disable_ordering && !defaults.strict_order => earlier.pattern == later.pattern,
        (MatchType::Glob, MatchType::Glob) => glob_includes(&earlier.pattern, &later.pattern),
        (MatchType::Regex, MatchType::Regex) => regex_includes(&earlier.pattern, &later.pattern),
        (MatchType::Glob, MatchType::Regex) => is_catch_all_glob(&earlier.pattern) || is_name_of(&later.pattern, &earlier.pattern),
        (MatchType::Regex, MatchType::Glob) => is_catch_all(&earlier.pattern),
    }
}

/// Whether `regex` matches one name only, and `glob` matches this name.
fn is_name_of(regex: &str, glob: &str) -> bool {
    let Some(inner) = regex.strip_prefix('^').and_then(|inner| inner.strip_suffix('$')) else { return false };
    let name = inner.replace("\\.", "\u{0}");
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '\u{0}')) && glob_includes(glob, &name.replace('\u{0}', "."))
}

fn remark(earlier: &Rule, later: &Rule) -> Remark {
    let place = place(earlier, later);
    if is_same(earlier, later) {
        let text = format!("the same pattern `{}` is at {place}, which always matches first; remove one of the two", later.pattern);
        return Remark::new(Severity::Warning, "duplicate_rule", &later.position, text);
    }
    let advice = if earlier.match_type != later.match_type && is_before(later, earlier) {
        "globs are tried before regexes: write `strict_order: true` in `defaults`, or remove this rule"
    } else {
        "move this rule before it, or remove it"
    };
    let text = format!("`{}` never matches: `{}` at {place} matches all its names first; {advice}", later.pattern, earlier.pattern);
    Remark::new(Severity::Warning, "dead_rule", &later.position, text)
}

fn is_before(a: &Rule, b: &Rule) -> bool {
    a.position.file == b.position.file && a.position.line < b.position.line
}

/// Remarks on globs that are tried before a regular expression which matches the same names and is earlier in the file.
pub(super) fn order(rules: &Rules) -> Vec<Remark> {
    let config = rules.config();
    let Some(first) = config.rules.iter().position(|rule| rule.match_type == MatchType::Regex) else { return Vec::new() };
    if config.defaults.strict_order || config.rules.len() > MAX_RULES {
        return Vec::new();
    }
    let globs = config.rules.iter().enumerate().skip(first).filter(|(_, rule)| rule.match_type == MatchType::Glob);
    globs.filter_map(|(index, rule)| order_of(rules, index, rule)).collect()
}

fn order_of(rules: &Rules, index: usize, glob: &Rule) -> Option<Remark> {
    // One name that both rules match is enough. This name matches the glob.
    let name = glob.pattern.replace("**", "x").replace('*', "x");
    if name.contains('{') || !glob.match_tags.is_empty() {
        return None;
    }
    let tried = rules.tried(&name, glob.kind.unwrap_or(MetricKind::Counter), &[]);
    let hidden = tried.iter().find(|tried| tried.outcome == Outcome::Hidden { by: index } && tried.rule < index)?;
    let regex = rules.config().rules.get(hidden.rule).filter(|rule| rule.match_type == MatchType::Regex)?;
    let text = format!(
        "this glob is tried before the regex `{}` at {}, which is earlier in the file and also matches `{name}`: globs are tried first; \
         write `strict_order: true` in `defaults` to use the order of the file",
        regex.pattern,
        place(regex, glob),
    );
    Some(Remark::new(Severity::Note, "glob_before_regex", &glob.position, text))
}
