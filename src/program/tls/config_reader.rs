//! Reads typed values from the YAML tree of one file and collects errors with line and column. Does not depend on specific keys.

use std::path::{Path, PathBuf};

use super::files::read_file;
use crate::mapping::config::findings::At;
use crate::mapping::config::nearest::nearest;
use crate::mapping::config::tree::{Key, Node, Plain, YamlValue};

/// The maximum number of errors, and of warnings.
const MAX_MESSAGES: usize = 100;

/// A map in the file format: its name and its valid keys.
#[derive(Debug, Clone, Copy)]
pub(in crate::program) struct ConfigSection {
    /// The name in error messages.
    pub(in crate::program) name: &'static str,
    /// The valid keys.
    pub(in crate::program) keys: &'static [&'static str],
}

/// The state of reading one file.
#[derive(Debug)]
pub(in crate::program) struct ConfigReader {
    shown: String,
    folder: PathBuf,
    pub(in crate::program) errors: Vec<(At, String)>,
    pub(in crate::program) warnings: Vec<String>,
    /// The file itself, then the files that it names.
    pub(in crate::program) files: Vec<PathBuf>,
}

/// The entries of a section, with checked keys.
#[derive(Debug, Clone, Copy)]
pub(in crate::program) struct SectionEntries<'n>(&'n [(Key, Node)]);

impl<'n> SectionEntries<'n> {
    /// The value of `key`, unless it is null.
    pub(in crate::program) fn get(self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(k, node)| k.name == key && !matches!(node.value, YamlValue::Null)).map(|(_, node)| node)
    }
}

impl ConfigReader {
    pub(in crate::program) fn new(shown: String, folder: PathBuf, path: PathBuf) -> Self {
        Self { shown, folder, errors: Vec::new(), warnings: Vec::new(), files: vec![path] }
    }

    /// Adds an error; the file will be rejected.
    pub(in crate::program) fn error(&mut self, at: At, text: impl Into<String>) {
        if self.errors.len() < MAX_MESSAGES {
            self.errors.push((at, text.into()));
        }
    }

    /// Adds a warning; the file is still accepted.
    pub(in crate::program) fn warning(&mut self, at: At, text: &str) {
        if self.warnings.len() < MAX_MESSAGES {
            self.warnings.push(self.placed(at, text));
        }
    }

    /// One line for each error, in the order of the file.
    pub(in crate::program) fn error_lines(&self) -> Vec<String> {
        let mut sorted: Vec<&(At, String)> = self.errors.iter().collect();
        sorted.sort_by_key(|(at, _)| *at);
        sorted.into_iter().map(|(at, text)| self.placed(*at, text)).collect()
    }

    fn placed(&self, at: At, text: &str) -> String {
        format!("{}:{}:{}: {text}", self.shown, at.line, at.column)
    }

    /// The entries of a section. An unknown key is an error.
    pub(in crate::program) fn fields<'n>(&mut self, node: &'n Node, section: ConfigSection) -> Option<SectionEntries<'n>> {
        match &node.value {
            YamlValue::Map(entries) => {
                for (key, _) in entries.iter().filter(|(key, _)| !section.keys.contains(&key.name.as_str())) {
                    let advice = match nearest(&key.name, section.keys.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("supported keys are {}", section.keys.join(", ")),
                    };
                    self.error(key.at, format!("{} has no key `{}`; {advice}", section.name, shortened(&key.name)));
                }
                Some(SectionEntries(entries))
            }
            YamlValue::Null => Some(SectionEntries(&[])),
            _ => {
                self.type_error(node, section.name, "a map");
                None
            }
        }
    }

    /// A string; numbers and booleans are returned as written in the file.
    pub(in crate::program) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            YamlValue::Scalar(text, _) => Some(text),
            _ => {
                self.type_error(node, what, "a string");
                None
            }
        }
    }

    /// `true` or `false`, without quotes.
    pub(in crate::program) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Flag(flag)) => Some(*flag),
            _ => {
                self.type_error(node, what, "true or false, without quotes");
                None
            }
        }
    }

    /// A non-negative integer.
    pub(in crate::program) fn whole(&mut self, node: &Node, what: &str) -> Option<u32> {
        match &node.value {
            YamlValue::Scalar(_, Plain::Number(n)) if n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n) => Some(*n as u32),
            _ => {
                self.type_error(node, what, "a non-negative integer, without quotes");
                None
            }
        }
    }

    /// A list of strings, each with its line and column.
    pub(in crate::program) fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(At, &'n str)> {
        match &node.value {
            YamlValue::List(items) => items.iter().filter_map(|item| self.text(item, what).map(|text| (item.at, text))).collect(),
            _ => {
                self.type_error(node, what, "a list, with each item on its own line after `- `");
                Vec::new()
            }
        }
    }

    /// The entries of a map with arbitrary keys and string values.
    pub(in crate::program) fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Key, At, &'n str)> {
        match &node.value {
            YamlValue::Map(entries) => entries.iter().filter_map(|(key, value)| Some((key, value.at, self.text(value, what)?))).collect(),
            _ => {
                self.type_error(node, what, "a map");
                Vec::new()
            }
        }
    }

    /// Reads the file that a key names, relative to the directory of this file. Adds its path to `files`.
    pub(in crate::program) fn file(&mut self, node: &Node, key: &str, path: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(Path::new(path));
        self.files.push(path.clone());
        match read_file(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let path = path.display();
                let text = format!("{key}: cannot read {path}: {error}; a relative path starts at the directory of this file");
                self.error(node.at, text);
                None
            }
        }
    }

    fn type_error(&mut self, node: &Node, what: &str, expected: &str) {
        // The message must not show the value: it may be a password.
        let found = match &node.value {
            YamlValue::Null => "nothing",
            YamlValue::Scalar(_, Plain::Number(_)) => "a number",
            YamlValue::Scalar(_, Plain::Flag(_)) => "true or false",
            YamlValue::Scalar(_, Plain::Text) => "a string",
            YamlValue::List(_) => "a list",
            YamlValue::Map(_) => "a map",
        };
        self.error(node.at, format!("{what} must be {expected}; found {found}"));
    }
}

/// The beginning of a string, for error messages.
pub(in crate::program) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
