//! trie: all globs in one trie over segments. Literals are found by hash, so the time of a search does not depend on their number.
//!
//! The search asks the caller whether a rule's kind and tags match, so a rule that does not match never hides another one. Every node is
//! visited at most once per offset in the name, so no search is exponential.

use std::cmp::Reverse;
use std::collections::HashSet;

use hashbrown::{Equivalent, HashMap};
use rapidhash::quality::RandomState;

use super::glob::Step;
use super::wild::{Piece, Wild};

/// The automaton. Empty, it matches nothing.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// Patterns without wildcards, and their rules in ascending order.
    literals: HashMap<Box<str>, Vec<u32>, RandomState>,
    /// The first node is the root. Empty if no pattern has wildcards.
    nodes: Vec<TrieNode>,
}

#[derive(Debug)]
struct TrieNode {
    literals: HashMap<Box<str>, u32, RandomState>,
    partials: Partials,
    star: Option<u32>,
    /// The child for `**`, reached after one or more segments.
    many: Option<u32>,
    /// Rules that end here, ascending.
    rules: Vec<u32>,
    /// The lowest rule here or below.
    lowest: u32,
    /// Whether an ancestor is a `**`. Then several paths reach the same state, and the search must remember visited states.
    below_many: bool,
}

/// Which of several matching rules applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The first in the file.
    File,
    /// From the left, a literal before `pre*fix` (more literal text first) before `*` before `**`; then the first in the file.
    Specific,
}

impl Trie {
    /// Adds one path of a rule. Rules come in ascending order.
    pub(super) fn insert(&mut self, path: &[Step], rule: u32) {
        let text = |step: &Step| if let Step::Literal(text) = step { Some(text.clone()) } else { None };
        if let Some(texts) = path.iter().map(text).collect::<Option<Vec<String>>>() {
            let rules = self.literals.entry(texts.join(".").into_boxed_str()).or_default();
            push_once(rules, rule);
            return;
        }
        if self.nodes.is_empty() {
            self.nodes.push(TrieNode::new(rule, false));
        }
        let mut at = 0;
        for step in path {
            at = self.child(at, step, rule);
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            push_once(&mut node.rules, rule);
        }
    }

    fn child(&mut self, at: u32, step: &Step, rule: u32) -> u32 {
        let fresh = u32::try_from(self.nodes.len());
        debug_assert!(fresh.is_ok(), "nodes take more than 100 bytes each, so 4 billion of them do not fit into memory");
        let fresh = fresh.unwrap_or(u32::MAX);
        debug_assert!((at as usize) < self.nodes.len(), "children are indices of nodes");
        let Some(node) = self.nodes.get_mut(at as usize) else { return fresh };
        let below_many = node.below_many || *step == Step::Many;
        let child = match step {
            Step::Literal(text) => *node.literals.entry(text.clone().into_boxed_str()).or_insert(fresh),
            Step::Partial(pieces) => node.partials.child(pieces, fresh),
            Step::Star => *node.star.get_or_insert(fresh),
            Step::Many => *node.many.get_or_insert(fresh),
        };
        if child == fresh {
            self.nodes.push(TrieNode::new(rule, below_many));
        }
        child
    }

    /// Finds the rule that applies to `name`, among those that `fits` accepts.
    pub(super) fn find(&self, name: &str, order: Order, fits: &dyn Fn(u32) -> bool) -> Option<u32> {
        let exact = self.literals.get(name).and_then(|rules| rules.iter().copied().find(|rule| fits(*rule)));
        if exact.is_some() && order == Order::Specific || self.nodes.is_empty() {
            return exact;
        }
        let mut search = Search { trie: self, name, order, fits, best: exact, seen: HashSet::new() };
        search.visit(0, Some(0));
        search.best
    }
}

impl TrieNode {
    fn new(lowest: u32, below_many: bool) -> Self {
        Self { literals: HashMap::default(), partials: Partials::default(), star: None, many: None, rules: Vec::new(), lowest, below_many }
    }
}

fn push_once(rules: &mut Vec<u32>, rule: u32) {
    if rules.last() != Some(&rule) {
        rules.push(rule);
    }
}

/// The offset of the next segment; `None` at the end of the name.
type Rest = Option<usize>;

struct Search<'a> {
    trie: &'a Trie,
    name: &'a str,
    order: Order,
    fits: &'a dyn Fn(u32) -> bool,
    best: Option<u32>,
    /// Visited states: nodes of a `**` below another `**`, each with the offset.
    seen: HashSet<(u32, Rest)>,
}

impl<'a> Search<'a> {
    /// Searches from a node. Returns whether the search is complete.
    fn visit(&mut self, at: u32, rest: Rest) -> bool {
        let trie: &'a Trie = self.trie;
        debug_assert!((at as usize) < trie.nodes.len(), "children are indices of nodes");
        let Some(node) = trie.nodes.get(at as usize) else { return false };
        if self.best.is_some_and(|best| best <= node.lowest) {
            return false;
        }
        let Some((segment, rest)) = self.segment(rest) else { return self.end(node) };
        if let Some(child) = node.literals.get(segment)
            && self.visit(*child, rest)
        {
            return true;
        }
        if !node.partials.all.is_empty() {
            for child in node.partials.fitting(segment) {
                if self.visit(child, rest) {
                    return true;
                }
            }
        }
        if let Some(child) = node.star
            && self.visit(child, rest)
        {
            return true;
        }
        node.many.is_some_and(|child| self.visit_many(child, node.below_many, rest))
    }

    /// A node of `**` after one segment, then after two, and so on.
    fn visit_many(&mut self, at: u32, ways_meet: bool, mut rest: Rest) -> bool {
        loop {
            if ways_meet && !self.seen.insert((at, rest)) {
                return false;
            }
            if self.visit(at, rest) {
                return true;
            }
            let Some((_, next)) = self.segment(rest) else { return false };
            rest = next;
        }
    }

    fn end(&mut self, node: &TrieNode) -> bool {
        let better = |rule: &u32| self.best.is_none_or(|best| *rule < best) && (self.fits)(*rule);
        match node.rules.iter().copied().find(better) {
            Some(rule) => {
                self.best = Some(rule);
                self.order == Order::Specific
            }
            None => false,
        }
    }

    fn segment(&self, rest: Rest) -> Option<(&'a str, Rest)> {
        let start = rest?;
        let ahead = self.name.get(start..)?;
        match memchr::memchr(b'.', ahead.as_bytes()) {
            Some(length) => Some((ahead.get(..length)?, Some(start + length + 1))),
            None => Some((ahead, None)),
        }
    }
}

/// The segments `pre*fix` of a node, indexed by their literal start and end.
#[derive(Debug, Default)]
struct Partials {
    all: Vec<Partial>,
    /// The lengths of start and end, without duplicates.
    shapes: Vec<(usize, usize)>,
    by_ends: HashMap<(Box<str>, Box<str>), Vec<usize>, RandomState>,
}

#[derive(Debug)]
struct Partial {
    pieces: Vec<Piece>,
    literal_bytes: usize,
    /// The pattern between start and end; `None` matches any text.
    middle: Option<Wild>,
    child: u32,
}

#[derive(Hash)]
struct SegmentEnds<'a>(&'a str, &'a str);

impl Equivalent<(Box<str>, Box<str>)> for SegmentEnds<'_> {
    fn equivalent(&self, key: &(Box<str>, Box<str>)) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1
    }
}

impl Partials {
    /// Returns the child for `pieces`. If there is none, adds `fresh`.
    fn child(&mut self, pieces: &[Piece], fresh: u32) -> u32 {
        let (start, between) = match pieces {
            [Piece::Text(start), between @ ..] => (start.as_str(), between),
            between => ("", between),
        };
        let (end, between) = match between {
            [between @ .., Piece::Text(end)] => (end.as_str(), between),
            between => ("", between),
        };
        let known = self.by_ends.entry((start.into(), end.into())).or_default();
        if let Some(partial) = known.iter().filter_map(|index| self.all.get(*index)).find(|partial| partial.pieces == pieces) {
            return partial.child;
        }
        known.push(self.all.len());
        let shape = (start.len(), end.len());
        if !self.shapes.contains(&shape) {
            self.shapes.push(shape);
        }
        let literal_bytes = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 }).sum();
        let middle = (between.len() > 1).then(|| {
            let mut wild = Wild::new();
            wild.push_all(between, false);
            wild
        });
        self.all.push(Partial { pieces: pieces.to_vec(), literal_bytes, middle, child: fresh });
        fresh
    }

    /// Returns the children whose pattern matches `segment`, ordered by length of literal text (longest first), then as in the file.
    fn fitting(&self, segment: &str) -> impl Iterator<Item = u32> {
        let mut found = Vec::new();
        for (start, end) in &self.shapes {
            let ends_at = segment.len().checked_sub(*end).filter(|ends_at| start <= ends_at);
            let parts = ends_at.and_then(|ends_at| Some((segment.get(..*start)?, segment.get(*start..ends_at)?, segment.get(ends_at..)?)));
            let Some((start, middle, end)) = parts else { continue };
            for index in self.by_ends.get(&SegmentEnds(start, end)).into_iter().flatten() {
                if let Some(partial) = self.all.get(*index)
                    && partial.middle.as_ref().is_none_or(|wild| wild.fits(middle))
                {
                    found.push((Reverse(partial.literal_bytes), *index, partial.child));
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, child)| child)
    }
}
