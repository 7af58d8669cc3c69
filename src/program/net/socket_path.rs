//! Paths of Unix sockets: validates them, removes stale sockets, and removes the bridge's own sockets at shutdown.
//!
//! Must not know the kind of a socket or what it carries.

use std::ffi::CString;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::unistd::{Group, User};

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

/// Changes the user and the group of a path, each by name or number. `None` leaves it unchanged.
pub(crate) fn change_owner(path: &Path, owner: Option<&str>, group: Option<&str>) -> Result<(), String> {
    let user = owner.map(|name| id(name, |name| Ok(User::from_name(name)?.map(|user| user.uid.as_raw())))).transpose();
    let user = user.map_err(|why| format!("user {why}"))?;
    let group = group.map(|name| id(name, |name| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw())))).transpose();
    let group = group.map_err(|why| format!("group {why}"))?;
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    chown(path, user, group).map_err(|error| format!("the socket's owner cannot be changed: {}", error_text(&error)))
}

/// The number of a user or group. Digits are a number even if a name consists of digits.
fn id(name: &str, by_name: impl Fn(&str) -> io::Result<Option<u32>>) -> Result<u32, String> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        // The largest number means "unchanged" to the system.
        return name.parse().ok().filter(|id| *id != u32::MAX).ok_or_else(|| format!("{name:?} is not a number below {}", u32::MAX));
    }
    match by_name(name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(format!("{name:?} does not exist on this system")),
        Err(error) => Err(format!("{name:?} cannot be looked up: {}", error_text(&error))),
    }
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
    fn users_and_groups_have_names_or_numbers() {
        let by_name = |name: &str| Ok((name == "statsd").then_some(7));
        assert_eq!((id("statsd", by_name), id("0", by_name), id("4294967294", by_name)), (Ok(7), Ok(0), Ok(u32::MAX - 1)));
        for (name, why) in [("nobody-here", "does not exist on this system"), ("4294967295", "is not a number below 4294967295")] {
            assert_eq!(id(name, by_name), Err(format!("{name:?} {why}")));
        }
        let missing = change_owner(Path::new("/"), Some("no-such-user-here"), None);
        assert_eq!(missing, Err("user \"no-such-user-here\" does not exist on this system".to_owned()));
        assert_eq!(change_owner(Path::new("/does/not/exist"), None, None), Ok(()));
    }

    #[test]
    fn invalid_paths() {
        assert_eq!((check_path("/run/s"), check_path("@name")), (Ok(()), Ok(())));
        for path in ["", "@", "a\0b", &"x".repeat(108)] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }
}
