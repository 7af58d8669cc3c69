//! Reads a configuration file in YAML with all files that it names. Returns its settings, or all errors with line and column. Must not
//! know the sections of the file, nor decide when it is put in force.

use std::fmt;
use std::path::{Path, PathBuf};

use super::config_reader::ConfigReader;
use super::files::{hash_files, read_file};
use crate::mapping::config::tree::{self, Node};

/// The result of reading a file and all files that it names.
#[derive(Debug)]
pub(in crate::program) struct LoadedConfig<C> {
    pub(in crate::program) config: C,
    /// Warnings for the operator.
    pub(in crate::program) warnings: Vec<String>,
    /// The file itself, then the files that it names.
    pub(in crate::program) files: Vec<PathBuf>,
    /// The hash of the contents of these files.
    pub(in crate::program) hash: u64,
    /// Whether the file is empty.
    pub(in crate::program) is_blank: bool,
}

/// Why a configuration file is invalid: one line for each error, `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ConfigFileError {
    /// At least one.
    pub lines: Vec<String>,
    /// The file itself, then the files that it names, as far as they were read.
    pub(in crate::program) files: Vec<PathBuf>,
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Reads a file and the files that it names. `build` converts its tree to the settings, which are unused if it adds an error. Blocks on
/// file I/O; do not call it on an async thread.
///
/// # Errors
///
/// All errors in the file.
pub(in crate::program) fn read_config<C>(
    path: &Path,
    build: impl FnOnce(&Node, &mut ConfigReader) -> Option<C>,
) -> Result<LoadedConfig<C>, ConfigFileError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| ConfigFileError { lines: vec![why], files: vec![path.to_owned()] };
    let bytes = read_file(path).map_err(|why| unreadable(format!("cannot read {shown}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("{shown} is not valid UTF-8")))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = ConfigReader::new(shown, folder, path.to_owned());
    let config = match tree::parse(&text) {
        Ok(root) => build(&root, &mut reader),
        Err((at, _, why)) => {
            reader.error(at, why);
            None
        }
    };
    match config {
        Some(config) if reader.errors.is_empty() => {
            let hash = hash_files(&reader.files);
            Ok(LoadedConfig { config, warnings: reader.warnings, files: reader.files, hash, is_blank: text.trim().is_empty() })
        }
        _ => {
            debug_assert!(!reader.errors.is_empty(), "a file without settings has an error");
            Err(ConfigFileError { lines: reader.error_lines(), files: reader.files })
        }
    }
}
