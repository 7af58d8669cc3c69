//! Damaged snapshots are rejected, whatever the damage is.

use proptest::prelude::*;

use super::*;
use crate::state::format::{Counts, HEADER_BYTES, Header, Mark, VERSION};

/// A snapshot with these bodies, an end and valid checksums.
fn sealed(bodies: &[Vec<u8>], series: u64) -> Vec<u8> {
    let mut bytes = bytes_of(&Bridge::new(Options::default()), at(0));
    bytes.truncate(HEADER_BYTES);
    let end = postcard::to_extend(&(bodies.len() as u64, series), vec![1]).expect("encoded");
    for body in bodies.iter().chain([&end]) {
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(crc32fast::hash(body).to_le_bytes());
        bytes.extend(body);
    }
    bytes
}

/// The bodies of a valid snapshot, without the end.
fn bodies(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut bodies) = (&bytes[HEADER_BYTES..], Vec::new());
    while let [a, b, c, d, _, _, _, _, after @ ..] = rest {
        let (body, next) = after.split_at(u32::from_le_bytes([*a, *b, *c, *d]) as usize);
        bodies.push(body.to_vec());
        rest = next;
    }
    bodies.pop();
    bodies
}

fn few(options: Options) -> Vec<u8> {
    let bridge = Bridge::new(options);
    bridge.worker().ingest(b"c:2|c|#n:1\nc:2|c|#n:2\ng:-1|g|#k:v\nh:3|h\ns:a|s\ns:b|s", at(0));
    bytes_of(&bridge, at(0))
}

fn rejected(bytes: &[u8]) -> ReadError {
    let bridge = Bridge::new(Options::default());
    let error = restore(&bridge, bytes, at(0)).expect_err("an invalid snapshot");
    assert_eq!(bridge.registry().series(), 0, "nothing of it is restored");
    error
}

#[test]
fn every_truncation_and_every_flipped_byte_is_an_error() {
    for good in [few(Options::default()), few(summaries())] {
        assert!(restore(&Bridge::new(Options::default()), &good, at(0)).is_ok());
        for length in 0..good.len() {
            assert!(matches!(rejected(&good[..length]), ReadError::Cut), "{length}");
        }
        for (at, flip) in (0..good.len()).flat_map(|at| [1, 0x80, 0xff].map(|flip| (at, flip))) {
            let mut bad = good.clone();
            bad[at] ^= flip;
            rejected(&bad);
        }
        let longer = [&good[..], b"\0"].concat();
        assert!(matches!(rejected(&longer), ReadError::Damaged(_)));
    }
}

#[test]
fn each_damage_has_its_message() {
    let good = few(Options::default());
    let named = |bytes: &[u8]| rejected(bytes).to_string();
    assert_eq!(named(b"# HELP something else\n"), "it is not a state file");
    assert_eq!(named(&good[..20]), "it is truncated: the end is missing");
    let mut newer = good.clone();
    newer[8] = 7;
    assert_eq!(named(&newer), format!("its format version is 7, this program reads 2 to {VERSION}"));
    let mut unknown = Header { written: at(0), mark: Mark::End }.to_bytes();
    unknown[20] = 2;
    let sum = crc32fast::hash(&unknown[..24]);
    unknown[24..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(named(&unknown), "it is damaged: its mark is unknown");
    let mut other_time = good.clone();
    other_time[12] ^= 1;
    assert_eq!(named(&other_time), "it is damaged: the checksum of its header is wrong");
    assert_eq!(named(&sealed(&bodies(&good)[1..], 5)), "it is damaged: frames are missing");
    assert_eq!(named(&sealed(&[vec![0, 9, 9]], 0)), "it is damaged: a frame cannot be decoded");
    let mut long = good;
    long[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(named(&long), "it is damaged: a frame is too long");
}

#[test]
fn snapshots_of_earlier_versions_are_read() {
    let good = few(Options::default());
    for (version, is_read) in [(1, false), (2, true), (3, true), (5, false)] {
        // These versions have no mark.
        let mut older = good[..20].to_vec();
        older[8] = version;
        let sum = crc32fast::hash(&older);
        older.extend(sum.to_le_bytes());
        older.extend(&good[HEADER_BYTES..]);
        let read = read_header(&mut &older[..]);
        assert_eq!(read.ok(), is_read.then_some(Header { written: at(0), mark: Mark::Running }), "version {version}");
        assert_eq!(restore(&Bridge::new(Options::default()), &older, at(0)).is_ok(), is_read);
        if is_read {
            (0..older.len()).for_each(|length| assert!(matches!(rejected(&older[..length]), ReadError::Cut), "{version}: {length}"));
        }
    }
    assert_eq!(VERSION, 4);
}

#[test]
fn a_snapshot_is_header_bodies_and_end() {
    let good = few(Options::default());
    assert_eq!(sealed(&bodies(&good), 5), good);
    let counts = read_frames(&mut &good[HEADER_BYTES..], drop).expect("a good snapshot");
    assert_eq!(counts, Counts { pieces: 4, series: 5, left_out: 0 });
}

#[test]
fn a_large_family_is_saved_in_pieces() {
    let bridge = Bridge::new(Options::default());
    let mut worker = bridge.worker();
    for i in 0..3000 {
        worker.ingest(format!("c:1|c|#n:{i}").as_bytes(), at(0));
    }
    let mut sizes = Vec::new();
    let all: Result<(), ()> = bridge.save(at(0), &mut |family| {
        sizes.push(family.series.len());
        Ok(())
    });
    assert_eq!((all, sizes), (Ok(()), vec![1024, 1024, 952]));
}

proptest! {
    #[test]
    fn any_bytes_are_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), behind_header in any::<bool>()) {
        let start = if behind_header { few(Options::default())[..HEADER_BYTES].to_vec() } else { Vec::new() };
        rejected(&[start, bytes].concat());
    }

    /// Invalid contents with valid checksums: the exposition is valid, whatever is restored.
    #[test]
    fn invalid_contents_give_a_valid_exposition(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
        summary in any::<bool>(),
    ) {
        let options = if summary { summaries() } else { Options::default() };
        let mut bodies = bodies(&few(options.clone()));
        for (body, at, byte) in changes {
            let body = body.index(bodies.len());
            let at = at.index(bodies[body].len());
            bodies[body][at] = byte;
        }
        let bridge = Bridge::new(options);
        let bytes = sealed(&bodies, 5);
        // Most changes are rejected.
        let _ = restore(&bridge, &bytes, at(0));
        bridge.worker().ingest(b"c:2|c|#n:1\ng:+1|g|#k:v\nh:3|h\ns:a|s", at(1));
        for line in exposition(&bridge, at(1)).lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            prop_assert!(value.parse::<f64>().is_ok(), "{}", line);
            prop_assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{}", line);
        }
        let _ = bytes_of(&bridge, at(2));
    }
}
