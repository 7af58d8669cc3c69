//! The web configuration file and those that it names, as bytes: regular files up to a limit, and hashed to see whether they changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::program::net::error_text;
use crate::program::regular_file;

/// A whole file; an error in words.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    regular_file::read(path).map_err(|error| error_text(&error))
}

/// One hash over the contents of all files. A file that cannot be read counts by its error.
pub(in crate::program::web::access) fn hash_files(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        read_file(file).hash(&mut hasher);
    }
    hasher.finish()
}
