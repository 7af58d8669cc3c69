//! The file that holds a snapshot: replaced as a whole or not at all, readable by its owner only. A bad file is put aside.
//!
//! The last snapshot of an orderly end bears a mark. It is taken off, on the disk, before anything is taken up: whatever ends the
//! program then, nobody takes that snapshot for its last one.
//!
//! Must not know when a snapshot is due, nor what a series is made of.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bridge::Bridge;
use crate::program::clock;
use crate::program::regular_file;
use crate::registry::Restored;
use crate::state::format::{self, Counts, Header, Mark, ReadError};
use crate::time::Timestamp;

/// Permissions of the file: what it holds may name users.
const MODE: u32 = 0o600;

/// A path at which snapshots are kept. One program at a time may use it.
#[derive(Debug, Clone)]
pub(super) struct StateFile {
    path: PathBuf,
}

/// A snapshot that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// What is in it.
    pub counts: Counts,
    /// Its size.
    pub bytes: u64,
}

/// What was found at the path.
#[derive(Debug)]
pub(super) enum RestoreOutcome {
    /// No file.
    Nothing,
    /// A good one, taken up.
    Restored {
        /// What became of its series.
        restored: Restored,
        /// When it was written.
        written: Timestamp,
        /// How the program ended that wrote it.
        ending: Ending,
    },
    /// A good one that is too old; it stays where it is until the next snapshot.
    TooOld {
        /// When it was written.
        written: Timestamp,
        /// How the program ended that wrote it.
        ending: Ending,
    },
    /// Not a good one; nothing of it was taken up.
    Bad {
        /// Why.
        error: ReadError,
        /// Where it is now; an error if it could not be put aside.
        aside: Result<PathBuf, io::Error>,
    },
}

/// How the program ended that wrote a snapshot, as far as the next one may rely on it.
#[derive(Debug)]
pub(super) enum Ending {
    /// In order; everything goes on.
    Orderly,
    /// Not in order, or that is unknown: only gauges and sets go on.
    Crash,
    /// In order, but the mark of that could not be taken off: only gauges and sets go on.
    MarkStays {
        /// Why not.
        error: io::Error,
        /// Where the file is now; an error if it could not be put aside.
        aside: Result<PathBuf, io::Error>,
    },
}

impl StateFile {
    /// The file at `path`; found out is only whether one can be written there.
    ///
    /// # Errors
    ///
    /// There is something at the path that is no file, or the folder cannot be written to.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let file = Self { path: path.to_owned() };
        // Followed, so that what a link leads to counts; a link to nowhere is replaced by the first snapshot.
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(io::Error::other("there is something that is not a file")),
            _ => {}
        }
        file.create_temporary()?;
        fs::remove_file(file.temporary())?;
        Ok(file)
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a snapshot beside the path, has the disk take it, and renames it to the path.
    ///
    /// # Errors
    ///
    /// Those of the file system. The file from before is untouched then.
    pub(super) fn write(&self, bridge: &Bridge, now: Timestamp, mark: Mark) -> io::Result<Written> {
        let written = self.write_temporary(bridge, now, mark).and_then(|written| {
            fs::rename(self.temporary(), &self.path)?;
            Ok(written)
        });
        if written.is_err() {
            let _ = fs::remove_file(self.temporary());
        }
        let written = written?;
        self.sync_folder()?;
        Ok(written)
    }

    fn sync_folder(&self) -> io::Result<()> {
        match File::open(self.folder())?.sync_all() {
            // Some file systems have no such thing for folders; the file itself is on the disk.
            Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
            _ => Ok(()),
        }
    }

    fn write_temporary(&self, bridge: &Bridge, now: Timestamp, mark: Mark) -> io::Result<Written> {
        let mut out = BufWriter::with_capacity(64 << 10, self.create_temporary()?);
        let counts = bridge.write_marked_state(now, mark, &mut out)?;
        out.flush()?;
        let file = out.get_ref();
        file.sync_all()?;
        Ok(Written { counts, bytes: file.metadata()?.len() })
    }

    /// A new file that nobody else can have open or have placed there: one that is left over goes first, and a link is not
    /// followed.
    fn create_temporary(&self) -> io::Result<File> {
        let path = self.temporary();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)
    }

    /// Takes up the snapshot at the path, all of it or nothing, unless the disk fails between its two readings. Never fails: what is
    /// bad is put aside.
    pub(super) fn restore(&self, bridge: &Bridge, max_age: Option<Duration>, now: Timestamp) -> RestoreOutcome {
        match self.try_restore(bridge, max_age, now) {
            Ok(found) => found,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => RestoreOutcome::Nothing,
            Err(error) => RestoreOutcome::Bad { error, aside: self.put_aside() },
        }
    }

    fn try_restore(&self, bridge: &Bridge, max_age: Option<Duration>, now: Timestamp) -> Result<RestoreOutcome, ReadError> {
        let file = regular_file::open(&self.path, true).or_else(|_| regular_file::open(&self.path, false)).map_err(ReadError::Io)?;
        let mut input = BufReader::with_capacity(64 << 10, file);
        let header @ Header { written, .. } = format::read_header(&mut input)?;
        let age_ms = clock::to_wall(now).millis_since(written);
        if max_age.is_some_and(|most| u128::from(age_ms) > most.as_millis()) {
            // What counts from now on is no older than another start's flags may let this file be.
            return Ok(RestoreOutcome::TooOld { written, ending: self.ending(input.get_ref(), header) });
        }
        let start = input.stream_position()?;
        // First only to see that all of it is good, so that nothing is taken up by half.
        format::read_frames(&mut input, drop)?;
        let ending = self.ending(input.get_ref(), header);
        input.seek(SeekFrom::Start(start))?;
        let mut restored = Restored::default();
        format::read_frames(&mut input, |family| {
            restored += match ending {
                Ending::Orderly => bridge.restore(family, now),
                Ending::Crash | Ending::MarkStays { .. } => bridge.restore_levels(family, now),
            };
        })?;
        Ok(RestoreOutcome::Restored { restored, written, ending })
    }

    /// How the program ended that wrote the file. Where in order, it is on the disk that this is not known any more when this returns;
    /// or the file is put aside, so that the next start does not rely on it.
    fn ending(&self, file: &File, header: Header) -> Ending {
        if header.mark == Mark::Running {
            return Ending::Crash;
        }
        // In place: a few bytes of one sector need no room on a full disk. If they are written by half, the checksum is wrong.
        let bytes = Header { mark: Mark::Running, ..header }.to_bytes();
        match file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()) {
            Ok(()) => Ending::Orderly,
            Err(error) => Ending::MarkStays { error, aside: self.put_aside() },
        }
    }

    /// Renames the file so that it can be looked at; one from before is replaced.
    fn put_aside(&self) -> Result<PathBuf, io::Error> {
        let aside = self.with(".bad");
        fs::rename(&self.path, &aside)?;
        self.sync_folder()?;
        Ok(aside)
    }

    fn temporary(&self) -> PathBuf {
        self.with(".tmp")
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(suffix);
        path.into()
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::options::Options;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn later(seconds: u64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
    }

    fn bridge() -> Bridge {
        Bridge::new(Options::default())
    }

    /// A folder, its state file, and a snapshot of one counter in it.
    fn kept() -> (TempDir, StateFile) {
        let folder = TempDir::new().unwrap();
        let file = StateFile::at(&folder.path().join("state")).unwrap();
        let bridge = bridge();
        bridge.worker().ingest(b"c:7|c", NOW);
        let written = file.write(&bridge, NOW, Mark::End).unwrap();
        assert_eq!((written.counts.series, written.bytes), (1, fs::metadata(file.path()).unwrap().len()));
        (folder, file)
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_its_owners_and_alone() {
        let (folder, file) = kept();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&folder), ["state"]);
        assert!(matches!(
            file.restore(&bridge(), None, NOW),
            RestoreOutcome::Restored { restored: Restored { series: 1, .. }, written: NOW, ending: Ending::Orderly }
        ));
    }

    fn shown(bridge: &Bridge) -> String {
        let mut page = Vec::new();
        bridge.render(NOW, &mut page);
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn the_last_snapshot_is_taken_for_that_once() {
        let (_folder, file) = kept();
        for (ending, line) in [(true, "\nc 7\n"), (false, "\nc 0\n"), (false, "\nc 0\n")] {
            let bridge = bridge();
            let found = file.restore(&bridge, None, later(1));
            assert!(
                matches!(&found, RestoreOutcome::Restored { ending: Ending::Orderly, .. } if ending)
                    || matches!(&found, RestoreOutcome::Restored { ending: Ending::Crash, .. } if !ending),
                "{found:?}"
            );
            assert!(shown(&bridge).contains(line), "{}", shown(&bridge));
        }
        let running = bridge();
        running.worker().ingest(b"c:8|c", NOW);
        file.write(&running, NOW, Mark::Running).unwrap();
        assert!(matches!(file.restore(&bridge(), None, NOW), RestoreOutcome::Restored { ending: Ending::Crash, .. }));
    }

    #[test]
    fn a_mark_that_cannot_be_taken_off_counts_for_nothing() {
        let (folder, file) = kept();
        let read_only = File::open(file.path()).unwrap();
        let header = format::read_header(&mut &read_only).unwrap();
        let ending = file.ending(&read_only, header);
        assert!(matches!(&ending, Ending::MarkStays { aside: Ok(path), .. } if path.ends_with("state.bad")), "{ending:?}");
        assert_eq!(names(&folder), ["state.bad"], "the next start does not see it");
    }

    #[test]
    fn a_file_that_is_too_old_loses_its_mark_too() {
        let (_folder, file) = kept();
        let found = file.restore(&bridge(), Some(Duration::from_secs(1)), later(5));
        assert!(matches!(found, RestoreOutcome::TooOld { ending: Ending::Orderly, .. }), "{found:?}");
        assert!(matches!(file.restore(&bridge(), None, later(6)), RestoreOutcome::Restored { ending: Ending::Crash, .. }));
    }

    #[test]
    fn a_link_at_the_temporary_name_is_not_followed() {
        let (folder, file) = kept();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("state.tmp")).unwrap();
        file.write(&bridge(), NOW, Mark::Running).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(names(&folder), ["state", "victim"]);
        assert!(fs::symlink_metadata(file.path()).unwrap().is_file());
    }

    #[test]
    fn a_snapshot_that_fails_leaves_the_one_before() {
        let (folder, file) = kept();
        // A folder that is not empty cannot be removed, by whomever.
        fs::create_dir_all(folder.path().join("state.tmp/x")).unwrap();
        assert!(file.write(&bridge(), later(1), Mark::End).is_err());
        assert!(matches!(file.restore(&bridge(), None, later(2)), RestoreOutcome::Restored { written: NOW, .. }));
    }

    #[test]
    fn age_counts_from_when_it_was_written() {
        let (folder, file) = kept();
        let restore = |now| file.restore(&bridge(), Some(Duration::from_secs(60)), now);
        assert!(matches!(restore(later(60)), RestoreOutcome::Restored { .. }));
        assert!(matches!(restore(later(61)), RestoreOutcome::TooOld { written: NOW, .. }));
        assert_eq!(names(&folder), ["state"], "it stays");
        assert!(matches!(file.restore(&bridge(), None, later(61)), RestoreOutcome::Restored { .. }));
        let before = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
        assert!(matches!(restore(before), RestoreOutcome::Restored { .. }), "from the future");
    }

    #[test]
    fn a_bad_file_is_put_aside_and_replaces_one_from_before() {
        let (folder, file) = kept();
        for text in ["first", "second"] {
            fs::write(file.path(), text).unwrap();
            let found = file.restore(&bridge(), None, NOW);
            assert!(
                matches!(&found, RestoreOutcome::Bad { error: ReadError::NotOne, aside: Ok(path) } if path.ends_with("state.bad")),
                "{found:?}"
            );
            assert_eq!(fs::read_to_string(folder.path().join("state.bad")).unwrap(), text);
            assert_eq!(names(&folder), ["state.bad"]);
        }
        assert!(matches!(file.restore(&bridge(), None, NOW), RestoreOutcome::Nothing));
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = TempDir::new().unwrap();
        for path in [folder.path(), Path::new("/dev/null"), &folder.path().join("absent/state")] {
            assert!(StateFile::at(path).is_err(), "{}", path.display());
        }
        assert!(names(&folder).is_empty());
    }
}
