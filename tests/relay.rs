//! The relay between real bridges: several targets, filters, a target that is down, and the accounting of each line.

use std::net::TcpListener;

use crate::harness::{Launch, own_sum};
use crate::page::Page;

/// The sum of a metric over the series whose label `target` has this value.
fn of(page: &Page, name: &str, target: &str) -> f64 {
    page.sum_where(&format!("statsd_bridge_{name}"), "target", target)
}

#[apply(test)]
fn each_target_gets_its_lines_and_every_line_counts_once_for_each() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let all = Launch::new().start();
    let shop = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display())).start();
    // The port is free, but no program listens on it.
    let dead = TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    let targets = [format!("tcp://{}", all.statsd), format!("unix://{}", path.display()), format!("tcp://{dead}")];
    let bridge = Launch::new()
        .arg(format!("--statsd.relay.address={},{}?name=shop.*", targets[0], targets[1]))
        .arg(format!("--statsd.relay.address={}?tag=env:prod", targets[2]))
        .start();
    const ROUNDS: usize = 500;
    for _ in 0..ROUNDS {
        bridge.send("shop.orders:1|c\nother:1|c|#env:prod\nnot a sample");
    }
    let lines = 3.0 * ROUNDS as f64;
    let page = bridge.page_when("the lines are relayed", |page| {
        of(page, "relay_lines_relayed_total", &targets[0]) == lines && of(page, "relay_lines_relayed_total", &targets[1]) == lines / 3.0
    });
    assert_eq!((own_sum(&page, "lines_total"), own_sum(&page, "relay_long_lines_total")), (lines, 0.0));
    assert_eq!(of(&page, "relay_connected", &targets[0]) + of(&page, "relay_connected", &targets[1]), 2.0);
    assert_eq!(of(&page, "relay_connected", &targets[2]), 0.0);
    assert!(of(&page, "relay_errors_total", &targets[2]) > 0.0 && of(&page, "relay_queue_bytes", &targets[2]) > 0.0);
    all.page_when("the first target has all", |page| {
        page.value("shop_orders") == Some(ROUNDS as f64) && page.value("other{env=\"prod\"}") == Some(ROUNDS as f64)
    });
    let page = shop.page_when("the second target has its own", |page| page.value("shop_orders") == Some(ROUNDS as f64));
    assert_eq!(page.value("other{env=\"prod\"}"), None);
    // While the bridge ends, its exposition shows the final sums.
    let mut bridge = bridge;
    bridge.process.signal(rustix::process::Signal::TERM);
    assert!(bridge.process.wait().success());
    all.stop();
    shop.stop();
}

#[apply(test)]
fn the_sums_of_a_dead_target_are_final_while_the_bridge_ends() {
    let dead = TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    let target = format!("tcp://{dead}");
    let launch = Launch::new().arg(format!("--statsd.relay.address={target}?tag=env:prod")).arg("--statsd.relay.queue-bytes=2000");
    let mut bridge = launch.arg("--statsd.relay.packet-length=1000").arg("--shutdown.linger=60s").start();
    const ROUNDS: usize = 5000;
    for _ in 0..ROUNDS {
        bridge.send("a:1|c|#env:prod\nb:1|c");
    }
    bridge.page_at(2 * ROUNDS as u64);
    bridge.process.signal(rustix::process::Signal::TERM);
    let page = bridge.page_when("each line counts once", |page| {
        of(page, "relay_lines_lost_total", &target) + of(page, "relay_lines_filtered_total", &target) == 2.0 * ROUNDS as f64
    });
    assert_eq!(of(&page, "relay_lines_filtered_total", &target), ROUNDS as f64);
    for reason in ["queue_full", "shutdown"] {
        assert!(page.sum_where("statsd_bridge_relay_lines_lost_total", "reason", reason) > 0.0, "{reason}");
    }
    // The second request ends the linger.
    bridge.process.signal(rustix::process::Signal::TERM);
    bridge.process.wait();
}

#[apply(test)]
fn wrong_targets_end_the_start() {
    for (target, expected) in [
        ("tcp://old", "--statsd.relay.address: \"old\" is not an address: the port is missing; write old:PORT"),
        ("old:1?nam=x", "\"nam=x\" is not name=PATTERN, tag=KEY"),
        ("udp://127.0.0.1:9,127.0.0.1:8,udp://127.0.0.1:9?name=a", "has the address of another target; give one all names and tags"),
        ("/run/s", "write unix:///run/s"),
    ] {
        let output = crate::harness::bridge_command().arg(format!("--statsd.relay.address={target}")).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(expected), "{target}: {text}");
    }
}
