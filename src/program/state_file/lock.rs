//! The lock that keeps a second program from using a state file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file, or creates it with the permissions `mode`, and locks it until it is closed. The file is never removed: a program that
/// opened it before the removal would lock another file than one that creates it again.
pub(super) fn locked(path: &Path, mode: u32) -> io::Result<File> {
    // With `read`, a named pipe at the path does not block.
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(mode).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let message = format!("another program uses it: {} is locked. Give each bridge its own state file", path.display());
            return Err(io::Error::other(message));
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(
                file = %path.display(), %error,
                "the file system cannot lock files, so nothing keeps another program from using this state file"
            );
        }
    }
    Ok(file)
}
