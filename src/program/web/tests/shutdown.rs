//! Tests of shutdown: open responses finish, new connections are not accepted, and no client can delay the shutdown.

use super::*;

#[tokio::test]
async fn shutdown_finishes_open_responses_and_accepts_no_new_connection() {
    let server = TestServer::start(WebOptions { drain_timeout: HOUR, ..patient() }).await;
    let (mut idle, mut silent) = (server.connect().await, server.connect().await);
    assert_eq!(status(&exchange(&mut idle, "/-/healthy").await), 200);
    let turns = server.state.scrapes.renders.acquire_many(2).await.expect("open");
    let mut running = server.connect().await;
    running.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    let most = WebOptions::default().max_transfers;
    soon(async {
        while server.state.scrapes.transfers.available_permits() == most {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    server.stop.send(()).expect("serving");
    assert_eq!(rest(&mut idle).await, b"");
    assert_eq!(rest(&mut silent).await, b"");
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
    drop(turns);
    let reply = String::from_utf8(rest(&mut running).await).expect("text");
    assert_eq!((status(&reply), header(&reply, "connection")), (200, Some("close")));
    soon(server.task).await.expect("no panic");
    assert_eq!(server.state.open.count(), 0);
}

#[tokio::test]
async fn shutdown_ends_after_the_drain_timeout() {
    let server = TestServer::start(WebOptions { drain_timeout: SHORT, ..patient() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET / HTT").await.expect("sent");
    soon(async {
        while server.state.open.count() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    server.stop.send(()).expect("serving");
    soon(server.task).await.expect("no panic");
    assert_eq!(rest(&mut stuck).await, b"");
    assert_eq!(server.state.open.count(), 0, "connections that are cut release their slots");
}
