//! The program over sockets: transports, the parts of the wire format that depend on flags, the exposition and the other paths.

mod unix;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};

use crate::harness::{DEADLINE, Launch, free_port, request, until};
use crate::page::Page;
use crate::peers;

fn refused(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_sample_errors_total", "reason", reason)
}

// ---- transports ----

#[apply(test)]
fn udp_lines_reach_the_page() {
    udp_lines_to(Ipv4Addr::LOCALHOST.into());
}

#[apply(test)]
fn udp_lines_over_ipv6_reach_the_page() {
    udp_lines_to(peers::ipv6_loopback());
}

fn udp_lines_to(host: IpAddr) {
    let bridge = Launch::new().host(host).start();
    bridge.send("web.hits:3|c|#code:200\nroom-temp:21.5|g\r\nroom-temp:-1|g\nlatency:250|ms\nusers:a|s\nusers:b|s\nusers:a|s");
    let page = bridge.page_at(7);
    assert_eq!(page.value("web_hits{code=\"200\"}"), Some(3.0));
    assert_eq!(page.value("room_temp"), Some(20.5));
    assert_eq!(page.value("latency_bucket{le=\"0.1\"}"), Some(0.0));
    assert_eq!(page.value("latency_bucket{le=\"0.25\"}"), Some(1.0));
    assert_eq!(page.value("latency_sum"), Some(0.25));
    assert_eq!(page.value("users"), Some(2.0));
    assert_eq!(page.value("statsd_bridge_udp_packets_total"), Some(1.0));
    assert_eq!(page.value("statsd_bridge_lines_parsed_total"), Some(7.0));
    assert_eq!(page.sum("statsd_bridge_udp_kernel_drops_total"), 0.0);
    bridge.stop();
}

#[apply(test)]
fn the_largest_datagram_of_ipv4_arrives_whole() {
    let bridge = Launch::new().start();
    let datagram = "c.big:1|c\n".repeat(6550) + "end:1|c";
    assert_eq!(datagram.len(), 65_507);
    bridge.send(datagram);
    let page = bridge.page_at(6551);
    assert_eq!((page.value("c_big"), page.value("end")), (Some(6550.0), Some(1.0)));
    assert_eq!(page.value("statsd_bridge_udp_truncated_packets_total"), Some(0.0));
    bridge.stop();
}

#[apply(test)]
fn a_datagram_over_the_limit_loses_its_last_line_only() {
    let bridge = Launch::new().arg("--limits.datagram-bytes=100").start();
    bridge.send(format!("kept:1|c\ncut:1|c|#k:{}", "v".repeat(200)));
    let page = bridge.page_when("the line is refused", |page| refused(page, "truncated_line") == 1.0);
    assert_eq!((page.value("kept"), page.family("cut")), (Some(1.0), None));
    assert_eq!(page.value("statsd_bridge_udp_truncated_packets_total"), Some(1.0));
    bridge.stop();
}

#[apply(test)]
fn two_udp_listeners_and_two_workers_are_one_page() {
    let second = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
    let bridge = Launch::new().arg(format!("--statsd.listen-udp={second}")).arg("--udp.workers=2").start();
    // Each socket is a separate flow. The kernel assigns each flow to one worker.
    for flow in 0..32 {
        bridge.send(format!("flows:1|c\nseen:{flow}|s\ntook:{flow}|h"));
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
        other.send_to(b"flows:1|c|@0.5\ntook:100|h", second).expect("a datagram is sent");
    }
    let page = bridge.page_at(32 * 5);
    assert_eq!(page.value("flows"), Some(96.0));
    assert_eq!(page.value("seen"), Some(32.0));
    assert_eq!((page.value("took_count"), page.value("took_sum")), (Some(64.0), Some(3200.0 + 496.0)));
    assert_eq!(page.value("took_bucket{le=\"10\"}"), Some(11.0));
    assert_eq!(page.value("statsd_bridge_udp_packets_total"), Some(64.0));
    let sockets = page.family("statsd_bridge_udp_receive_buffer_bytes").expect("the granted buffers are shown");
    assert_eq!(sockets.lines.len(), 4, "one a listener and worker: {:?}", sockets.lines);
    assert!(sockets.lines.iter().all(|l| l.value > 0.0));
    bridge.stop();
}

#[apply(test)]
fn tcp_lines_may_come_in_pieces() {
    let bridge = Launch::new().start();
    let mut stream = bridge.tcp();
    stream.write_all(b"tcp.a:1|c\r\ntcp.").expect("a write");
    bridge.page_when("the first line is there", |page| page.value("tcp_a") == Some(1.0));
    stream.write_all(b"b:2|").expect("a write");
    stream.write_all(b"c\ntcp.last:3|g").expect("a write");
    let page = bridge.page_when("the second line is there", |page| page.value("tcp_b") == Some(2.0));
    assert_eq!(page.family("tcp_last"), None, "its line has not ended");
    assert_eq!(page.value("statsd_bridge_tcp_connections_open"), Some(1.0));
    stream.shutdown(Shutdown::Write).expect("a shutdown");
    let page = bridge.page_when("the last line, without newline", |page| page.value("tcp_last") == Some(3.0));
    assert_eq!(page.value("statsd_bridge_tcp_connections_total"), Some(1.0));
    bridge.page_when("the connection is closed", |page| page.value("statsd_bridge_tcp_connections_open") == Some(0.0));
    bridge.stop();
}

#[apply(test)]
fn a_gauge_that_begins_with_a_negative_change_is_named_once() {
    let bridge = Launch::new().start();
    bridge.send("freezer:-18|g|#room:a\nfreezer:-18|g|#room:b\nset.first:0|g\nset.first:-3|g\nraised:+4|g\nlast:-1|g");
    let page = bridge.page_at(6);
    assert_eq!((page.value("last"), page.value("set_first")), (Some(-1.0), Some(-3.0)));
    let named = |family: &str| bridge.process.log().matches(&format!("family={family} ")).count();
    until("the last gauge is named", || (named("last") == 1).then_some(()));
    assert_eq!(["freezer", "set_first", "raised"].map(named), [1, 0, 0]);
    assert!(bridge.process.log().contains("--statsd.signed-gauges=absolute"));
    bridge.stop();
    let bridge = Launch::new().arg("--statsd.signed-gauges=absolute").start();
    bridge.send("freezer:-18|g\nfreezer:-18|g");
    assert_eq!(bridge.page_at(2).value("freezer"), Some(-18.0));
    assert!(!bridge.stop().contains("signed-gauges"), "all of the log");
}

#[apply(test)]
fn an_over_long_line_is_skipped_and_the_next_is_not() {
    let bridge = Launch::new().arg("--limits.line-bytes=100").start();
    let mut stream = bridge.tcp();
    let long = "x".repeat(300_000);
    stream.write_all(format!("before:1|c\n{long}:1|c\nafter:1|c\n").as_bytes()).expect("a write");
    let page = bridge.page_at(2);
    assert_eq!((page.value("before"), page.value("after")), (Some(1.0), Some(1.0)));
    assert_eq!(refused(&page, "line_too_long"), 1.0);
    assert_eq!(page.value("statsd_bridge_tcp_too_long_lines_total"), Some(1.0));
    bridge.send(format!("udp.before:1|c\n{}:1|c\nudp.after:1|c", &long[..200]));
    let page = bridge.page_at(4);
    assert_eq!((page.value("udp_before"), page.value("udp_after")), (Some(1.0), Some(1.0)));
    assert_eq!(refused(&page, "line_too_long"), 2.0);
    stream.write_all(b"after:1|c\n").expect("the connection is still open");
    assert_eq!(bridge.page_at(5).value("after"), Some(2.0));
    bridge.stop();
}

#[apply(test)]
fn a_silent_tcp_connection_is_closed() {
    let bridge = Launch::new().arg("--tcp.idle-timeout=300ms").start();
    let mut stream = bridge.tcp();
    stream.write_all(b"spoke:1|c\n").expect("a write");
    assert_eq!(stream.read(&mut [0]).expect("closed, not reset"), 0);
    let page = bridge.page_when("it is counted", |page| page.value("statsd_bridge_tcp_idle_closed_total") == Some(1.0));
    assert_eq!(page.value("spoke"), Some(1.0));
    bridge.stop();
}

#[apply(test)]
fn one_tcp_connection_too_many_is_closed_and_the_others_go_on() {
    let bridge = Launch::new().arg("--tcp.max-connections=1").start();
    let mut first = bridge.tcp();
    first.write_all(b"first:1|c\n").expect("a write");
    bridge.page_at(1);
    let mut second = bridge.tcp();
    assert!(matches!(second.read(&mut [0]), Ok(0) | Err(_)), "nothing is ever sent to a client");
    bridge.page_when("it is counted", |page| page.value("statsd_bridge_tcp_connections_refused_total") == Some(1.0));
    first.write_all(b"first:1|c\n").expect("a write");
    assert_eq!(bridge.page_at(2).value("first"), Some(2.0));
    bridge.stop();
}

#[apply(test)]
fn lines_are_relayed_as_they_came() {
    let target = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    target.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    let address = target.local_addr().expect("an address");
    let bridge = Launch::new().arg(format!("--statsd.relay.address={address}")).start();
    bridge.send("relayed:1|c|#a:b\nnot a line");
    let mut text = String::new();
    while !text.contains("not a line") {
        let mut buffer = [0; 2048];
        let length = target.recv(&mut buffer).expect("the lines are relayed");
        text += std::str::from_utf8(&buffer[..length]).expect("UTF-8");
        text += "\n";
    }
    assert_eq!(text.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>(), ["relayed:1|c|#a:b", "not a line"]);
    bridge.page_when("it is counted", |page| page.sum("statsd_bridge_relay_lines_relayed_total") == 2.0);
    bridge.stop();
}

// ---- the wire format, where it depends on flags or the whole program ----

#[apply(test)]
fn every_reason_of_the_grammar_is_counted_once() {
    let bridge = Launch::new().start();
    let cases = [
        ("malformed_line", "no colon"),
        ("mixed_tagging_styles", "mixed,a=b:1|c|#c:d"),
        ("not_enough_parts_after_colon", "kindless:1"),
        ("malformed_event", "_e{x"),
        ("malformed_service_check", "_sc|"),
        ("malformed_component", "field:1|c||@1"),
        ("malformed_value", "value:nan|c"),
        ("invalid_sample_factor", "rate:1|c|@2"),
        ("illegal_event", "kind:1|x"),
    ];
    let lines: Vec<_> = cases.iter().map(|(_, line)| *line).collect();
    let good = "_e{1,1}:a|b\n_sc|name|0\ntagged:1|c|#a:b,:c\ntwo:1|c\ntwo:1|g\ntwo:-1|c\n\nfields:1|c|z:?";
    bridge.send(format!("{}\n{good}", lines.join("\n")));
    let page = bridge.page_at(4 + 5 + 2);
    for (reason, line) in cases {
        assert_eq!(refused(&page, reason), 1.0, "{reason}: {line}");
    }
    let own = |name: &str| page.sum(&format!("statsd_bridge_{name}"));
    assert_eq!((own("dogstatsd_events_total"), own("dogstatsd_service_checks_total")), (1.0, 1.0));
    assert_eq!((own("tag_errors_total"), own("unknown_fields_total"), own("lines_empty_total")), (1.0, 1.0, 1.0));
    let conflicts = page.family("statsd_bridge_events_conflict_total").expect("conflicts are shown");
    assert_eq!(conflicts.lines.len(), 1);
    for (label, value) in [("type", "gauge"), ("metric_name", "two")] {
        assert_eq!(page.sum_where(&conflicts.name, label, value), 1.0, "{:?}", conflicts.lines);
    }
    let error = |reason: &str| page.sum_where("statsd_bridge_events_error_total", "reason", reason);
    assert_eq!((error("conflict"), error("illegal_negative_counter")), (1.0, 1.0));
    assert_eq!((page.value("two"), page.value("tagged{a=\"b\"}")), (Some(1.0), Some(1.0)));
    bridge.stop();
}

#[apply(test)]
fn each_tag_style_can_be_switched_off() {
    let lines = "dog:1|c|#k:v\ninflux,k=v:1|c\nlibrato#k=v:1|c\nsignal[k=v]:1|c";
    let with = ["dog{k=\"v\"}", "influx{k=\"v\"}", "librato{k=\"v\"}", "signal{k=\"v\"}"];
    let without = [("dogstatsd", "dog"), ("influxdb", "influx_k_v"), ("librato", "librato_k_v"), ("signalfx", "signal_k_v_")];
    for (off, (style, series)) in without.iter().enumerate() {
        let bridge = Launch::new().arg(format!("--no-statsd.parse-{style}-tags")).start();
        bridge.send(lines);
        let page = bridge.page_at(4);
        assert_eq!(page.value(series), Some(1.0), "{style} off");
        for (_, series) in with.iter().enumerate().filter(|(at, _)| *at != off) {
            assert_eq!(page.value(series), Some(1.0), "{style} off, the others on");
        }
        bridge.stop();
    }
}

#[apply(test)]
fn compat_answers_as_statsd_exporter_does() {
    let bridge = Launch::new().arg("--compat=statsd_exporter").start();
    bridge.send("took:320|ms|@0.1\nbare:1|c|#flag\nfrom:1|c|c:abc");
    let page = bridge.page_at(3);
    let took = page.family("took").expect("the timer is there");
    assert_eq!((&*took.kind, &*took.help), ("summary", "Metric autogenerated by statsd_exporter."));
    assert_eq!((took.lines.len(), took.lines[0].series.as_str()), (5, "took{quantile=\"0.5\"}"));
    assert_eq!(page.value("took_count"), Some(10.0));
    assert!((page.value("took_sum").expect("a sum") - 3.2).abs() < 1e-9);
    assert_eq!((page.value("bare"), page.value("from{container_id=\"abc\"}")), (Some(1.0), Some(1.0)));
    assert_eq!(page.value("statsd_exporter_tag_errors_total"), Some(1.0));
    assert!(!page.lines().any(|l| l.name.starts_with("statsd_bridge_")));
    bridge.stop();
}

// ---- the exposition and the other paths ----

#[apply(test)]
fn a_second_scrape_has_the_same_lines_in_the_same_order() {
    let bridge = Launch::new().arg("--udp.workers=2").start();
    for n in 0..200 {
        bridge.send(format!("order.{}:1|c|#b:{n},a:{}\nlast:{n}|g\ntook.{}:{n}|ms", n % 7, n % 3, n % 5));
    }
    bridge.page_at(600);
    let series = || bridge.page().lines().map(|l| l.series.clone()).collect::<Vec<_>>();
    let (first, second) = (series(), series());
    assert!(first.len() > 270, "{}", first.len());
    assert_eq!(first, second);
    let users = |page: &Page| -> Vec<_> { page.families.iter().take(13).map(|f| f.name.clone()).collect() };
    assert!(users(&bridge.page()).is_sorted(), "{:?}", users(&bridge.page()));
    bridge.stop();
}

#[apply(test)]
fn the_page_comes_in_the_format_that_is_asked_for() {
    let openmetrics = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let only_openmetrics = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
    let in_openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    let in_text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    for (flags, accept, begins) in [
        (&[][..], openmetrics, in_text),
        (&[], only_openmetrics, in_openmetrics),
        (&["--web.openmetrics=always"], openmetrics, in_openmetrics),
        (&["--web.openmetrics=never", "--web.created-lines"], only_openmetrics, in_text),
        (&["--web.created-lines"], openmetrics, in_openmetrics),
        (&["--exemplars.tag=trace_id"], openmetrics, in_openmetrics),
        (&["--compat=statsd_exporter"], only_openmetrics, in_text),
        (&["--compat=statsd_exporter", "--web.openmetrics=auto"], only_openmetrics, in_openmetrics),
        (
            &["--compat=statsd_exporter"],
            protobuf,
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=",
        ),
    ] {
        let bridge = flags.iter().copied().fold(Launch::new(), Launch::arg).start();
        bridge.send("asked_total:1|c");
        bridge.page_at(1);
        let response = request(bridge.web, "GET", "/metrics", &[("Accept", accept)]).expect("an answer");
        assert!(response.header("content-type").starts_with(begins), "{}", response.header("content-type"));
        assert_eq!(response.header("vary"), "Accept, Accept-Encoding");
        if begins.starts_with("application/openmetrics") {
            let page = crate::openmetrics::Page::parse(&response.text()).expect("a good page");
            assert_eq!(page.value("asked_total", &[]), Some(1.0));
        } else if begins.starts_with("text/") {
            Page::parse(&response.text()).expect("a good page");
        } else {
            let families = crate::formats::messages::decode(&response.body);
            assert!(families.iter().any(|family| family.name.as_deref() == Some("asked_total")));
        }
        bridge.stop();
    }
}

#[apply(test)]
fn the_page_comes_compressed_to_who_asks_for_it() {
    let bridge = Launch::new().start();
    bridge.send("zipped:1|c|#a:b");
    let plain = bridge.page_at(1);
    let get = |accept: &str| request(bridge.web, "GET", "/metrics", &[("Accept-Encoding", accept)]).expect("an answer");
    let response = get("deflate, gzip;q=0.5");
    assert_eq!(response.header("content-encoding"), "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*response.body).read_to_string(&mut text).expect("gzip");
    let page = Page::parse(&text).expect("a good page");
    assert_eq!(page.value("zipped{a=\"b\"}"), Some(1.0));
    let names = |page: &Page| page.families.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&page), names(&plain));
    for accept in ["gzip;q=0", "identity", ""] {
        let response = get(accept);
        assert_eq!(response.header("content-encoding"), "", "{accept:?}");
        assert!(Page::parse(&response.text()).is_ok(), "{accept:?}");
    }
    bridge.stop();
}

#[apply(test)]
fn every_path_answers_as_it_should() {
    let bridge = Launch::new().start();
    for path in ["/", "/-/healthy", "/-/ready", "/health", "/healthz", "/metrics", "/metrics?x=y"] {
        let response = bridge.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert!(!response.body.is_empty(), "{path}");
    }
    assert!(bridge.get("/").text().contains("/metrics"), "the first page leads to the metrics");
    for path in ["/nothing", "/metrics/", "/metricsx", "/-/", "/..%2f"] {
        assert_eq!(bridge.get(path).status, 404, "{path}");
    }
    for (method, path) in [("POST", "/metrics"), ("DELETE", "/-/ready"), ("PUT", "/")] {
        let response = request(bridge.web, method, path, &[]).expect("an answer");
        assert_eq!(response.status, 405, "{method} {path}");
        assert!(response.header("allow").contains("GET"), "{method} {path}: {}", response.header("allow"));
    }
    let head = request(bridge.web, "HEAD", "/metrics", &[]).expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
    bridge.stop();
}

#[apply(test)]
fn clients_that_never_finish_their_request_stall_nobody() {
    let bridge = Launch::new().start();
    let mut slow: Vec<_> = (0..30).map(|_| TcpStream::connect(bridge.web).expect("a connection")).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTT").expect("a write");
    }
    bridge.send("meanwhile:1|c");
    assert_eq!(bridge.page_at(1).value("meanwhile"), Some(1.0));
    bridge.stop();
}
