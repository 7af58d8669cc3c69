//! Rules that are regular expressions: one set finds the candidates, the winner's own expression takes the captures.
//!
//! An expression is read as Go reads it and searched anywhere in the name. Its memory is bounded.
//! Knows positions among the expressions; which rule each belongs to is the caller's.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::go_syntax::translate;

/// Compiled bytes of one expression.
const EXPRESSION_BYTES: usize = 1 << 20;
/// Compiled bytes of one set, and of its states while it searches.
const SET_BYTES: usize = 64 << 20;
const SET_CACHE_BYTES: usize = 16 << 20;
/// Expressions of one set. Bigger sets outgrow their states, which makes them slow; smaller ones are searched more often.
const SET_LENGTH: usize = 128;

/// Compiled bytes of one expression that must fit a whole value, and of its states while it searches. Whoever asks for series may
/// send many of them.
const WHOLE_BYTES: usize = 512 << 10;

/// One expression.
#[derive(Debug)]
pub(crate) struct Expression {
    regex: Regex,
}

impl Expression {
    /// Compiles `pattern`. Errors are a sentence.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let translated = translate(pattern)?;
        let built = RegexBuilder::new(&translated).size_limit(EXPRESSION_BYTES).build();
        built.map(|regex| Self { regex }).map_err(|error| said(&error, EXPRESSION_BYTES))
    }

    /// Compiles `pattern` so that it must fit all of a text, `.` being any character: Prometheus' `=~`. Errors are a sentence.
    pub(crate) fn whole(pattern: &str) -> Result<Self, String> {
        let translated = translate(pattern)?;
        let build = |pattern: &str| {
            let built = RegexBuilder::new(pattern).size_limit(WHOLE_BYTES).dfa_size_limit(WHOLE_BYTES).build();
            built.map_err(|error| said(&error, WHOLE_BYTES))
        };
        // By itself first: a bracket of its own must not close the one around it.
        build(&translated)?;
        Ok(Self { regex: build(&format!(r"\A(?s:{translated})\z"))? })
    }

    /// Names of its captures by number; the first is the whole match.
    pub(super) fn names(&self) -> Vec<Option<&str>> {
        self.regex.capture_names().collect()
    }

    /// Whether it is found in `name`; one made by [`whole`](Self::whole): whether it fits all of it.
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }

    /// What each capture took, by number, as ranges of bytes; empty for one that took no part. `None`: it is not found.
    pub(super) fn captures(&self, name: &str) -> Option<Vec<Range<usize>>> {
        let captures = self.regex.captures(name.as_bytes())?;
        Some(captures.iter().map(|group| group.map_or(0..0, |group| group.range())).collect())
    }
}

/// One sentence of the crate's error, which shows the translated pattern over several lines.
fn said(error: &regex::Error, most: usize) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!("It is too big: compiled it takes more than {most} bytes."),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            format!("It is no regular expression: {}.", last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

/// All expressions, searched at once.
#[derive(Debug, Default)]
pub(super) struct ExpressionSet {
    sets: Vec<RegexSet>,
}

impl ExpressionSet {
    /// Of expressions that compiled. An error is a sentence: together they are too big.
    pub(super) fn new(all: &[&Expression]) -> Result<Self, String> {
        let build = |some: &[&Expression]| {
            RegexSetBuilder::new(some.iter().map(|one| one.regex.as_str()))
                .size_limit(SET_BYTES)
                .dfa_size_limit(SET_CACHE_BYTES)
                .build()
                .map_err(|error| format!("Together the regular expressions are too big: {error}"))
        };
        Ok(Self { sets: all.chunks(SET_LENGTH).map(build).collect::<Result<_, _>>()? })
    }

    /// Positions of the expressions that are found in `name`, ascending; later sets are searched only if asked for.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = usize> {
        self.sets
            .iter()
            .enumerate()
            .flat_map(move |(number, set)| set.matches(name.as_bytes()).into_iter().map(move |position| number * SET_LENGTH + position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, name: &str) -> bool {
        Expression::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).fits(name)
    }

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, yes, no) in [
            ("b", "abc", "xyz"),
            ("", "", ""),
            (r"^\d+$", "12", "1٣"),
            (r"^\w$", "a", "é"),
            (r"^\W$", "é", "a"),
            (r"^\s$", "\t", "\u{a0}"),
            (r"^[\w.]+$", "a.b", "a-b"),
            (r"^[^\d]$", "x", "1"),
            (r"é\b", "éa", "é"),
            (r"^a\Bb$", "ab", "a b"),
            (r"\Qa.b\E$", "a.b", "axb"),
            (r"\Qa.b", "a.b", "axb"),
            (r"^a{2}$", "aa", "a{2}"),
            (r"^a{x}$", "a{x}", "ax"),
            (r"^a{,2}$", "a{,2}", "a"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[[]$", "[", "]"),
            (r"^[]a]+$", "]a", "["),
            (r"^[a-]$", "-", "b"),
            (r"^[a-c]$", "b", "-"),
            (r"^[+--]$", ",", "."),
            (r"^[[:alpha:]_]+$", "a_", "1"),
            (r"^[\]\-]$", "]", "a"),
            (r"^\<\_$", "<_", "_"),
            (r"^\x41\x{42}\103\0$", "ABC\0", "A"),
            (r"^\pL\p{Greek}\p{^Greek}$", "aαa", "aaα"),
            (r"^(?i)AB(?-i)C$", "abC", "abc"),
            (r"^(?i:\w+)$", "aB", "-"),
            (r"^(?P<x>a)(?<y>b)$", "ab", "a"),
            (r"^é.$", "éé", "é"),
        ] {
            assert!(found(pattern, yes), "{pattern} {yes}");
            assert!(!found(pattern, no) || yes == no, "{pattern} {no}");
        }
    }

    #[test]
    fn mistakes_are_named_in_one_line() {
        for pattern in
            [r"*\.foo", "a(?=b)", r"(a)\1", r"\8", "[a", "[a-", "(", "a\\", "(?x)a", "(?iu:a)", "a{1000}{1000}{1000}", r"\p{No}{"]
        {
            let Err(error) = Expression::compile(pattern) else {
                assert_eq!(pattern, r"\p{No}{", "{pattern} must not compile");
                continue;
            };
            assert!(error.ends_with('.') && !error.contains('\n'), "{pattern}: {error}");
        }
    }

    #[test]
    fn candidates_come_in_order_over_several_sets() {
        let all: Vec<Expression> = (0..300).map(|n| Expression::compile(&format!("^x{}$", n % 150)).expect("legal")).collect();
        let set = ExpressionSet::new(&all.iter().collect::<Vec<_>>()).expect("small");
        assert_eq!(set.candidates("x7").collect::<Vec<_>>(), [7, 157]);
        assert_eq!(set.candidates("x149").collect::<Vec<_>>(), [149, 299]);
        assert_eq!(set.candidates("y").next(), None);
        assert_eq!(ExpressionSet::default().candidates("y").next(), None);
    }
}
