//! Tests of paths and methods, readiness, and lifecycle requests.

use super::*;
use crate::program::reload_requests::ReloadRequests;

#[tokio::test]
async fn paths_and_methods_have_their_status() {
    let server = TestServer::start(patient()).await;
    for (method, path, code, allow) in [
        ("GET", "/", 200, None),
        ("GET", "/?a=b", 200, None),
        ("GET", "/metrics", 200, None),
        ("GET", "/metrics?name%5B%5D=x", 200, None),
        ("GET", "/-/healthy", 200, None),
        ("GET", "/health", 200, None),
        ("GET", "/healthz", 200, None),
        ("GET", "/-/ready", 503, None),
        ("POST", "/", 405, Some("GET, HEAD")),
        ("DELETE", "/metrics", 405, Some("GET, HEAD")),
        ("OPTIONS", "/-/healthy", 405, Some("GET, HEAD")),
        ("BREW", "/-/ready", 405, Some("GET, HEAD")),
        ("GET", "/metrics/", 404, None),
        ("GET", "/nothing", 404, None),
        ("GET", "//", 200, None),
        ("GET", "//metrics", 200, None),
        ("GET", "/api//v1///rules", 200, None),
        ("POST", "/-/quit", 403, None),
        ("PUT", "/-/reload", 403, None),
        ("GET", "//-/reload", 405, Some("PUT, POST")),
        ("OPTIONS", "*", 404, None),
        ("CONNECT", "t:80", 404, None),
        ("GET", "http://t/-/healthy", 200, None),
        ("GET", "/api/v1/rules", 200, None),
        ("HEAD", "/api/v1/cardinality", 200, None),
        ("POST", "/api/v1/conflicts", 405, Some("GET, HEAD")),
        ("PUT", "/api/v1/series/delete", 405, Some("POST")),
    ] {
        let reply = server.ask(method, path).await;
        assert_eq!((status(&reply), header(&reply, "allow")), (code, allow), "{method} {path}: {reply}");
    }
    assert!(body(&server.ask("POST", "/-/reload").await).contains("--web.enable-lifecycle"));
    assert_eq!(body(&server.ask("GET", "/-/healthy").await), "Statsd Bridge is Healthy.\n");
    let landing = server.ask("GET", "/").await;
    assert_eq!(header(&landing, "content-type"), Some("text/html; charset=utf-8"));
    assert!(body(&landing).contains(&server.address.to_string()), "the page shows the address to scrape");
}

/// A dual-stack socket reports IPv4 addresses as ::ffff:127.0.0.1.
#[tokio::test]
async fn ipv4_addresses_are_shown_as_ipv4() {
    // Without IPv6 there are no dual-stack sockets.
    let Ok(listener) = TcpListener::bind("[::]:0").await else { return };
    let port = listener.local_addr().expect("bound").port();
    let (options, bridge) = (patient(), Bridge::of_program(BridgeOptions::default()));
    let state = Arc::new(WebState::new(&options, now));
    let serving = tokio::spawn(serve(listener, options, bridge, state, std::future::pending()));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("listening");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.expect("sent");
    let page = String::from_utf8(rest(&mut stream).await).expect("text");
    assert!(page.contains(&format!("127.0.0.1:{port}")) && !page.contains("ffff"), "{page}");
    serving.abort();
}

#[tokio::test]
async fn head_returns_the_headers_of_get() {
    let server = TestServer::start(patient()).await;
    for path in ["/", "/metrics", "/-/healthy", "/healthz", "/-/ready"] {
        let (get, head) = (server.ask("GET", path).await, server.ask("HEAD", path).await);
        assert_eq!((status(&head), body(&head)), (status(&get), ""), "{path}");
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"), "{path}");
        // The length of an exposition is unknown until it is rendered, and HEAD does not render it.
        assert_eq!(header(&head, "content-length").is_some(), path != "/metrics", "{path}: {head}");
    }
    assert_eq!(status(&server.ask("HEAD", "/nothing").await), 404);
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 1.0, "HEAD renders nothing");
}

#[tokio::test]
async fn the_telemetry_path_can_be_changed_even_to_the_root() {
    for (option, path) in [("/", "/"), ("", "/"), ("stats", "/stats"), ("/a/b", "/a/b")] {
        let server = TestServer::start(WebOptions { telemetry_path: option.to_owned(), ..patient() }).await;
        let reply = server.ask("GET", path).await;
        assert_eq!(header(&reply, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"), "{option:?}");
        assert_eq!(status(&server.ask("GET", "/metrics").await), 404, "{option:?}");
    }
}

#[tokio::test]
async fn ready_reflects_the_readiness_of_the_program() {
    let server = TestServer::start(patient()).await;
    assert_eq!(body(&server.ask("GET", "/-/ready").await), "Statsd Bridge is not Ready.\n");
    server.state.lifecycle.readiness().set_started(true);
    let reply = server.ask("GET", "/-/ready").await;
    assert_eq!((status(&reply), body(&reply)), (200, "Statsd Bridge is Ready.\n"));
    server.state.lifecycle.readiness().set_started(false);
    assert_eq!(status(&server.ask("GET", "/-/ready").await), 503);
}

#[tokio::test]
async fn quit_and_reload_requests_are_delivered() {
    let options = WebOptions { enable_lifecycle: true, ..patient() };
    let reloads = Arc::<ReloadRequests>::default();
    let state = Arc::new(WebState::new(&options, now).with_reload_requests(Arc::clone(&reloads)));
    let server = TestServer::start_with(options, Bridge::of_program(BridgeOptions::default()), state).await;
    let reply = server.ask("GET", "/-/quit").await;
    assert_eq!((status(&reply), header(&reply, "allow")), (405, Some("PUT, POST")));
    assert!(timeout(SHORT, server.state.lifecycle.quit_requested()).await.is_err(), "a rejected request has no effect");

    let answering = tokio::spawn(async move {
        let (first, _) = reloads.asked_beyond(0).await;
        reloads.answer(first, Ok(()));
        let (second, _) = reloads.asked_beyond(first).await;
        reloads.answer(second, Err("rules.yml:3: `nmae` is no key".into()));
    });
    let reply = server.ask("POST", "/-/reload").await;
    assert_eq!((status(&reply), body(&reply)), (200, "Requesting reload"));
    let reply = server.ask("PUT", "/-/reload").await;
    assert_eq!((status(&reply), body(&reply)), (500, "failed to reload the mapping files:\nrules.yml:3: `nmae` is no key\n"));
    soon(answering).await.expect("both requests were received");

    let state = Arc::clone(&server.state);
    let waiting = tokio::spawn(async move { state.lifecycle.quit_requested().await });
    assert_eq!(body(&server.ask("PUT", "/-/quit").await), "Requesting termination... Goodbye!");
    soon(waiting).await.expect("the quit request was received");
    soon(server.state.lifecycle.quit_requested()).await;
}

/// HTTP/1.0 has no chunked encoding, so the end of the connection marks the end of an exposition, even if the client requests keep-alive.
#[tokio::test]
async fn http_1_0_connections_are_kept_only_if_the_length_is_known() {
    let server = TestServer::start(patient()).await;
    let ask = |path: &str| format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = server.send(ask("/metrics")).await;
    assert_eq!((status(&reply), header(&reply, "connection"), header(&reply, "content-length")), (200, Some("close"), None));
    assert!(body(&reply).ends_with('\n'), "the exposition is complete");
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(ask("/-/healthy").as_bytes()).await.expect("sent");
        let mut reply = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&reply[..length]).ends_with("is Healthy.\n") {
            let n = soon(stream.read(&mut reply[length..])).await.expect("open");
            assert_ne!(n, 0, "closed");
            length += n;
        }
        let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
        assert_eq!((header(&reply, "connection"), header(&reply, "content-length")), (Some("keep-alive"), Some("26")));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(patient()).await;
    let three = "GET /-/healthy HTTP/1.1\r\nHost: t\r\n\r\nGET /metrics HTTP/1.1\r\nHost: t\r\n\r\nGET /nothing HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let replies = server.send(three).await;
    let codes: Vec<u16> = replies.match_indices("HTTP/1.1 ").map(|(at, _)| status(&replies[at..])).collect();
    assert_eq!(codes, [200, 200, 404]);
}
