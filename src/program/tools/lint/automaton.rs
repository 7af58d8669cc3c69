//! statsd_exporter's automaton of globs with `glob_disable_ordering`. It prefers a plain segment to `*`, and backtracks to `*` only if its own
//! test of the rules requires it, which often fails.
//!
//! Must not know how the bridge matches a name.

use std::collections::BTreeMap;

use crate::mapping::spec::{MatchType, MetricKind, Rule};

/// The kinds that statsd_exporter has.
pub(super) const KINDS: [MetricKind; 3] = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Observer];

/// All globs of a configuration.
pub(super) struct Automaton {
    roots: [Node; KINDS.len()],
    /// Whether it backtracks, and so finds all rules.
    pub(super) backtracks: bool,
}

#[derive(Default)]
struct Node {
    next: BTreeMap<String, Node>,
    /// The range of the number of following segments.
    min: usize,
    max: usize,
    rule: Option<usize>,
}

impl Automaton {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut roots = [Node::default(), Node::default(), Node::default()];
        let globs: Vec<&str> = rules.iter().filter(|rule| rule.match_type == MatchType::Glob).map(|rule| rule.pattern.as_str()).collect();
        for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.match_type == MatchType::Glob) {
            for (root, _) in roots.iter_mut().zip(KINDS).filter(|(_, kind)| rule.kind.is_none_or(|own| own == *kind)) {
                root.insert(&rule.pattern, index);
            }
        }
        Self { roots, backtracks: globs.iter().enumerate().any(|(index, glob)| requires_backtracking(glob, index, &globs)) }
    }

    /// The rule that it finds without backtracking.
    pub(super) fn find(&self, name: &str, kind: MetricKind) -> Option<usize> {
        let (mut node, _) = self.roots.iter().zip(KINDS).find(|(_, known)| *known == kind)?;
        let count = name.split('.').count();
        for (place, segment) in name.split('.').enumerate() {
            let left = count - place - 1;
            let fits = |node: &&Node| (node.min..=node.max).contains(&left);
            node = node.next.get(segment).filter(fits).or_else(|| node.next.get("*").filter(fits))?;
        }
        node.rule
    }
}

impl Node {
    fn insert(&mut self, glob: &str, rule: usize) {
        let count = glob.split('.').count();
        let mut node = self;
        for (place, segment) in glob.split('.').enumerate() {
            let left = count - place - 1;
            let is_new = !node.next.contains_key(segment);
            node = node.next.entry(segment.to_owned()).or_default();
            node.min = if is_new { left } else { node.min.min(left) };
            node.max = node.max.max(left);
            if is_new && left == 0 {
                node.rule = Some(rule);
            }
        }
    }
}

/// The automaton's test for backtracking: whether another glob of the same length has the same text before a `*` of this glob,
/// unless one of the two matches the text of the other.
fn requires_backtracking(glob: &str, index: usize, all: &[&str]) -> bool {
    let length = glob.split('.').count();
    let others =
        || all.iter().enumerate().filter(|(at, other)| *at != index && other.split('.').count() == length).map(|(_, other)| *other);
    let begins = |(at, _): (usize, &str)| glob.get(..at).is_some_and(|start| others().any(|other| other.starts_with(start)));
    let matches = |wide: &str, narrow: &str| wide.split('.').zip(narrow.split('.')).all(|(wide, narrow)| wide == "*" || wide == narrow);
    glob.match_indices('*').any(begins) && !others().any(|other| matches(glob, other) || matches(other, glob))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mapping::spec::Position;

    fn automaton(globs: &[&str]) -> Automaton {
        let position = Position { file: Arc::from("m.yml"), line: 1, column: 1 };
        Automaton::new(&globs.iter().map(|glob| Rule::new(position.clone(), MatchType::Glob, *glob)).collect::<Vec<_>>())
    }

    #[test]
    fn it_backtracks_only_if_its_test_requires_it() {
        for (globs, backtracks) in [
            (&["a.*.b", "a.c.d"][..], true),
            (&["a.*.*", "a.b.c"], false),
            (&["a.*.*", "a.*.b", "a.c.b"], false),
            (&["a.*.d", "a.b.c", "a.*.*"], false),
            (&["a.*", "b.c"], false),
            (&["a.*.c", "a.b.*.d"], false),
        ] {
            assert_eq!(automaton(globs).backtracks, backtracks, "{globs:?}");
        }
    }

    #[test]
    fn it_prefers_plain_segments_and_does_not_backtrack() {
        let one = automaton(&["a.*.*", "a.b.c", "d.e.f", "d.e"]);
        let find = |name| one.find(name, MetricKind::Gauge);
        assert_eq!((find("a.b.c"), find("a.x.c"), find("a.b.x")), (Some(1), Some(0), None));
        assert_eq!((find("d.e.f"), find("d.e"), find("d"), find("a.b")), (Some(2), None, None, None));
        // If the length differs, it takes the other branch at once.
        let two = automaton(&["a.*", "a.b.c"]);
        assert_eq!((two.find("a.b", MetricKind::Counter), two.find("a.b", MetricKind::Set)), (Some(0), None));
    }
}
