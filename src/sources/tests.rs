//! The sums of senders, compared with exact ones.

use std::collections::HashMap;

use super::*;
use crate::options::Prefix;
use crate::source::UnixPeer;
use crate::telemetry::{Owner, Telemetry};

fn sources(max: usize) -> (Sources, Telemetry) {
    let telemetry = Telemetry::new(Prefix::Bridge, Owner::Library);
    (Sources::new(SourceOptions { max, ..SourceOptions::default() }, telemetry.sources.clone()), telemetry)
}

fn udp(host: u8, port: u16) -> Source {
    Source::Udp(([10, 0, 0, host], port).into())
}

fn received(source: Source, lines: u64) -> Received {
    Received { source, datagrams: 1, bytes: 10 * lines, lines, samples: lines }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn heavy_senders_are_listed_within_the_stated_error_and_no_line_is_missing() {
    const MAX: usize = 20;
    let (sources, telemetry) = sources(MAX);
    let (mut sent, mut total, mut random) = (HashMap::<Sender, u64>::new(), 0, 1_u64);
    for step in 0..50_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Host 7 sends a tenth of the datagrams, and 200 hosts the rest.
        let host = if step % 10 == 0 { 7 } else { (random >> 40) % 200 };
        let (source, lines) = (udp(host as u8, (random >> 20) as u16), 1 + (random >> 60));
        sources.add(&[received(source, lines)], &[], at(step));
        *sent.entry(source.into()).or_default() += lines;
        total += lines;
    }
    let report = sources.report(MAX);
    assert_eq!((report.tracked, report.limit, report.sources.len()), (MAX, MAX, MAX));
    let mut listed = report.others.lines;
    for source in &report.sources {
        let (lines, missing) = (source.sums.lines, source.missing_lines);
        assert!((lines..=lines + missing).contains(&sent[&source.sender]), "{source:?}");
        assert!(missing <= total / MAX as u64, "{source:?}");
        listed += lines;
    }
    assert_eq!(listed, total);
    assert!(sent.iter().all(|(sender, lines)| *lines <= total / MAX as u64 || report.sources.iter().any(|one| one.sender == *sender)));
    assert_eq!(report.sources[0].sender, udp(7, 0).into());
    assert!(report.sources.is_sorted_by(|a, b| a.sums.lines >= b.sums.lines));
    assert_eq!(telemetry.value("statsd_bridge_sources_tracked"), Some(MAX as f64));
    assert_eq!(telemetry.sum("sources_evicted_total"), report.evicted);
    assert!(report.evicted > 1_000);
}

#[test]
fn a_shorter_report_has_the_same_sums() {
    let (sources, _) = sources(10);
    (1..=5).for_each(|host| sources.add(&[received(udp(host, 1), u64::from(host))], &[], at(1)));
    let report = sources.report(2);
    assert_eq!(report.sources.iter().map(|one| one.sums.lines).collect::<Vec<_>>(), [5, 4]);
    assert_eq!((report.tracked, report.others.lines, report.others.datagrams, report.others.bytes), (5, 6, 3, 60));
}

#[test]
fn rejections_belong_to_their_sender_also_after_it_lost_its_place() {
    let (sources, _) = sources(1);
    let reject = |source, reason, not_samples, text: &str| RejectedOf {
        source,
        reason,
        count: 2,
        not_samples,
        input: text.as_bytes().to_vec(),
        at: at(9),
    };
    sources.add(&[received(udp(1, 1), 5)], &[reject(udp(1, 2), "malformed_line", 1, "bad\n")], at(5));
    let one = &sources.report(1).sources[0];
    assert_eq!((one.sums.samples, &one.sums.rejected[..]), (4, &[("malformed_line", 2)][..]));
    let (reason, last) = one.last_rejected.clone().expect("kept");
    assert_eq!((reason, &*last.input, last.source, last.at), ("malformed_line", "bad\\n", udp(1, 2), at(9)));
    assert_eq!((one.first_seen, one.last_seen), (at(5), at(9)));
    // Another sender takes the place, and then a sample of the first one turns out to be a line.
    sources.add(&[received(udp(2, 1), 1)], &[reject(udp(1, 2), "malformed_line", 2, "x")], at(10));
    let report = sources.report(1);
    assert_eq!(report.sources[0].sums.samples + report.others.samples, 5 - 1 + 1 - 2);
    let rejected: u64 = [&report.sources[0].sums, &report.others].iter().flat_map(|sums| &sums.rejected).map(|(_, count)| count).sum();
    assert_eq!(rejected, 4);
}

#[test]
fn pieces_of_a_stream_are_no_datagrams() {
    let (sources, _) = sources(2);
    sources.add(&[received(Source::Tcp(([10, 0, 0, 1], 1).into()), 5)], &[], at(1));
    assert_eq!(sources.report(1).sources[0].sums.datagrams, 0);
}

#[test]
fn processes_that_have_ended_are_one_sender_for_each_user() {
    const PROCESSES: u32 = 500;
    let (sources, telemetry) = sources(40);
    let of = |pid, uid| Source::UnixgramOf(UnixPeer::new(pid, uid));
    let mut total = 0;
    for pid in 1..=PROCESSES {
        // Process 1 and a host stay; all others send a few datagrams and end.
        sources.add(
            &[received(of(1, 0), 3), received(udp(1, 1), 2), received(of(pid + 1, pid % 2), 1 + u64::from(pid % 7))],
            &[],
            at(pid.into()),
        );
        total += 6 + u64::from(pid % 7);
        if pid % 20 == 0 {
            sources.end_processes(|other| other > 1);
        }
    }
    let report = sources.report(100);
    assert_eq!((report.tracked, report.evicted, report.others.lines), (4, 0, 0), "{report:?}");
    assert_eq!(telemetry.value("statsd_bridge_sources_tracked"), Some(4.0));
    let lines = |source: Source| report.sources.iter().find(|one| one.sender == source.into()).map(|one| one.sums.lines);
    assert_eq!((lines(of(1, 0)), lines(udp(1, 0))), (Some(3 * u64::from(PROCESSES)), Some(2 * u64::from(PROCESSES))));
    assert_eq!(report.sources.iter().map(|one| one.sums.lines).sum::<u64>(), total);
    assert!(lines(of(0, 0)) > Some(500) && lines(of(0, 1)) > Some(500), "{report:?}");
    let user = report.sources.iter().find(|one| one.sender == of(0, 1).into()).expect("listed");
    assert_eq!((user.first_seen, user.last_seen, user.missing_lines), (at(1), at(499), 0));
    // The heap is whole: the sender with the fewest lines loses its place.
    (0..40).for_each(|host| sources.add(&[received(udp(100 + host, 1), 10_000)], &[], at(1_000)));
    let report = sources.report(100);
    assert_eq!((report.tracked, report.evicted), (40, 4));
    assert_eq!(report.others.lines, total);
}

#[test]
fn the_reports_of_processes_that_have_ended_stay_with_their_user() {
    let (sources, _) = sources(40);
    let of = |pid| Source::UnixgramOf(UnixPeer::new(pid, 7));
    for pid in [2, 3] {
        for second in [10, 20] {
            sources.add(&[received(of(pid), 5)], &[], at(second));
            let reported = |field, amount| Reported { source: of(pid), field, amount };
            sources.add_reports(&[reported(ClientField::Metrics, 6), reported(ClientField::PacketsSent, 4)], at(second));
        }
    }
    sources.end_processes(|_| true);
    let report = sources.report(10);
    let user = report.sources.first().expect("the user");
    let clients = user.clients.as_ref().expect("reports");
    assert_eq!((user.sender, clients.metrics, clients.packets_sent, clients.clients), (of(0).into(), 24, 16, 0));
    assert_eq!((clients.compared_packets.intervals, clients.compared_packets.sent, clients.last_report), (2, 8, at(20)));
}
