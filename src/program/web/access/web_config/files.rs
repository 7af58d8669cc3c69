//! The web configuration file and those that it names, as bytes: read up to a limit, and hashed to see whether they changed.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::program::net::error_text;

/// Bytes of one file that are read at most, certificates included.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 20;

/// A whole file; an error in words.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let words = |error: io::Error| error_text(&error);
    let mut bytes = Vec::new();
    File::open(path).map_err(words)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it has more than {} KiB", MAX_FILE_BYTES >> 10));
    }
    Ok(bytes)
}

/// One hash over the contents of all files. A file that cannot be read counts by its error.
pub(in crate::program::web::access) fn hash_files(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        read_file(file).hash(&mut hasher);
    }
    hasher.finish()
}
