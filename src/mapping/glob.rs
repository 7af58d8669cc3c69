//! Globs of names: `a.*.b`, `**`, `pre*fix`, `{a,b}`. Parses patterns, captures, and explains mismatches.
//!
//! A name is split at its dots. `*` alone is one segment, which may be empty; `**` alone is one or more segments; within a segment
//! `*` is any text and `{a,b}` one of several texts. Each wildcard and group is a capture, numbered from 1 from the left. The trie decides
//! which of several matching globs applies.

use std::ops::Range;

use super::tried::Outcome;
use super::wild::{MAX_PIECES, Piece, Wild, parse_pieces};

/// The largest length of a pattern in bytes. Names are not longer, so a longer pattern would match nothing.
const MAX_PATTERN_BYTES: usize = 2_048;
/// The largest number of paths of one pattern: see [`Glob::paths`].
const MAX_PATHS: usize = 256;

/// One segment of a path: see [`Glob::paths`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Exactly this text.
    Literal(String),
    /// `pre*fix`: pieces, a star among them, no groups, no two neighbours of the same sort.
    Partial(Vec<Piece>),
    /// Any one segment.
    Star,
    /// One or more segments.
    Many,
}

/// A parsed glob.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// Each segment's text as written, and its parsed form.
    segments: Vec<(String, Segment)>,
    /// The pattern for captures, if a wildcard is not a whole segment.
    wild: Option<Wild>,
}

#[derive(Debug, Clone)]
enum Segment {
    Pieces(Vec<Piece>),
    Many,
}

impl Glob {
    /// Parses `pattern`. An error is a sentence.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("It is {} bytes long; at most {MAX_PATTERN_BYTES} are allowed.", pattern.len()));
        }
        let mut segments = Vec::new();
        for text in split(pattern)? {
            let segment = if text == "**" { Segment::Many } else { Segment::Pieces(parse_segment(text)?) };
            segments.push((text.to_owned(), segment));
        }
        let pieces = |(_, segment): &(String, Segment)| if let Segment::Pieces(pieces) = segment { pieces.len() } else { 1 };
        if segments.iter().map(pieces).sum::<usize>() > MAX_PIECES {
            return Err(format!("It has more than {MAX_PIECES} segments and wildcards."));
        }
        let mut glob = Self { segments, wild: None };
        if !glob.is_plain() {
            glob.wild = Some(glob.to_wild());
            if glob.count_paths() > MAX_PATHS {
                return Err(format!("Its groups `{{..}}` make more than {MAX_PATHS} combinations; split it into several rules."));
            }
        }
        Ok(glob)
    }

    fn is_plain(&self) -> bool {
        self.segments.iter().all(|(_, segment)| match segment {
            Segment::Pieces(pieces) => matches!(pieces.as_slice(), [Piece::Text(_) | Piece::Star]),
            Segment::Many => false,
        })
    }

    fn to_wild(&self) -> Wild {
        let mut wild = Wild::new();
        for (number, (_, segment)) in self.segments.iter().enumerate() {
            if number > 0 {
                wild.push_text(".");
            }
            match segment {
                Segment::Pieces(pieces) => wild.push_all(pieces, false),
                Segment::Many => wild.push_star(true),
            }
        }
        wild
    }

    /// The number of captures.
    pub(super) fn captures_len(&self) -> usize {
        let of = |segment: &Segment| match segment {
            Segment::Pieces(pieces) => pieces.iter().filter(|piece| !matches!(piece, Piece::Text(_))).count(),
            Segment::Many => 1,
        };
        self.segments.iter().map(|(_, segment)| of(segment)).sum()
    }

    /// Returns the captures as ranges of bytes of `name`; `None` if `name` does not match.
    pub(super) fn captures(&self, name: &str) -> Option<Vec<Range<usize>>> {
        if let Some(wild) = &self.wild {
            return wild.captures(name);
        }
        let mut taken = Vec::new();
        let mut start = 0;
        let mut parts = name.split('.');
        for (text, segment) in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Pieces(pieces) if matches!(pieces.as_slice(), [Piece::Star]) => taken.push(start..start + part.len()),
                _ if text != part => return None,
                _ => {}
            }
            start += part.len() + 1;
        }
        parts.next().is_none().then_some(taken)
    }

    /// Expands the groups: returns one path for each combination of alternatives.
    pub(super) fn paths(&self) -> Vec<Vec<Step>> {
        let mut paths = vec![Vec::new()];
        for (_, segment) in &self.segments {
            let steps = match segment {
                Segment::Many => vec![Step::Many],
                Segment::Pieces(pieces) => written_out(pieces).into_iter().map(step).collect(),
            };
            paths = paths.iter().flat_map(|path| steps.iter().map(|step| [path.as_slice(), std::slice::from_ref(step)].concat())).collect();
        }
        paths
    }

    fn count_paths(&self) -> usize {
        let mut count = 1_usize;
        for (_, segment) in &self.segments {
            let Segment::Pieces(pieces) = segment else { continue };
            for piece in pieces {
                if let Piece::Choice(choices) = piece {
                    count = count.saturating_mul(choices.len());
                }
            }
        }
        count
    }

    /// Why `name` does not match; `None` if it matches.
    pub(super) fn mismatch(&self, name: &str) -> Option<Outcome> {
        if self.captures(name).is_some() {
            return None;
        }
        let mut parts = name.split('.');
        for (number, (text, segment)) in self.segments.iter().enumerate() {
            let Segment::Pieces(pieces) = segment else { return Some(Outcome::NoMatch) };
            let Some(part) = parts.next() else {
                return Some(Outcome::TooFewSegments { wants: self.segments.len(), has: name.split('.').count() });
            };
            let mut wild = Wild::new();
            wild.push_all(pieces, false);
            if !wild.fits(part) {
                return Some(Outcome::Segment { number: number + 1, wants: text.clone(), has: part.to_owned() });
            }
        }
        Some(Outcome::TooManySegments { wants: self.segments.len(), has: name.split('.').count() })
    }
}

/// Splits `pattern` into segments. A dot in braces is an error, because a group cannot span several segments.
fn split(pattern: &str) -> Result<Vec<&str>, String> {
    let mut depth = 0_i32;
    for c in pattern.chars() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            '.' if depth > 0 => return Err("A group `{..}` is part of one segment: it cannot contain a dot.".to_owned()),
            _ => 0,
        };
    }
    Ok(pattern.split('.').collect())
}

/// Parses one segment. The configuration's reader checks the allowed characters, because they depend on the file's syntax.
fn parse_segment(text: &str) -> Result<Vec<Piece>, String> {
    if text.is_empty() {
        return Err("A segment is empty: a name cannot start or end with a dot, or contain two in a row.".to_owned());
    }
    parse_pieces(text)
}

/// Expands the groups of a segment: one list of pieces for each combination of alternatives.
fn written_out(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut all = vec![Vec::new()];
    for piece in pieces {
        let alternatives: Vec<Piece> = match piece {
            Piece::Choice(choices) => choices.iter().cloned().map(Piece::Text).collect(),
            other => vec![other.clone()],
        };
        all = all.iter().flat_map(|before| alternatives.iter().map(|next| joined(before, next))).collect();
    }
    all
}

/// Appends `next` to `before` and merges adjacent pieces of the same kind.
fn joined(before: &[Piece], next: &Piece) -> Vec<Piece> {
    let mut all = before.to_vec();
    match (all.last_mut(), next) {
        (_, Piece::Text(text)) if text.is_empty() => {}
        (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(text),
        (Some(Piece::Star), Piece::Star) => {}
        _ => all.push(next.clone()),
    }
    all
}

fn step(pieces: Vec<Piece>) -> Step {
    match pieces.as_slice() {
        [] => Step::Literal(String::new()),
        [Piece::Text(text)] => Step::Literal(text.clone()),
        [Piece::Star] => Step::Star,
        _ => Step::Partial(pieces),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
        let glob = Glob::parse(pattern).expect(pattern);
        let found: Option<Vec<&str>> = glob.captures(name).map(|ranges| ranges.into_iter().map(|range| &name[range]).collect());
        assert_eq!(glob.mismatch(name).is_none(), found.is_some());
        if let Some(found) = &found {
            assert_eq!(found.len(), glob.captures_len());
        }
        found
    }

    #[test]
    fn each_wildcard_is_a_capture() {
        for (pattern, name, want) in [
            ("a.*.c", "a.b.c", Some(vec!["b"])),
            ("a.*.c", "a..c", Some(vec![""])),
            ("a.*.*", "a.*.", Some(vec!["*", ""])),
            ("a.*", "a.b.c", None),
            ("a.**", "a.b.c", Some(vec!["b.c"])),
            ("a.**", "a", None),
            ("a.**", "a.", Some(vec![""])),
            ("**.z", "a.b.z", Some(vec!["a.b"])),
            ("**.*", "a.b.c", Some(vec!["a.b", "c"])),
            ("a.b*d.*", "a.bcd.e", Some(vec!["c", "e"])),
            ("a.b*", "a.b.c", None),
            ("{a,b}.*.{c,d}_x", "b.q.d_x", Some(vec!["b", "q", "d"])),
        ] {
            assert_eq!(captures(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for pattern in ["", "a..b", "a.", "a.{b.c,d}", "a.***", "a.x**", "a.{b", "a.b}", "a.{b,*}"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        for (pattern, name) in [("é.*", "é.ü"), ("9.b-c", "9.b-c"), ("a.{b c,d!}", "a.b c"), ("-a", "-a")] {
            assert!(captures(pattern, name).is_some(), "{pattern}");
        }
        assert!(Glob::parse(&"a".repeat(3_000)).is_err());
        assert!(Glob::parse(&["a"; 513].join(".")).is_err());
        assert!(Glob::parse(&["{a,b}"; 9].join(".")).is_err());
        assert_eq!(Glob::parse(&["{a,b}"; 8].join(".")).expect("just few enough").paths().len(), 256);
    }

    #[test]
    fn a_mismatch_says_what_differs() {
        let mismatch = |pattern: &str, name: &str| Glob::parse(pattern).expect(pattern).mismatch(name);
        assert_eq!(mismatch("a.*.c", "a.b.x"), Some(Outcome::Segment { number: 3, wants: "c".into(), has: "x".into() }));
        assert_eq!(mismatch("a.*.c", "a.b"), Some(Outcome::TooFewSegments { wants: 3, has: 2 }));
        assert_eq!(mismatch("a.*", "a.b.c"), Some(Outcome::TooManySegments { wants: 2, has: 3 }));
        assert_eq!(mismatch("a.**.x", "a.b.c"), Some(Outcome::NoMatch));
        assert_eq!(mismatch("a.{b,c}", "a.d"), Some(Outcome::Segment { number: 2, wants: "{b,c}".into(), has: "d".into() }));
    }
}
