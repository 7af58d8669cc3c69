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
    let of_family = ["", "&label=user"].map(|more| format!("/ui/series?family={family}{more}"));
    let mut seen = 0;
    for path in of_views.chain(detailed).chain(of_family) {
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
