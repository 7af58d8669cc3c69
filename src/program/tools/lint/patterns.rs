//! Finds regular expressions that match more than they appear to, and sizes that are treated as milliseconds.
//!
//! Checks one rule at a time. Must not compare rules.

use super::include::{is_catch_all, is_plain_name};
use crate::mapping::spec::{Action, Config, MatchType, MetricKind, Rule};
use crate::program::tools::{Remark, Severity};

pub(super) fn patterns(config: &Config) -> Vec<Remark> {
    config.rules.iter().flat_map(|rule| [dot(rule), anchors(rule), size(rule)]).flatten().collect()
}

fn is_regex(rule: &Rule) -> bool {
    rule.match_type == MatchType::Regex && !is_catch_all(&rule.pattern)
}

/// `a.b`, where `a\.b` is meant.
fn dot(rule: &Rule) -> Option<Remark> {
    if !is_regex(rule) {
        return None;
    }
    let escaped = escape_dots(&rule.pattern);
    if escaped == rule.pattern {
        return None;
    }
    if is_plain_name(&rule.pattern) {
        let text = "this regex looks like a plain name, but `.` matches any character, and the regex also matches longer names; \
                    write `match_type: glob` for this name only";
        return Some(Remark::new(Severity::Warning, "unescaped_dot", &rule.position, text.to_owned()));
    }
    let text = format!("`.` in a regex matches any character, not only a dot; write `match: {}`", quoted(&escaped));
    Some(Remark::new(Severity::Warning, "unescaped_dot", &rule.position, text))
}

/// The pattern with all dots escaped that likely mean a dot: a dot between letters, groups, classes or repeated expressions, which is not
/// repeated itself.
fn escape_dots(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let at = |at: Option<usize>| at.and_then(|at| chars.get(at)).copied();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut in_class, mut is_escaped, mut is_quoted) = (false, false, false);
    for (place, c) in chars.iter().copied().enumerate() {
        let (before, after) = (at(place.checked_sub(1)), at(place.checked_add(1)));
        // The letter before can be part of `\d`.
        let follows = before.is_some_and(|c| is_word(c) || matches!(c, ')' | ']' | '}' | '*' | '+' | '?'));
        let starts = before.is_some_and(|c| matches!(c, '(' | '|' | ':'));
        let leads = after.is_some_and(|c| is_word(c) || matches!(c, '(' | '[' | '\\'));
        let ends = after.is_some_and(|c| matches!(c, ')' | '|'));
        let has_word = || before.is_some_and(is_word) || after.is_some_and(is_word);
        let is_between = (follows && leads) || (starts && leads || follows && ends) && has_word();
        if c == '.' && !in_class && !is_escaped && !is_quoted && is_between {
            out.push('\\');
        }
        out.push(c);
        if is_escaped && matches!(c, 'Q' | 'E') {
            is_quoted = c == 'Q';
        }
        in_class = !is_quoted && !is_escaped && (c == '[' || in_class && c != ']');
        is_escaped = c == '\\' && !is_escaped;
    }
    out
}

/// A pattern as a YAML string.
fn quoted(pattern: &str) -> String {
    format!("'{}'", pattern.replace('\'', "''"))
}

fn anchors(rule: &Rule) -> Option<Remark> {
    let has_remark = is_plain_name(&rule.pattern) && rule.pattern.contains('.') && !rule.pattern.contains('\\');
    if !is_regex(rule) || has_remark {
        return None;
    }
    let start = branches(&rule.pattern).all(is_anchored_at_start);
    let end = branches(&rule.pattern).all(is_anchored_at_end);
    // The text is the same for every regex, so that equal remarks are printed once.
    let text = match (start, end) {
        (true, true) => return None,
        (false, false) => "it matches anywhere in a name; write `^` at the start and `$` at the end unless this is intended",
        (false, true) => "it also matches in the middle of a name; write `^` at the start unless this is intended",
        (true, false) => "it also matches longer names; write `$` at the end unless this is intended",
    };
    Some(Remark::new(Severity::Note, "unanchored_regex", &rule.position, format!("this regex is not anchored: {text}")))
}

/// The alternatives outside of groups.
fn branches(pattern: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut is_escaped) = (0_i32, false);
    pattern.split(move |c: char| {
        let splits = c == '|' && depth == 0 && !is_escaped;
        if !is_escaped {
            depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
        }
        is_escaped = c == '\\' && !is_escaped;
        splits
    })
}

fn is_anchored_at_start(branch: &str) -> bool {
    let open = branch.trim_start_matches('(');
    // Skip flags and names of groups.
    let open = open.strip_prefix('?').map_or(open, |flags| flags.split_once([':', ')', '>']).map_or(flags, |(_, rest)| rest));
    [open, branch].iter().any(|text| text.starts_with('^') || text.starts_with("\\A") || text.starts_with(".*") || text.starts_with(".+"))
}

fn is_anchored_at_end(branch: &str) -> bool {
    let end = branch.trim_end_matches(')').trim_end_matches('?');
    let is_dollar = end.ends_with('$') && !end.ends_with("\\$");
    is_dollar || end.ends_with("\\z") || branch.trim_end_matches(')').ends_with(".*") || branch.trim_end_matches(')').ends_with(".+")
}

/// A size in a rule for observers: `ms` samples are divided by 1000 unless the rule has a unit.
fn size(rule: &Rule) -> Option<Remark> {
    let is_plain = rule.unit.is_none() && rule.scale.is_none() && rule.becomes.is_none();
    if rule.kind != Some(MetricKind::Observer) || rule.action != Action::Map || !is_plain {
        return None;
    }
    let text = format!("{}.{}", rule.pattern, rule.name).to_ascii_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let any = |of: &[&str]| words.iter().find(|word| of.contains(word)).copied();
    if any(&["ms", "us", "ns", "s", "time", "timing", "timer", "duration", "latency", "seconds", "delay", "age"]).is_some() {
        return None;
    }
    let word = any(&["size", "bytes", "length"])?;
    let unit = if word == "length" { "unit: none" } else { "unit: bytes" };
    let text = format!("`{word}` is not a time, but values sent as `ms` are divided by 1000; if these are sent as `ms`, write `{unit}`");
    Some(Remark::new(Severity::Note, "size_as_time", &rule.position, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dots_that_likely_mean_a_dot_are_escaped() {
        for (pattern, want) in [
            ("a.b", "a\\.b"),
            ("a\\.b", "a\\.b"),
            ("a.*", "a.*"),
            ("a.+b", "a.+b"),
            ("a.?b", "a.?b"),
            ("a[b.c]d", "a[b.c]d"),
            ("app.(\\w+)", "app\\.(\\w+)"),
            ("foo.(.*)", "foo\\.(.*)"),
            ("(.*).foo", "(.*)\\.foo"),
            ("(.+).(.+)", "(.+)\\.(.+)"),
            ("[^.]+.foo", "[^.]+\\.foo"),
            ("\\w+.\\d", "\\w+\\.\\d"),
            ("a{2}.b", "a{2}\\.b"),
            ("a(.b)?", "a(\\.b)?"),
            ("(a.)?b", "(a\\.)?b"),
            ("(?:.b|.c)", "(?:\\.b|\\.c)"),
            ("(a|b).c", "(a|b)\\.c"),
            ("(.)", "(.)"),
            ("(.|a)", "(.|a)"),
            ("(.*)", "(.*)"),
            ("^.+$", "^.+$"),
            ("a.$", "a.$"),
            ("a.{3}b", "a.{3}b"),
            ("\\Qa.b\\E.c", "\\Qa.b\\E\\.c"),
            ("\\\\.a", "\\\\.a"),
            ("a.b.c-d.e", "a\\.b\\.c-d\\.e"),
            (".", "."),
        ] {
            assert_eq!(escape_dots(pattern), want, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_quoted_for_yaml() {
        assert_eq!(quoted("a'b\\.c"), "'a''b\\.c'");
    }

    #[test]
    fn anchors_are_found_in_all_branches() {
        for (pattern, start, end) in [
            ("^a$", true, true),
            ("a", false, false),
            ("^a(.*)", true, true),
            ("(.*)_a$", true, true),
            ("^(a|b)$", true, true),
            ("^a|b$", false, false),
            ("(?i)^a$", true, true),
            ("^a\\$", true, false),
            ("^(?P<x>.+)", true, true),
            ("^(a.*?)$", true, true),
            ("^(a.*$)", true, true),
        ] {
            assert_eq!(branches(pattern).all(is_anchored_at_start), start, "{pattern}");
            assert_eq!(branches(pattern).all(is_anchored_at_end), end, "{pattern}");
        }
    }
}
