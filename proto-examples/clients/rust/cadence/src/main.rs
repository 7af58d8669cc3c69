//! The same load with the crate cadence: cargo run --release -- [HOST [PORT]]
use std::net::UdpSocket;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, StatsdClient};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |n, name| std::env::args().nth(n).or_else(|| std::env::var(name).ok());
    let host = argument(1, "STATSD_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port: u16 = argument(2, "STATSD_PORT").map_or(Ok(9125), |port| port.parse())?;
    let socket = UdpSocket::bind(if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" })?;
    // Lines gather to datagrams of 512 bytes; the last one goes when the client is dropped.
    let sink = BufferedUdpMetricSink::from((host, port), socket)?;
    // No prefix. What a failed send says is ignored: it must not disturb what is being measured.
    let statsd = StatsdClient::builder("", sink).with_error_handler(|_| ()).build();
    for i in 1..=1250_u64 {
        statsd.count_with_tags("client.requests", 1).with_tag("route", "/orders").with_tag("method", "GET").send();
        statsd.count_with_tags("client.requests", 2).with_tag("route", "/orders").with_tag("method", "GET").send();
        statsd.count("client.bytes", i)?;
        statsd.gauge("client.queue_depth", i)?;
        statsd.time("client.request_time", i % 4 * 250)?;
        statsd.histogram("client.job_seconds", 0.75)?;
        statsd.distribution("client.response_size", i % 8)?;
        // Members of a set are whole numbers in this library.
        statsd.set("client.users", (i % 100) as i64)?;
        if i % 10 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}
