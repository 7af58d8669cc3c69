//! statsd_exporter's automaton of globs, where the order of rules is off: it takes a plain segment before `*`, and goes back to `*` only
//! if its own test of the rules says that this is needed, which it often does not.
//!
//! Must not know what the bridge makes of a name.

use std::collections::BTreeMap;

use crate::mapping::spec::{MatchType, MetricKind, Rule};

/// Kinds that it has.
pub(super) const KINDS: [MetricKind; 3] = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Observer];

/// All globs of a configuration.
pub(super) struct Automaton {
    roots: [Node; KINDS.len()],
    /// Whether it goes back, and so finds every rule.
    pub(super) goes_back: bool,
}

#[derive(Default)]
struct Node {
    next: BTreeMap<String, Node>,
    /// How many segments may follow.
    least: usize,
    most: usize,
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
        Self { roots, goes_back: globs.iter().enumerate().any(|(index, glob)| makes_it_go_back(glob, index, &globs)) }
    }

    /// The rule that it takes if it does not go back.
    pub(super) fn find(&self, name: &str, kind: MetricKind) -> Option<usize> {
        let (mut node, _) = self.roots.iter().zip(KINDS).find(|(_, known)| *known == kind)?;
        let count = name.split('.').count();
        for (place, segment) in name.split('.').enumerate() {
            let left = count - place - 1;
            let fits = |node: &&Node| (node.least..=node.most).contains(&left);
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
            node.least = if is_new { left } else { node.least.min(left) };
            node.most = node.most.max(left);
            if is_new && left == 0 {
                node.rule = Some(rule);
            }
        }
    }
}

/// Its test: whether another glob of this length begins as this one does before one of its `*`, unless one of the two matches the
/// other's text.
fn makes_it_go_back(glob: &str, index: usize, all: &[&str]) -> bool {
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
    fn it_goes_back_only_if_its_test_says_so() {
        for (globs, goes_back) in [
            (&["a.*.b", "a.c.d"][..], true),
            (&["a.*.*", "a.b.c"], false),
            (&["a.*.*", "a.*.b", "a.c.b"], false),
            (&["a.*.d", "a.b.c", "a.*.*"], false),
            (&["a.*", "b.c"], false),
            (&["a.*.c", "a.b.*.d"], false),
        ] {
            assert_eq!(automaton(globs).goes_back, goes_back, "{globs:?}");
        }
    }

    #[test]
    fn it_takes_what_is_plain_and_stays_there() {
        let one = automaton(&["a.*.*", "a.b.c", "d.e.f", "d.e"]);
        let find = |name| one.find(name, MetricKind::Gauge);
        assert_eq!((find("a.b.c"), find("a.x.c"), find("a.b.x")), (Some(1), Some(0), None));
        assert_eq!((find("d.e.f"), find("d.e"), find("d"), find("a.b")), (Some(2), None, None, None));
        // Where the length tells, it takes the other way at once.
        let two = automaton(&["a.*", "a.b.c"]);
        assert_eq!((two.find("a.b", MetricKind::Counter), two.find("a.b", MetricKind::Set)), (Some(0), None));
    }
}
