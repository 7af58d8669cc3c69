//! Asks a running bridge whether it is ready. For probes of containers that have no other program in them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::listener::Address;
use crate::listener::address::{error_text, reachable};

/// How long each step may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the bridge that listens on `address` for `/-/ready`; an error says in words why it is not.
pub fn run(address: &Address) -> Result<(), String> {
    let candidates = address.candidates().map_err(|error| error.to_string())?;
    let target = candidates.first().copied().map(reachable).ok_or("no address")?;
    let status = ask(target).map_err(|error| format!("not ready: http://{target}/-/ready: {}", error_text(&error)))?;
    if status == "200" { Ok(()) } else { Err(format!("not ready: http://{target}/-/ready answers {status:?}")) }
}

fn ask(target: std::net::SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /-/ready HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")?;
    // `HTTP/1.1 200` is all that matters.
    let mut head = Vec::new();
    stream.take(12).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let result = run(&address);
        assert!(server.join().unwrap().starts_with("GET /-/ready HTTP/1.1\r\n"));
        result
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert!(answer("HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
        assert!(answer("").is_err());
    }
}
