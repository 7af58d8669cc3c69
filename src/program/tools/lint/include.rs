//! Decides whether one pattern matches all names that another pattern matches. `true` is proved; `false` can mean that no proof was found.
//!
//! Knows the text of patterns. Must not know rules.

/// Limit of expanded combinations of `{a,b}` groups. Globs with more of them are not compared.
const MAX_PATHS: usize = 64;

/// One symbol of a glob after its groups are expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Text(char),
    /// `*`: any text without a dot.
    Star,
    /// `**`: any text.
    Many,
}

/// Whether the glob `wide` matches every name that the glob `narrow` matches.
pub(super) fn glob_includes(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let segments = |glob: &str| glob.split('.').count();
    // Without `**`, both must have the same number of segments. This excludes most pairs.
    if !wide.contains("**") && (narrow.contains("**") || segments(wide) != segments(narrow)) {
        return false;
    }
    // A plain segment includes no other text and no wildcard.
    let differs = |(wide, narrow): (&str, &str)| wide != narrow && !wide.contains(['*', '{']) && !narrow.contains('{');
    if !wide.contains("**") && wide.split('.').zip(narrow.split('.')).any(differs) {
        return false;
    }
    let (Some(wide), Some(narrow)) = (expanded(wide), expanded(narrow)) else { return false };
    narrow.iter().all(|narrow| wide.iter().any(|wide| includes(wide, narrow)))
}

/// Expands the groups of a glob: returns one glob for each combination of alternatives, or `None` if there are too many.
fn expanded(glob: &str) -> Option<Vec<Vec<Symbol>>> {
    let mut paths = vec![Vec::new()];
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            paths.iter_mut().for_each(|path| path.push(Symbol::Many));
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let (choices, after) = inside.split_once('}')?;
            let with = |path: &Vec<Symbol>, choice: &str| path.iter().copied().chain(choice.chars().map(Symbol::Text)).collect();
            paths = paths.iter().flat_map(|path| choices.split(',').map(move |choice| with(path, choice))).collect();
            rest = after;
        } else {
            let symbol = if c == '*' { Symbol::Star } else { Symbol::Text(c) };
            paths.iter_mut().for_each(|path| path.push(symbol));
            rest = rest.get(c.len_utf8()..)?;
        }
        if paths.len() > MAX_PATHS {
            return None;
        }
    }
    Some(paths)
}

/// Matches `wide` against `narrow` as against a text; a wildcard matches complete wildcards. `reached` has the positions in `narrow` at which
/// the symbols of `wide` so far can end.
fn includes(wide: &[Symbol], narrow: &[Symbol]) -> bool {
    let mut reached = vec![false; narrow.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for symbol in wide {
        let mut next = vec![false; narrow.len() + 1];
        let mut carried = false;
        for (at, is_reached) in reached.iter().enumerate() {
            let taken = at.checked_sub(1).and_then(|before| narrow.get(before));
            let before = at.checked_sub(1).and_then(|before| reached.get(before)).copied().unwrap_or(false);
            let now = match symbol {
                Symbol::Text(_) => before && taken == Some(symbol),
                Symbol::Star => *is_reached || carried && matches!(taken, Some(Symbol::Star)) || carried && is_text_without_dot(taken),
                Symbol::Many => *is_reached || carried,
            };
            carried = now;
            if let Some(place) = next.get_mut(at) {
                *place = now;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

fn is_text_without_dot(symbol: Option<&Symbol>) -> bool {
    matches!(symbol, Some(Symbol::Text(c)) if *c != '.')
}

/// Whether the regular expression `wide` matches every name that `narrow` matches.
pub(super) fn regex_includes(wide: &str, narrow: &str) -> bool {
    if wide == narrow || is_catch_all(wide) {
        return true;
    }
    let (Some(wide), Some(narrow)) = (Run::whole(wide), Run::leading(narrow)) else { return false };
    let fits = |at: usize| wide.atoms.iter().enumerate().all(|(i, atom)| narrow.atoms.get(at + i).is_some_and(|n| atom.includes(*n)));
    if wide.anchored { narrow.anchored && fits(0) } else { (0..narrow.atoms.len()).any(fits) }
}

/// Whether a regular expression is a plain name with unescaped dots.
pub(super) fn is_plain_name(pattern: &str) -> bool {
    Run::whole(pattern).is_some_and(|run| run.rest.is_empty() && !run.anchored)
}

/// Whether a regular expression matches every name.
pub(super) fn is_catch_all(pattern: &str) -> bool {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(inner);
    // `^.$` matches one character only.
    matches!(inner, ".*" | ".+") || matches!(pattern, "." | "^." | ".$" | "(.)" | "" | "^" | "$")
}

/// Whether a glob matches every name.
pub(super) fn is_catch_all_glob(pattern: &str) -> bool {
    pattern == "**"
}

/// One character of a simple regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    Text(char),
    /// `.`
    Any,
}

impl Atom {
    fn includes(self, other: Self) -> bool {
        self == Self::Any || self == other
    }
}

/// The simple characters at the start of a regular expression.
struct Run {
    anchored: bool,
    atoms: Vec<Atom>,
    /// The rest of the expression.
    rest: String,
}

impl Run {
    fn leading(pattern: &str) -> Option<Self> {
        // Alternatives and flags change the meaning of the text before them.
        if pattern.contains('|') || pattern.contains("(?i") || pattern.contains("(?s") {
            return None;
        }
        let (anchored, mut rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
        let mut atoms = Vec::new();
        while let Some(c) = rest.chars().next() {
            let (atom, length) = match c {
                '\\' if rest.starts_with("\\.") => (Atom::Text('.'), 2),
                '.' => (Atom::Any, 1),
                c if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') => (Atom::Text(c), 1),
                _ => break,
            };
            let after = rest.get(length..)?;
            // A repeated character can be absent.
            if after.starts_with(['*', '+', '?', '{']) {
                break;
            }
            atoms.push(atom);
            rest = after;
        }
        Some(Self { anchored, atoms, rest: rest.to_owned() })
    }

    /// The run of an expression that has nothing else.
    fn whole(pattern: &str) -> Option<Self> {
        let run = Self::leading(pattern)?;
        (!run.atoms.is_empty() && matches!(run.rest.as_str(), "" | ".*" | "(.*)" | ".*$" | "(.*)$")).then_some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_include() {
        for (wide, narrow, want) in [
            ("a.*", "a.b", true),
            ("a.*", "a.*", true),
            ("a.b", "a.*", false),
            ("a.*", "a.b.c", false),
            ("a.*.*", "a.b.*", true),
            ("a.*.c", "a.b.*", false),
            ("a.**", "a.*.c", true),
            ("a.**", "a", false),
            ("**", "a.*", true),
            ("*.**", "a.**", true),
            ("a.*", "a.**", false),
            ("a.pre*", "a.pre*fix", true),
            ("a.pre*fix", "a.pre*", false),
            ("a.*x*", "a.yxz", true),
            ("a.{b,c}", "a.b", true),
            ("a.{b,c}", "a.{c,b}", true),
            ("a.{b,c}", "a.{c,d}", false),
            ("a.**.z", "a.b.c.z", true),
            ("a.**.z", "a.*.z", true),
            ("a.**.z", "a.z", false),
            ("*", "**", false),
        ] {
            assert_eq!(glob_includes(wide, narrow), want, "{wide} {narrow}");
        }
    }

    #[test]
    fn regexes_include() {
        for (wide, narrow, want) in [
            (".", "a", true),
            ("^.*$", "a", true),
            ("(.+)", "^a$", true),
            ("^.$", "a", false),
            ("x", "x", true),
            ("foo_(.*)", "^app.foo_bar(.*)", true),
            ("^foo", "^foo\\.bar", true),
            ("^foo", "xfoo", false),
            ("foo$", "foobar", false),
            ("a.b", "a\\.b", true),
            ("a\\.b", "a.b", false),
            ("foo", "fo", false),
            ("foo", "fooo*", true),
            ("foo", "foo*", false),
            ("foo", "foo|bar", false),
            ("foo", "(?i)foo", false),
            ("foo", "(foo)?", false),
        ] {
            assert_eq!(regex_includes(wide, narrow), want, "{wide} {narrow}");
        }
    }
}
