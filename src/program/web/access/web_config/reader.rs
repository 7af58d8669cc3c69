//! Typed values out of the YAML tree of one file, and its mistakes with line and column. Knows no key of the format.

use std::path::{Path, PathBuf};

use super::files::read_file;
use crate::mapping::config::findings::At;
use crate::mapping::config::nearest::nearest;
use crate::mapping::config::tree::{Key, Node, Plain, YamlValue};

/// Mistakes that are kept at most.
const MAX_MISTAKES: usize = 100;

/// A map of the format: its name and the keys that it may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigSection {
    /// Its name in the text of a mistake.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) keys: &'static [&'static str],
}

/// One file while it is read.
#[derive(Debug)]
pub(super) struct ConfigReader {
    shown: String,
    folder: PathBuf,
    pub(super) mistakes: Vec<(At, String)>,
    pub(super) warnings: Vec<String>,
    /// The file itself first, then those that it names.
    pub(super) files: Vec<PathBuf>,
}

/// The entries of a section; its keys are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct SectionEntries<'n>(&'n [(Key, Node)]);

impl<'n> SectionEntries<'n> {
    /// The value of `key`, unless it is null.
    pub(super) fn get(self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(k, node)| k.name == key && !matches!(node.value, YamlValue::Null)).map(|(_, node)| node)
    }
}

impl ConfigReader {
    pub(super) fn new(shown: String, folder: PathBuf, path: PathBuf) -> Self {
        Self { shown, folder, mistakes: Vec::new(), warnings: Vec::new(), files: vec![path] }
    }

    /// Notes a mistake, for which the file is rejected.
    pub(super) fn error(&mut self, at: At, text: impl Into<String>) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push((at, text.into()));
        }
    }

    /// Notes a warning; the file is accepted.
    pub(super) fn warning(&mut self, at: At, text: &str) {
        if self.warnings.len() < MAX_MISTAKES {
            self.warnings.push(self.placed(at, text));
        }
    }

    /// All mistakes in the order of the file, a line each.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut sorted: Vec<&(At, String)> = self.mistakes.iter().collect();
        sorted.sort_by_key(|(at, _)| *at);
        sorted.into_iter().map(|(at, text)| self.placed(*at, text)).collect()
    }

    fn placed(&self, at: At, text: &str) -> String {
        format!("{}:{}:{}: {text}", self.shown, at.line, at.column)
    }

    /// The entries of a section. A key that the section does not have is a mistake.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, section: ConfigSection) -> Option<SectionEntries<'n>> {
        match &node.value {
            YamlValue::Map(entries) => {
                for (key, _) in entries.iter().filter(|(key, _)| !section.keys.contains(&key.name.as_str())) {
                    let advice = match nearest(&key.name, section.keys.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its keys are {}", section.keys.join(", ")),
                    };
                    self.error(key.at, format!("{} has no key `{}`; {advice}", section.name, shortened(&key.name)));
                }
                Some(SectionEntries(entries))
            }
            YamlValue::Null => Some(SectionEntries(&[])),
            _ => self.wrong(node, section.name, "is a map of keys and values"),
        }
    }

    /// A text; numbers and booleans as they are written in the file.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            YamlValue::Scalar(text, _) => Some(text),
            _ => self.wrong(node, what, "takes a text"),
        }
    }

    /// `true` or `false`, without quotes.
    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Flag(flag)) => Some(*flag),
            _ => self.wrong(node, what, "takes true or false, without quotes"),
        }
    }

    /// A whole number of 0 or more.
    pub(super) fn whole(&mut self, node: &Node, what: &str) -> Option<u32> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Number(n)) if n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n) => Some(*n as u32),
            _ => self.wrong(node, what, "takes a whole number of 0 or more, without quotes"),
        }
    }

    /// A list of texts, each with its line and column.
    pub(super) fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(At, &'n str)> {
        match &node.value {
            YamlValue::List(items) => items.iter().filter_map(|item| self.text(item, what).map(|text| (item.at, text))).collect(),
            _ => self.wrong(node, what, "takes a list, each item on a line of its own after `- `").unwrap_or_default(),
        }
    }

    /// Entries of a map with free keys and texts as values.
    pub(super) fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Key, At, &'n str)> {
        match &node.value {
            YamlValue::Map(entries) => entries.iter().filter_map(|(key, value)| Some((key, value.at, self.text(value, what)?))).collect(),
            _ => self.wrong(node, what, "is a map of keys and values").unwrap_or_default(),
        }
    }

    /// The bytes of the file that a key names, relative to the folder of this one. Its path is added to `files`.
    pub(super) fn file(&mut self, node: &Node, key: &str, path: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(Path::new(path));
        self.files.push(path.clone());
        match read_file(&path) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let text = format!("{key}: cannot read {}: {why}; a relative path begins at the folder of this file", path.display());
                self.error(node.at, text);
                None
            }
        }
    }

    fn wrong<T>(&mut self, node: &Node, what: &str, expected: &str) -> Option<T> {
        // What stands there is not shown: it may be a password.
        let got = match &node.value {
            YamlValue::Null => "nothing",
            YamlValue::Scalar(_, Plain::Number(_)) => "a number",
            YamlValue::Scalar(_, Plain::Flag(_)) => "true or false",
            YamlValue::Scalar(_, Plain::Text) => "a text",
            YamlValue::List(_) => "a list",
            YamlValue::Map(_) => "a map",
        };
        self.error(node.at, format!("{what} {expected}; here is {got}"));
        None
    }
}

/// The beginning of a text, short enough for a message.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
