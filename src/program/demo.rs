//! The demo: sends the example files of a folder to the bridge's own UDP address at intervals, as a client does.
//!
//! Splits files into datagrams at line ends. Must not know StatsD beyond its newline, nor the bridge beyond its address.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::program::net::error_text;
use crate::program::regular_file;

/// Interval between two rounds.
const INTERVAL: Duration = Duration::from_secs(5);
/// Length of a datagram that fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 1432;
/// Length of the longest datagram over IPv4.
const MAX_BYTES: usize = 65_507;

/// The contents of the files, as datagrams.
pub(super) struct Examples {
    files: usize,
    datagrams: Vec<Vec<u8>>,
    /// Lines that are too long for a datagram.
    left_out: usize,
}

impl Examples {
    /// Reads all `*.statsd` files under `folder`.
    ///
    /// # Errors
    ///
    /// One line that names an unreadable folder or file, or a folder without examples.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let failed = |path: &Path, why: &dyn std::fmt::Display| {
            format!("demo: {}: {why}; set the folder of the examples with --examples=DIR", path.display())
        };
        let mut paths = Vec::new();
        find(folder, &mut paths).map_err(|(path, error)| failed(&path, &error_text(&error)))?;
        if paths.is_empty() {
            return Err(failed(folder, &"the folder has no *.statsd file"));
        }
        paths.sort();
        let (mut datagrams, mut left_out) = (Vec::new(), 0);
        for path in &paths {
            let bytes = regular_file::read(path).map_err(|error| failed(path, &error_text(&error)))?;
            left_out += pack(&bytes, &mut datagrams);
        }
        Ok(Self { files: paths.len(), datagrams, left_out })
    }

    /// A line for the user about what the demo sends.
    pub(super) fn describe(&self) -> String {
        let (files, datagrams, seconds) = (self.files, self.datagrams.len(), INTERVAL.as_secs());
        let left_out = match self.left_out {
            0 => String::new(),
            lines => format!("; lines too long for a datagram: {lines}"),
        };
        format!("demo: sending {files} files as {datagrams} datagrams every {seconds} s{left_out}")
    }

    /// Sends all datagrams to `target` now and at each interval. Returns only if it cannot open a socket.
    pub(super) async fn replay(&self, target: SocketAddr) -> io::Result<()> {
        let any: SocketAddr = if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            for datagram in &self.datagrams {
                if let Err(error) = socket.send_to(datagram, target).await {
                    tracing::warn!(%error, %target, "the demo cannot send");
                }
            }
            tracing::debug!(datagrams = self.datagrams.len(), "the demo sent all examples");
        }
    }
}

/// Finds all `*.statsd` files under `folder`. Links are not followed, because they can form a loop.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            find(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "statsd") {
            found.push(path);
        }
    }
    Ok(())
}

/// Splits a file into datagrams of complete lines. Returns the number of lines that are too long for a datagram and are left out.
fn pack(bytes: &[u8], datagrams: &mut Vec<Vec<u8>>) -> usize {
    let mut datagram: Vec<u8> = Vec::new();
    let mut left_out = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if line.len() > MAX_BYTES {
            left_out += 1;
            continue;
        }
        if !datagram.is_empty() && datagram.len() + line.len() > DATAGRAM_BYTES {
            datagrams.push(std::mem::take(&mut datagram));
        }
        datagram.extend_from_slice(line);
    }
    if !datagram.is_empty() {
        datagrams.push(datagram);
    }
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_all_folders_and_split_at_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("topic")).unwrap();
        let line = |c: char| format!("{}:1|c\n", c.to_string().repeat(994));
        fs::write(folder.path().join("topic/case.statsd"), line('a') + &line('b') + "c:1|c").unwrap();
        fs::write(folder.path().join("topic/case.prom"), "a 1\n").unwrap();
        fs::write(folder.path().join("z.statsd"), [b"d:1|c\n\xff\n".to_vec(), vec![b'x'; 70_000]].concat()).unwrap();
        let examples = Examples::read(folder.path()).unwrap();
        assert_eq!((examples.files, examples.left_out), (2, 1));
        assert_eq!(examples.datagrams, [line('a').into_bytes(), (line('b') + "c:1|c").into_bytes(), b"d:1|c\n\xff\n".to_vec()]);
    }

    #[test]
    fn errors_name_an_absent_or_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Examples::read(folder.path()).err().unwrap();
        assert!(empty.contains("the folder has no *.statsd file"), "{empty}");
        let absent = Examples::read(&folder.path().join("absent")).err().unwrap();
        assert!(absent.contains("absent: No such file or directory; set the folder"), "{absent}");
    }
}
