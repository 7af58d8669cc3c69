//! A strict reader of OpenMetrics 1.0.0, written from the specification. Its verdicts agree with the specification's cases.
//!
//! It also reads quoted UTF-8 names, which are newer. It rejects two things that the cases leave open: a series that occurs twice
//! without timestamps and, in [`Page::check_canonical`], `le` and `quantile` that are not in canonical form.

mod checks;
mod line;
mod verdicts;

use std::collections::HashSet;

pub use self::line::Sample;
use self::line::{is_name, unquote};

/// An exposition that passed every check.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub families: Vec<Family>,
}

/// One family.
#[derive(Debug, Clone, Default)]
pub struct Family {
    pub name: String,
    pub help: Option<String>,
    pub kind: Option<String>,
    pub unit: Option<String>,
    pub samples: Vec<Sample>,
}

impl Family {
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("unknown")
    }

    /// The suffixes that its samples can have after its name.
    fn suffixes(&self) -> &'static [&'static str] {
        match self.kind() {
            "counter" => &["_total", "_created"],
            "summary" => &["", "_count", "_sum", "_created"],
            "histogram" => &["_count", "_sum", "_bucket", "_created"],
            "gaugehistogram" => &["_gcount", "_gsum", "_bucket"],
            "info" => &["_info"],
            _ => &[""],
        }
    }

    fn allows(&self, name: &str) -> bool {
        name.strip_prefix(&self.name).is_some_and(|suffix| self.suffixes().contains(&suffix))
    }
}

impl Page {
    /// Reads an exposition. The error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut page = Self::default();
        let mut current: Option<Family> = None;
        let mut is_ended = false;
        for line in text.split_terminator('\n') {
            let wrong = |what: String| format!("{what}: {line:?}");
            if is_ended {
                return Err(wrong("a line after the end".to_owned()));
            }
            if line == "# EOF" {
                is_ended = true;
            } else if line.starts_with('#') {
                page.metadata(&mut current, line).map_err(wrong)?;
            } else {
                page.sample(&mut current, line).map_err(wrong)?;
            }
        }
        page.families.extend(current);
        if !is_ended {
            return Err("no # EOF at the end".to_owned());
        }
        let mut names = HashSet::new();
        for family in &page.families {
            checks::family(family).map_err(|what| format!("{what}: {}", family.name))?;
            let all: HashSet<&str> = family.suffixes().iter().copied().chain([""]).collect();
            if let Some(suffix) = all.into_iter().find(|suffix| !names.insert(format!("{}{suffix}", family.name))) {
                return Err(format!("clashing name: {}{suffix}", family.name));
            }
        }
        Ok(page)
    }

    /// The value of a series. Labels can be in any order.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let sorted = |mut labels: Vec<(String, String)>| {
            labels.sort();
            labels
        };
        let want = sorted(labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        self.samples().find(|sample| sample.name == name && sorted(sample.labels.clone()) == want).map(|sample| sample.value)
    }

    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// Checks that every `le` and `quantile` has the canonical form of the specification.
    pub fn check_canonical(&self) -> Result<(), String> {
        for family in &self.families {
            let name = match family.kind() {
                "histogram" => "le",
                "summary" => "quantile",
                _ => continue,
            };
            for label in family.samples.iter().filter_map(|sample| sample.label(name)) {
                if label != "+Inf" && !label.contains(['.', 'e']) {
                    return Err(format!("{}: {label:?} is not canonical", family.name));
                }
            }
        }
        Ok(())
    }

    /// Reads `# HELP`, `# TYPE` or `# UNIT`. The first line with a new name begins a family.
    fn metadata(&mut self, current: &mut Option<Family>, line: &str) -> Result<(), String> {
        let rest = line.strip_prefix("# ").ok_or("neither metadata nor a sample")?;
        let (key, rest) = rest.split_once(' ').ok_or("metadata without a name")?;
        let (name, text) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, rest) = unquote(quoted)?;
                (name, rest.strip_prefix(' ').ok_or("metadata without text")?)
            }
            None => {
                let split = rest.split_once(' ').filter(|(name, _)| is_name(name));
                split.map(|(name, text)| (name.to_owned(), text)).ok_or("metadata without a good name or text")?
            }
        };
        if current.as_ref().is_none_or(|family| family.name != name) {
            self.families.extend(current.replace(Family { name, ..Family::default() }));
        }
        let family = current.as_mut().expect("there is one now");
        if !family.samples.is_empty() {
            return Err("metadata after samples".to_owned());
        }
        let slot = match key {
            "HELP" => &mut family.help,
            "TYPE" => &mut family.kind,
            "UNIT" => &mut family.unit,
            _ => return Err("neither HELP, TYPE nor UNIT".to_owned()),
        };
        match slot.replace(text.to_owned()) {
            Some(_) => Err(format!("second {key}")),
            None => Ok(()),
        }
    }

    /// Reads a sample of the current family, or the first sample of a family without metadata.
    fn sample(&mut self, current: &mut Option<Family>, line: &str) -> Result<(), String> {
        let sample = Sample::parse(line)?;
        if current.as_ref().is_none_or(|family| !family.allows(&sample.name)) {
            self.families.extend(current.replace(Family { name: sample.name.clone(), ..Family::default() }));
        }
        current.as_mut().expect("there is one now").samples.push(sample);
        Ok(())
    }
}
