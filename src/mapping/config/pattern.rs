//! Validates patterns, names and labels, and suggests corrections. The rules compile the patterns later.

use super::super::go_syntax::translate;
use crate::name::{NameValidation, is_legacy_label};

/// Reports whether `name` is a valid label name: `[a-zA-Z_][a-zA-Z0-9_]*`, or any non-empty text under [`NameValidation::Utf8`].
pub(super) fn is_label(name: &str, names: NameValidation) -> bool {
    is_legacy_label(name) || names == NameValidation::Utf8 && !name.is_empty()
}

/// Reports whether Prometheus reserves the label.
pub(super) fn is_reserved(name: &str) -> bool {
    name == "le" || name == "quantile" || name.starts_with("__")
}

/// Returns the error text for an invalid label name.
pub(super) fn bad_label(name: &str) -> String {
    // The text repeats the name twice.
    let start: String = name.chars().take(100).collect();
    let name = start.as_str();
    if let Some((label, value)) = name.split_once(':').filter(|(label, _)| is_legacy_label(label)) {
        return format!("`{name}` is not a legal label; separate a label from its value by a `:` and a space: write `{label}: {value}`");
    }
    let mut legal = String::new();
    crate::name::escape_into(name, &mut legal);
    let advice = if legal.is_empty() { "write a name".to_owned() } else { format!("write `{legal}`") };
    format!("`{name}` is not a legal label; a label consists of letters, digits and `_`, and does not start with a digit: {advice}")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Checks the template of a family's name: letters, digits, `_`, `$1` and `${1}`, and no digit at the start. The extended syntax
/// adds `${word}`, a named group. Under [`NameValidation::Utf8`] every character is valid.
pub(super) fn check_name(name: &str, extended: bool, names: NameValidation) -> Result<(), String> {
    let mut rest = name;
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let is_utf8 = names == NameValidation::Utf8;
        let length = if c == '$' { reference(rest, extended) } else { (is_utf8 || is_word(c)).then_some(c.len_utf8()) };
        let Some(length) = length.filter(|_| is_utf8 || !(first && c.is_ascii_digit())) else {
            return Err(bad_name(name, rest, c, first, extended));
        };
        rest = split(rest, length).1;
        first = false;
    }
    Ok(())
}

/// Splits `text` at byte `at`, which is a character boundary.
fn split(text: &str, at: usize) -> (&str, &str) {
    debug_assert!(text.is_char_boundary(at), "{text:?} has no boundary at {at}");
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Returns the length in bytes of the capture reference that `text` starts with.
fn reference(text: &str, extended: bool) -> Option<usize> {
    let after = text.strip_prefix('$')?;
    let (open, body) = after.strip_prefix('{').map_or((0, after), |body| (1, body));
    let digits = body.chars().take_while(char::is_ascii_digit).count();
    let words = body.chars().take_while(|c| is_word(*c)).count();
    let taken = if digits > 0 && (open == 0 || digits == words) {
        digits
    } else if extended && open == 1 && words > 0 {
        words
    } else {
        return None;
    };
    match open {
        1 => body.get(taken..)?.starts_with('}').then_some(taken + 3),
        _ => Some(taken + 1),
    }
}

/// Returns the error text for the name template `name`. `rest` is the text from the invalid character `c` on.
fn bad_name(name: &str, rest: &str, c: char, first: bool, extended: bool) -> String {
    let what = if first && c.is_ascii_digit() {
        format!("the name `{name}` starts with a digit")
    } else if c == '$' {
        if reference(rest, true).is_some() {
            return format!(
                "the name `{name}` has a group's name, which needs `syntax: extended` at the top of the file; or write its number"
            );
        }
        if extended
            && let Some(word) = rest.strip_prefix('$').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        {
            let word: String = word.chars().take_while(|c| is_word(*c)).collect();
            return format!("the name of a group must be in braces: write ${{{word}}}");
        }
        format!("`$` in the name `{name}` is not followed by a capture")
    } else {
        format!("the name `{name}` has `{c}`, which is not allowed in a name")
    };
    let legal = legal_name(name, extended);
    if legal.is_empty() { format!("{what}; write $1 or ${{1}}") } else { format!("{what}; write `{legal}`") }
}

/// Returns a valid template similar to `name`, or an empty text. Other notations for captures, `*`, `{$1}` and `\1`, are converted.
fn legal_name(name: &str, extended: bool) -> String {
    let (mut legal, mut rest, mut stars) = (String::new(), name.trim(), 0);
    while let Some(c) = rest.chars().next() {
        let digits = |after: &str| after.chars().take_while(char::is_ascii_digit).count();
        let (taken, text) = if let Some(taken) = reference(rest, extended) {
            (taken, split(rest, taken).0.to_owned())
        } else if let Some(taken) = rest
            .strip_prefix('{')
            .and_then(|after| reference(after, extended))
            .filter(|at| rest.get(at + 1..).is_some_and(|rest| rest.starts_with('}')))
        {
            (taken + 2, split(split(rest, 1).1, taken).0.to_owned())
        } else if let Some(after) = rest.strip_prefix('\\')
            && digits(after) > 0
        {
            let taken = digits(after);
            (1 + taken, format!("${{{}}}", split(after, taken).0))
        } else if c == '*' {
            stars += 1;
            (1, format!("${{{stars}}}"))
        } else if c == '$' {
            // The intended capture is unknown.
            return String::new();
        } else if is_word(c) {
            (c.len_utf8(), c.to_string())
        } else {
            (c.len_utf8(), "_".to_owned())
        };
        legal.push_str(&text);
        rest = split(rest, taken).1;
    }
    if legal.starts_with(|c: char| c.is_ascii_digit()) { format!("_{legal}") } else { legal }
}

/// Checks a glob for metric names. `extended` is true if the file has `syntax: extended`.
pub(super) fn check_glob(glob: &str, extended: bool) -> Result<(), String> {
    if glob.is_empty() {
        return Err("an empty `match` matches nothing; write a pattern such as \"app.*.requests\"".to_owned());
    }
    if let Some(c) = glob.chars().find(|c| matches!(c, '\\' | '^' | '$' | '(' | ')' | '[' | ']' | '+' | '?')) {
        return Err(format!("`{glob}` has `{c}` and looks like a regular expression; if it is one, write `match_type: regex`"));
    }
    if let Some(c) = glob.chars().find(|c| matches!(c, ':' | '|') || c.is_control()) {
        return Err(format!("`{glob}` has {c:?}, which never occurs in a name on the wire"));
    }
    let mut depth = 0_usize;
    for (index, segment) in glob.split('.').enumerate() {
        if segment.is_empty() {
            return Err(format!("`{glob}` has an empty segment; write `*` for any"));
        }
        depth += segment.matches('{').count();
        depth = depth.saturating_sub(segment.matches('}').count());
        if depth > 0 {
            return Err(format!("`{glob}`: braces must open and close within one segment, as in `a.{{b,c}}.d`"));
        }
        let fault = if extended { extended_fault(segment) } else { plain_fault(segment, index == 0) };
        if let Some(fault) = fault {
            return Err(format!("`{glob}`: {fault}"));
        }
    }
    Ok(())
}

/// Returns why statsd_exporter rejects a segment, or `None` if it accepts it.
fn plain_fault(segment: &str, first: bool) -> Option<String> {
    const REMEDY: &str = "write `syntax: extended` at the top of the file, or use `match_type: regex`";
    if segment == "*" {
        return None;
    }
    if segment.contains(['*', '{', '}']) {
        return Some(format!("`{segment}` is more than a whole `*`: {REMEDY}"));
    }
    if let Some(c) = segment.chars().find(|c| !is_word(*c) && *c != '-') {
        return Some(format!("`{segment}` has `{c}`; only letters, digits, `_` and `-` stand there: {REMEDY}"));
    }
    if segment.starts_with('-') || first && segment.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(format!("`{segment}` starts with what statsd_exporter refuses: {REMEDY}"));
    }
    None
}

/// Returns why a segment is invalid in the extended syntax.
fn extended_fault(segment: &str) -> Option<String> {
    match segment {
        "**" => None,
        _ if segment.trim() != segment => Some(format!("`{segment}` has a space at an end")),
        _ => value_fault(segment),
    }
}

/// Returns why a glob for a single text, such as `*`, `pre*fix` or `{a,b}`, is invalid. Braces do not nest.
pub(super) fn value_fault(glob: &str) -> Option<String> {
    if glob.is_empty() {
        return Some("an empty pattern matches nothing; write `*` for any text".to_owned());
    }
    if glob.contains("**") {
        return Some(format!("`{glob}`: `**` stands alone between dots; within a segment one `*` is enough"));
    }
    let mut alternatives: Option<&str> = None;
    for (index, c) in glob.char_indices() {
        match (c, alternatives) {
            ('{', None) => alternatives = glob.get(index + 1..),
            ('{', Some(_)) => return Some(format!("`{glob}`: braces do not nest; write all alternatives in one pair")),
            ('}', None) => return Some(format!("`{glob}`: a `}}` without its `{{`")),
            ('}', Some(from)) => {
                let inside = from.split_once('}').map_or(from, |(inside, _)| inside);
                if inside.contains('*') || inside.split(',').any(str::is_empty) {
                    return Some(format!("`{glob}`: alternatives are plain texts, none of them empty"));
                }
                alternatives = None;
            }
            _ => {}
        }
    }
    alternatives.map(|_| format!("`{glob}`: a `{{` without its `}}`"))
}

/// Checks the syntax of a regular expression. The error is one line and suggests a replacement for unsupported Go syntax. The size is
/// checked when the rules compile the expression.
pub(super) fn check_regex(regex: &str) -> Result<(), String> {
    let Err(fault) = translate(regex) else { return Ok(()) };
    let glob = if regex.starts_with(['*', '+', '?']) { "; if it is a glob, write `match_type: glob`" } else { "" };
    Err(format!("the regular expression `{regex}` does not compile: {fault}{glob}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_of_both_syntaxes() {
        for glob in ["*", "a", "a.*.b", "a-b.0c.*", "_a"] {
            assert_eq!(check_glob(glob, false), Ok(()), "{glob}");
            assert_eq!(check_glob(glob, true), Ok(()), "{glob}");
        }
        for glob in ["a.**", "**", "pre*fix.b", "a.{b,c}.d", "a.x{b,c}*", "0a", "-a", "a b", "é"] {
            assert!(check_glob(glob, false).unwrap_err().contains("syntax: extended"), "{glob}");
            assert_eq!(check_glob(glob, true), Ok(()), "{glob}");
        }
        for glob in
            ["", ".", "a..b", "a.", "a.b***", "a**b", "{a", "a}", "{a,{b}}", "{a,}", "{a*}", "{a.b}", " a", "a:b", "a\\.b", "(a)", "a|b"]
        {
            assert!(check_glob(glob, false).is_err(), "{glob}");
            assert!(check_glob(glob, true).is_err(), "{glob}");
        }
    }

    #[test]
    fn names() {
        for name in ["a", "$1", "${1}", "$1_total", "a_$10_${2}b", "_", "$1$2", "${1}2"] {
            assert_eq!(check_name(name, false, NameValidation::Legacy), Ok(()), "{name}");
        }
        for name in ["0a", "a.b", "a b", "a:b", "$", "$$1", "${", "${}", "${1", "a$", "$x", "é"] {
            assert!(check_name(name, false, NameValidation::Legacy).is_err(), "{name}");
            assert!(check_name(name, true, NameValidation::Legacy).is_err(), "{name}");
        }
        for (name, says) in [
            ("1foo bar", "write `_1foo_bar`"),
            ("1.$1", "write `_1_$1`"),
            (" a.b-c é", "write `a_b_c__`"),
            ("a_{$1}", "write `a_$1`"),
            ("a_*_*", "write `a_${1}_${2}`"),
            ("a_\\1", "write `a_${1}`"),
            ("$a b", "write $1 or ${1}"),
            ("${x}_n", "`syntax: extended`"),
        ] {
            let text = check_name(name, false, NameValidation::Legacy).unwrap_err();
            assert!(text.contains(says), "{name}: {text}");
            let legal = legal_name(name, false);
            assert!(legal.is_empty() || check_name(&legal, false, NameValidation::Legacy).is_ok(), "{name}: {legal}");
        }
        assert!(check_name("a_$x", true, NameValidation::Legacy).unwrap_err().contains("write ${x}"));
        assert_eq!(check_name("${x}_n", true, NameValidation::Legacy), Ok(()));
    }

    #[test]
    fn labels() {
        assert!(is_label("x", NameValidation::Legacy) && is_label("_x9", NameValidation::Legacy) && is_label("le", NameValidation::Legacy));
        assert!(
            !is_label("", NameValidation::Legacy)
                && !is_label("1x", NameValidation::Legacy)
                && !is_label("x.y", NameValidation::Legacy)
                && !is_label("é", NameValidation::Legacy)
        );
        assert!(bad_label("x.y").contains("`x_y`"));
    }
}
