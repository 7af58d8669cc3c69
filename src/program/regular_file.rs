//! Opens and reads files that an operator names: regular files only, up to a maximum size.
//!
//! A pipe, a device or a folder is an error: reading a pipe can block, and `/dev/zero` has no end. Links are followed, such as those of a
//! ConfigMap. Must not know what a file is for.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Size limit for files that are read completely. Files of rules, settings or certificates are smaller.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Opens a regular file for reading, and for writing too if `writable`.
///
/// # Errors
///
/// Errors of the file system; the file is not a regular file.
pub(super) fn open(path: &Path, writable: bool) -> io::Result<File> {
    // Checked before opening, because opening affects pipes and devices, and again after it, because the file may have been replaced.
    is_regular(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new().read(true).write(writable).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    is_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a regular file.
///
/// # Errors
///
/// Errors of [`open`]; the file is larger than [`MAX_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, false)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("the file is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

/// Reads the text of a regular file.
///
/// # Errors
///
/// Errors of [`read`]; the file is not UTF-8.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::other("the file is not UTF-8 text"))
}

fn is_regular(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_up_to_the_size_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let why = |path: &Path| read(path).err().map(|error| error.to_string());
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert_eq!(read_text(&at("link")).unwrap(), "text");
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        assert_eq!(why(&at("zero")).as_deref(), Some("it is a device, not a regular file"));
        assert_eq!(why(folder.path()).as_deref(), Some("it is a folder, not a regular file"));
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(why(&at("socket")).as_deref(), Some("it is a socket, not a regular file"));
        let large = File::create(at("large")).unwrap();
        large.set_len(MAX_BYTES).unwrap();
        assert_eq!(why(&at("large")), None);
        large.set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(why(&at("large")).as_deref(), Some("the file is larger than 16 MiB"));
        fs::write(at("bytes"), b"\xff").unwrap();
        assert_eq!(read_text(&at("bytes")).unwrap_err().to_string(), "the file is not UTF-8 text");
    }
}
