//! The format of a snapshot: a stream of bytes that is valid as a whole or rejected.
//!
//! ```text
//! header   magic (8 bytes), version (u32), time written (u64, milliseconds since 1970), mark (u32; not in versions 2 and 3), CRC-32
//!          of these
//! frame    length of the body (u32), CRC-32 of the body, body: a record in postcard's encoding
//! ...
//! frame    the end: numbers of records and series before it; nothing follows
//! ```
//! The mark is 1 in the last snapshot of an orderly end and 0 in all others. A program that restores a marked snapshot removes the mark
//! first. Numbers are little-endian. Invalid bytes give an error and never a panic, and a length in the stream allocates no memory
//! before that many bytes were read.

use std::io::{self, ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use crate::registry::{Registry, SavedFamily, save};
use crate::time::Timestamp;

const MAGIC: [u8; MAGIC_BYTES] = *b"sdbstate";

/// The version of the format. It increases with every change that a reader of the previous version does not understand: in the header,
/// the fields of records, the hashes of members of sets, the bins of summaries.
pub const VERSION: u32 = 4;

/// The oldest version that is read. Later versions only added variants at the end of enums.
const VERSION_MIN: u32 = 2;

/// The first version with a mark.
const VERSION_MARKED: u32 = 4;

/// Bytes of the magic number.
const MAGIC_BYTES: usize = 8;

/// Bytes of the header of this version.
pub const HEADER_BYTES: usize = MAGIC_BYTES + 4 + 8 + 4 + 4;

/// Bytes of a header without a mark.
const UNMARKED_HEADER_BYTES: usize = HEADER_BYTES - 4;

/// Whether a snapshot is the last one of a program that shut down cleanly. Only then no exposition is later than the snapshot, so
/// that counters can continue from it without a decrease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The program was running, or it is unknown how it ended.
    Running,
    /// Nothing was recorded after the snapshot.
    End,
}

/// The contents of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Time of the snapshot, in wall time.
    pub written: Timestamp,
    /// Whether it is the last snapshot.
    pub mark: Mark,
}

/// Maximum length of a body in bytes. A piece of a family has about 256 KiB; one series of the largest summary may need 2 MiB.
const MAX_FRAME_BYTES: usize = 8 << 20;

/// Why bytes are not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes begin with another magic number.
    #[error("it is not a state file")]
    NotOne,
    /// The format has a version that this program does not read.
    #[error("its format version is {0}, this program reads {VERSION_MIN} to {VERSION}")]
    Version(u32),
    /// The end is missing.
    #[error("it is truncated: the end is missing")]
    Cut,
    /// A checksum or a length is wrong, or bytes follow the end.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Reading failed.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// The numbers of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pieces of families.
    pub pieces: u64,
    /// Series.
    pub series: u64,
    /// Series left out because their piece is longer than a frame.
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

/// Writes all series of `registry`. The memory that it needs does not depend on their number.
///
/// # Errors
///
/// Errors of `out`.
pub(crate) fn write(registry: &Registry, (now, mark): (Timestamp, Mark), out: &mut impl Write) -> io::Result<Counts> {
    out.write_all(&Header { written: registry.wall().of(now), mark }.to_bytes())?;
    let (mut counts, mut body) = (Counts::default(), Vec::new());
    save(registry, now, &mut |family| {
        body = encode(&RecordRef::Family(family), std::mem::take(&mut body))?;
        if body.len() > MAX_FRAME_BYTES {
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
    /// The header as bytes of a file: [`HEADER_BYTES`] bytes.
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

/// Reads the header. Leaves `input` before the first frame.
///
/// # Errors
///
/// See [`ReadError`]. Frames are not checked.
pub fn read_header(input: &mut impl Read) -> Result<Header, ReadError> {
    let mut summed = Vec::with_capacity(HEADER_BYTES);
    let magic = read_array::<MAGIC_BYTES>(input, &mut summed)?;
    if magic != Some(MAGIC) {
        return Err(if MAGIC.starts_with(&summed) { ReadError::Cut } else { ReadError::NotOne });
    }
    // The version is checked first, because the rest of the header may differ in other versions.
    let version = u32::from_le_bytes(read_array(input, &mut summed)?.ok_or(ReadError::Cut)?);
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(ReadError::Version(version));
    }
    let millis = u64::from_le_bytes(read_array(input, &mut summed)?.ok_or(ReadError::Cut)?);
    let written = Timestamp::from_millis(millis);
    let mark = if version >= VERSION_MARKED { u32::from_le_bytes(read_array(input, &mut summed)?.ok_or(ReadError::Cut)?) } else { 0 };
    let sum = crc32fast::hash(&summed);
    if u32::from_le_bytes(read_array(input, &mut summed)?.ok_or(ReadError::Cut)?) != sum {
        return Err(ReadError::Damaged("the checksum of its header is wrong"));
    }
    debug_assert_eq!(summed.len(), if version >= VERSION_MARKED { HEADER_BYTES } else { UNMARKED_HEADER_BYTES });
    match mark {
        0 => Ok(Header { written, mark: Mark::Running }),
        1 => Ok(Header { written, mark: Mark::End }),
        _ => Err(ReadError::Damaged("its mark is unknown")),
    }
}

/// Reads `N` bytes, and appends the bytes that it read to `all`. `None` if there are fewer.
fn read_array<const N: usize>(input: &mut impl Read, all: &mut Vec<u8>) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    let read = read_up_to(input, &mut bytes)?;
    all.extend(bytes.iter().take(read));
    Ok((read == N).then_some(bytes))
}

/// Reads all frames behind the header and calls `each` with each piece. Only a result without an error means that all frames are valid:
/// to restore all or nothing, read them twice.
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
        return Err(ReadError::Damaged("bytes follow its end"));
    }
    Ok(counts)
}

fn read_frame(input: &mut impl Read, body: &mut Vec<u8>) -> Result<Record, ReadError> {
    let (mut length, mut sum) = ([0; 4], [0; 4]);
    input.read_exact(&mut length)?;
    input.read_exact(&mut sum)?;
    let (length, sum) = (u32::from_le_bytes(length) as usize, u32::from_le_bytes(sum));
    if length > MAX_FRAME_BYTES {
        return Err(ReadError::Damaged("a frame is too long"));
    }
    body.clear();
    // The body grows with the bytes that are read, not to the length in the stream.
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
