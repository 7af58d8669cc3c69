//! Paths of Unix sockets: validates them, removes stale sockets, and removes the bridge's own sockets at shutdown.
//!
//! Must not know the kind of a socket or what it carries.

use std::ffi::CString;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error_text::error_text;

/// Removes a socket at the path that has no listener. `probe` connects to it.
pub(crate) fn remove_stale(path: &Path, probe: impl Fn(&Path) -> io::Result<()>) -> Result<(), String> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error_text(&error)),
    };
    if !there.file_type().is_socket() {
        return Err("the path exists and is not a socket".to_owned());
    }
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing a socket without a listener");
            fs::remove_file(path).map_err(|error| error_text(&error))
        }
        Err(error) => Err(format!("the socket exists and cannot be probed: {}", error_text(&error))),
        Ok(()) => Err("the socket exists and another program listens on it".to_owned()),
    }
}

/// The path of a socket of the bridge. Dropping it removes the path, unless it leads to another program's socket by then.
pub(crate) struct OwnedPath {
    path: PathBuf,
    identity: (u64, u64),
}

impl OwnedPath {
    /// The path of a socket that was just bound.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the socket. While the socket is open, no other file has its inode number.
    pub(crate) fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|now| now == self.identity)
    }
}

impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.is_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), error = error_text(&error), "the path of a socket cannot be removed");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

/// Validates a path or an abstract name, without access to the file system.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    // sun_path has 108 bytes. A path needs one of them for its terminating NUL, an abstract name one for its leading NUL.
    const MAX: usize = 107;
    let name = path.strip_prefix('@').unwrap_or(path);
    if name.is_empty() || path.len() > MAX || CString::new(path).is_err() {
        return Err(format!("{path:?} is not a path of a Unix socket: expected 1 to {MAX} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_paths() {
        assert_eq!((check_path("/run/s"), check_path("@name")), (Ok(()), Ok(())));
        for path in ["", "@", "a\0b", &"x".repeat(108)] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }
}
