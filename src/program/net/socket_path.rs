//! Paths of Unix sockets: validates them, removes stale sockets, and removes the bridge's own sockets at shutdown.
//!
//! Must not know the kind of a socket or what it carries.

use std::ffi::CString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};

use super::error_text::error_text;

/// Who can use a socket through its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAccess {
    /// Permissions of the path.
    pub mode: u32,
    /// Name or number of the user that owns the path; `None` for the user of the bridge.
    pub owner: Option<String>,
    /// Name or number of the group of the path; `None` for the group of the bridge.
    pub group: Option<String>,
}

/// The reason why a path cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathError {
    /// A program listens at the path, on a socket of another kind: for datagrams instead of streams, or the reverse.
    #[error("the socket exists and another program listens on it, on a socket of another kind")]
    OtherKind,
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

impl From<String> for PathError {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

impl From<PathError> for String {
    fn from(error: PathError) -> Self {
        error.to_string()
    }
}

/// Binds a path, or an abstract name that begins with `@`. A socket at the path without a listener is replaced. `probe` connects to it.
pub(crate) fn bind_path<S>(
    path: &str,
    access: &PathAccess,
    bind: impl FnOnce(&SocketAddr) -> io::Result<S>,
    probe: impl Fn(&Path) -> io::Result<()>,
) -> Result<(S, Option<OwnedPath>), PathError> {
    let words = |error: io::Error| error_text(&error);
    if let Some(name) = path.strip_prefix('@') {
        let address = SocketAddr::from_abstract_name(name).map_err(words)?;
        return Ok((bind(&address).map_err(words)?, None));
    }
    let path = Path::new(path);
    remove_stale(path, probe)?;
    let socket = bind(&SocketAddr::from_pathname(path).map_err(words)?).map_err(words)?;
    let owned = OwnedPath::new(path).map_err(words)?;
    // The permissions are set last. Until then, the path has the permissions of a new file.
    change_owner(path, access.owner.as_deref(), access.group.as_deref())?;
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode)).map_err(words)?;
    Ok((socket, Some(owned)))
}

/// Removes a socket at the path that has no listener. `probe` connects to it.
pub(crate) fn remove_stale(path: &Path, probe: impl Fn(&Path) -> io::Result<()>) -> Result<(), PathError> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error_text(&error).into()),
    };
    if !there.file_type().is_socket() {
        return Err("the path exists and is not a socket".to_owned().into());
    }
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing a socket without a listener");
            fs::remove_file(path).map_err(|error| error_text(&error).into())
        }
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Err(PathError::OtherKind),
        Err(error) => Err(format!("the socket exists and cannot be probed: {}", error_text(&error)).into()),
        Ok(()) => Err("the socket exists and another program listens on it".to_owned().into()),
    }
}

/// Connects to a stream socket, for [`bind_path`]. A listener whose queue is full is there, too.
pub(crate) fn probe_stream(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        connected => connected,
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

/// The path of a bound socket, or its abstract name with `@`, as in the flags.
pub(crate) fn shown_path(address: &SocketAddr) -> String {
    let abstract_name = || address.as_abstract_name().map(|name| format!("@{}", String::from_utf8_lossy(name)));
    address.as_pathname().map(|path| path.display().to_string()).or_else(abstract_name).unwrap_or_default()
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
