//! Finds regular expressions that match more than they seem to, and sizes that would be taken for milliseconds.
//!
//! Looks at one rule at a time; must not compare rules.

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
        let text = "this regex looks like a plain name: `.` matches any character there, and it is found in longer names, too; \
                    write `match_type: glob` for this name only";
        return Some(Remark::new(Severity::Warning, "unescaped_dot", &rule.position, text.to_owned()));
    }
    let text = format!("`.` in a regex matches any character, not only a dot; write `match: {}`", quoted(&escaped));
    Some(Remark::new(Severity::Warning, "unescaped_dot", &rule.position, text))
}

/// The pattern with each dot escaped that seems to be meant plainly: it stands between letters, groups, classes or what is repeated,
/// and is not repeated itself.
fn escape_dots(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let at = |at: Option<usize>| at.and_then(|at| chars.get(at)).copied();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut in_class, mut is_escaped, mut is_quoted) = (false, false, false);
    for (place, c) in chars.iter().copied().enumerate() {
        let (before, after) = (at(place.checked_sub(1)), at(place.checked_add(1)));
        // The letter before may be that of `\d`.
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

/// A pattern as YAML takes it.
fn quoted(pattern: &str) -> String {
    format!("'{}'", pattern.replace('\'', "''"))
}

fn anchors(rule: &Rule) -> Option<Remark> {
    let is_said_already = is_plain_name(&rule.pattern) && rule.pattern.contains('.') && !rule.pattern.contains('\\');
    if !is_regex(rule) || is_said_already {
        return None;
    }
    let start = branches(&rule.pattern).all(is_anchored_at_start);
    let end = branches(&rule.pattern).all(is_anchored_at_end);
    // The same words for every regex: what is said of many lines of a file is said once.
    let text = match (start, end) {
        (true, true) => return None,
        (false, false) => "it is found anywhere in a name; put `^` in front and `$` at the end unless that is meant",
        (false, true) => "it is found in the middle of a name, too; put `^` in front unless that is meant",
        (true, false) => "it matches longer names, too; put `$` at the end unless that is meant",
    };
    Some(Remark::new(Severity::Note, "unanchored_regex", &rule.position, format!("this regex is not anchored: {text}")))
}

/// Alternatives that stand in no group.
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
    // Flags, and names of groups.
    let open = open.strip_prefix('?').map_or(open, |flags| flags.split_once([':', ')', '>']).map_or(flags, |(_, rest)| rest));
    [open, branch].iter().any(|text| text.starts_with('^') || text.starts_with("\\A") || text.starts_with(".*") || text.starts_with(".+"))
}

fn is_anchored_at_end(branch: &str) -> bool {
    let end = branch.trim_end_matches(')').trim_end_matches('?');
    let is_dollar = end.ends_with('$') && !end.ends_with("\\$");
    is_dollar || end.ends_with("\\z") || branch.trim_end_matches(')').ends_with(".*") || branch.trim_end_matches(')').ends_with(".+")
}

/// A size under the kind of times: `ms` is divided by 1000 unless a unit is stated.
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
    let text = format!("`{word}` is no time, but values sent as `ms` are divided by 1000; if they are, write `{unit}`");
    Some(Remark::new(Severity::Note, "size_as_time", &rule.position, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dots_that_seem_to_be_meant_plainly_are_escaped() {
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
    fn anchors_are_seen_in_all_branches() {
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
