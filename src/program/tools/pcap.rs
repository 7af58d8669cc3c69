//! Reads network captures, pcap and pcapng, as a stream with one packet in memory at a time.
//!
//! Every length is checked before it is used. Must not know the content of a packet.

use std::io::{self, Read};

/// Size limit of a packet.
const PACKET_BYTES_MAX: usize = 1 << 20;
/// Size limit of a pcapng block.
const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Limit of interfaces per pcapng section.
const INTERFACES_MAX: usize = 4_096;

/// Whether a file that starts with these bytes is a capture, in any byte order.
pub(super) fn is_capture(start: [u8; 4]) -> bool {
    matches!(u32::from_be_bytes(start), 0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | 0x0a0d_0d0a)
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// The link type, by its number in the registry of tcpdump.
    pub(super) link: u32,
    /// The captured part.
    pub(super) bytes: &'a [u8],
    /// Whether the packet was longer than the captured part.
    pub(super) is_cut: bool,
}

/// Passes each packet of a capture to `each`.
///
/// # Errors
///
/// Errors of reading, and `InvalidData` for a damaged file. A file that ends within a packet is not an error.
pub(super) fn packets(reader: &mut dyn Read, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
    let mut magic = [0; 4];
    reader.read_exact(&mut magic)?;
    let mut stream = CaptureReader { reader, little: false, buffer: Vec::new() };
    let done = match u32::from_be_bytes(magic) {
        0xa1b2_c3d4 | 0xa1b2_3c4d => stream.classic(each),
        0xd4c3_b2a1 | 0x4d3c_b2a1 => {
            stream.little = true;
            stream.classic(each)
        }
        0x0a0d_0d0a => stream.sections(each),
        _ => Err(invalid("the file is neither pcap nor pcapng")),
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => other,
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn too_short() -> io::Error {
    invalid("a block is shorter than its header: the file is damaged")
}

fn unknown_interface() -> io::Error {
    invalid("a packet has an unknown interface: the file is damaged")
}

struct CaptureReader<'r> {
    reader: &'r mut dyn Read,
    little: bool,
    buffer: Vec<u8>,
}

impl CaptureReader<'_> {
    fn take(&mut self, length: usize) -> io::Result<()> {
        self.buffer.resize(length, 0);
        self.reader.read_exact(&mut self.buffer)
    }

    fn u32_of(&self, bytes: &[u8], at: usize) -> io::Result<u32> {
        let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().ok_or_else(too_short)?;
        Ok(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn u16_of(&self, bytes: &[u8], at: usize) -> io::Result<u16> {
        let two = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).copied().ok_or_else(too_short)?;
        Ok(if self.little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    /// Reads a pcap file after the magic number: a header of 20 bytes, then records.
    fn classic(&mut self, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        self.take(20)?;
        // The upper bits have the length of a checksum.
        let link = self.u32_of(&self.buffer, 16)? & 0xffff;
        loop {
            self.take(16)?;
            let (held, whole) = (self.u32_of(&self.buffer, 8)? as usize, self.u32_of(&self.buffer, 12)? as usize);
            if held > PACKET_BYTES_MAX {
                return Err(invalid("a packet is longer than 1 MiB: the file is damaged"));
            }
            self.take(held)?;
            each(Packet { link, bytes: &self.buffer, is_cut: whole > held });
        }
    }

    /// Reads a pcapng file after the block type of the first section header.
    fn sections(&mut self, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        let mut links: Vec<u32> = Vec::new();
        let mut kind = 0x0a0d_0d0a;
        loop {
            self.take(4)?;
            let length = if kind == 0x0a0d_0d0a {
                links.clear();
                self.section_length()?
            } else {
                self.u32_of(&self.buffer, 0)?
            };
            let length = length as usize;
            let read_already = if kind == 0x0a0d_0d0a { 12 } else { 8 };
            if !(12..=BLOCK_BYTES_MAX).contains(&length) || !length.is_multiple_of(4) {
                return Err(invalid("a block has an invalid length: the file is damaged"));
            }
            self.take(length.saturating_sub(read_already))?;
            self.block(kind, &mut links, each)?;
            self.take(4)?;
            kind = if self.buffer == [0x0a, 0x0d, 0x0d, 0x0a] { 0x0a0d_0d0a } else { self.u32_of(&self.buffer, 0)? };
        }
    }

    /// Reads the byte order of a section, and returns the length of its header, which precedes the byte order.
    fn section_length(&mut self) -> io::Result<u32> {
        let length = self.buffer.clone();
        self.take(4)?;
        self.little = match self.buffer.as_slice() {
            [0x1a, 0x2b, 0x3c, 0x4d] => false,
            [0x4d, 0x3c, 0x2b, 0x1a] => true,
            _ => return Err(invalid("a section has no byte order: the file is damaged")),
        };
        self.u32_of(&length, 0)
    }

    fn block(&self, kind: u32, links: &mut Vec<u32>, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        // The buffer ends with the repeated length of the block.
        let (body, _) = self.buffer.split_last_chunk::<4>().ok_or_else(too_short)?;
        match kind {
            1 if links.len() < INTERFACES_MAX => links.push(u32::from(self.u16_of(body, 0)?)),
            1 => return Err(invalid("a section has too many interfaces")),
            // Enhanced packet block: interface, time, lengths, packet.
            6 => {
                let interface = self.u32_of(body, 0)? as usize;
                let (held, whole) = (self.u32_of(body, 12)? as usize, self.u32_of(body, 16)? as usize);
                let bytes = body.get(20..).and_then(|rest| rest.get(..held));
                let bytes = bytes.ok_or_else(|| invalid("a packet is longer than its block: the file is damaged"))?;
                let link = *links.get(interface).ok_or_else(unknown_interface)?;
                each(Packet { link, bytes, is_cut: whole > held });
            }
            // Simple packet block: the length of the packet, and its captured part.
            3 => {
                let whole = self.u32_of(body, 0)? as usize;
                let captured = body.get(4..).ok_or_else(too_short)?;
                let bytes = captured.split_at_checked(whole).map_or(captured, |(bytes, _)| bytes);
                let link = *links.first().ok_or_else(unknown_interface)?;
                each(Packet { link, bytes, is_cut: whole > bytes.len() });
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Link, bytes, and whether the packet was longer.
    type Owned = (u32, Vec<u8>, bool);

    fn read(bytes: &[u8]) -> (io::Result<()>, Vec<Owned>) {
        let mut all = Vec::new();
        let done = packets(&mut &*bytes, &mut |packet| all.push((packet.link, packet.bytes.to_vec(), packet.is_cut)));
        (done, all)
    }

    fn classic(little: bool, packets: &[(&[u8], u32)]) -> Vec<u8> {
        let four = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut file = Vec::new();
        for n in [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, 101] {
            file.extend(four(n));
        }
        for (bytes, whole) in packets {
            for n in [1, 2, bytes.len() as u32, *whole] {
                file.extend(four(n));
            }
            file.extend(*bytes);
        }
        file
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().div_ceil(4) * 4;
        let length = (padded as u32 + 12).to_le_bytes();
        let mut block = kind.to_le_bytes().to_vec();
        block.extend(length);
        block.extend(body);
        block.resize(padded + 8, 0);
        block.extend(length);
        block
    }

    #[test]
    fn pcap_is_read_in_both_byte_orders() {
        for little in [true, false] {
            let file = classic(little, &[(b"abc", 3), (b"de", 9)]);
            assert!(is_capture(*file.first_chunk().expect("four bytes")));
            let (done, all) = read(&file);
            assert!(done.is_ok());
            assert_eq!(all, [(101, b"abc".to_vec(), false), (101, b"de".to_vec(), true)]);
            assert_eq!(read(&file[..file.len() - 1]).1.len(), 1, "cut at the end");
        }
    }

    #[test]
    fn pcapng_is_read() {
        let mut file = block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        file.extend(block(1, &[113, 0, 0, 0, 0, 0, 0, 0]));
        file.extend(block(5, b"unknown."));
        let mut enhanced = vec![0; 12];
        enhanced.extend(5_u32.to_le_bytes());
        enhanced.extend(6_u32.to_le_bytes());
        enhanced.extend(b"hello");
        file.extend(block(6, &enhanced));
        file.extend(block(3, &[&3_u32.to_le_bytes()[..], b"abc"].concat()));
        let (done, all) = read(&file);
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(all, [(113, b"hello".to_vec(), true), (113, b"abc".to_vec(), false)]);
        for end in 4..file.len() {
            let _ = read(&file[..end]);
        }
        for at in 4..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0xff;
            let _ = read(&damaged);
        }
    }

    #[test]
    fn damaged_files_are_errors() {
        assert!(read(b"a:1|c\nb:1|c\n").0.is_err());
        let mut file = classic(true, &[(b"abc", 3)]);
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&file).0.expect_err("too long").kind(), io::ErrorKind::InvalidData);
        let section = block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let simple = block(3, &[&3_u32.to_le_bytes()[..], b"abc"].concat());
        for (bytes, why) in [
            ([&section[..], &simple].concat(), "a packet has an unknown interface: the file is damaged"),
            ([&section[..], &block(1, &[])].concat(), "a block is shorter than its header: the file is damaged"),
        ] {
            assert_eq!(read(&bytes).0.map_err(|error| error.to_string()), Err(why.to_owned()));
        }
    }
}
