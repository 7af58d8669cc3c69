//! Tests of the limits on clients: timeouts, headers, connections, scrapes and malformed input.

use super::*;

#[tokio::test]
async fn incomplete_headers_time_out_even_if_bytes_keep_arriving() {
    let server = TestServer::start(WebOptions { header_timeout: SHORT, ..patient() }).await;
    assert_eq!(server.send("GET / HT").await, "");

    let (mut reader, mut writer) = server.connect().await.into_split();
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nX: ").await.expect("sent");
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    let mut reply = Vec::new();
    let _ = soon(reader.read_to_end(&mut reply)).await;
    soon(drip).await.expect("writing fails once the server closes");
    assert!(reply.is_empty());
}

#[tokio::test]
async fn idle_connections_have_their_own_timeout() {
    let server = TestServer::start(WebOptions { header_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        assert_eq!(status(&exchange(&mut stream, "/-/healthy").await), 200);
        sleep(SHORT * 3).await;
    }
    let server = TestServer::start(WebOptions { idle_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    assert_eq!(status(&exchange(&mut stream, "/-/healthy").await), 200);
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(server.send("").await, "", "also before the first request");
}

#[tokio::test]
async fn clients_that_do_not_read_are_cut() {
    let options = WebOptions { write_timeout: SHORT, ..patient() };
    let (state, bridge) = (WebState::new(&options, now), Bridge::of_program(BridgeOptions::default()));
    let (stop, stopped) = watch::channel(false);
    let (mut client, stream) = duplex(512);
    client.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    let client_connection = acceptor(options, &bridge, &state).client_connection(ConnectionAddresses::default(), Activity::new(), stopped);
    soon(http1::serve(stream, client_connection)).await;
    assert!(!*stop.borrow(), "the connection ended before the server stopped");
    let mut taken = Vec::new();
    client.read_to_end(&mut taken).await.expect("the buffered bytes");
    assert_eq!(taken.len(), 512, "the rest was discarded");
}

/// Waits until `count` connections have a slot.
async fn wait_for_slots_in_use(server: &TestServer, count: usize) {
    soon(async {
        while server.state.open.slots_in_use() != count {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn connections_are_limited_over_all_listeners() {
    let options = WebOptions { max_connections: 2, ..patient() };
    let first = TestServer::start(options.clone()).await;
    let second = TestServer::start_with(options, first.bridge.clone(), Arc::clone(&first.state)).await;
    let (mut a, mut b) = (first.connect().await, second.connect().await);
    assert_eq!(status(&exchange(&mut a, "/-/healthy").await), 200);
    assert_eq!(status(&exchange(&mut b, "/-/healthy").await), 200);
    let mut c = first.connect().await;
    assert_eq!(status(&exchange(&mut c, "/-/healthy").await), 200, "a new connection gets a slot");
    assert_eq!(rest(&mut a).await, b"", "the longest-idle connection was evicted");
    assert_eq!(status(&exchange(&mut b, "/-/healthy").await), 200, "the other connection stays open");
    assert_eq!(first.labelled("statsd_bridge_http_connections_cut_total{reason=\"crowded\"}"), 1.0);
    assert_eq!((first.state.open.slots_in_use(), first.metric("statsd_bridge_http_connections_open")), (2, 2.0));

    // While both connections are busy, a new one waits until one of them has its response and closes.
    let turns = first.state.scrapes.renders.acquire_many(2).await.expect("open");
    for stream in [&mut b, &mut c] {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    }
    soon(async {
        while first.state.scrapes.transfers.available_permits() + 1 > WebOptions::default().max_transfers
            || first.state.scrapes.waiting() < 2
        {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let mut d = second.connect().await;
    d.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    soon(async {
        while first.metric("statsd_bridge_http_connections_waiting") < 1.0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(turns);
    assert_eq!(status(&exchange(&mut d, "/-/healthy").await), 200);
    let (b, c) = (rest(&mut b), rest(&mut c));
    let ended = tokio::select! { ended = b => ended, ended = c => ended };
    assert!(ended.starts_with(b"HTTP/1.1 200 OK") && ended.ends_with(b"0\r\n\r\n"), "the response is complete");
    wait_for_slots_in_use(&first, 2).await;
    assert_eq!(first.metric("statsd_bridge_http_connections_refused_total"), 0.0);
    drop(d);
    wait_for_slots_in_use(&first, 1).await;
    assert_eq!(status(&second.ask("GET", "/-/healthy").await), 200, "a released slot is reused");
}

#[tokio::test]
async fn connections_without_a_request_are_limited() {
    let server = TestServer::start(WebOptions { max_connections: 1, lobby_connections: 3, ..patient() }).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HT").await.expect("sent");
        held.push(stream);
        soon(async {
            while server.state.open.count() > 3 || server.metric("statsd_bridge_http_connections_waiting") < held.len().min(3) as f64 {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200);
    }
    for mut stream in held.drain(..17) {
        assert_eq!(rest(&mut stream).await, b"");
    }
    assert!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"crowded\"}") >= 17.0);
}

#[tokio::test]
async fn slow_bodies_are_answered_408() {
    let server = TestServer::start(WebOptions { enable_admin_api: true, body_timeout: SHORT, ..patient() }).await;
    let head = "POST /api/v1/series/delete HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nmatch";
    let reply = server.send(head).await;
    assert_eq!((status(&reply), header(&reply, "connection")), (408, Some("close")));
    assert_eq!(server.labelled("statsd_bridge_http_requests_rejected_total{reason=\"slow_body\"}"), 1.0);
    // The permit for request bodies is taken.
    let server = TestServer::start(WebOptions { enable_admin_api: true, max_connections: 4, ..patient() }).await;
    let mut first = server.connect().await;
    first.write_all(head.as_bytes()).await.expect("sent");
    wait_for_slots_in_use(&server, 1).await;
    soon(async {
        while status(&server.ask("POST", "/api/v1/series/delete").await) != 503 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(server.labelled("statsd_bridge_http_requests_rejected_total{reason=\"api_busy\"}") >= 1.0);
}

#[tokio::test]
async fn many_concurrent_clients_are_answered() {
    let server = Arc::new(TestServer::start(patient()).await);
    let clients: Vec<_> = (0..100)
        .map(|i| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { status(&server.ask("GET", if i % 2 == 0 { "/metrics" } else { "/-/healthy" }).await) })
        })
        .collect();
    for client in clients {
        assert_eq!(soon(client).await.expect("no panic"), 200);
    }
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_take_no_place() {
    let server = TestServer::start(WebOptions { max_connections: 4, lobby_connections: 4, ..patient() }).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HT").await.expect("sent");
        crowd.push(stream);
        assert_eq!(server.state.open.slots_in_use(), 0);
    }
    assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200);
    let cut = || server.labelled("statsd_bridge_http_connections_cut_total{reason=\"crowded\"}");
    // The task of each connection counts it.
    soon(async {
        while cut() < 36.0 {
            sleep(Duration::from_millis(1)).await
        }
    })
    .await;
    assert_eq!(server.metric("statsd_bridge_http_connections_refused_total"), 0.0);
}

#[tokio::test]
async fn oversized_headers_are_rejected() {
    let server = TestServer::start(patient()).await;
    let request = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(bytes));
    assert_eq!(status(&server.send(request(15_000)).await), 200);
    assert_eq!(status(&server.send(request(17_000)).await), 431);
    let small = TestServer::start(WebOptions { max_header_bytes: 1000, ..patient() }).await;
    assert_eq!((status(&small.send(request(500)).await), status(&small.send(request(2000)).await)), (200, 431));
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    assert_eq!(status(&server.send(format!("GET / HTTP/1.1\r\n{many}\r\n")).await), 431);
    assert_eq!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"header_too_large\"}"), 2.0);
}

#[tokio::test]
async fn malformed_input_ends_only_its_connection() {
    let server = TestServer::start(patient()).await;
    for input in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello:1|c\n\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\nAccept-Encoding: \xff;q=\xff\r\nX-Prometheus-Scrape-Timeout-Seconds: \xff\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\nnever read",
    ] {
        server.send_bytes(input).await;
    }
    assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200);
    assert!(server.labelled("statsd_bridge_http_connections_cut_total{reason=\"malformed\"}") >= 4.0);
}

#[tokio::test]
async fn scrapes_wait_for_admission_with_a_timeout() {
    let server = TestServer::start(WebOptions { turn_timeout: SHORT, ..patient() }).await;
    for turns in [&server.state.scrapes.renders, &server.state.scrapes.transfers] {
        soon(async {
            while server.state.scrapes.transfers.available_permits() < WebOptions::default().max_transfers {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let all = u32::try_from(turns.available_permits()).expect("few");
        let taken = turns.acquire_many(all).await.expect("open");
        let reply = server.ask("GET", "/metrics").await;
        assert_eq!((status(&reply), header(&reply, "retry-after")), (503, Some("1")));
        assert_eq!(status(&server.ask("GET", "/-/healthy").await), 200, "only scrapes wait");
        drop(taken);
    }
    assert_eq!(server.metric("statsd_bridge_scrapes_refused_total"), 2.0);
    assert_eq!(server.metric("statsd_bridge_scrapes_total"), 0.0);

    let server = TestServer::start(WebOptions { max_renders: 0, max_transfers: 0, ..patient() }).await;
    let taken = server.state.scrapes.renders.acquire().await.expect("open");
    let short = "GET /metrics HTTP/1.1\r\nHost: t\r\nX-Prometheus-Scrape-Timeout-Seconds: 0.02\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.send(short).await), 503, "the scraper's own timeout applies");
    drop(taken);
    for _ in 0..5 {
        assert_eq!(status(&server.ask("GET", "/metrics").await), 200, "permits are released, and there is always at least one");
    }
}
