//! regex: rules that are regular expressions. A set finds the candidates; the expression of the rule that applies gives the captures.
//!
//! Expressions have Go's syntax and match anywhere in the name. Their memory is bounded. The caller maps positions to rules.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::go_syntax::{Translated, translate};

/// The maximum size of one compiled expression in bytes.
const EXPRESSION_BYTES: usize = 1 << 20;
/// The maximum size of one compiled set in bytes, and of the states that it caches during a search.
const SET_BYTES: usize = 64 << 20;
const SET_CACHE_BYTES: usize = 16 << 20;
/// Expressions in one set. A larger set overflows its cache of states, which makes it slow; smaller sets mean more searches.
const SET_LENGTH: usize = 128;

/// The maximum size of one compiled expression of a selector in bytes, and of its cache. Lower, because an API client can send many of
/// them.
const WHOLE_BYTES: usize = 512 << 10;

/// One expression.
#[derive(Debug)]
pub(crate) struct Expression {
    regex: Regex,
    /// By number; the first is the whole match.
    names: Vec<Option<String>>,
}

impl Expression {
    /// Compiles `pattern`. An error is a sentence.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let Translated { text, names } = translate(pattern).map_err(|fault| sentence(&fault))?;
        let built = RegexBuilder::new(&text).size_limit(EXPRESSION_BYTES).build();
        built.map(|regex| Self { regex, names }).map_err(|error| compile_error(&error, EXPRESSION_BYTES))
    }

    /// Compiles `pattern` to match the whole text, with `.` for any character, like `=~` of Prometheus. An error is a sentence.
    pub(crate) fn whole(pattern: &str) -> Result<Self, String> {
        let Translated { text, names } = translate(pattern).map_err(|fault| sentence(&fault))?;
        let build = |pattern: &str| {
            let built = RegexBuilder::new(pattern).size_limit(WHOLE_BYTES).dfa_size_limit(WHOLE_BYTES).build();
            built.map_err(|error| compile_error(&error, WHOLE_BYTES))
        };
        Ok(Self { regex: build(&format!(r"\A(?s:{text})\z"))?, names })
    }

    /// Names of its captures by number; the first is the whole match.
    pub(super) fn names(&self) -> Vec<Option<&str>> {
        self.names.iter().map(Option::as_deref).collect()
    }

    /// Whether the expression matches in `name`, or all of `name` for an expression made by [`whole`](Self::whole).
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }

    /// Returns the captures by number as ranges of bytes, empty for a group without a match; `None` if the expression does not match.
    pub(super) fn captures(&self, name: &str) -> Option<Vec<Range<usize>>> {
        let captures = self.regex.captures(name.as_bytes())?;
        Some(captures.iter().map(|group| group.map_or(0..0, |group| group.range())).collect())
    }
}

fn sentence(fault: &str) -> String {
    format!("It is not a valid regular expression: {fault}.")
}

/// Makes one sentence of the crate's error, which shows the translated pattern over several lines.
fn compile_error(error: &regex::Error, max_bytes: usize) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!("It is too big: compiled it takes more than {max_bytes} bytes."),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            sentence(last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

/// All expressions, for one search.
#[derive(Debug, Default)]
pub(super) struct ExpressionSet {
    sets: Vec<RegexSet>,
}

impl ExpressionSet {
    /// Makes a set of compiled expressions. An error is a sentence: the set is too big.
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

    /// Positions of the expressions that match in `name`, ascending. A set is searched only when the iterator reaches it.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = usize> {
        self.sets
            .iter()
            .enumerate()
            .flat_map(move |(number, set)| set.matches(name.as_bytes()).into_iter().map(move |position| number * SET_LENGTH + position))
    }
}

#[cfg(test)]
mod re2_tests;

#[cfg(test)]
mod tests {
    use super::*;

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
