//! Reads and hashes the web configuration file and the files that it names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::program::net::error_text;
use crate::program::regular_file;

/// Reads a whole file. The error is a message for the operator.
pub(in crate::program) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    regular_file::read(path).map_err(|error| error_text(&error))
}

/// One hash over the contents of all files. For an unreadable file the error message is hashed.
pub(in crate::program) fn hash_files(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        read_file(file).hash(&mut hasher);
    }
    hasher.finish()
}
