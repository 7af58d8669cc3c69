//! Opens and reads files that an operator names: regular files only, never waiting for another program, up to a size.
//!
//! A pipe, a device or a folder in a file's place is an error at once: a pipe would be waited for, and `/dev/zero` has no end. Links
//! are followed, such as those of a ConfigMap. Must not know what a file is for.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of a file that is read as a whole: more is something else than rules, settings or certificates.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// A regular file, for reading; `writable` for writing too.
///
/// # Errors
///
/// Those of the file system; what is there is no regular file.
pub(super) fn open(path: &Path, writable: bool) -> io::Result<File> {
    // Looked at first, because opening alone does something to a pipe or a device; and again, should it be another one by then.
    is_regular(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new().read(true).write(writable).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    is_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// All bytes of a regular file.
///
/// # Errors
///
/// Those of [`open`]; the file has more than [`MOST_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, false)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it has more than {} MiB, which is the most that is read", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// The text of a regular file.
///
/// # Errors
///
/// Those of [`read`]; the file is no text in UTF-8.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is no text in UTF-8"))
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
    fn only_regular_files_of_some_size_are_read() {
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
        large.set_len(MOST_BYTES).unwrap();
        assert_eq!(why(&at("large")), None);
        large.set_len(MOST_BYTES + 1).unwrap();
        assert_eq!(why(&at("large")).as_deref(), Some("it has more than 16 MiB, which is the most that is read"));
        fs::write(at("bytes"), b"\xff").unwrap();
        assert_eq!(read_text(&at("bytes")).unwrap_err().to_string(), "it is no text in UTF-8");
    }
}
