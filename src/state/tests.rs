//! What is kept comes back, to the byte of the page; what is not a snapshot is refused, whatever it is.

mod clocks;
mod levels;

use proptest::prelude::*;

use super::format::{Counts, HEADER_BYTES, Header, Mark, ReadError, VERSION, read_frames, read_header};
use crate::bridge::Bridge;
use crate::options::{Limits, NameValidation, Observer, Options, Overflow, SummaryOptions, Ttl};
use crate::registry::Restored;
use crate::time::Timestamp;

const START_MS: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START_MS + millis)
}

fn summaries() -> Options {
    Options { observer: Observer::Summary(SummaryOptions::default()), ..Options::default() }
}

fn bytes_of(bridge: &Bridge, now: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    bridge.write_state(now, &mut bytes).expect("memory takes everything");
    bytes
}

/// What a file's reader does, with bytes in its place.
fn take_up(bridge: &Bridge, bytes: &[u8], now: Timestamp) -> Result<Restored, ReadError> {
    let mut input = bytes;
    read_header(&mut input)?;
    read_frames(&mut input.to_owned().as_slice(), drop)?;
    let mut all = Restored::default();
    read_frames(&mut input, |family| all += bridge.restore(family, now))?;
    Ok(all)
}

/// The families of the page; the own ones differ.
fn page(bridge: &Bridge, now: Timestamp) -> String {
    let mut page = Vec::new();
    bridge.render(now, &mut page);
    let page = String::from_utf8(page).expect("a page is UTF-8");
    page.split_once("# HELP process_").expect("own metrics").0.to_owned()
}

/// A bridge that has some of everything, by way of two workers.
fn busy(options: Options) -> Bridge {
    let bridge = Bridge::new(options);
    let mut workers = [bridge.worker(), bridge.worker()];
    for i in 0..300_u64 {
        let text = format!(
            "c:2|c|#n:{}\nc2:0.5|c|@0.1\ng:{i}|g|#a:x\\\"y\ng:-1|g\nh:{}|ms|#k:v,e:\nh:{}|h\nsmall:{}|s\nlarge:{}|s\nlarge:x{i}|s",
            i % 7,
            i * 3,
            i as f64 / 8.0 - 9.0,
            i % 5,
            i
        );
        workers[i as usize % 2].ingest(text.as_bytes(), at(i * 1000));
    }
    for i in 0..4000 {
        workers[i % 2].ingest(format!("large:y{i}|s").as_bytes(), at(300_000));
    }
    bridge
}

#[test]
fn a_page_is_the_same_after_a_restart_and_goes_on() {
    for options in [Options::default(), summaries()] {
        let before = busy(options.clone());
        let now = at(310_000);
        // A page puts series into its order; then they are saved in it.
        page(&before, now);
        let after = Bridge::new(options);
        let bytes = bytes_of(&before, now);
        let restored = take_up(&after, &bytes, now).expect("a good snapshot");
        assert_eq!(restored, Restored { series: before.registry().series() as u64, ..Restored::default() });
        assert_eq!(page(&after, now), page(&before, now));
        assert!(bytes_of(&after, now) == bytes, "and so is the next snapshot");
        // One part of each series, where two workers had one each.
        let (after_bytes, before_bytes) = (after.registry().series_bytes(), before.registry().series_bytes());
        assert!(after_bytes * 2 > before_bytes && after_bytes <= before_bytes, "{after_bytes} after {before_bytes}");
        for bridge in [&before, &after] {
            let mut worker = bridge.worker();
            worker.ingest(b"c:1|c|#n:3\ng:+4|g\nh:7|h\nsmall:new|s\nlarge:x7|s\nother:1|c", at(320_000));
        }
        assert_eq!(page(&after, at(320_000)), page(&before, at(320_000)));
    }
}

#[test]
fn the_first_worker_goes_on_with_what_was_restored() {
    let after = Bridge::new(Options::default());
    let bytes = bytes_of(&busy(Options::default()), at(310_000));
    take_up(&after, &bytes, at(310_000)).expect("a good snapshot");
    let (mut first, mut second) = (after.worker(), after.worker());
    let before: f64 = 300.0 * 2.0;
    for round in 1..=3 {
        first.ingest(b"c:1|c|#n:3", at(320_000));
        second.ingest(b"c:1|c|#n:3", at(320_000));
        let text = page(&after, at(320_000));
        let sum: f64 =
            text.lines().filter(|line| line.starts_with("c{")).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum();
        assert_eq!(sum, before + 2.0 * f64::from(round));
    }
}

#[test]
fn what_exceeds_the_limits_is_folded_or_refused_and_totals_stay() {
    let before = Bridge::new(Options::default());
    let mut worker = before.worker();
    for i in 0..100 {
        worker.ingest(format!("c:{i}|c|#n:{i}\nh:{i}|h|#n:{i}\ns:{i}|s|#n:{i}\ng:{i}|g|#n:{i}").as_bytes(), at(0));
    }
    let limits = Limits { values_per_label: 10, ..Limits::default() };
    let after = Bridge::new(Options { limits, ..Options::default() });
    let restored = take_up(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 40, folded: 270, rejected: 90, expired: 0 });
    let text = page(&after, at(0));
    let sum: f64 =
        text.lines().filter(|line| line.starts_with("c{")).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    assert_eq!(sum, 4950.0);
    assert!(text.contains("s{n=\"_overflow_\"} 90\n") && text.contains("h_count{n=\"_overflow_\"} 90\n"), "{text}");
    assert!(!text.contains("g{n=\"_overflow_\"}"));

    // An overflow series comes back as one, and is not counted as a series.
    let again = Bridge::new(Options { limits, ..Options::default() });
    let restored = take_up(&again, &bytes_of(&after, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 43, ..Restored::default() });
    assert_eq!((page(&again, at(0)), again.registry().series()), (text, 40));
    again.worker().ingest(b"c:1|c|#n:new", at(1));
    assert!(page(&again, at(1)).contains("c{n=\"_overflow_\"}"));
    assert_eq!(again.registry().series(), 40);
}

/// Series without a label have room of their own: those that come back take none of the others' room, and none of theirs is lost.
#[test]
fn series_without_a_label_come_back_with_their_room() {
    let limits = Limits { series_per_family: 320, ..Limits::default() };
    let [before, after] = [(); 2].map(|()| Bridge::new(Options { limits, ..Options::default() }));
    let mut worker = before.worker();
    // 320 series of users, 20 of sites without a user, which is all the room that they have, and the overflow series.
    for i in 0..2_000 {
        worker.ingest(format!("c:1|c|#site:s{},user:u{i}", i % 40).as_bytes(), at(0));
    }
    let restored = take_up(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 341, ..Restored::default() });
    assert_eq!(page(&after, at(0)), page(&before, at(0)));
    for bridge in [&before, &after] {
        bridge.worker().ingest(b"c:1|c|#site:new,user:new\nc:1|c|#site:s1,user:new", at(1));
    }
    assert_eq!(page(&after, at(1)), page(&before, at(1)), "there is room for no more of them");
    assert_eq!(after.registry().series(), 340);
}

#[test]
fn the_overflow_keeps_the_labels_of_the_first_series() {
    let limits = Limits { series_per_family: 2, overflow: Overflow::Fold, ..Limits::default() };
    let (before, after) = [(); 2].map(|()| Bridge::new(Options { limits, ..Options::default() })).into();
    before.worker().ingest(b"c:1|c|#z:1\nc:1|c|#a:1,b:2", at(0));
    take_up(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    for bridge in [&before, &after] {
        bridge.worker().ingest(b"c:1|c|#q:3", at(1));
    }
    assert!(page(&before, at(1)).contains("c{z=\"_overflow_\"} 1\n"));
    assert_eq!(page(&after, at(1)), page(&before, at(1)));
}

#[test]
fn time_to_live_goes_on_from_the_last_sample() {
    let ttl = |ms| Options { ttl: Ttl { counter_ms: Some(ms), ..Ttl::default() }, ..Options::default() };
    let before = Bridge::new(ttl(10_000));
    before.worker().ingest(b"old:1|c\ng:1|g", at(0));
    before.worker().ingest(b"new:1|c", at(5_000));
    let bytes = bytes_of(&before, at(6_000));
    let after = Bridge::new(ttl(10_000));
    let restored = take_up(&after, &bytes, at(12_000)).expect("a good snapshot");
    assert_eq!(restored, Restored { series: 2, expired: 1, ..Restored::default() });
    let gone = |bridge: &Bridge, now| bridge.expire(now) + bridge.expire(now);
    assert_eq!((gone(&after, at(14_999)), gone(&after, at(15_000))), (0, 1));
    assert!(!page(&after, at(15_000)).contains("new"));
    // With the clock an hour back it lives for its ttl from now.
    let back = Bridge::new(ttl(10_000));
    let now = Timestamp::from_millis(START_MS - 3_600_000);
    assert_eq!(take_up(&back, &bytes, now).expect("a good snapshot").series, 3);
    assert_eq!(gone(&back, Timestamp::from_millis(now.as_millis() + 10_000)), 2);
    // A ttl that is new holds for what had none.
    let without = Bridge::new(Options::default());
    without.worker().ingest(b"old:1|c", at(0));
    assert_eq!(take_up(&Bridge::new(ttl(10_000)), &bytes_of(&without, at(0)), at(10_000)).expect("a good snapshot").expired, 1);
}

#[test]
fn series_that_rest_go_on_resting_and_created_times_stay() {
    let second = Some(1_000);
    let ttl = Ttl { counter_ms: second, observer_ms: second, ..Default::default() };
    let options = || Options { ttl, grace_ms: 60_000, counters_start_at_zero: Some(0), ..Options::default() };
    let before = Bridge::new(options());
    let mut worker = before.worker();
    worker.ingest(b"c:5|c|#a:b\nh:1|h\nold:1|c", at(0));
    worker.ingest(b"lives:5|c", at(4_900));
    page(&before, at(4_900));
    before.expire(at(5_000));
    worker.tick();
    assert_eq!(before.expire(at(5_000)), 3);
    let bytes = bytes_of(&before, at(5_000));
    let after = Bridge::new(options());
    assert_eq!(take_up(&after, &bytes, at(5_100)).expect("a good snapshot").series, 4);
    assert_eq!((after.registry().in_grace(), after.registry().series()), (3, 1));
    after.worker().ingest(b"c:1|c|#a:b\nh:2|h\nlives:1|c", at(5_200));
    let text = page(&after, at(5_200));
    assert!(text.contains("c{a=\"b\"} 6\n") && text.contains("h_sum 3\n") && text.contains("lives 6\n"), "{text}");
    let created = |name: &str| {
        let families = after.registry().families();
        families.iter().find(|family| family.name().as_str() == name).map(|family| family.series()[0].created())
    };
    assert_eq!((created("c"), created("lives")), (Some(at(0)), Some(at(4_900))));
    let late = Bridge::new(options());
    take_up(&late, &bytes, at(70_000)).expect("a good snapshot");
    assert_eq!(late.registry().in_grace(), 0, "their time is over");
}

#[test]
fn names_that_are_kept_come_back_and_those_that_are_not_are_refused() {
    let utf8 = || Options { names: NameValidation::Utf8, ..summaries() };
    let bridge = Bridge::new(utf8());
    bridge.worker().ingest("my.name:2|c|#l.x:v,\"\\+\":w\nné:3|g\nplain:4|c|#a:b\nt.t:5|ms|#é:1".as_bytes(), at(1000));
    let (before, bytes) = (page(&bridge, at(1000)), bytes_of(&bridge, at(1000)));
    let back = Bridge::new(utf8());
    let restored = take_up(&back, &bytes, at(1000)).expect("good");
    assert_eq!(restored, Restored { series: 4, ..Restored::default() });
    assert_eq!(page(&back, at(1000)), before);
    back.worker().ingest("my.name:1|c|#l.x:v,\"\\+\":w".as_bytes(), at(1000));
    assert!(page(&back, at(1000)).contains("my_name{exported_____=\"w\",l_x=\"v\"} 3\n"), "{}", page(&back, at(1000)));

    let legacy = Bridge::new(summaries());
    let restored = take_up(&legacy, &bytes, at(1000)).expect("good");
    assert_eq!(restored, Restored { series: 1, rejected: 3, ..Restored::default() });
}

#[test]
fn names_that_are_taken_are_refused() {
    let before = Bridge::new(Options { prefix: crate::options::Prefix::Exporter, prometheus_names: true, ..Options::default() });
    before.worker().ingest(b"statsd_bridge_lines_total:1|c\nup:0|g\nx_sum:1|c\ny:1|c", at(0));
    let after = Bridge::new(Options::default());
    after.worker().ingest(b"x:1|h\ny:1|g", at(0));
    let restored = take_up(&after, &bytes_of(&before, at(0)), at(0)).expect("a good snapshot");
    assert_eq!(restored, Restored { rejected: 4, ..Restored::default() });
}

#[test]
fn new_flags_make_an_observer_another_type_with_its_first_sample() {
    let before = busy(Options::default());
    let after = Bridge::new(summaries());
    take_up(&after, &bytes_of(&before, at(310_000)), at(310_000)).expect("a good snapshot");
    after.replace_rules(crate::mapping::Rules::default());
    assert!(page(&after, at(310_000)).contains("# TYPE h histogram\n"));
    after.worker().ingest(b"h:1|h", at(310_000));
    assert!(page(&after, at(310_000)).contains("# TYPE h summary\nh{quantile=\"0.5\"} 1\n"));
}

/// Header, these bodies and an end, all with their right checksums.
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

/// The bodies of a good snapshot, its end left out.
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

fn refused(bytes: &[u8]) -> ReadError {
    let bridge = Bridge::new(Options::default());
    let error = take_up(&bridge, bytes, at(0)).expect_err("no good snapshot");
    assert_eq!(bridge.registry().series(), 0, "nothing is taken up by half");
    error
}

#[test]
fn every_truncation_is_cut_and_every_flipped_byte_is_damage() {
    for good in [few(Options::default()), few(summaries())] {
        assert!(take_up(&Bridge::new(Options::default()), &good, at(0)).is_ok());
        for length in 0..good.len() {
            assert!(matches!(refused(&good[..length]), ReadError::Cut), "{length}");
        }
        for (at, flip) in (0..good.len()).flat_map(|at| [1, 0x80, 0xff].map(|flip| (at, flip))) {
            let mut bad = good.clone();
            bad[at] ^= flip;
            refused(&bad);
        }
        let longer = [&good[..], b"\0"].concat();
        assert!(matches!(refused(&longer), ReadError::Damaged(_)));
    }
}

#[test]
fn each_damage_has_its_name() {
    let good = few(Options::default());
    let named = |bytes: &[u8]| refused(bytes).to_string();
    assert_eq!(named(b"# HELP something else\n"), "it is not a state file");
    assert_eq!(named(&good[..20]), "it is cut: the end is missing");
    let mut newer = good.clone();
    newer[8] = 7;
    assert_eq!(named(&newer), format!("its format version is 7, this program reads {VERSION}"));
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
fn a_snapshot_of_the_version_before_is_read() {
    let good = few(Options::default());
    for (version, is_read) in [(1, false), (2, true), (3, true), (5, false)] {
        // Without a mark: that is said of no end.
        let mut older = good[..20].to_vec();
        older[8] = version;
        let sum = crc32fast::hash(&older);
        older.extend(sum.to_le_bytes());
        older.extend(&good[HEADER_BYTES..]);
        let read = read_header(&mut &older[..]);
        assert_eq!(read.ok(), is_read.then_some(Header { written: at(0), mark: Mark::Running }), "version {version}");
        assert_eq!(take_up(&Bridge::new(Options::default()), &older, at(0)).is_ok(), is_read);
        if is_read {
            (0..older.len()).for_each(|length| assert!(matches!(refused(&older[..length]), ReadError::Cut), "{version}: {length}"));
        }
    }
    assert_eq!(VERSION, 4);
}

#[test]
fn sealed_bodies_are_a_snapshot() {
    let good = few(Options::default());
    assert_eq!(sealed(&bodies(&good), 5), good);
    let counts = read_frames(&mut &good[HEADER_BYTES..], drop).expect("a good snapshot");
    assert_eq!(counts, Counts { pieces: 4, series: 5, left_out: 0 });
}

#[test]
fn a_large_family_comes_in_pieces() {
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
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), behind_header in any::<bool>()) {
        let start = if behind_header { few(Options::default())[..HEADER_BYTES].to_vec() } else { Vec::new() };
        refused(&[start, bytes].concat());
    }

    /// Right checksums around wrong contents: whatever of it is taken up, the page can be read.
    #[test]
    fn contents_that_nobody_wrote_spoil_no_page(
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
        let _ = take_up(&bridge, &bytes, at(0));
        bridge.worker().ingest(b"c:2|c|#n:1\ng:+1|g|#k:v\nh:3|h\ns:a|s", at(1));
        for line in page(&bridge, at(1)).lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            prop_assert!(value.parse::<f64>().is_ok(), "{}", line);
            prop_assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{}", line);
        }
        let _ = bytes_of(&bridge, at(2));
    }
}
