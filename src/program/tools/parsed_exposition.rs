//! Parses a text exposition into families and rows, to show changes.
//!
//! Parses only expositions of the bridge. Must not know the meaning of a family or a row.

use std::collections::BTreeMap;

/// A parsed exposition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParsedExposition {
    /// The families by name.
    pub families: BTreeMap<String, ParsedFamily>,
}

/// One family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParsedFamily {
    /// `counter`, `gauge`, `histogram` or `summary`.
    pub kind: String,
    /// The series and value of each line, in the order of the exposition.
    pub rows: Vec<(String, String)>,
}

impl ParsedExposition {
    /// Parses an exposition. Lines before the first `# TYPE` are ignored.
    pub(crate) fn parse(text: &str) -> Self {
        let mut exposition = Self::default();
        let mut current = None;
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let family = exposition.families.entry(name.to_owned()).or_default();
                kind.clone_into(&mut family.kind);
                current = Some(family);
            } else if let (false, Some(family)) = (line.starts_with('#'), current.as_mut())
                && let Some((series, value)) = line.rsplit_once(' ')
            {
                family.rows.push((series.to_owned(), value.to_owned()));
            }
        }
        exposition
    }

    /// The rows that are new or changed since `before`, by family.
    pub(crate) fn changes_since(&self, before: &Self) -> BTreeMap<String, ParsedFamily> {
        let mut changed = BTreeMap::new();
        for (name, family) in &self.families {
            let old = before.families.get(name).map(ParsedFamily::by_series).unwrap_or_default();
            let is_new = |(series, value): &&(String, String)| old.get(series.as_str()) != Some(&value.as_str());
            let rows: Vec<_> = family.rows.iter().filter(is_new).cloned().collect();
            if !rows.is_empty() {
                changed.insert(name.clone(), ParsedFamily { kind: family.kind.clone(), rows });
            }
        }
        changed
    }
}

impl ParsedFamily {
    /// Values by series.
    pub(crate) fn by_series(&self) -> BTreeMap<&str, &str> {
        self.rows.iter().map(|(series, value)| (series.as_str(), value.as_str())).collect()
    }

    /// The number of series. The rows of a histogram or summary count once, by `_count`.
    pub(crate) fn series(&self) -> usize {
        let counts = |(series, _): &&(String, String)| name_of(series).ends_with("_count");
        match self.kind.as_str() {
            "histogram" | "summary" => self.rows.iter().filter(counts).count(),
            _ => self.rows.len(),
        }
    }
}

/// A line of an exposition.
pub(super) fn row(series: &str, value: &str) -> String {
    format!("{series} {value}")
}

fn name_of(series: &str) -> &str {
    series.split_once('{').map_or(series, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposition_is_parsed_and_compared() {
        let old = ParsedExposition::parse("# HELP a x\n# TYPE a counter\na{k=\"v w\"} 1\na 2\n");
        let new = ParsedExposition::parse(
            "# TYPE a counter\na{k=\"v w\"} 1\na 3\n# TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n# TYPE c gauge\nc 1\n",
        );
        assert_eq!(old.families["a"].by_series()["a{k=\"v w\"}"], "1");
        let changes = new.changes_since(&old);
        assert_eq!(changes["a"].rows, [("a".to_owned(), "3".to_owned())]);
        assert_eq!((changes["b"].rows.len(), changes["b"].series(), changes["c"].series()), (3, 1, 1));
        assert!(new.changes_since(&new).is_empty());
    }
}
