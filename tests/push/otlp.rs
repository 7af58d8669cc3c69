//! OTLP over HTTP: each answer of a receiver, what the bridge counts, and the variables of OpenTelemetry.

use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::otlp_message::export;
use super::receiver::{Reaction, Receiver, Seen};
use super::{after_first_push, expect_sums, five_arrive, metric, once, pushing, samples, target};
use crate::harness::{Launch, Running, bridge_command, request, until};

const PROTOBUF: &str = "application/x-protobuf";

/// A bridge that pushes by OTLP to a receiver with this script, after the first push.
fn pushing_otlp(script: impl FnMut(&Seen) -> Reaction + Send + 'static) -> (Receiver, Running) {
    let receiver = Receiver::start(script);
    let bridge = after_first_push(pushing(&receiver.otlp_url()).arg("--push.protocol=otlp"));
    (receiver, bridge)
}

/// After 5 samples of `hits`, the receiver has them.
fn all_arrive(what: &str, script: impl FnMut(&Seen) -> Reaction + Send + 'static) -> (Receiver, Running) {
    let (receiver, bridge) = pushing_otlp(script);
    five_arrive(what, &receiver, &bridge);
    (receiver, bridge)
}

#[apply(test)]
fn a_request_has_the_headers_of_the_specification() {
    let (receiver, bridge) = all_arrive("OTLP", |_| Reaction::Write);
    for request in &receiver.seen() {
        assert_eq!(request.path, "/v1/metrics");
        assert_eq!(request.header("content-type"), PROTOBUF);
        assert_eq!(request.header("content-encoding"), "gzip");
        assert_eq!(request.header("user-agent"), concat!("statsd-bridge/", env!("CARGO_PKG_VERSION")));
        assert_eq!(request.header("x-prometheus-remote-write-version"), "");
    }
    let shown = target(&bridge);
    assert_eq!((&shown["protocol"], &shown["protocol_in_use"]), (&"otlp".into(), &"otlp".into()));
    assert_eq!((samples(&bridge, "rejected"), receiver.last("up")), (0, Some(1.0)));
    assert_eq!(metric(&bridge.page(), "push_protocol_version"), 0.0);
    let points = receiver.points("hits", ("job", "statsd-bridge"));
    assert!(points.iter().all(|point| point.start > 0 && point.start <= point.time), "{points:?}");
    bridge.stop();
}

#[apply(test)]
fn all_points_of_a_cycle_have_one_time_and_large_cycles_are_split() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = pushing(&receiver.otlp_url()).arg("--push.protocol=otlp").arg("--push.batch-samples=100000").start();
    let long = "x".repeat(900);
    for n in 0..3000 {
        bridge.send(format!("wide:1|c|#n:{n},long:{long}"));
    }
    bridge.page_at(3000);
    until("all series are pushed", || {
        let seen = receiver.seen();
        let times = seen.iter().flat_map(|seen| &seen.content.series).flat_map(|series| &series.points).map(|point| point.time);
        let last = times.max()?;
        let of_last = |seen: &&Seen| seen.content.series.iter().all(|series| series.points.iter().all(|point| point.time == last));
        let requests: Vec<&Seen> = seen.iter().filter(of_last).collect();
        let series: usize = requests.iter().map(|seen| seen.content.series.len()).sum();
        // More than 2 MB, of which the receiver accepts one in each request.
        (series > 3000 && requests.len() > 2).then_some(())
    });
    for seen in receiver.seen() {
        let mut times = seen.content.series.iter().flat_map(|series| &series.points).map(|point| point.time);
        let first = times.next();
        assert!(times.all(|time| Some(time) == first), "one request has one time");
    }
    assert_eq!(receiver.faults(), [""; 0]);
    bridge.stop();
}

#[apply(test)]
fn four_answers_and_no_answer_are_sent_again_with_the_same_bytes() {
    let retry_after = |status: u16, value: &str| Reaction::Answer(status, vec![("Retry-After", value.to_owned())]);
    let soon = SystemTime::now() + Duration::from_secs(1);
    let cases = [
        ("429", retry_after(429, "1")),
        ("502", Reaction::Answer(502, vec![])),
        ("503", retry_after(503, &httpdate::fmt_http_date(soon))),
        ("504", Reaction::Body(504, PROTOBUF, b"\x08\x0e\x12\x04busy".to_vec())),
        ("a connection that closes before the answer", Reaction::CutBefore),
        ("a connection that closes after writing", Reaction::CutAfter),
    ];
    for (what, reaction) in cases {
        let (receiver, bridge) = all_arrive(what, once(reaction));
        // The receiver may have the value already while the request is still sent again.
        until(&format!("{what}: the same bytes come twice"), || {
            let seen = receiver.seen();
            seen.iter().any(|one| seen.iter().filter(|other| other.body == one.body).count() == 2).then_some(())
        });
        assert_eq!(metric(&bridge.page(), "push_retries_total"), 1.0, "{what}");
        assert_eq!((samples(&bridge, "rejected"), samples(&bridge, "dropped_age")), (0, 0), "{what}");
        let seen = receiver.seen();
        assert!(seen.iter().all(|seen| seen.header("retry-attempt").is_empty()), "{what}");
    }
}

#[apply(test)]
fn other_answers_are_final_and_counted() {
    for status in [400, 401, 404, 409, 415, 500, 501, 505] {
        let (receiver, bridge) =
            all_arrive(&status.to_string(), once(Reaction::Body(status, PROTOBUF, b"\x08\x03\x12\x07no good".to_vec())));
        assert!(samples(&bridge, "rejected") > 0, "{status}");
        assert_eq!(metric(&bridge.page(), "push_retries_total"), 0.0, "{status}");
        let rejection = &target(&bridge)["last_rejection"];
        assert_eq!((&rejection["status"], &rejection["text"]), (&status.into(), &"no good".into()));
        let seen = receiver.seen();
        let bodies: std::collections::HashSet<&[u8]> = seen.iter().map(|seen| &*seen.body).collect();
        assert_eq!(bodies.len(), seen.len(), "{status}: nothing is sent twice");
        bridge.process.logs("the receiver rejected samples");
    }
}

#[apply(test)]
fn a_partial_success_is_counted_shown_and_not_sent_again() {
    let (receiver, bridge) = all_arrive("partial success", once(Reaction::Partial(b"\x0a\x0f\x08\x03\x12\x0btoo old, 3x".to_vec())));
    assert_eq!(samples(&bridge, "rejected"), 3);
    let rejection = &target(&bridge)["last_rejection"];
    assert_eq!((&rejection["status"], &rejection["text"]), (&200.into(), &"too old, 3x".into()));
    bridge.process.logs("too old, 3x");
    assert_eq!(metric(&bridge.page(), "push_retries_total"), 0.0);
    // Whatever a receiver claims, no more is rejected than was sent.
    receiver.script(|_| Reaction::Partial(b"\x0a\x06\x08\x7f\x12\x02no".to_vec()));
    until("more is rejected", || (samples(&bridge, "rejected") > 3).then_some(()));
    expect_sums(&bridge);
    bridge.stop();
}

#[apply(test)]
fn a_message_without_rejected_points_is_a_warning() {
    let (_receiver, bridge) = all_arrive("warning", |_| Reaction::Partial(b"\x0a\x0b\x12\x09use spans".to_vec()));
    assert_eq!((samples(&bridge, "rejected"), &target(&bridge)["last_answer"]["text"]), (0, &"use spans".into()));
    bridge.process.logs("with a warning");
    assert_eq!(bridge.process.log().matches("with a warning").count(), 1, "not at each request");
    bridge.stop();
}

#[apply(test)]
fn a_web_page_is_no_receiver() {
    let receiver = Receiver::start(|_| Reaction::Body(200, "text/html; charset=utf-8", b"<title>Sign in</title>".to_vec()));
    let bridge = pushing(&receiver.otlp_url()).arg("--push.protocol=otlp").start();
    until("a rejection", || (samples(&bridge, "rejected") > 0).then_some(()));
    assert_eq!(samples(&bridge, "written"), 0);
    bridge.process.logs("the path is probably wrong: /v1/metrics for a collector");
}

#[apply(test)]
fn a_request_that_is_too_large_is_halved() {
    let receiver = Receiver::start(|seen| if seen.content.series.len() > 7 { Reaction::Answer(413, vec![]) } else { Reaction::Write });
    let bridge = pushing(&receiver.otlp_url()).arg("--push.protocol=otlp").arg("--push.self-metrics=false").start();
    for n in 0..40 {
        bridge.send(format!("part:1|c|#n:{n}\nwhole:1|ms|#n:{n}"));
    }
    bridge.page_at(80);
    for n in ["0", "20", "39"] {
        until("all series are pushed", || receiver.points("part", ("n", n)).last().filter(|point| point.value == 1.0).map(drop));
        until("all series are pushed", || receiver.points("whole", ("n", n)).last().filter(|point| point.value == 1.0).map(drop));
    }
    expect_sums(&bridge);
    assert_eq!((samples(&bridge, "rejected"), receiver.faults()), (0, vec![]));
    bridge.stop();
}

#[apply(test)]
fn a_series_that_is_gone_has_a_last_point_without_a_value_even_after_an_outage() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let bridge = pushing(&receiver.otlp_url()).arg("--push.protocol=otlp").arg("--web.enable-admin-api").start();
    bridge.send("hits:5|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(5.0)).then_some(()));
    receiver.script(|_| Reaction::Answer(503, vec![]));
    assert_eq!(request(bridge.web, "POST", "/api/v1/series/delete?match[]=hits", &[]).expect("an answer").status, 200);
    until("a failure", || target(&bridge)["failures"].as_u64().filter(|failures| *failures > 1));
    receiver.script(|_| Reaction::Write);
    until("the marker is pushed", || receiver.points("hits", ("job", "statsd-bridge")).last().filter(|point| point.is_stale).map(drop));
    expect_sums(&bridge);
    assert_eq!(receiver.faults(), [""; 0]);
    bridge.stop();
}

#[apply(test)]
fn the_variables_of_opentelemetry_take_effect_only_when_asked_for() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let (other, folder) = (Receiver::start(|_| Reaction::Write), TempDir::new().expect("a temporary directory"));
    let with_variables = |launch: Launch| {
        launch
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", receiver.address))
            .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret,api-key=s3cret-2")
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .env("OTEL_SERVICE_NAME", "cart")
            .env("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=shop,deployment.environment=prod")
    };
    // A remote-write target, and one of OTLP with a URL of its own: neither endpoint nor headers of the variables.
    let file = folder.path().join("push.yml");
    let text = format!("targets:\n- {{url: '{}', protocol: otlp}}\n- {{url: '{}', name: rw}}\n", other.otlp_url(), other.url());
    std::fs::write(&file, text).expect("a file in a temporary directory");
    let file = format!("--push.config.file={}", file.display());
    let bridge = with_variables(Launch::new()).arg(file).arg("--push.interval=1s").start();
    until("pushes", || {
        let seen = other.seen();
        (seen.iter().any(|seen| seen.version == 0) && seen.iter().any(|seen| seen.version == 2)).then_some(())
    });
    for seen in other.seen() {
        assert_eq!((seen.header("authorization"), seen.header("api-key")), ("", ""));
        let job = if seen.version == 0 { "cart" } else { "statsd-bridge" };
        assert!(seen.content.series.iter().all(|series| series.labels.contains(&("job".to_owned(), job.to_owned()))), "{job}");
    }
    bridge.stop();
    assert!(receiver.seen().is_empty());
    // The switch.
    let bridge = with_variables(Launch::new()).arg("--push.otlp").start();
    until("two pushes", || (receiver.seen().len() > 1).then_some(()));
    for seen in receiver.seen() {
        assert_eq!((seen.path.as_str(), seen.header("content-encoding")), ("/v1/metrics", ""));
        assert_eq!((seen.header("authorization"), seen.header("api-key")), ("Bearer s3cret", "s3cret-2"));
        let resource = export(None, &seen.body).expect("a message").resource_metrics.remove(0).resource.expect("a resource");
        let names: Vec<&str> = resource.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(names, ["service.name", "service.instance.id", "deployment.environment", "service.namespace"]);
    }
    let shown = bridge.get("/api/v1/push").text() + &bridge.process.log();
    assert!(shown.contains("\"interval_seconds\":1.0") && !shown.contains("s3cret"), "{shown}");
    bridge.stop();
}

#[apply(test)]
fn a_wrong_variable_is_named_with_what_to_write() {
    for (name, value, part) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "write http/protobuf"),
        ("OTEL_RESOURCE_ATTRIBUTES", "cart", "NAME=VALUE"),
    ] {
        let run = |args: &[&str]| {
            let output = bridge_command().env(name, value).args(args).arg("--check-config").output().expect("the program runs");
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert!(run(&[]).0, "{name} has no effect without the flag");
        let (is_good, err) = run(&["--push.otlp"]);
        assert!(!is_good && err.contains(name) && err.contains(part) && err.contains("push.otlp"), "{name}: {err}");
    }
}

#[apply(test)]
fn a_job_pushes_once_by_otlp() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let folder = TempDir::new().expect("a temporary directory");
    let lines = folder.path().join("lines");
    std::fs::write(&lines, "backup.files:1200|g\n").expect("a file in a temporary directory");
    let run = |more: &[&str]| {
        let mut command = bridge_command();
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address)).args(["push", "--once"]).arg(&lines).args(more);
        let output = command.output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = run(&["--push.otlp"]);
    assert!(code == Some(0) && said.contains("1 samples written"), "{said}");
    assert_eq!(receiver.last("backup_files"), Some(1200.0));
    receiver.script(|_| Reaction::Partial(b"\x0a\x06\x08\x01\x12\x02no".to_vec()));
    let (code, said) = run(&[&format!("--push.url={}", receiver.otlp_url()), "--push.protocol=otlp"]);
    assert!(code == Some(1) && said.contains("0 samples written, 1 not: 200 no"), "{said}");
}
