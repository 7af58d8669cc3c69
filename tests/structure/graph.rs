//! The graph of files and imports; its cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::resolve::Import;
use super::sources::How;

/// Two files that are one subject and may import each other, with the reason.
pub type Pair<'a> = (&'a str, &'a str, &'a str);

/// The imports of each file, by imported file.
#[derive(Default)]
pub struct Graph {
    edges: BTreeMap<String, BTreeMap<String, Edge>>,
}

struct Edge {
    line: usize,
    path: String,
    /// The lines that import it.
    lines: BTreeSet<usize>,
}

impl Graph {
    pub fn new(imports: &[Import]) -> Self {
        let mut graph = Self::default();
        for import in imports.iter().filter(|import| import.how != How::ReExport) {
            for (to, _) in import.targets.iter().filter(|(to, _)| *to != import.from) {
                let edge = Edge { line: import.line, path: import.path.clone(), lines: BTreeSet::new() };
                let edges = graph.edges.entry(import.from.clone()).or_default();
                let known = edges.entry(to.clone()).or_insert(edge);
                known.lines.insert(import.line);
                if import.line < known.line {
                    (known.line, known.path) = (import.line, import.path.clone());
                }
            }
        }
        graph
    }

    /// Every edge as a line of text.
    pub fn lines(&self) -> Vec<String> {
        self.edges.iter().flat_map(|(from, to)| to.keys().map(move |to| self.show(from, to))).collect()
    }

    fn next(&self, file: &str) -> impl Iterator<Item = &str> {
        self.edges.get(file).into_iter().flatten().map(|(to, _)| to.as_str())
    }

    fn has(&self, from: &str, to: &str) -> bool {
        self.edges.get(from).is_some_and(|edges| edges.contains_key(to))
    }

    fn show(&self, from: &str, to: &str) -> String {
        let Edge { line, path, lines } = &self.edges[from][to];
        let more = if lines.len() > 1 { format!(" ({} lines)", lines.len()) } else { String::new() };
        format!("{from}:{line} imports {path}{more} -> {to}")
    }

    /// Every group of files that import each other in a cycle, and every faulty allowed pair; empty if there are none.
    pub fn faults(&self, allowed: &[Pair<'_>]) -> Vec<String> {
        let mut faults: Vec<String> = allowed.iter().filter_map(|pair| self.fault_of_pair(pair)).collect();
        faults.extend(self.circles(allowed).iter().map(|files| self.describe(files, allowed)));
        faults
    }

    fn fault_of_pair(&self, (one, other, reason): &Pair<'_>) -> Option<String> {
        let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let is_parent = |parent: &str, child: &str| parent.strip_suffix(".rs").map(str::to_owned) == folder(child);
        let fault = if reason.trim().is_empty() {
            "has no reason"
        } else if folder(one) != folder(other) && !is_parent(one, other) && !is_parent(other, one) {
            "is of two folders"
        } else if !self.has(one, other) || !self.has(other, one) {
            "is no cycle: take it off the list"
        } else {
            return None;
        };
        Some(format!("allowed pair {one} and {other}: {fault}"))
    }

    /// The strongly connected components with a cycle that contains more than allowed pairs, largest first.
    fn circles(&self, allowed: &[Pair<'_>]) -> Vec<BTreeSet<String>> {
        let files: BTreeSet<&str> = self.edges.iter().flat_map(|(from, to)| to.keys().chain([from])).map(String::as_str).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (*file, self.reached(file))).collect();
        let mut circles = BTreeSet::new();
        for file in &files {
            let circle: BTreeSet<String> =
                reached[file].iter().filter(|other| reached[*other].contains(file)).map(|other| (*other).to_owned()).collect();
            if self.shortest(&circle, allowed).is_some() {
                circles.insert(circle);
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    fn reached<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            open.extend(self.next(file).filter(|next| reached.insert(*next)));
        }
        reached
    }

    /// The shortest cycle within these files that is not an allowed pair.
    fn shortest(&self, within: &BTreeSet<String>, allowed: &[Pair<'_>]) -> Option<Vec<String>> {
        let is_allowed = |from: &str, to: &str| allowed.iter().any(|(a, b, _)| (*a, *b) == (from, to) || (*b, *a) == (from, to));
        let starts = within.iter().flat_map(|from| self.next(from).map(move |to| (from.as_str(), to)));
        let ways =
            starts.filter(|(from, to)| within.contains(*to) && !is_allowed(from, to)).filter_map(|(from, to)| self.way(to, from, within));
        let mut shortest = ways.min_by_key(Vec::len)?;
        shortest.rotate_right(1);
        Some(shortest)
    }

    /// The shortest chain of files from one to another, both included.
    fn way(&self, from: &str, to: &str, within: &BTreeSet<String>) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = VecDeque::from([from]);
        while let Some(file) = open.pop_front() {
            if file == to {
                let mut way = vec![to.to_owned()];
                let mut at = to;
                while at != from {
                    at = before[at];
                    way.insert(0, at.to_owned());
                }
                return Some(way);
            }
            for next in self.edges.get(file).into_iter().flatten().map(|(next, _)| next.as_str()) {
                if within.contains(next) && next != from && !before.contains_key(next) {
                    before.insert(next, file);
                    open.push_back(next);
                }
            }
        }
        None
    }

    fn describe(&self, files: &BTreeSet<String>, allowed: &[Pair<'_>]) -> String {
        let inner = |from: &String| self.next(from).filter(|to| files.contains(*to)).map(|to| self.show(from, to)).collect::<Vec<_>>();
        let all: Vec<String> = files.iter().flat_map(inner).collect();
        let way = self.shortest(files, allowed).unwrap_or_default();
        let mut text = format!("cycle of {} files, {} imports between them; the shortest way round:\n", files.len(), all.len());
        for (index, from) in way.iter().enumerate() {
            let _ = writeln!(text, "    {}", self.show(from, &way[(index + 1) % way.len()]));
        }
        let _ = writeln!(text, "  files:");
        let _ = writeln!(text, "    {}", files.iter().cloned().collect::<Vec<_>>().join("\n    "));
        let _ = writeln!(text, "  all imports between them:\n    {}", all.join("\n    "));
        text
    }
}
