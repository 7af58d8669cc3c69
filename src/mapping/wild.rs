//! wild: patterns with wildcards, matched against a text with captures. `*` matches any text, `{a,b}` one of several texts.
//!
//! Wildcards are greedy from the left, and alternatives are tried in the order written, like the equivalent regular expression:
//! `pre*fix` is `^pre(.*)fix$`. The time is at most proportional to the length of the pattern times the length of the text. A wildcard can
//! be limited to text without `.`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// The largest number of pieces of one pattern. Matching recurses once per piece, so the limit bounds the stack.
pub(super) const MAX_PIECES: usize = 512;

/// One piece of a pattern, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text, not empty.
    Text(String),
    /// `*`.
    Star,
    /// `{a,b}`, without duplicates.
    Choice(Vec<String>),
}

/// Parses `pattern` into pieces. An error is a sentence about a brace that is not closed, closed twice or nested, `**`, `*` in braces.
pub(super) fn parse_pieces(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['*', '{', '}']) {
        let (text, special) = rest.split_at(at);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        if let Some(after) = special.strip_prefix('*') {
            if pieces.last() == Some(&Piece::Star) && text.is_empty() {
                return Err("`**` must stand alone between dots; within a segment write one `*`.".to_owned());
            }
            pieces.push(Piece::Star);
            rest = after;
        } else if let Some(after) = special.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or("`{` is not closed by `}`.")?;
            if inside.contains(['{', '*']) {
                return Err(format!("`{{{inside}}}` can contain only plain alternatives: no `*` and no nested braces."));
            }
            let mut choices: Vec<String> = Vec::new();
            let mut known = HashSet::new();
            choices.extend(inside.split(',').filter(|choice| known.insert(*choice)).map(str::to_owned));
            pieces.push(Piece::Choice(choices));
            rest = after;
        } else {
            return Err("`}` closes no `{`.".to_owned());
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    if pieces.len() > MAX_PIECES { Err(format!("It has more than {MAX_PIECES} wildcards and texts between them.")) } else { Ok(pieces) }
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wild {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Star { dots: bool },
    Choice(Vec<String>),
}

impl Wild {
    /// Parses a pattern whose `*` also matches dots.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut wild = Self { tokens: Vec::new() };
        wild.push_all(&parse_pieces(pattern)?, true);
        Ok(wild)
    }

    /// Makes an empty pattern.
    pub(super) fn new() -> Self {
        Self { tokens: Vec::new() }
    }

    /// Appends pieces. `dots`: whether `*` matches dots.
    pub(super) fn push_all(&mut self, pieces: &[Piece], dots: bool) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.push_text(text),
                Piece::Star => self.push_star(dots),
                Piece::Choice(choices) => self.tokens.push(Token::Choice(choices.clone())),
            }
        }
    }

    /// Appends literal text.
    pub(super) fn push_text(&mut self, text: &str) {
        match self.tokens.last_mut() {
            Some(Token::Text(before)) => before.push_str(text),
            _ => self.tokens.push(Token::Text(text.to_owned())),
        }
    }

    /// Appends a wildcard.
    pub(super) fn push_star(&mut self, dots: bool) {
        self.tokens.push(Token::Star { dots });
    }

    /// Whether the pattern matches all of `text`.
    pub(super) fn fits(&self, text: &str) -> bool {
        match self.tokens.as_slice() {
            [] => text.is_empty(),
            [Token::Text(only)] => only == text,
            [Token::Star { dots: true }] => true,
            _ => self.captures(text).is_some(),
        }
    }

    /// Returns the capture of each wildcard and group as a range of bytes, in the order of the pattern; `None` if `text` does not match.
    pub(super) fn captures(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let mut walk = Walk { text, taken: Vec::new(), stars: HashMap::new(), choices: HashSet::new() };
        walk.fits(&self.tokens, 0).then_some(walk.taken)
    }
}

/// One match. A state is the number of remaining tokens and an offset in the text. Whether a state leads to a match does not depend on the
/// path to it, so a state that failed is not tried again.
struct Walk<'a> {
    text: &'a str,
    taken: Vec<Range<usize>>,
    /// For each wildcard, by remaining tokens and the end of the text that it can match: the lowest end that failed.
    stars: HashMap<(usize, usize), usize>,
    choices: HashSet<(usize, usize)>,
}

impl Walk<'_> {
    fn fits(&mut self, tokens: &[Token], at: usize) -> bool {
        let text = self.text;
        let Some((first, rest)) = tokens.split_first() else { return at == text.len() };
        debug_assert!(text.is_char_boundary(at), "literals and wildcards match whole characters");
        let ahead = text.get(at..).unwrap_or_default();
        match first {
            Token::Text(literal) => ahead.starts_with(literal.as_str()) && self.fits(rest, at + literal.len()),
            Token::Choice(choices) => {
                let state = (tokens.len(), at);
                if self.choices.contains(&state) {
                    return false;
                }
                let fits = choices.iter().any(|choice| ahead.starts_with(choice.as_str()) && self.take(rest, at..at + choice.len()));
                if !fits {
                    self.choices.insert(state);
                }
                fits
            }
            Token::Star { dots } => {
                let reach = if *dots { text.len() } else { at + ahead.find('.').unwrap_or(ahead.len()) };
                let state = (tokens.len(), reach);
                let failed_from = self.stars.get(&state).copied().unwrap_or(reach + 1);
                let fits = (at..failed_from.min(reach + 1)).rev().any(|end| text.is_char_boundary(end) && self.take(rest, at..end));
                if !fits {
                    self.stars.insert(state, at.min(failed_from));
                }
                fits
            }
        }
    }

    fn take(&mut self, rest: &[Token], range: Range<usize>) -> bool {
        let (before, end) = (self.taken.len(), range.end);
        self.taken.push(range);
        let fits = self.fits(rest, end);
        if !fits {
            self.taken.truncate(before);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
        let wild = Wild::parse(pattern).expect(pattern);
        let found = wild.captures(text).map(|ranges| ranges.into_iter().map(|range| &text[range]).collect());
        assert_eq!(wild.fits(text), found.is_some(), "{pattern} {text}");
        found
    }

    #[test]
    fn captures_equal_those_of_the_regular_expression() {
        for (pattern, text, want) in [
            ("", "", Some(vec![])),
            ("", "a", None),
            ("a", "a", Some(vec![])),
            ("*", "", Some(vec![""])),
            ("*", "a.é", Some(vec!["a.é"])),
            ("a*", "abc", Some(vec!["bc"])),
            ("*-*", "a-b-c", Some(vec!["a-b", "c"])),
            ("a*b", "ab", Some(vec![""])),
            ("a*b", "abc", None),
            ("{a,ab}*", "abc", Some(vec!["a", "bc"])),
            ("{a,ab}c", "abc", Some(vec!["ab"])),
            ("x{,y}", "x", Some(vec![""])),
            ("é*", "éa", Some(vec!["a"])),
        ] {
            assert_eq!(captures(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn errors_describe_the_mistake() {
        for (pattern, word) in [
            ("a**", "`**`"),
            ("a{b", "not closed"),
            ("a}b", "closes no"),
            ("{a{b}}", "plain"),
            ("{a*}", "plain"),
            (&"a*".repeat(300), "more than"),
        ] {
            let error = parse_pieces(pattern).expect_err(pattern);
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }

    /// Without memory of failed states, each of these patterns takes exponential time.
    #[test]
    fn no_pattern_is_exponential() {
        let text = "a".repeat(1_000);
        assert_eq!(captures(&format!("{}b", "*a".repeat(100)), &text), None);
        assert_eq!(captures(&format!("{}b", "{a,aa,aaa}".repeat(100)), &text), None);
    }
}
