//! Hundreds of bad clients over HTTP/1, HTTP/2 and TLS. A good scraper gets every exposition, on new connections and on a
//! persistent one, and the health check always succeeds. The bad clients connect from other addresses, then from the address of
//! the good clients.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{request, until};
use crate::page::Page;

mod crowd;
mod target;

use crowd::{Crowd, OTHERS, SAME};
use target::Target;

/// How long a good client waits for an exposition. Prometheus waits for 10 s by default, but a machine that runs other tests is
/// slow.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests of each good client during an attack.
const ROUNDS: usize = 6;

/// The good clients send requests while bad clients attack, first from other addresses, and then from the address of the good
/// clients. Returns the last exposition.
fn good_clients_are_served(target: &Target, mut attack: impl FnMut(&mut Crowd)) -> Page {
    for addresses in [OTHERS, SAME] {
        let mut kept = target.keep();
        kept.scrape();
        let mut crowd = Crowd::new(target.web, addresses);
        attack(&mut crowd);
        let mut slowest = [Duration::ZERO; 4];
        for round in 0..ROUNDS {
            let times = [target.scrape(), kept.scrape(), target.probe(), target.check_health()];
            slowest = std::array::from_fn(|n| slowest[n].max(times[n]));
            if round + 1 < ROUNDS {
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        let [scrape, on_kept, probe, health] = slowest;
        eprintln!("from {}: slowest scrape {scrape:?}, kept {on_kept:?}, probe {probe:?}, health check {health:?}", addresses[0]);
        // If the bad clients use other addresses, the bridge must keep the good client's connection open. One reconnect is
        // accepted, because a busy machine may delay the good client's reads.
        assert!(addresses != OTHERS || kept.reconnects <= 1, "the connection that was kept was closed {} times", kept.reconnects);
        drop(crowd);
    }
    target.page()
}

fn rejected(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_http_requests_rejected_total", "reason", reason)
}

fn cut(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_http_connections_cut_total", "reason", reason)
}

#[apply(test)]
fn clients_that_request_long_responses_get_503_and_delay_no_scraper() {
    let target = Target::plain(&[]).with_series(1000);
    let page = good_clients_are_served(&target, |crowd| crowd.ask_again_and_again(256, "/api/v1/cardinality?limit=1000"));
    assert!(rejected(&page, "api_busy") > 0.0);
    target.stop();
}

#[apply(test)]
fn clients_of_the_landing_page_and_the_api_delay_no_scraper() {
    let target = Target::plain(&[]).with_series(1000);
    good_clients_are_served(&target, |crowd| {
        for path in ["/", "/api/v1/unmapped", "/api/v1/rules", "/api/v1/rejections", "/nowhere", "/-/ready"] {
            crowd.ask_again_and_again(50, path);
        }
    });
    target.stop();
}

#[apply(test)]
fn many_who_scrape_without_end_leave_room_for_others() {
    let target = Target::plain(&[]).with_series(1000);
    good_clients_are_served(&target, |crowd| {
        crowd.scrape_on_new_connections(300);
        crowd.ask_again_and_again(100, "/metrics");
    });
    target.stop();
}

#[apply(test)]
fn slow_request_bodies_are_cut() {
    let target = Target::plain(&["--web.enable-admin-api=true"]).with_series(10);
    let page = good_clients_are_served(&target, |crowd| crowd.drip_bodies(256));
    assert!(rejected(&page, "api_busy") > 0.0);
    let mut crowd = Crowd::new(target.web, OTHERS);
    crowd.drip_bodies(20);
    until("a slow body is rejected", || (rejected(&target.page(), "slow_body") > 0.0).then_some(()));
    drop(crowd);
    target.stop();
}

#[apply(test)]
fn incomplete_requests_take_no_place() {
    let target = Target::plain(&["--web.max-waiting-connections=500"]).with_series(10);
    let page = good_clients_are_served(&target, |crowd| crowd.send_and_wait(1000, b"GET /metrics HT".to_vec()));
    assert!(cut(&page, "crowded") >= 1000.0, "each attack has more connections than may wait");
    target.stop();
}

#[apply(test)]
fn connections_without_a_request_take_no_place() {
    let target = Target::plain(&[]).with_series(10);
    good_clients_are_served(&target, |crowd| crowd.send_and_wait(1000, Vec::new()));
    target.stop();
}

#[apply(test)]
fn wrong_passwords_lock_no_scraper_out() {
    // A bcrypt hash of the password `right`, at the lowest cost.
    const RIGHT: &str = "$2y$04$Nmu6lGqkW2WdUd0rgqyqNu3k2kxEWe8j0Mt9Vfh7Ik.k3gK6N9vF6";
    let users: String = (0..10).map(|n| format!("  user{n}: {RIGHT}\n")).collect();
    let target = Target::guarded(&format!("basic_auth_users:\n{users}"));
    let mut crowd = Crowd::new(target.web, OTHERS);
    crowd.guess_passwords(40);
    let right = |n: usize| format!("Basic {}", STANDARD.encode(format!("user{n}:right")));
    let scrape = |n| request(target.web, "GET", "/metrics", &[("Authorization", &right(n))]).expect("an answer");
    // The queue is full when the first checks are rejected.
    until("the queue is full", || {
        let page = Page::parse(&scrape(0).text()).expect("a good page");
        (page.value("statsd_bridge_http_password_checks_refused_total")? > 0.0).then_some(())
    });
    for user in 1..10 {
        assert_eq!(scrape(user).status, 200, "the first request of user{user}");
        assert_eq!(scrape(0).status, 200, "a user whose password was checked before");
    }
    drop(crowd);
    target.stop();
}

#[apply(test)]
fn handshakes_that_stall_hold_up_nobody() {
    let target = Target::tls().with_series(10);
    let hello = crowd::client_hello();
    good_clients_are_served(&target, |crowd| {
        crowd.send_and_wait(400, hello[..hello.len() / 2].to_vec());
        crowd.send_and_wait(100, hello.clone());
    });
    target.stop();
}

#[apply(test)]
fn endless_handshakes_delay_no_scraper() {
    let target = Target::tls().with_series(10);
    good_clients_are_served(&target, |crowd| crowd.shake_hands(200));
    target.stop();
}

#[apply(test)]
fn hundreds_of_http2_streams_delay_no_scraper() {
    let target = Target::tls().with_series(1000);
    let page = good_clients_are_served(&target, |crowd| {
        crowd.open_streams(40, "/metrics", false);
        crowd.open_streams(40, "/api/v1/cardinality?limit=1000", false);
        crowd.open_streams(20, "/metrics", true);
    });
    assert!(cut(&page, "flood") > 0.0, "connections that reset their streams are closed");
    target.stop();
}
