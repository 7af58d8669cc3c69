//! Asks a running bridge whether it is ready. For probes of containers that have no other program in them.

use crate::ask;
use crate::listener::address::error_text;
use crate::run::web::WebAddress;

/// More than such an answer has.
const ANSWER_BYTES: usize = 64 << 10;

/// Asks the bridge that listens on `address` for `/-/ready`; an error says in words why it is not.
pub fn run(address: &WebAddress) -> Result<(), String> {
    let WebAddress::Tcp(address) = address else {
        return Err(format!("not known: only an address of TCP can be asked, not {address}"));
    };
    let target = ask::target(address)?;
    let answer = ask::get(target, &target.to_string(), "/-/ready", ANSWER_BYTES);
    let status = answer.map_err(|error| format!("not ready: http://{target}/-/ready: {}", error_text(&error)))?.status;
    if status == 200 { Ok(()) } else { Err(format!("not ready: http://{target}/-/ready answers {status}")) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn answer(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = WebAddress::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let result = run(&address);
        assert!(server.join().unwrap().starts_with("GET /-/ready HTTP/1.0\r\n"));
        result
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert!(answer("HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
        assert!(answer("").is_err());
    }
}
