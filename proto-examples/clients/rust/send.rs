//! Sends 10,000 samples to a StatsD server: ./send [HOST [PORT]]
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
    fn send(&self, lines: &str) {
        // A failed send is ignored: it must not disturb what is being measured.
        let _ = self.0.send(lines.as_bytes());
    }
}

fn main() -> std::io::Result<()> {
    let argument = |n, name| std::env::args().nth(n).or_else(|| std::env::var(name).ok());
    let host = argument(1, "STATSD_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port: u16 = argument(2, "STATSD_PORT").and_then(|port| port.parse().ok()).unwrap_or(9125);
    let address = (host.as_str(), port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let statsd = Statsd::connect(address)?;
    for i in 1..=1250 {
        let (time, size, user) = (i % 4 * 250, i % 8, i % 100);
        statsd.send(&format!(
            "client.requests:1|c|#route:/orders,method:GET\nclient.bytes:{i}|c\nclient.queue_depth:{i}|g\nclient.queue_depth:-3|g\n\
             client.request_time:{time}|ms\nclient.job_seconds:0.75|h|@0.25\nclient.response_size:{size}|d\nclient.users:u{user}|s"
        ));
        if i % 10 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10)); // UDP has no brake but the sender's
        }
    }
    Ok(())
}
