//! A job that runs and ends: it records its metrics, and pushes them to a Pushgateway at its end.
//!
//! ```sh
//! cargo run --example batch_job -- 127.0.0.1:9091
//! ```

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use statsd_bridge::{Bridge, Format, Negotiated, Options, Worker};

fn main() -> Result<(), Box<dyn Error>> {
    let gateway = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9091".to_owned());
    let bridge = Bridge::new(Options::default());
    work(&mut bridge.worker());

    let mut exposition = Vec::new();
    bridge.exposition(Format::Text, SystemTime::now().into()).without_self_metrics().render(&mut exposition);
    push(&gateway, "nightly_import", &exposition)?;
    println!("pushed {} bytes to {gateway}", exposition.len());
    Ok(())
}

/// What the job is for: here it counts to a hundred.
fn work(worker: &mut Worker) {
    let start = Instant::now();
    for row in 0..100 {
        let outcome = if row % 10 == 0 { "skipped" } else { "imported" };
        worker.ingest(format!("import.rows:1|c|#outcome:{outcome}").as_bytes(), SystemTime::now().into());
    }
    worker.ingest(format!("import.duration:{}|ms", start.elapsed().as_millis()).as_bytes(), SystemTime::now().into());
}

/// Replaces the metrics of this job in the Pushgateway.
fn push(gateway: &str, job: &str, exposition: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(gateway)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "PUT /metrics/job/{job} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\n")?;
    write!(stream, "Content-Type: {}\r\nContent-Length: {}\r\n\r\n", Negotiated::default().content_type(), exposition.len())?;
    stream.write_all(exposition)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split(' ').nth(1) {
        Some("200" | "202") => Ok(()),
        _ => Err(format!("the Pushgateway answers {:?}", answer.lines().next().unwrap_or_default()).into()),
    }
}
