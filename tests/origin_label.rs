//! The label of the origin: the same line of two senders is two series, within all limits.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;

use allocation_counter::measure;
use statsd_bridge::options::{Limits, NameValidation, OriginLabel, OriginValue, TagKey};
use statsd_bridge::{Bridge, ContainerId, Options, Source, Timestamp, UnixPeer};

use crate::harness::{Launch, Running, bridge_command, own_sum};
use crate::origins::{Cgroup, Sender, in_time};
use crate::page::Page;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ID: &str = "01234567-89ab-cdef-0123-4567";

fn options(name: &str, value: OriginValue) -> Options {
    Options::default().with(|options| options.origin_label = Some(OriginLabel::new(name, value).expect("a name")))
}

fn page_of(bridge: &Bridge) -> Page {
    assert!(bridge.accounting().adds_up(), "{:?}", bridge.accounting());
    Page::parse(&bridge.text(NOW)).expect("a good page")
}

fn udp(address: &str) -> Source {
    Source::Udp(SocketAddr::new(address.parse().expect("an address"), 5))
}

#[apply(test)]
fn the_same_line_of_two_senders_is_two_series() {
    let bridge = Bridge::new(options("origin", OriginValue::Address));
    let mut worker = bridge.worker();
    let (a, b, v6, unknown) = (udp("10.0.0.1"), udp("10.0.0.2"), udp("2001:db8::1"), Source::Unixgram);
    for round in 1..=100 {
        // More lines than are looked up together, from changing senders.
        for (count, source) in [(1, &a), (40, &b), (2, &v6), (3, &unknown)] {
            worker.ingest_from("x:1|c|#k:v\nx:1|c\ny:2|ms|#k:v\n".repeat(count).as_bytes(), source, NOW);
        }
        let datagrams = [&a, &b, &a].map(|source| statsd_bridge::Datagram { bytes: b"z:1|c", source });
        worker.ingest_batch(datagrams.into_iter(), NOW);
        assert_eq!(bridge.accounting().recorded, round * (46 * 3 + 3));
    }
    let page = page_of(&bridge);
    for (labels, expected) in [(r#"origin="10.0.0.1""#, 1), (r#"origin="10.0.0.2""#, 40), (r#"origin="2001:db8::1""#, 2)] {
        let expected = Some(100.0 * f64::from(expected));
        assert_eq!((page.value(&format!("x{{{labels}}}")), page.value(&format!("x{{k=\"v\",{labels}}}"))), (expected, expected));
        assert_eq!(page.value(&format!("y_count{{k=\"v\",{labels}}}")), expected);
    }
    assert_eq!((page.value("x"), page.value(r#"x{k="v"}"#)), (Some(300.0), Some(300.0)));
    assert_eq!([page.value(r#"z{origin="10.0.0.1"}"#), page.value(r#"z{origin="10.0.0.2"}"#)], [Some(200.0), Some(100.0)]);
}

#[apply(test)]
fn every_kind_of_line_gets_the_label() {
    let bridge = Bridge::new(options("from", OriginValue::Address).with(|options| {
        options.exemplar_tag = TagKey::new("trace").ok();
        options.names = NameValidation::Utf8;
    }));
    let mut worker = bridge.worker();
    for source in [udp("10.0.0.1"), udp("10.0.0.2")] {
        worker.ingest_from(
            b"c:1|c\nc:1|c|#trace:abc\ng:5|g\ns:a|s\nh:1:2|h\n_sc|check|2|#a:b\n_e{1,1}:t|x\nin,k=v:1|c\nd\xc3\xa9.x:1|c|#a.b:c",
            &source,
            NOW,
        );
    }
    let page = page_of(&bridge);
    for from in ["10.0.0.1", "10.0.0.2"] {
        for series in ["c{", "g{", "s{", "h_count{", r#"service_check_status{a="b",check="check","#, r#"in{"#] {
            let labels = if series.starts_with("in") { format!(r#"from="{from}",k="v""#) } else { format!(r#"from="{from}""#) };
            let text = format!("{series}{labels}}}");
            assert!(page.value(&text).is_some(), "{text}: {}", bridge.text(NOW));
        }
        assert_eq!(page.sum_where("dogstatsd_events_total", "from", from), 1.0, "{}", bridge.text(NOW));
    }
}

#[apply(test)]
fn no_tag_looks_like_the_label_of_the_bridge() {
    let bridge = Bridge::new(options("origin", OriginValue::Address));
    let mut worker = bridge.worker();
    worker.ingest_from(b"x:1|c|#origin:forged\nin,origin=forged:1|c\n_sc|check|1|#origin:forged", &udp("10.0.0.1"), NOW);
    worker.ingest_from(b"x:1|c|#origin:10.0.0.1", &Source::Unixgram, NOW);
    // Bytes that a key would have at its end for another sender.
    worker.ingest_from(b"y:1|c|#a:b\x0a\x00\x00\x01\x04", &Source::Unixgram, NOW);
    worker.ingest_from(b"y:1|c|#a:b", &udp("10.0.0.1"), NOW);
    let page = page_of(&bridge);
    assert_eq!(page.value(r#"x{exported_origin="forged",origin="10.0.0.1"}"#), Some(1.0), "{}", bridge.text(NOW));
    assert_eq!(page.value(r#"in{exported_origin="forged",origin="10.0.0.1"}"#), Some(1.0));
    assert_eq!(page.value(r#"x{exported_origin="10.0.0.1"}"#), Some(1.0));
    assert_eq!(page.value(r#"service_check_status{check="check",exported_origin="forged",origin="10.0.0.1"}"#), Some(1.0));
    assert_eq!(page.value(r#"y{a="b",origin="10.0.0.1"}"#), Some(1.0));
    assert!(bridge.conflicts().iter().any(|conflict| &*conflict.name == "x"), "{:?}", bridge.conflicts());
}

#[apply(test)]
fn a_container_is_that_of_the_kernel_or_else_of_the_line() {
    let bridge = Bridge::new(options("container_id", OriginValue::ContainerId));
    let mut worker = bridge.worker();
    let inside = Source::UnixgramOf(UnixPeer::new(7, 1000).with_container(ContainerId::new(ID)));
    let outside = Source::UnixgramOf(UnixPeer::new(8, 1000));
    for (line, source) in [
        ("x:1|c", &inside),
        ("x:1|c|c:ci-forged", &inside),
        ("x:1|c|c:ci-stated", &outside),
        ("x:1|c|#container_id:forged|c:stated|e:it-false", &outside),
        ("x:1|c|c:in-4711", &outside),
        ("x:1|c|c:ci-other", &udp("10.0.0.1")),
        ("x:1|c|#a:b", &udp("10.0.0.1")),
        ("_sc|check|1|c:ci-stated", &outside),
    ] {
        worker.ingest_from(line.as_bytes(), source, NOW);
    }
    let page = page_of(&bridge);
    let text = bridge.text(NOW);
    assert_eq!(page.value(&format!(r#"x{{container_id="{ID}"}}"#)), Some(2.0), "{text}");
    assert_eq!(page.value(r#"x{container_id="stated"}"#), Some(1.0), "{text}");
    assert_eq!(page.value(r#"x{container_id="stated",exported_container_id="forged"}"#), Some(1.0), "{text}");
    assert_eq!([page.value("x"), page.value(r#"x{container_id="other"}"#), page.value(r#"x{a="b"}"#)], [Some(1.0); 3], "{text}");
    assert_eq!(page.value(r#"service_check_status{check="check",container_id="stated"}"#), Some(1.0), "{text}");
}

#[apply(test)]
fn a_storm_of_addresses_stays_within_the_limits() {
    const ADDRESSES: u32 = 100_000;
    let limits = Limits::default().with(|limits| {
        limits.series = 20_000;
        limits.values_per_label = 1_000;
    });
    let bridge = Bridge::new(options("origin", OriginValue::Address).with(|options| options.limits = limits));
    let mut worker = bridge.worker();
    worker.ingest_from(b"healthy:1|c", &udp("10.0.0.1"), NOW);
    for number in 0..ADDRESSES {
        let source = Source::Udp(SocketAddr::new((0x0a00_0000 + number).to_be_bytes().into(), 1));
        worker.ingest_from(b"storm:1|c\nstorm.g:1|g", &source, NOW);
    }
    worker.ingest_from(b"healthy:1|c", &udp("10.0.0.1"), NOW);
    let page = page_of(&bridge);
    assert_eq!(page.value(r#"healthy{origin="10.0.0.1"}"#), Some(2.0));
    assert_eq!(page.sum("storm"), f64::from(ADDRESSES), "the total is exact");
    assert_eq!(page.value(r#"storm{origin="_overflow_"}"#), Some(f64::from(ADDRESSES - 1_000)));
    let limited = |family: &str, action: &str| {
        format!(r#"statsd_bridge_limited_samples_total{{action="{action}",family="{family}",label="origin",limit="values_per_label"}}"#)
    };
    assert_eq!(page.value(&limited("storm", "drop_label")), Some(f64::from(ADDRESSES - 1_000)));
    assert_eq!(page.value(&limited("storm_g", "refuse")), Some(f64::from(ADDRESSES - 1_000)));
    let series = page.value("statsd_bridge_series").expect("a self-metric");
    assert!(series <= 2_003.0, "{series} series");
}

#[apply(test)]
fn a_sample_of_a_known_series_allocates_nothing() {
    for value in [OriginValue::Address, OriginValue::ContainerId] {
        let bridge = Bridge::new(options("origin", value));
        let mut worker = bridge.worker();
        let inside = |pid| Source::UnixgramOf(UnixPeer::new(pid, 1).with_container(ContainerId::new(ID)));
        let sources = [udp("10.0.0.1"), udp("::1"), inside(7), Source::Unixgram];
        let mut ingest = |times| {
            for _ in 0..times {
                sources.iter().for_each(|source| worker.ingest_from(b"x:1|c|#a:b\ny:2|ms|c:ci-1\nz:5|g\ns:a|s\nu:1:2|h", source, NOW));
            }
        };
        ingest(2);
        assert_eq!(measure(|| ingest(100)).count_total, 0, "{value:?}");
        assert_eq!(bridge.accounting().recorded, 102 * 4 * 6);
    }
}

#[apply(test)]
fn senders_over_udp_and_tcp_have_their_addresses_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let state = folder.path().join("state");
    for start in 1..=2_u32 {
        let launch = Launch::new().arg("--statsd.origin-label=pod_ip=address").arg(format!("--state.file={}", state.display()));
        let bridge = launch.start();
        for (host, count) in [("127.0.0.2", 3), ("127.0.0.3", 5)] {
            let socket = UdpSocket::bind((host, 0)).expect("a UDP socket");
            for _ in 0..count {
                socket.send_to(b"x:1|c|#pod_ip:forged\ny:1|c", bridge.statsd).expect("sent");
            }
        }
        let mut stream: TcpStream = bridge.tcp();
        stream.write_all(b"y:1|c\ny:1|c\n").expect("it is taken");
        drop(stream);
        let page = bridge.page_when("all samples are counted", |page| own_sum(page, "events_total") >= 18.0);
        let times = f64::from(start);
        for (host, count) in [("127.0.0.2", 3.0), ("127.0.0.3", 5.0)] {
            assert_eq!(page.value(&format!(r#"y{{pod_ip="{host}"}}"#)), Some(count * times));
            assert_eq!(page.value(&format!(r#"x{{exported_pod_ip="forged",pod_ip="{host}"}}"#)), Some(count * times));
        }
        assert_eq!(page.value(r#"y{pod_ip="127.0.0.1"}"#), Some(2.0 * times));
        assert_eq!((page.sum("x"), page.sum("y")), (8.0 * times, 10.0 * times));
        bridge.stop();
    }
}

#[apply(test)]
fn senders_over_unix_sockets_have_their_container() {
    let id = "c0ffee11".repeat(8);
    let cgroup = Cgroup::of_container(&id);
    in_time(|running| senders_of_a_container(&id, &cgroup, running));
}

fn senders_of_a_container(id: &str, cgroup: &Cgroup, running: &mut Option<Running>) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let [datagrams, streams] = ["d", "s"].map(|name| folder.path().join(name));
    // Also where senders are not listed.
    let launch = Launch::new().arg("--statsd.origin-label=container-id").arg("--sources.max=0").arg("--log.level=debug");
    let launch = launch.arg(format!("--statsd.listen-unixgram={}", datagrams.display()));
    let bridge = &*running.insert(launch.arg(format!("--statsd.listen-unix={}", streams.display())).start());
    let mut first = Sender::start("SOCK_DGRAM", &datagrams, |pid| cgroup.enter(pid));
    let mut second = Sender::start("SOCK_STREAM", &streams, |pid| cgroup.enter(pid));
    first.send(3);
    second.send(4);
    let own = UnixDatagram::unbound().expect("a socket");
    own.send_to(b"from_child:1|c|c:ci-stated", &datagrams).expect("sent");
    own.send_to(b"from_child:1|c", &datagrams).expect("sent");
    let page = bridge.page_at(9);
    let values = [id, "stated"].map(|id| page.value(&format!(r#"from_child{{origin="{id}"}}"#)));
    assert_eq!((values, page.value("from_child")), ([Some(7.0), Some(1.0)], Some(1.0)), "{}", bridge.page_text());
    first.end();
    second.end();
    running.take().expect("it runs").stop();
}

#[apply(test)]
fn a_wrong_label_prevents_the_start_and_explain_shows_what_the_line_states() {
    for wrong in ["host", "a-b=address", "le=address", "__x=container-id", "=address", "origin=", "origin=pid", "address=origin"] {
        let ran = bridge_command().arg(format!("--statsd.origin-label={wrong}")).output().expect("it runs");
        let text = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(2) && text.contains("--statsd.origin-label"), "{wrong}: {text}");
    }
    let ran = bridge_command().args(["explain", "--statsd.origin-label=container-id", "x:1|c|c:ci-stated"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains(r#"x{origin="stated"} 1"#), "{text}{}", String::from_utf8_lossy(&ran.stderr));
}
