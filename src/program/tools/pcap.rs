//! Reads captures of a network, classic pcap and pcapng, as a stream with one packet in memory at a time.
//!
//! Bounds every length before using it. Must not know what a packet holds.

use std::io::{self, Read};

/// A packet larger than this is no packet.
const PACKET_BYTES_MAX: usize = 1 << 20;
/// A block of pcapng larger than this is refused.
const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Interfaces of a section of pcapng.
const INTERFACES_MAX: usize = 4_096;

/// What a file of this kind starts with, whatever its order of bytes.
pub(super) fn is_capture(start: [u8; 4]) -> bool {
    matches!(u32::from_be_bytes(start), 0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | 0x0a0d_0d0a)
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// The kind of link, by its number in the registry of tcpdump.
    pub(super) link: u32,
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
    /// Whether it was longer than that.
    pub(super) is_cut: bool,
}

/// Hands each packet of a capture to `each`.
///
/// # Errors
///
/// What reading gives, and `InvalidData` for what is no capture. A file that ends within a packet ends there.
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
        _ => Err(invalid("it is no pcap and no pcapng")),
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => other,
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
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

    fn u32_of(&self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }
    }

    fn u16_of(&self, bytes: &[u8], at: usize) -> u16 {
        let two = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
        if self.little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) }
    }

    /// Behind the magic number: a head of 20 bytes, then records.
    fn classic(&mut self, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        self.take(20)?;
        // The upper bits say how long a checksum is.
        let link = self.u32_of(&self.buffer, 16) & 0xffff;
        loop {
            self.take(16)?;
            let (held, whole) = (self.u32_of(&self.buffer, 8) as usize, self.u32_of(&self.buffer, 12) as usize);
            if held > PACKET_BYTES_MAX {
                return Err(invalid("a packet is longer than packets are: the file is damaged"));
            }
            self.take(held)?;
            each(Packet { link, bytes: &self.buffer, is_cut: whole > held });
        }
    }

    /// Behind the type of the first section's head.
    fn sections(&mut self, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        let mut links: Vec<u32> = Vec::new();
        let mut kind = 0x0a0d_0d0a;
        loop {
            self.take(4)?;
            let length = if kind == 0x0a0d_0d0a {
                links.clear();
                self.section_length()?
            } else {
                self.u32_of(&self.buffer, 0)
            };
            let length = length as usize;
            let read_already = if kind == 0x0a0d_0d0a { 12 } else { 8 };
            if !(12..=BLOCK_BYTES_MAX).contains(&length) || !length.is_multiple_of(4) {
                return Err(invalid("a block has a length that none can have: the file is damaged"));
            }
            self.take(length.saturating_sub(read_already))?;
            self.block(kind, &mut links, each)?;
            self.take(4)?;
            kind = if self.buffer == [0x0a, 0x0d, 0x0d, 0x0a] { 0x0a0d_0d0a } else { self.u32_of(&self.buffer, 0) };
        }
    }

    /// The length of a section's head, whose order of bytes stands behind it.
    fn section_length(&mut self) -> io::Result<u32> {
        let length = self.buffer.clone();
        self.take(4)?;
        self.little = match self.buffer.as_slice() {
            [0x1a, 0x2b, 0x3c, 0x4d] => false,
            [0x4d, 0x3c, 0x2b, 0x1a] => true,
            _ => return Err(invalid("a section does not say its order of bytes: the file is damaged")),
        };
        Ok(self.u32_of(&length, 0))
    }

    fn block(&self, kind: u32, links: &mut Vec<u32>, each: &mut dyn FnMut(Packet<'_>)) -> io::Result<()> {
        let body = &self.buffer;
        let body_end = body.len().saturating_sub(4);
        match kind {
            1 if links.len() < INTERFACES_MAX => links.push(u32::from(self.u16_of(body, 0))),
            1 => return Err(invalid("it has too many interfaces")),
            // Enhanced: interface, time, lengths, then the packet.
            6 => {
                let interface = self.u32_of(body, 0) as usize;
                let (held, whole) = (self.u32_of(body, 12) as usize, self.u32_of(body, 16) as usize);
                let bytes = held.checked_add(20).filter(|end| *end <= body_end).and_then(|end| body.get(20..end));
                let bytes = bytes.ok_or_else(|| invalid("a packet is longer than its block: the file is damaged"))?;
                if let Some(link) = links.get(interface) {
                    each(Packet { link: *link, bytes, is_cut: whole > held });
                }
            }
            // Simple: the length of the whole, then as much as there is.
            3 => {
                let whole = self.u32_of(body, 0) as usize;
                let bytes = body.get(4..body_end).unwrap_or_default();
                let bytes = bytes.get(..whole.min(bytes.len())).unwrap_or_default();
                if let Some(link) = links.first() {
                    each(Packet { link: *link, bytes, is_cut: whole > bytes.len() });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Link, bytes, whether it was cut.
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
    fn classic_captures_are_read_in_both_orders() {
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
    fn what_is_no_capture_is_refused() {
        assert!(read(b"a:1|c\nb:1|c\n").0.is_err());
        let mut file = classic(true, &[(b"abc", 3)]);
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&file).0.expect_err("too long").kind(), io::ErrorKind::InvalidData);
    }
}
