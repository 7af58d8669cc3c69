//! Django and Celery with django-statsd (tests/python/django_client.py), and the rules for them in docs/clients.md.

use std::io::Write as _;
use std::process::Command;

use super::script::Script;
use super::{expect, expect_nothing_lost};
use crate::compatibility::seen;
use crate::harness::{Launch, own};
use crate::peers;

/// The number of requests to the first view. The second view gets a third of that, and so do the tasks.
const ROUNDS: f64 = 900.0;

/// The first YAML block of the section of docs/clients.md.
fn rules() -> tempfile::NamedTempFile {
    let document = std::fs::read_to_string(peers::repository().join("docs/clients.md")).expect("docs/clients.md is there");
    let section = document.split_once("\n## Django and Celery\n").expect("the section").1;
    let block = section.split_once("```yaml\n").and_then(|(_, block)| block.split_once("```")).expect("the rules").0;
    let mut file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    file.write_all(block.as_bytes()).expect("written");
    file
}

#[apply(test)]
fn django_and_celery() {
    let python = peers::python_of("django");
    let rules = rules();
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", rules.path().display())).start();
    let mut command = Command::new(python);
    command.arg("-B").arg(peers::repository().join("tests/python/django_client.py"));
    command.arg(bridge.statsd.ip().to_string()).arg(bridge.statsd.port().to_string());
    let mut script = Script::start(command);
    let (sent, versions) = loop {
        let line = script.line().expect("the program ends with its versions");
        let (sent, versions) = line.split_once(' ').unwrap_or((&line, ""));
        let sent: u64 = sent.parse().unwrap_or_else(|_| panic!("the program printed {line:?}"));
        bridge.page_at(sent);
        if !versions.is_empty() {
            break (sent, versions.to_owned());
        }
        script.go_on();
    };
    script.end();

    let orders = "method=\"get\",view=\"shop.views.orders\"";
    let missing = "method=\"post\",view=\"shop.views.missing\"";
    let third = ROUNDS / 3.0;
    let mut expected = vec![
        (format!("django_query_duration_seconds_count{{database=\"default\",{orders}}}"), ROUNDS),
        ("django_responses_total{status=\"2xx\"}".to_owned(), ROUNDS),
        ("django_responses_total{status=\"4xx\"}".to_owned(), third),
        ("celery_tasks_total{task=\"shop.tasks.mail\"}".to_owned(), third),
        ("celery_task_duration_seconds_count{task=\"shop.tasks.mail\"}".to_owned(), third),
        // Names that the program itself chooses.
        ("shop_view_get_shop_views_orders_orders_placed".to_owned(), 2.0 * ROUNDS),
        ("shop_view_get_shop_views_orders_orders_price_count".to_owned(), ROUNDS),
        ("statsd_bridge_events_unmapped_total".to_owned(), 2.0 * ROUNDS),
    ];
    for (view, requests) in [(orders, ROUNDS), (missing, third)] {
        expected.push((format!("django_requests_total{{{view}}}"), requests));
        expected.push((format!("django_request_duration_seconds_count{{{view}}}"), requests));
        for phase in ["request", "response", "view"] {
            let (method, rest) = view.split_once(',').expect("two labels");
            expected.push((format!("django_request_phase_seconds_count{{{method},phase=\"{phase}\",{rest}}}"), requests));
        }
    }
    expected.extend(["prerun", "postrun", "success"].map(|signal| (format!("celery_signals_total{{signal=\"task_{signal}\"}}"), third)));
    let page = expect(&bridge, &expected);
    // The rules drop the lines that only add up others: one for each response, each view and each task.
    assert_eq!(page.sum_where("statsd_bridge_events_actions_total", "action", "drop"), (ROUNDS + third) * 2.0 + third);
    assert_eq!(own(&page, "udp_packets_total"), sent as f64, "a datagram for each sample");
    expect_nothing_lost(&page);
    bridge.stop();

    let (django_statsd, celery) = versions.split_once(' ').expect("two versions");
    seen("django-statsd", django_statsd, "views, queries, responses, times of their own, by UDP and the rules of clients.md", "equal");
    seen("Celery", celery, "tasks and signals by django-statsd, UDP and the rules of clients.md", "equal");
}
