//! The names of families and labels in one exposition, under the escaping that the scraper asks for.
//!
//! Usually all names are valid in every version of Prometheus. They stay as they are and cost nothing here. Escaping can give two
//! families or two labels the same name. One of the two families is left out and reported to the caller; one of the two labels is
//! renamed to `exported_...`. The name that needs no escaping stays; if both need it, the first by name stays. Knows nothing of a
//! format but its quotes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rapidhash::quality::RandomState;

use crate::name::{Escaping, RENAMED, escape_value_into, is_legacy_label};
use crate::registry::{Family, Series, may_have_quoted_names, push_label, split};

/// The names of a family in one exposition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    name: String,
    /// The beginning of the name if it is in quotes: `"na.me`. The suffix follows.
    quoted: Option<String>,
    /// Label names that differ in the exposition, with their escaped form.
    labels: BTreeMap<String, String>,
}

impl Names {
    /// The names of a family and of its series in an exposition. Without an escaping, no name needs escaping.
    pub(super) fn of(family: &Family, series: &[Arc<Series>], escaping: Option<Escaping>) -> Self {
        let name = family.name();
        let Some(escaping) = escaping else { return Self { name: name.as_str().to_owned(), ..Self::default() } };
        let labels = if family.may_have_quoted_names() { label_names(series, escaping) } else { BTreeMap::new() };
        let quoted = (escaping == Escaping::AllowUtf8 && !name.is_legacy()).then(|| {
            let mut start = "\"".to_owned();
            escape_value_into(name.as_str(), &mut start);
            start
        });
        Self { name: exposed_name(family, Some(escaping)).into_owned(), quoted, labels }
    }

    /// The names of a self-family, which never need escaping.
    pub(super) fn of_self_family(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The family's name in the exposition, without quotes.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Appends the name in the form of `# HELP` and `# TYPE` lines.
    pub(super) fn push_head(&self, out: &mut Vec<u8>) {
        match &self.quoted {
            None => out.extend_from_slice(self.name().as_bytes()),
            Some(start) => {
                out.extend_from_slice(start.as_bytes());
                out.push(b'"');
            }
        }
    }

    /// Appends the name of a line with this suffix. Returns the text before the first label: `{`, or `,` where the braces
    /// are already open and the caller has to close them.
    #[inline]
    pub(super) fn push_line(&self, suffix: &str, out: &mut Vec<u8>) -> &'static str {
        match &self.quoted {
            None => {
                out.extend_from_slice(self.name.as_bytes());
                out.extend_from_slice(suffix.as_bytes());
                "{"
            }
            Some(start) => {
                out.push(b'{');
                out.extend_from_slice(start.as_bytes());
                out.extend_from_slice(suffix.as_bytes());
                out.push(b'"');
                ","
            }
        }
    }

    /// The label text of one of the series, with the names of the exposition.
    #[inline]
    pub(super) fn labels<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.labels.is_empty() || !may_have_quoted_names(text) { Cow::Borrowed(text) } else { Cow::Owned(self.renamed(text)) }
    }

    fn renamed(&self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len() + 16);
        for (name, value) in split(text) {
            if !renamed.is_empty() {
                renamed.push(',');
            }
            push_label(self.labels.get(&*name).map_or(&*name, String::as_str), &value, &mut renamed);
        }
        renamed
    }
}

/// The family's name in an exposition, without quotes.
pub(super) fn exposed_name(family: &Family, escaping: Option<Escaping>) -> Cow<'_, str> {
    let name = family.name();
    match escaping {
        Some(escaping) if escaping != Escaping::AllowUtf8 && !name.is_legacy() => {
            let mut escaped = String::new();
            escaping.push_name(name.as_str(), &mut escaped);
            Cow::Owned(escaped)
        }
        _ => Cow::Borrowed(name.as_str()),
    }
}

/// The label names of these series that need escaping, with their escaped form. All escaped forms differ, so two series stay
/// distinct.
fn label_names(series: &[Arc<Series>], escaping: Escaping) -> BTreeMap<String, String> {
    if escaping == Escaping::AllowUtf8 {
        return BTreeMap::new();
    }
    let mut all = BTreeSet::new();
    for series in series {
        for (name, _) in split(series.labels()) {
            if !all.contains(&*name) {
                all.insert(name.into_owned());
            }
        }
    }
    let (mut taken, odd): (BTreeSet<String>, BTreeSet<String>) = all.into_iter().partition(|name| is_legacy_label(name));
    let mut names = BTreeMap::new();
    for name in odd {
        let mut escaped = String::new();
        escaping.push_label(&name, &mut escaped);
        while escaped.starts_with("__") || taken.contains(&escaped) {
            escaped.insert_str(0, RENAMED);
        }
        taken.insert(escaped.clone());
        names.insert(name, escaped);
    }
    names
}

/// A family that an exposition leaves out, and the family whose name collides with its escaped name.
pub(super) type LeftOut = (Arc<Family>, Arc<Family>);

/// Splits families, sorted by name, into those that an exposition shows, sorted by their escaped names, and those that it leaves
/// out because one of their lines would have the name of another family's line.
pub(super) fn without_clashes(mut families: Vec<Arc<Family>>, escaping: Option<Escaping>) -> (Vec<Arc<Family>>, Vec<LeftOut>) {
    let changes_names = escaping.is_some_and(|escaping| escaping != Escaping::AllowUtf8);
    if !changes_names || families.iter().all(|family| family.name().is_legacy()) {
        return (families, Vec::new());
    }
    let mut taken: HashMap<Cow<'_, str>, &Arc<Family>, RandomState> = HashMap::default();
    let mut left_out = Vec::new();
    let mut by_right: Vec<&Arc<Family>> = families.iter().filter(|family| family.has_lines()).collect();
    by_right.sort_by_key(|family| !family.name().is_legacy());
    for family in by_right {
        let name = exposed_name(family, escaping);
        let with_suffix = |suffix: &&str| Cow::Owned(format!("{name}{suffix}"));
        let lines: Vec<Cow<'_, str>> = family.kind().suffixes().iter().map(with_suffix).collect();
        let other = lines.iter().chain([&name]).find_map(|line| taken.get(line)).filter(|_| !family.name().is_legacy());
        match other {
            Some(other) => left_out.push((Arc::clone(family), Arc::clone(other))),
            None => taken.extend(lines.into_iter().chain([name]).map(|line| (line, family))),
        }
    }
    let gone: HashSet<*const Family> = left_out.iter().map(|(family, _)| Arc::as_ptr(family)).collect();
    families.retain(|family| !gone.contains(&Arc::as_ptr(family)));
    families.sort_by_cached_key(|family| exposed_name(family, escaping).into_owned());
    (families, left_out)
}
