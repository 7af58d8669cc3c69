//! Paths of Unix sockets: checks their form, removes one that a dead program left behind, and removes our own at the end.
//!
//! Must not know what kind of socket it is or what it carries.

use std::ffi::CString;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error_text::error_text;

/// Makes way for the socket if nobody listens on what is there, which `probe` finds out by connecting.
pub(crate) fn remove_stale(path: &Path, probe: impl Fn(&Path) -> io::Result<()>) -> Result<(), String> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error_text(&error)),
    };
    if !there.file_type().is_socket() {
        return Err("the path exists and is no socket".to_owned());
    }
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing a socket that nobody listens on");
            fs::remove_file(path).map_err(|error| error_text(&error))
        }
        Err(error) => Err(format!("the socket exists and cannot be probed: {}", error_text(&error))),
        Ok(()) => Err("the socket exists and a program listens on it".to_owned()),
    }
}

/// The path of a socket of ours. Removed at the end, unless another program has put its own there meanwhile.
pub(crate) struct OwnedPath {
    path: PathBuf,
    identity: (u64, u64),
}

impl OwnedPath {
    /// Of a socket that was just bound.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the socket. While the socket is open, nothing else has its number.
    pub(crate) fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|now| now == self.identity)
    }
}

impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

/// Checks the form of a path or abstract name, without touching the file system.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    // sun_path has 108 bytes, of which a path needs one for its end and an abstract name one for its beginning.
    const MOST: usize = 107;
    let name = path.strip_prefix('@').unwrap_or(path);
    if name.is_empty() || path.len() > MOST || CString::new(path).is_err() {
        return Err(format!("{path:?} is no path of a Unix socket: expected 1 to {MOST} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none() {
        assert_eq!((check_path("/run/s"), check_path("@name")), (Ok(()), Ok(())));
        for path in ["", "@", "a\0b", &"x".repeat(108)] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }
}
