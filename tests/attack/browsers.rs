//! Requests that other sites can make a browser send: forms that would stop, reload or delete, and requests with a host name whose
//! DNS record points to the bridge's address.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use crate::harness::{Launch, Running, parse_response};

const DELETE: &str = "/api/v1/series/delete?match[]=a";

/// The status of a response to a request with this host and these headers.
fn status(bridge: &Running, method: &str, path: &str, host: &str, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(bridge.web).expect("a connection");
    let host = if host.is_empty() { String::new() } else { format!("Host: {host}\r\n") };
    let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    parse_response(&bytes).expect("a whole answer").status
}

fn launch(host: IpAddr) -> Launch {
    Launch::new().host(host).arg("--web.enable-lifecycle=true").arg("--web.enable-admin-api=true")
}

fn rejected(bridge: &Running, reason: &str) -> f64 {
    bridge.page().sum_where("statsd_bridge_http_requests_rejected_total", "reason", reason)
}

#[apply(test)]
fn a_form_of_another_site_is_rejected() {
    let bridge = launch(Ipv4Addr::LOCALHOST.into()).start();
    bridge.send("a:1|c");
    bridge.page_at(1);
    let own = bridge.web.to_string();
    let mut forged = 0;
    for headers in [
        "Origin: http://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "Origin: null\r\nContent-Type: text/plain\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nContent-Type: multipart/form-data; boundary=x\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://127.0.0.1:1\r\n",
        "Referer: http://evil.example/form.html\r\n",
    ] {
        for path in ["/-/quit", "/-/reload", DELETE, "//-/quit"] {
            assert_eq!(status(&bridge, "POST", path, &own, headers), 403, "{path} {headers}");
            forged += 1;
        }
        assert_eq!(status(&bridge, "PUT", "/-/quit", &own, headers), 403, "{headers}");
        forged += 1;
        assert_eq!(status(&bridge, "GET", "/metrics", &own, headers), 200, "reading is allowed");
    }
    assert_eq!(rejected(&bridge, "cross_site"), f64::from(forged));
    assert!(bridge.page_text().contains("\na 1\n"), "nothing was deleted");
    // Programs and the bridge's HTML pages may still change state.
    assert_eq!(status(&bridge, "POST", "/-/reload", &own, ""), 200);
    assert_eq!(status(&bridge, "POST", "/-/reload", &own, &format!("Origin: http://{own}\r\nSec-Fetch-Site: same-origin\r\n")), 200);
    assert_eq!(status(&bridge, "POST", DELETE, &own, ""), 200);
    bridge.page_when("the series is deleted", |page| page.value("a").is_none());
    bridge.stop();
}

#[apply(test)]
fn on_loopback_a_foreign_host_name_is_rejected() {
    let bridge = launch(Ipv4Addr::LOCALHOST.into()).start();
    let port = bridge.web.port();
    for path in ["/metrics", "/", "/api/v1/rejections", "/-/ready"] {
        for host in [format!("evil.example:{port}"), "evil.example".to_owned(), "localhost.evil.example".to_owned(), "0.0.0.0".to_owned()] {
            assert_eq!(status(&bridge, "GET", path, &host, ""), 403, "{host}");
        }
        for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), "127.8.9.10:80".to_owned(), format!("[::1]:{port}")] {
            assert_eq!(status(&bridge, "GET", path, &host, ""), 200, "{host}");
        }
    }
    let evil = format!("evil.example:{port}");
    assert_eq!(status(&bridge, "POST", DELETE, &evil, &format!("Origin: http://{evil}\r\n")), 403);
    assert_eq!(rejected(&bridge, "foreign_host"), 17.0);
    bridge.stop();

    let bridge = launch(Ipv4Addr::LOCALHOST.into()).arg("--web.allowed-hosts=bridge.example,10.0.0.1").start();
    for (host, expected) in
        [("bridge.example:80", 200), ("Bridge.Example", 200), ("10.0.0.1", 200), ("localhost", 200), ("evil.example", 403)]
    {
        assert_eq!(status(&bridge, "GET", "/metrics", host, ""), expected, "{host}");
    }
    bridge.stop();
}

#[apply(test)]
fn on_other_addresses_any_host_name_may_read_but_a_browser_may_not_change_anything() {
    let bridge = launch(Ipv4Addr::UNSPECIFIED.into()).start();
    assert_eq!(status(&bridge, "GET", "/metrics", "any.example", ""), 200);
    assert_eq!(status(&bridge, "POST", "/-/reload", "any.example", ""), 200, "a program");
    let browser = "Origin: http://any.example\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(status(&bridge, "POST", "/-/reload", "any.example", browser), 403);
    assert_eq!(status(&bridge, "POST", DELETE, "any.example", browser), 403);
    bridge.stop();
    let bridge = launch(Ipv4Addr::UNSPECIFIED.into()).arg("--web.allowed-hosts=any.example,0.0.0.0").start();
    assert_eq!(status(&bridge, "POST", "/-/reload", "any.example", browser), 200);
    assert_eq!(status(&bridge, "GET", "/metrics", "other.example", ""), 403, "--web.allowed-hosts applies to every address");
    bridge.stop();
}
