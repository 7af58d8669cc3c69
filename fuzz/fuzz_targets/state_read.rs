//! Any bytes as a state file are restored completely or rejected completely, and the exposition is valid.
//!
//! The first byte selects the meaning of the others: a complete file; bodies of frames, split at 0xff, to which this target adds
//! header, checksums and end, so that the decoder is reached; or datagrams, after which the bridge writes, restores and writes a
//! file.

#![no_main]

#[path = "../page.rs"]
mod page;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::Restored;
use statsd_bridge::internals::format::{HEADER_BYTES, ReadError, read_frames, read_header};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn bytes_of(bridge: &Bridge) -> Vec<u8> {
    let mut bytes = Vec::new();
    bridge.write_state(NOW, &mut bytes).expect("memory takes everything");
    bytes
}

fn text_of(bridge: &Bridge) -> String {
    let mut out = Vec::new();
    bridge.render(NOW, &mut out);
    page::check(&out);
    let text = String::from_utf8(out).expect("a page is UTF-8");
    text.split("# HELP process_").next().unwrap_or_default().to_owned()
}

fn take_up(bridge: &Bridge, mut bytes: &[u8]) -> Result<(u64, Restored), ReadError> {
    read_header(&mut bytes)?;
    let counts = read_frames(&mut { bytes }, drop)?;
    let mut all = Restored::default();
    read_frames(&mut bytes, |family| all += bridge.restore(family, NOW)).expect("it was good a moment ago");
    Ok((counts.series, all))
}

/// Frames of these bodies after a valid header. The end lists the bodies and no series, which is rejected, or right.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut bytes = bytes_of(&Bridge::new(Options::default()));
    bytes.truncate(HEADER_BYTES);
    for body in data.split(|byte| *byte == 0xff) {
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(crc32(body).to_le_bytes());
        bytes.extend(body);
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let bridge = Bridge::new(Options::default());
    match choice % 3 {
        0 => drop(take_up(&bridge, data)),
        1 => {
            // Bodies reach the registry even if their end is wrong.
            let mut frames = &sealed(data)[HEADER_BYTES..];
            let after_a_crash = data.len() % 2 == 1;
            let _ = read_frames(&mut frames, |family| {
                if after_a_crash { bridge.restore_levels(family, NOW) } else { bridge.restore(family, NOW) };
            });
        }
        _ => {
            let sender = Bridge::new(Options::default());
            sender.worker().ingest(data, NOW);
            let text = text_of(&sender);
            let bytes = bytes_of(&sender);
            let (series, restored) = take_up(&bridge, &bytes).expect("the bridge wrote it");
            assert_eq!(restored, Restored { series, ..Restored::default() });
            assert_eq!(text_of(&bridge), text);
            assert!(bytes_of(&bridge) == bytes);
        }
    }
    text_of(&bridge);
});
