//! Reads and compiles the rules that the flags name: mapping files, folders, presets and labels together.
//!
//! Precedence: files in the order of the flags, a folder's files by name, presets last; an earlier rule counts before a later
//! one. Labels of flags replace those of files. Reads files and the environment; must not know the bridge.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::mapping::config::{MappingText, load_for};
use crate::mapping::spec::{Finding, Position};
use crate::mapping::{Rules, spec};
use crate::name::NameValidation;
use crate::program::presets;

/// A mapping file larger than this is refused: it is something else.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What the flags say of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Names of presets.
    pub presets: Vec<String>,
    /// Labels of every family.
    pub labels: Vec<(String, String)>,
    /// Which names of families and labels rules may give.
    pub names: NameValidation,
}

/// Rules read and compiled.
pub struct Rulebook {
    /// For the bridge.
    pub rules: Rules,
    /// Warnings.
    pub findings: Vec<Finding>,
    /// A hash of all texts, the same for the same texts.
    pub hash: u64,
}

/// Why there are no rules: what is wrong with the files.
#[derive(Debug)]
pub struct Mistakes(pub Vec<Finding>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Finding::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Sources {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.presets.is_empty() && self.labels.is_empty()
    }

    /// Reads, checks and compiles everything.
    ///
    /// # Errors
    ///
    /// All findings, if at least one is an error: a file that cannot be read, a mistake in one, an unknown preset.
    pub fn read(&self) -> Result<Rulebook, Mistakes> {
        let texts = self.texts().map_err(|finding| Mistakes(vec![finding]))?;
        let hash = hash(&texts, &self.labels);
        let (config, findings) = load_for(&texts, self.names, &|name| std::env::var(name).ok());
        let Some(mut config) = config else { return Err(Mistakes(findings)) };
        for (name, value) in &self.labels {
            config.constant_labels.retain(|(known, _)| known != name);
            config.constant_labels.push((name.clone(), value.clone()));
        }
        match Rules::compile(config) {
            Ok(rules) => Ok(Rulebook { rules, findings, hash }),
            Err(more) => Err(Mistakes(findings.into_iter().chain(more).collect())),
        }
    }

    /// The hash of the texts as they are now; `None` if they cannot be read.
    pub fn text_hash(&self) -> Option<u64> {
        self.texts().ok().map(|texts| hash(&texts, &self.labels))
    }

    /// The texts of all sources, in the order of their precedence.
    pub fn texts(&self) -> Result<Vec<MappingText>, Finding> {
        let mut texts = Vec::new();
        for path in self.files()? {
            texts.push(MappingText { name: path.display().to_string().into(), text: read_file(&path)? });
        }
        for name in &self.presets {
            let Some(text) = presets::text(name) else {
                let known = presets::names().join(", ");
                return Err(unreadable(Path::new(name), format!("there is no preset of this name; there are {known}")));
            };
            texts.push(MappingText { name: format!("preset {name}").into(), text: text.to_owned() });
        }
        Ok(texts)
    }

    /// All files, folders replaced by the `.yml` and `.yaml` files in them.
    fn files(&self) -> Result<Vec<PathBuf>, Finding> {
        let mut files = Vec::new();
        for path in &self.paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let entries = fs::read_dir(path).map_err(|error| unreadable(path, error))?;
            let is_yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
            let mut inside: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
            inside.sort();
            files.extend(inside);
        }
        Ok(files)
    }
}

fn read_file(path: &Path) -> Result<String, Finding> {
    let size = fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(path, format!("it has {size} bytes, and a mapping file has at most {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, why: impl fmt::Display) -> Finding {
    let position = Position { file: Arc::from(path.display().to_string()), line: 1, column: 1 };
    spec::Finding { position, is_error: true, code: "unreadable", text: format!("cannot be read: {why}") }
}

/// FNV-1a over everything that the rules are made from. Stable over versions and machines, which a metric should be.
fn hash(texts: &[MappingText], labels: &[(String, String)]) -> u64 {
    let fields = texts.iter().flat_map(|source| [&*source.name, &source.text]);
    let fields = fields.chain(labels.iter().flat_map(|(name, value)| [&**name, value]));
    let bytes = fields.flat_map(|field| field.bytes().chain([0]));
    // 52 bits, so that a gauge can hold it exactly.
    bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) >> 12
}
impl std::error::Error for Mistakes {}
