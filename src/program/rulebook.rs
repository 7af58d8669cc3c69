//! Reads and compiles all rules of the settings: mapping files, folders, presets and labels.
//!
//! Priority: files in the order of the flags, the files of a folder by name, presets last. An earlier rule has priority over a later one.
//! Labels of flags replace those of files. Reads files and the environment. Must not know the bridge.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::mapping::config::{MappingText, load_for};
use crate::mapping::spec::{Finding, Position};
use crate::mapping::{Rules, spec};
use crate::name::NameValidation;
use crate::program::net::error_text;
use crate::program::{presets, regular_file};

/// The sources of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Names of presets.
    pub presets: Vec<String>,
    /// Labels for every family.
    pub labels: Vec<(String, String)>,
    /// Which names of families and labels rules may use.
    pub names: NameValidation,
}

/// Compiled rules.
pub struct Rulebook {
    /// The rules for the bridge.
    pub rules: Rules,
    /// Warnings.
    pub findings: Vec<Finding>,
    /// A hash of all texts and labels.
    pub hash: u64,
    /// The files that were read, without presets.
    pub files: Vec<RuleFile>,
}

/// A mapping file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// Its path.
    pub path: PathBuf,
    /// The index of the path in [`Sources`] that names it.
    pub named_by: usize,
    /// Whether it is empty, without even a comment.
    pub is_blank: bool,
}

/// The errors in the sources of rules.
#[derive(Debug)]
pub struct Mistakes(pub Vec<Finding>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Finding::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Sources {
    /// Whether there are no sources.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.presets.is_empty() && self.labels.is_empty()
    }

    /// Reads, checks and compiles all sources.
    ///
    /// # Errors
    ///
    /// All findings, if at least one is an error: an unreadable file, an error in a file, an unknown preset.
    pub fn read(&self) -> Result<Rulebook, Mistakes> {
        let (files, texts) = self.files_and_texts().map_err(|finding| Mistakes(vec![finding]))?;
        let hash = hash(&texts, &self.labels);
        let (config, findings) = load_for(&texts, self.names, &|name| std::env::var(name).ok());
        let Some(mut config) = config else { return Err(Mistakes(findings)) };
        for (name, value) in &self.labels {
            config.constant_labels.retain(|(known, _)| known != name);
            config.constant_labels.push((name.clone(), value.clone()));
        }
        match Rules::compile(config) {
            Ok(rules) => Ok(Rulebook { rules, findings, hash, files }),
            Err(more) => Err(Mistakes(findings.into_iter().chain(more).collect())),
        }
    }

    /// The hash of the current texts; `None` if they cannot be read.
    pub fn text_hash(&self) -> Option<u64> {
        self.texts().ok().map(|texts| hash(&texts, &self.labels))
    }

    /// The texts of all sources, in order of priority.
    pub fn texts(&self) -> Result<Vec<MappingText>, Finding> {
        self.files_and_texts().map(|(_, texts)| texts)
    }

    fn files_and_texts(&self) -> Result<(Vec<RuleFile>, Vec<MappingText>), Finding> {
        let (mut files, mut texts) = (Vec::new(), Vec::new());
        for (named_by, path) in self.files()? {
            let text = regular_file::read_text(&path).map_err(|error| unreadable(&path, error_text(&error)))?;
            let (name, is_blank) = (path.display().to_string(), text.trim().is_empty());
            texts.push(MappingText { name: name.into(), text });
            files.push(RuleFile { path, named_by, is_blank });
        }
        for name in &self.presets {
            let Some(text) = presets::text(name) else {
                let known = presets::names().join(", ");
                return Err(unreadable(Path::new(name), format!("unknown preset; the presets are {known}")));
            };
            texts.push(MappingText { name: format!("preset {name}").into(), text: text.to_owned() });
        }
        Ok((files, texts))
    }

    /// All files, with the index of the path that names each. A folder is replaced by the `.yml` and `.yaml` files in it.
    fn files(&self) -> Result<Vec<(usize, PathBuf)>, Finding> {
        let mut files = Vec::new();
        for (number, path) in self.paths.iter().enumerate() {
            if !path.is_dir() {
                files.push((number, path.clone()));
                continue;
            }
            let failed = |error| unreadable(path, error_text(&error));
            let entries = fs::read_dir(path).map_err(failed)?;
            let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed));
            let mut inside = paths.collect::<Result<Vec<PathBuf>, Finding>>()?;
            inside.retain(|path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
            inside.sort();
            files.extend(inside.into_iter().map(|file| (number, file)));
        }
        Ok(files)
    }
}

fn unreadable(path: &Path, why: impl fmt::Display) -> Finding {
    error_at(path, "unreadable", format!("cannot be read: {why}"))
}

fn error_at(path: &Path, code: &'static str, text: String) -> Finding {
    let position = Position { file: Arc::from(path.display().to_string()), line: 1, column: 1 };
    spec::Finding::new(position, true, code, text)
}

/// Errors for sources that had rules before and have none now: a file that has become empty, or a path without rules. The cause is likely
/// a file that is being written, or a volume that is not mounted. `mappings: []` is the way to have no rules.
pub(super) fn vanished(before: &[RuleFile], now: &[RuleFile], paths: &[PathBuf]) -> Vec<Finding> {
    const INSTEAD: &str = "for no rules, write `mappings: []`";
    let held = |file: &RuleFile| before.iter().any(|known| known.path == file.path && !known.is_blank);
    let blank = now.iter().filter(|file| file.is_blank && held(file));
    let mut findings: Vec<Finding> =
        blank.map(|file| error_at(&file.path, "became-empty", format!("the file has become empty; {INSTEAD}"))).collect();
    let leads = |files: &[RuleFile], number| files.iter().any(|file| file.named_by == number && !file.is_blank);
    for (number, path) in paths.iter().enumerate() {
        let is_reported = now.iter().any(|file| file.named_by == number && file.is_blank && held(file));
        if leads(before, number) && !leads(now, number) && !is_reported {
            findings.push(error_at(path, "became-empty", format!("the mapping file no longer exists; {INSTEAD}")));
        }
    }
    findings
}

/// FNV-1a over all texts and labels. It is the same for all versions and machines, because a metric exposes it.
fn hash(texts: &[MappingText], labels: &[(String, String)]) -> u64 {
    let fields = texts.iter().flat_map(|source| [&*source.name, &source.text]);
    let fields = fields.chain(labels.iter().flat_map(|(name, value)| [&**name, value]));
    let bytes = fields.flat_map(|field| field.bytes().chain([0]));
    // The hash is exposed by a gauge, which represents 52 bits exactly.
    bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) >> 12
}
impl std::error::Error for Mistakes {}
