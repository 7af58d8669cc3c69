//! Tests of the pages: every view answers, with the policy, in the words of senders as text.

use super::*;
use crate::program::web::view::View;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What must nowhere be markup, nor change how text is read.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m\u{200b}&lt;";

fn hostile_bridge() -> Bridge {
    let options = BridgeOptions { names: crate::options::NameValidation::Utf8, ..BridgeOptions::default() };
    let bridge = Bridge::of_program(options);
    let mut worker = bridge.worker();
    let long = "x".repeat(900);
    for line in [
        format!("{HOSTILE}:1|c|#user:{HOSTILE},{HOSTILE}:v"),
        format!("{HOSTILE}:1|g"),
        format!("n.{long}:1|c|#k:{}", "y".repeat(8_000)),
        format!("broken {HOSTILE}"),
        format!("a:{HOSTILE}|c"),
        format!("_e{{{},{}}}:{HOSTILE}|{HOSTILE}|#{HOSTILE}", HOSTILE.len(), HOSTILE.len()),
        "one:1|c|#k:v".to_owned(),
    ] {
        worker.ingest(line.as_bytes(), now());
    }
    bridge
}

async fn hostile_server() -> TestServer {
    let options = patient();
    let state = Arc::new(WebState::new(&options, now));
    TestServer::start_with(options, hostile_bridge(), state).await
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn every_view_answers_with_the_policy_and_its_data() {
    let server = hostile_server().await;
    for view in View::ALL {
        let page = server.ask("GET", &format!("/ui/{}", view.name())).await;
        assert_eq!((status(&page), header(&page, "content-security-policy")), (200, Some(POLICY)), "{view:?}");
        assert_eq!((header(&page, "cache-control"), header(&page, "referrer-policy")), (Some("no-store"), Some("same-origin")), "{view:?}");
        assert!(body(&page).len() < 1 << 20 && body(&page).contains(&format!("<title>{} - ", view.title())), "{view:?}");
        assert!(body(&page).contains("aria-current=\"page\"") && !body(&page).contains("style=\""), "{view:?}");
        let Some(name) = view.api() else { continue };
        let data = server.ask("GET", &format!("/api/v1/{name}")).await;
        assert_eq!((status(&data), header(&data, "content-type")), (200, Some("application/json")), "{view:?}");
        assert_eq!(status(&server.ask("POST", &format!("/ui/{}", view.name())).await), 405, "{view:?}");
    }
    assert_eq!(status(&server.ask("GET", "/ui/nothing").await), 404);
    assert_eq!(status(&server.ask("GET", "/ui/").await), 404);
    let wrong = server.ask("GET", "/ui/series?nonsense=1").await;
    assert_eq!((status(&wrong), header(&wrong, "content-security-policy")), (400, Some(POLICY)));
}

#[tokio::test]
async fn texts_of_senders_are_no_markup_in_any_view() {
    let server = hostile_server().await;
    let family =
        server.bridge.registry().families().into_iter().map(|family| family.name().as_str().to_owned()).find(|name| name.contains('<'));
    let family = encoded(&family.expect("the name is kept as sent"));
    let of_views = View::ALL.iter().map(|view| format!("/ui/{}", view.name()));
    let detailed = ["search", "family"].map(|name| format!("/ui/series?{name}={}", encoded(HOSTILE)));
    let searched = ["series", "cardinality", "senders", "events", "configuration"].map(|name| format!("/ui/{name}?q={}", encoded(HOSTILE)));
    let of_family = ["", "&label=user"].map(|more| format!("/ui/series?family={family}{more}"));
    let mut seen = 0;
    for path in of_views.chain(detailed).chain(searched).chain(of_family) {
        let page = server.ask("GET", &path).await;
        let html = body(&page);
        assert_eq!(html.matches("<script").count(), 1, "{path}: only that of the page");
        assert!(!html.contains("<img") && !html.contains("alert(1)</"), "{path}");
        assert!(html.chars().all(|c| c == '\n' || !c.is_control() && !"\u{202e}\u{200b}".contains(c)), "{path}");
        seen += usize::from(html.contains("&lt;script&gt;alert(1)"));
    }
    assert!(seen >= 6, "{seen} pages show the text");
}

#[tokio::test]
async fn a_family_and_its_values_are_shown() {
    let server = hostile_server().await;
    let page = server.ask("GET", "/ui/series?family=one&label=k&value=v").await;
    for part in ["one{k=&quot;v&quot;}", "Values of the label k, 1 distinct", "?family=one&amp;label=k&amp;value=v", "one:1|c|#k:v"] {
        assert!(body(&page).contains(part), "{part}: {page}");
    }
    assert!(body(&server.ask("GET", "/ui/series?family=none").await).contains("no such family"));
    assert!(!body(&server.ask("GET", "/ui/series?search=ONE").await).contains("n_xxx"));
}

/// The exposition has more series than count at the limits: the page says which.
#[tokio::test]
async fn overflow_series_are_told_apart() {
    let limits = crate::options::Limits { values_per_label: 2, ..crate::options::Limits::default() };
    let bridge = Bridge::of_program(BridgeOptions { limits, ..BridgeOptions::default() });
    bridge.worker().ingest(b"login:1|c|#user:a\nlogin:1|c|#user:b\nother:1|c|#user:a", now());
    let options = patient();
    let state = Arc::new(WebState::new(&options, now));
    let server = TestServer::start_with(options, bridge, state).await;
    let expected = "and 1 with <code>_overflow_</code>";
    assert!(!body(&server.ask("GET", "/ui/series?family=login").await).contains(expected));
    server.bridge.worker().ingest(b"login:1|c|#user:c\nlogin:1|c|#user:d", now());
    let page = server.ask("GET", "/ui/series?family=login").await;
    assert!(body(&page).contains(expected) && body(&page).contains("<dd>2, "), "{page}");
    assert!(!body(&server.ask("GET", "/ui/series?family=other").await).contains(expected));
    let page = server.ask("GET", "/ui/cardinality").await;
    assert!(body(&page).contains("Values beyond the limit"), "{page}");
}

/// From a loss, links lead to its reason and to what became of its last input.
#[tokio::test]
async fn reasons_inputs_and_names_are_links() {
    let options = WebOptions { enable_tail: true, ..patient() };
    let state = Arc::new(WebState::new(&options, now));
    let bridge = Bridge::of_program(BridgeOptions::default());
    bridge.worker().ingest(b"one.two:1|c|#k:v\none.two:1|g\nbroken:x|c", now());
    let server = TestServer::start_with(options, bridge, state).await;
    let overview = server.ask("GET", "/ui/overview").await;
    let rejected = server.ask("GET", "/ui/rejected").await;
    for reason in ["conflict", "malformed_value"] {
        assert!(body(&overview).contains(&format!("href=\"../ui/rejected#{reason}\"")), "{reason}: {overview}");
        for part in [format!("id=\"{reason}\""), format!("href=\"../ui/tail?verdict={reason}\"")] {
            assert!(body(&rejected).contains(&part), "{part}: {rejected}");
        }
    }
    for asked in ["broken%3Ax%7Cc", "one_two", "one.two%3A1%7Cc%7C%23k%3Av", "one.two%3A1%7Cg"] {
        assert!(body(&rejected).contains(&format!("href=\"../ui/ask?q={asked}\"")), "{asked}: {rejected}");
    }
    let unwatched = hostile_server().await;
    assert!(!body(&unwatched.ask("GET", "/ui/rejected").await).contains("ui/tail?verdict="));
    // Of the first seconds there is a rate, and no point of a chart.
    server.state.history.observe(&server.bridge, Timestamp::from_millis(1_699_999_998_000));
    server.bridge.worker().ingest(b"one.two:1|c|#k:v", now());
    let overview = server.ask("GET", "/ui/overview").await;
    assert!(body(&overview).contains("Samples, the last 15 minutes: now 0.5/s, at most 0.5/s"), "{overview}");
}

/// Each list is searched, sorted and cut by its link, and its form and its JSON state the same.
#[tokio::test]
async fn lists_are_what_their_links_state() {
    let server = hostile_server().await;
    let mut worker = server.bridge.worker();
    (0..150).for_each(|number| worker.ingest(format!("many.{number:03}:1|c|#room:r{number}").as_bytes(), now()));
    worker.ingest(b"_e{6,4}:deploy|text|#env:prod", now());
    for (name, sort, entries) in [("series", "series", "families"), ("cardinality", "bytes", "families"), ("senders", "name", "sources")] {
        let page = server.ask("GET", &format!("/ui/{name}?q=MANY&sort={sort}&limit=7")).await;
        for part in ["value=\"MANY\"", &format!("value=\"{sort}\" selected"), "name=\"limit\" value=\"7\""] {
            assert!(body(&page).contains(part), "{name} {part}: {page}");
        }
        let api = View::at(&format!("/ui/{name}")).and_then(View::api).expect("a report");
        assert!(body(&page).contains(&format!("/api/v1/{api}?q=MANY&amp;sort={sort}&amp;limit=7\"")), "{name}: {page}");
        let data = server.ask("GET", &format!("/api/v1/{api}?q=many&sort={sort}&limit=7")).await;
        let data: serde_json::Value = serde_json::from_str(body(&data)).expect("JSON");
        let (shown, list) = (data["data"][entries].as_array().expect("a list").len(), &data["data"]["list"]);
        let expected = if name == "senders" { (0, 0) } else { (7, 143) };
        assert_eq!((shown, list["more"].as_u64()), (expected.0, Some(expected.1)), "{name}");
        if name != "senders" {
            assert!(body(&page).contains("and 143 more families") && body(&page).contains("limit=200\">show 200"), "{name}: {page}");
        }
        for wrong in ["sort=x", "limit=0", "limit=201", "limit=x", "more=1"] {
            assert_eq!(status(&server.ask("GET", &format!("/ui/{name}?{wrong}")).await), 400, "{name} {wrong}");
        }
    }
    let page = server.ask("GET", "/ui/cardinality?q=room").await;
    assert!(body(&page).contains("many.000") && !body(&page).contains(">one<"), "labels are searched: {page}");
    let page = server.ask("GET", "/ui/cardinality?limit=200").await;
    assert!(!body(&page).contains("more families:"), "{page}");
    let page = server.ask("GET", "/ui/events?q=PROD").await;
    assert!(body(&page).contains("deploy") && !body(&page).contains("&lt;script"), "{page}");
    assert!(body(&server.ask("GET", "/ui/events?q=none").await).contains("No event matches"));
}

/// However many series there are, and however hostile their names, each view is small.
#[tokio::test]
async fn views_of_many_series_are_small() {
    let limits = crate::options::Limits { series: 300_000, families: 3_000, ..crate::options::Limits::default() };
    let options = BridgeOptions { names: crate::options::NameValidation::Utf8, limits, ..BridgeOptions::default() };
    let bridge = Bridge::of_program(options);
    let mut worker = bridge.worker();
    let quotes = "\"".repeat(400);
    for number in 0..600 {
        worker.ingest(format!("n{number}{quotes}:1|c|#k{quotes}:{quotes}{number},ip:10.0.0.{}", number % 250).as_bytes(), now());
        worker.ingest(format!("_e{{400,400}}:{quotes}|{quotes}|#{quotes},{number}").as_bytes(), now());
    }
    for number in 0..20_000 {
        worker.ingest(format!("large:1|c|#user:00000000-0000-4000-8000-{number:012},path:/{quotes}/{number}").as_bytes(), now());
    }
    let options = patient();
    let state = Arc::new(WebState::new(&options, now));
    let server = TestServer::start_with(options, bridge, state).await;
    server.state.history.observe(&server.bridge, now());
    let views = View::ALL.iter().map(|view| format!("/ui/{}", view.name()));
    let more = ["series", "cardinality", "senders", "events"].map(|name| format!("/ui/{name}?limit=200"));
    for path in views.chain(more).chain(["/ui/series?family=large&label=user".to_owned()]) {
        let page = server.ask("GET", &path).await;
        assert!(status(&page) == 200 && body(&page).len() < 1 << 20, "{path}: {} bytes", body(&page).len());
    }
}

#[tokio::test]
async fn assets_are_kept_by_browsers() {
    let server = TestServer::start(patient()).await;
    let page = server.ask("GET", "/").await;
    for (name, content_type) in [("page.css", "text/css; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8")] {
        let (_, rest) = body(&page).split_once(&format!("\"ui/{name}?v=")).expect("the page names it");
        let version = rest.split('"').next().expect("a version");
        let asset = server.ask("GET", &format!("/ui/{name}?v={version}")).await;
        assert_eq!((status(&asset), header(&asset, "content-type")), (200, Some(content_type)));
        assert_eq!(header(&asset, "cache-control"), Some("public, max-age=31536000, immutable"));
        let tag = format!("\"{version}\"");
        assert_eq!(header(&asset, "etag"), Some(&*tag));
        let again = server.send(format!("GET /ui/{name} HTTP/1.1\r\nHost: t\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!((status(&again), body(&again)), (304, ""));
    }
}

/// Links are relative, so the page works behind any path.
#[tokio::test]
async fn links_lead_on_from_any_path() {
    let server = TestServer::start(patient()).await;
    let (root, below) = (server.ask("GET", "/").await, server.ask("GET", "/ui/rules").await);
    for (page, links) in [
        (&root, ["href=\"./\"", "href=\"ui/series\"", "href=\"./metrics\"", "href=\"./api/v1/overview\""]),
        (&below, ["href=\"../\"", "href=\"../ui/series\"", "href=\"../ui/page.css", "href=\"../api/v1/rules\""]),
    ] {
        assert!(links.iter().all(|link| body(page).contains(link)), "{links:?}: {page}");
        assert!(!body(page).contains("href=\"/") && !body(page).contains("action=\"/"), "{page}");
    }
    let server = TestServer::start(WebOptions { telemetry_path: "/".to_owned(), ..patient() }).await;
    assert!(body(&server.ask("GET", "/ui/overview").await).contains("href=\"../ui/overview\""));
}
