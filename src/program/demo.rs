//! The demo: sends the example files of a folder to the bridge's own UDP address, again and again, as any client would.
//!
//! Cuts files into datagrams at line ends. Must not know StatsD beyond its newline, nor the bridge beyond its address.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::program::net::error_text;
use crate::program::regular_file;

/// Time between two replays.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
/// Bytes of a datagram that fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 1432;
/// Bytes of the longest datagram that IPv4 can carry.
const MOST_BYTES: usize = 65_507;

/// What the files hold, cut into datagrams.
pub(super) struct Examples {
    files: usize,
    datagrams: Vec<Vec<u8>>,
}

impl Examples {
    /// Reads all `*.statsd` files under `folder`.
    ///
    /// # Errors
    /// One line that names the folder or file which cannot be read, or the folder that holds none.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let failed = |path: &Path, why: &dyn std::fmt::Display| {
            format!("demo: {}: {why}; name the folder of the examples with --examples=DIR", path.display())
        };
        let mut paths = Vec::new();
        find(folder, &mut paths).map_err(|(path, error)| failed(&path, &error_text(&error)))?;
        if paths.is_empty() {
            return Err(failed(folder, &"there is no *.statsd file in it"));
        }
        paths.sort();
        let mut datagrams = Vec::new();
        for path in &paths {
            let bytes = regular_file::read(path).map_err(|error| failed(path, &error_text(&error)))?;
            pack(&bytes, &mut datagrams);
        }
        Ok(Self { files: paths.len(), datagrams })
    }

    /// What is going to happen, for a person.
    pub(super) fn describe(&self) -> String {
        let (files, datagrams, seconds) = (self.files, self.datagrams.len(), PAUSE.as_secs());
        format!("demo: replaying {files} files as {datagrams} datagrams now, and again every {seconds} s")
    }

    /// Sends all of them to `target` now and every five seconds; never ends.
    pub(super) async fn replay(&self, target: SocketAddr) -> io::Result<()> {
        let any: SocketAddr = if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        let mut interval = tokio::time::interval(PAUSE);
        loop {
            interval.tick().await;
            for datagram in &self.datagrams {
                if let Err(error) = socket.send_to(datagram, target).await {
                    tracing::warn!(%error, %target, "the demo cannot send");
                }
            }
            tracing::debug!(datagrams = self.datagrams.len(), "replayed the examples");
        }
    }
}

/// All `*.statsd` files under `folder`. Links are not followed, so that it ends.
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

/// Cuts a file into datagrams of whole lines. A line that fits no datagram at all is left out.
fn pack(bytes: &[u8], datagrams: &mut Vec<Vec<u8>>) {
    let mut datagram: Vec<u8> = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n').filter(|line| line.len() <= MOST_BYTES) {
        if !datagram.is_empty() && datagram.len() + line.len() > DATAGRAM_BYTES {
            datagrams.push(std::mem::take(&mut datagram));
        }
        datagram.extend_from_slice(line);
    }
    if !datagram.is_empty() {
        datagrams.push(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_all_folders_and_cut_at_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("topic")).unwrap();
        let line = |c: char| format!("{}:1|c\n", c.to_string().repeat(994));
        fs::write(folder.path().join("topic/case.statsd"), line('a') + &line('b') + "c:1|c").unwrap();
        fs::write(folder.path().join("topic/case.prom"), "a 1\n").unwrap();
        fs::write(folder.path().join("z.statsd"), [b"d:1|c\n\xff\n".to_vec(), vec![b'x'; 70_000]].concat()).unwrap();
        let examples = Examples::read(folder.path()).unwrap();
        assert_eq!(examples.files, 2);
        assert_eq!(examples.datagrams, [line('a').into_bytes(), (line('b') + "c:1|c").into_bytes(), b"d:1|c\n\xff\n".to_vec()]);
    }

    #[test]
    fn a_folder_that_is_absent_or_empty_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Examples::read(folder.path()).err().unwrap();
        assert!(empty.contains("there is no *.statsd file in it"), "{empty}");
        let absent = Examples::read(&folder.path().join("absent")).err().unwrap();
        assert!(absent.contains("absent: No such file or directory; name the folder"), "{absent}");
    }
}
