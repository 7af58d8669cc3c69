//! Sends samples to a StatsD server: ./send HOST PORT
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

/// One socket for the life of the program.
struct Statsd(UdpSocket);

impl Statsd {
    fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let any: SocketAddr = if address.is_ipv6() { ([0u16; 8], 0).into() } else { ([0u8; 4], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(Self(socket))
    }
    fn send(&self, name: &str, value: impl std::fmt::Display, kind_and_fields: &str) {
        // A failed send is ignored: it must not disturb what is being measured.
        let _ = self.0.send(format!("{name}:{value}|{kind_and_fields}").as_bytes());
    }
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let host = args.next().unwrap_or_else(|| "127.0.0.1".to_owned());
    let port: u16 = args.next().and_then(|port| port.parse().ok()).unwrap_or(9125);
    let address = (host.as_str(), port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let statsd = Statsd::connect(address)?;
    statsd.send("client.requests", 1, "c|#route:/orders,method:GET");
    statsd.send("client.requests", 2, "c|#route:/orders,method:GET");
    statsd.send("client.queue_depth", 40, "g");
    statsd.send("client.queue_depth", "-3", "g");
    statsd.send("client.request_time", 320, "ms");
    statsd.send("client.job_seconds", 0.75, "h|@0.25");
    statsd.send("client.users", "ada", "s");
    statsd.send("client.users", "grace", "s");
    Ok(())
}
