//! The form of a snapshot: a stream of bytes that is read as a whole or refused.
//!
//! ```text
//! header   magic (8 bytes), version (u32), time written (u64, milliseconds since 1970), mark (u32; not in versions 2 and 3), CRC-32
//!          of these
//! frame    length of the body (u32), CRC-32 of the body, body: a record in postcard's encoding
//! ...
//! frame    the end: how many records and series came before; then nothing
//! ```
//! The mark is 1 in the last snapshot of an orderly end and 0 in all others. Who takes a marked snapshot up removes the mark first.
//! Numbers are little-endian. Any bytes may be read: they give an error and never a panic, and a length that is claimed allocates
//! nothing before that many bytes were there.

use std::io::{self, ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use crate::registry::{Registry, SavedFamily, save};
use crate::time::Timestamp;

const MAGIC: [u8; 8] = *b"sdbstate";

/// Rises with every change that a reader of the last version would not understand: fields of the records, how members of sets
/// are hashed, how bins of summaries are cut; or of the header.
pub const VERSION: u32 = 4;

/// The oldest version that is read: what a later one has beside it came at the end of lists.
const VERSION_MIN: u32 = 2;

/// The first version with a mark.
const VERSION_MARKED: u32 = 4;

/// Bytes before the first frame, as this version writes them.
pub const HEADER_BYTES: usize = 28;

/// Whether a snapshot is the last one of a program that ended in order. Only then is it no older than any exposition, so that
/// counters may go on from it without seeming to fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The program ran on, or it is unknown how it ended.
    Running,
    /// Nothing was recorded after it.
    End,
}

/// What stands before the first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// When the snapshot was written, in wall time.
    pub written: Timestamp,
    /// Whether it is the last one.
    pub mark: Mark,
}

/// Bytes of a body at most. A piece of a family is about 256 KiB; one series of the largest summary may take 2 MiB.
const FRAME_MAX: usize = 8 << 20;

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Something else altogether.
    #[error("it is not a state file")]
    NotOne,
    /// Another program wrote it, a later or an older one.
    #[error("its format version is {0}, this program reads {VERSION}")]
    Version(u32),
    /// It ends too early.
    #[error("it is cut: the end is missing")]
    Cut,
    /// A checksum or a length is wrong, or something follows the end.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pieces of families.
    pub pieces: u64,
    /// Series.
    pub series: u64,
    /// Series left out because they would not fit into a frame.
    pub left_out: u64,
}

#[derive(Serialize)]
enum RecordRef<'a> {
    Family(&'a SavedFamily),
    End { pieces: u64, series: u64 },
}

#[derive(Deserialize)]
enum Record {
    Family(SavedFamily),
    End { pieces: u64, series: u64 },
}

/// Writes all series of `registry`. The memory that it takes does not grow with their number.
///
/// # Errors
///
/// Those of `out`.
pub(crate) fn write(registry: &Registry, (now, mark): (Timestamp, Mark), out: &mut impl Write) -> io::Result<Counts> {
    out.write_all(&Header { written: registry.wall().of(now), mark }.to_bytes())?;
    let (mut counts, mut body) = (Counts::default(), Vec::new());
    save(registry, now, &mut |family| {
        body = encode(&RecordRef::Family(family), std::mem::take(&mut body))?;
        if body.len() > FRAME_MAX {
            counts.left_out += family.series.len() as u64;
            return Ok(());
        }
        counts.pieces += 1;
        counts.series += family.series.len() as u64;
        write_frame(&body, out)
    })?;
    let end = encode(&RecordRef::End { pieces: counts.pieces, series: counts.series }, body)?;
    write_frame(&end, out)?;
    Ok(counts)
}

fn encode(record: &RecordRef<'_>, mut body: Vec<u8>) -> io::Result<Vec<u8>> {
    body.clear();
    postcard::to_extend(record, body).map_err(io::Error::other)
}

impl Header {
    /// As it stands in a file: [`HEADER_BYTES`] bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.written.as_millis().to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.mark == Mark::End).to_le_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }
}

fn write_frame(body: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&crc32fast::hash(body).to_le_bytes())?;
    out.write_all(body)
}

/// When a snapshot was written, and its mark. Leaves `input` before the first frame.
///
/// # Errors
///
/// Any but [`ReadError::Damaged`] for what comes later.
pub fn read_header(input: &mut impl Read) -> Result<Header, ReadError> {
    let mut bytes = [0; HEADER_BYTES];
    let (start, end) = bytes.split_at_mut(HEADER_BYTES - 4);
    let read = read_up_to(input, start)?;
    let (magic, rest) = start.split_at(MAGIC.len());
    if read < MAGIC.len() || magic != MAGIC {
        return Err(if MAGIC.starts_with(start.get(..read).unwrap_or_default()) { ReadError::Cut } else { ReadError::NotOne });
    }
    let (version, rest) = rest.split_at(4);
    // Before length and checksum: a later version may have another header.
    let version = u32_of(version);
    if read >= MAGIC.len() + 4 && !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(ReadError::Version(version));
    }
    let (millis, last) = rest.split_at(8);
    let written = Timestamp::from_millis(u64::from_le_bytes(millis.try_into().unwrap_or_default()));
    if read < start.len() {
        return Err(ReadError::Cut);
    }
    // Where there is no mark, the checksum stands in its place.
    let (mark, sum, summed) = if version >= VERSION_MARKED {
        if read_up_to(input, end)? < end.len() {
            return Err(ReadError::Cut);
        }
        (u32_of(last), u32_of(end), HEADER_BYTES - 4)
    } else {
        (0, u32_of(last), HEADER_BYTES - 8)
    };
    if sum != crc32fast::hash(bytes.get(..summed).unwrap_or_default()) {
        return Err(ReadError::Damaged("the checksum of its header is wrong"));
    }
    match mark {
        0 => Ok(Header { written, mark: Mark::Running }),
        1 => Ok(Header { written, mark: Mark::End }),
        _ => Err(ReadError::Damaged("its mark is unknown")),
    }
}

/// Reads all frames behind the header and shows each piece to `each`. Only a return without an error says that all of it was
/// good: to use all or nothing, read it twice.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read_frames(input: &mut impl Read, mut each: impl FnMut(SavedFamily)) -> Result<Counts, ReadError> {
    let (mut counts, mut body) = (Counts::default(), Vec::new());
    loop {
        match read_frame(input, &mut body)? {
            Record::Family(family) => {
                counts.pieces += 1;
                counts.series += family.series.len() as u64;
                each(family);
            }
            Record::End { pieces, series } if (pieces, series) != (counts.pieces, counts.series) => {
                return Err(ReadError::Damaged("frames are missing"));
            }
            Record::End { .. } => break,
        }
    }
    if read_up_to(input, &mut [0])? > 0 {
        return Err(ReadError::Damaged("something follows its end"));
    }
    Ok(counts)
}

fn read_frame(input: &mut impl Read, body: &mut Vec<u8>) -> Result<Record, ReadError> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let (length, sum) = head.split_at(4);
    let (length, sum) = (u32_of(length) as usize, u32_of(sum));
    if length > FRAME_MAX {
        return Err(ReadError::Damaged("a frame is too long"));
    }
    body.clear();
    // Grows with what is there, not with what was claimed.
    if input.take(length as u64).read_to_end(body)? < length {
        return Err(ReadError::Cut);
    }
    if crc32fast::hash(body) != sum {
        return Err(ReadError::Damaged("a checksum is wrong"));
    }
    match postcard::take_from_bytes(body) {
        Ok((record, [])) => Ok(record),
        _ => Err(ReadError::Damaged("a frame cannot be decoded")),
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap_or_default())
}
