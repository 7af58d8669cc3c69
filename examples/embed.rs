//! A program with metrics of its own: StatsD lines in over UDP, `/metrics` out over HTTP, on one thread.
//!
//! ```sh
//! cargo run --example embed -- 127.0.0.1:8125 127.0.0.1:9102
//! echo 'pages.served:1|c|#site:blog' > /dev/udp/127.0.0.1/8125
//! curl http://127.0.0.1:9102/metrics
//! ```

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::time::SystemTime;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use statsd_bridge::{Bridge, Negotiated, Options, Source, Timestamp, Worker};
use tokio::net::{TcpListener, UdpSocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let lines = UdpSocket::bind(arguments.next().as_deref().unwrap_or("127.0.0.1:8125")).await?;
    let web = TcpListener::bind(arguments.next().as_deref().unwrap_or("127.0.0.1:9102")).await?;
    println!("lines on {}, metrics on http://{}/metrics", lines.local_addr()?, web.local_addr()?);

    let bridge = Bridge::new(Options::default());
    tokio::spawn(receive(lines, bridge.worker()));
    loop {
        let (connection, _) = web.accept().await?;
        let bridge = bridge.clone();
        let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&bridge, &request))));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

/// Records every datagram.
async fn receive(socket: UdpSocket, mut worker: Worker) {
    let mut datagram = vec![0; 65_535];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((length, sender)) => worker.ingest_from(&datagram[..length], &Source::Udp(sender), now()),
            Err(error) => eprintln!("cannot receive: {error}"),
        }
    }
}

/// The exposition, in the format that the scraper asks for.
fn answer(bridge: &Bridge, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        let mut response = Response::new(Full::from("The metrics are at /metrics.\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let accept: Vec<_> = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let negotiated = Negotiated::of(&accept.join(","), bridge.openmetrics_offer());
    let mut body = Vec::new();
    bridge.exposition_escaped(negotiated.format, negotiated.escaping, now()).render(&mut body);
    let mut response = Response::new(Full::from(body));
    if let Ok(content_type) = negotiated.content_type().parse() {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
