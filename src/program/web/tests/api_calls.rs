//! Tests of the API over real sockets.

use serde_json::{Value, json};

use super::*;
use crate::options::Limits;

async fn server(options: WebOptions, limits: Limits) -> TestServer {
    let state = Arc::new(WebState::new(&options, now));
    TestServer::start_with(options, Bridge::of_program(BridgeOptions { limits, ..BridgeOptions::default() }), state).await
}

async fn with_admin() -> TestServer {
    let server = server(WebOptions { enable_admin_api: true, ..patient() }, Limits::default()).await;
    server.bridge.worker().ingest(b"a:1|c|#u:1\na:1|c|#u:2\na:1|c|#u:3\nb:1|g|#u:1\nt:5|ms|#u:1", now());
    server
}

fn document(reply: &str) -> Value {
    assert_eq!(header(reply, "content-type"), Some("application/json"), "{reply}");
    serde_json::from_str(body(reply)).unwrap_or_else(|error| panic!("{error}: {reply}"))
}

impl TestServer {
    async fn data(&self, path: &str) -> Value {
        let mut document = document(&self.ask("GET", path).await);
        assert_eq!(document["status"], "success", "{path}: {document}");
        document["data"].take()
    }

    /// Sends a request and returns the status and the message of the error reply.
    async fn error_reply(&self, request: String) -> (u16, String) {
        let reply = self.send(request).await;
        let document = document(&reply);
        assert_eq!(document["status"], "error", "{document}");
        assert!(document["errorType"].is_string(), "{document}");
        (status(&reply), document["error"].as_str().expect("a text").to_owned())
    }

    async fn delete(&self, query: &str) -> Value {
        document(&self.send(post(query, "", "")).await)["data"].take()
    }
}

fn post(query: &str, headers: &str, form: &str) -> String {
    let (length, query) = (form.len(), query.replace('"', "%22").replace('{', "%7B").replace('}', "%7D"));
    format!(
        "POST /api/v1/series/delete?{query} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{form}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";

#[tokio::test]
async fn cardinality_names_the_offender() {
    let server = server(patient(), Limits { values_per_label: 2, families: 3, ..Limits::default() }).await;
    let mut worker = server.bridge.worker();
    for user in 0..10 {
        worker.ingest(format!("login:1|c|#user:u{user},site:eu\nlogin.g:1|g|#user:u{user}\nn{user}:1|c").as_bytes(), now());
    }
    worker.ingest(b"login:1|c|#user:u9,site:eu", now());
    let data = server.data("/api/v1/cardinality").await;
    assert_eq!(data["totals"]["series"], 6);
    assert_eq!((&data["totals"]["series_limit"], &data["totals"]["families"]), (&json!(200_000), &json!(3)));
    let login = &data["families"][0];
    assert_eq!((&login["name"], &login["type"], &login["series"]), (&json!("login"), &json!("counter"), &json!(3)));
    assert!(login["series_bytes"].as_u64().expect("bytes") > 100);
    assert_eq!(login["labels"][0], json!({ "name": "user", "values": 3, "examples": ["u0", "u1"], "shape": null }));
    assert_eq!(login["labels"][1]["name"], "site");
    let expected = json!([{
        "limit": "values_per_label", "label": "user", "action": "drop_label", "samples": 9, "distinct_values_refused": 8,
        "examples": ["u2", "u3", "u4", "u5", "u6"], "first_source": "unknown",
        "first_hit": "2023-11-14T22:13:20Z", "first_hit_ms": 1_700_000_000_000_u64,
    }]);
    assert_eq!(login["limits_hit"], expected);
    assert_eq!(data["families"][1]["limits_hit"][0]["action"], "refuse");
    assert_eq!((&data["families"][2]["name"], &data["families"][2]["limits_hit"]), (&json!("n0"), &json!([])));
    let kept_out = &data["families_kept_out"][0];
    assert_eq!((&kept_out["limit"], &kept_out["label"], &kept_out["samples"]), (&json!("families"), &json!(""), &json!(9)));
    assert_eq!(kept_out["examples"][0], "n1");
    assert_eq!(server.data("/api/v1/cardinality?limit=1").await["families"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn invalid_limits_are_rejected_with_advice() {
    let server = TestServer::start(patient()).await;
    for wrong in ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit="] {
        let (code, text) = server.error_reply(get(&format!("/api/v1/cardinality?{wrong}"))).await;
        assert!(code == 400 && text.contains("is not an integer from 1 to 1000"), "{wrong}: {code} {text}");
    }
    let (code, text) = server.error_reply(get("/api/v1/cardinality?top=3")).await;
    assert_eq!((code, text.as_str()), (400, "unknown parameter \"top\"; supported: q, sort, limit"));
    assert_eq!(server.data("/api/v1/cardinality?limit=1000").await["families"], json!([]));
}

#[tokio::test]
async fn conflicts_show_both_sides() {
    let server = TestServer::start(patient()).await;
    server.bridge.worker().ingest(b"jobs:1|c|#a:b\njobs:2|g\njobs:3|g\nlabelled:1|c|#le:1", now());
    let data = server.data("/api/v1/conflicts").await;
    let [jobs, renamed] = data["conflicts"].as_array().expect("a list").as_slice() else { panic!("{data}") };
    assert_eq!((&renamed["reason"], &renamed["kept"], &renamed["name"]), (&json!("reserved_label"), &Value::Null, &json!("labelled")));
    assert_eq!(renamed["policy"], "recorded: the label is renamed to exported_...");
    let expected = json!({
        "name": "jobs", "reason": "type", "policy": "rejected: the first type of a name is kept", "samples": 2,
        "first_met": "2023-11-14T22:13:20Z", "first_met_ms": 1_700_000_000_000_u64,
        "kept": { "name": "jobs", "type": "counter", "sample": "jobs:1|c|#a:b", "source": "unknown" },
        "came": { "name": "jobs", "type": "gauge", "sample": "jobs:2|g", "source": "unknown" },
    });
    assert_eq!(jobs, &expected);
}

#[tokio::test]
async fn a_dry_run_counts_and_a_real_run_deletes() {
    let server = with_admin().await;
    let dry = server.delete("match[]=a%7Bu%3D~%221%7C2%22%7D&dry_run=true").await;
    assert_eq!(dry, json!({ "dry_run": true, "series": 2, "examples": ["a{u=\"1\"}", "a{u=\"2\"}"] }));
    assert_eq!((server.bridge.registry().series(), server.metric("statsd_bridge_series_deleted_total")), (5, 0.0));
    let real = server.delete("match%5B%5D=a%7Bu%3D~%221%7C2%22%7D&match=b").await;
    assert_eq!(real["examples"], json!(["a{u=\"1\"}", "a{u=\"2\"}", "b{u=\"1\"}"]));
    assert_eq!((server.bridge.registry().series(), server.metric("statsd_bridge_series_deleted_total")), (2, 3.0));
    assert_eq!(server.delete("match[]=a%7Bu%3D~%221%7C2%22%7D").await["series"], 0);
    let form = server.send(post("dry_run=1", FORM, "match%5B%5D=t&match[]=a{z=\"\"}")).await;
    assert_eq!(document(&form)["data"]["examples"], json!(["a{u=\"3\"}", "t{u=\"1\"}"]));
    assert_eq!(server.delete("match=t").await["series"], 1);
    assert_eq!(server.delete("match={__name__=~\".%2B\"}").await["examples"], json!(["a{u=\"3\"}"]));
    assert_eq!(server.bridge.registry().families().len(), 0, "deleting the last series deletes the family");
}

#[tokio::test]
async fn invalid_deletions_delete_nothing() {
    let server = with_admin().await;
    let many = "match=a&".repeat(11);
    for (query, headers, form, code, expected) in [
        ("", "", "", 400, "no match[] parameter provided; add match[]=SELECTOR"),
        ("match[]=a{", "", "", 400, "invalid parameter \"match[]\": At character 3: A label name is missing here"),
        ("match[]={u=\"\"}", "", "", 400, "at least one matcher that does not match the empty string"),
        ("match[]=a&match[]={}", "", "", 400, "at least one matcher"),
        ("match[]=a&start=0", "", "", 400, "unknown parameter \"start\""),
        ("match[]=a&dry_run=yes", "", "", 400, "is neither true nor false"),
        ("match[]=%zz", "", "", 400, "a literal % is %25"),
        (&many, "", "", 400, "11 given, at most 10 allowed"),
        ("match[]=t_sum", "", "", 400, "t_sum is part of the histogram t, whose series are deleted as a whole; select t instead"),
        ("match[]=t_bucket{le=\"1\"}", "", "", 400, "t_bucket is part of the histogram t"),
        ("match[]=a", "", "match[]=b", 415, "must be application/x-www-form-urlencoded"),
        ("match[]=a", "Content-Type: application/json\r\n", "{}", 415, "must be application/x-www-form-urlencoded"),
        ("match[]=a", "Origin: http://elsewhere\r\n", "", 403, "Cross-site requests"),
        ("match[]=a", "Origin: null\r\n", "", 403, "Cross-site requests"),
    ] {
        let (got, text) = server.error_reply(post(query, headers, form)).await;
        assert!(got == code && text.contains(expected), "{query} {form}: {got} {text}");
    }
    let (code, text) = server.error_reply(post("", FORM, &"x".repeat(70_000))).await;
    assert_eq!((code, text.as_str()), (413, "the form is larger than 65536 bytes"));
    assert_eq!(server.bridge.registry().series(), 5, "no series was deleted");
    assert_eq!(server.delete("match[]=a_sum").await["series"], 0, "no family has a sample of that name");
    let own = post("match[]=a", "Origin: http://127.0.0.1\r\n", "").replace("Host: t\r\n", "Host: 127.0.0.1\r\n");
    let same_site = server.send(own).await;
    assert_eq!(document(&same_site)["data"]["series"], 3);
}

#[tokio::test]
async fn deletion_is_disabled_by_default() {
    let server = TestServer::start(patient()).await;
    server.bridge.worker().ingest(b"a:1|c", now());
    let (code, text) = server.error_reply(post("match[]=a", "", "")).await;
    assert!(code == 403 && text.contains("--web.enable-admin-api"), "{code} {text}");
    let get = server.ask("GET", "/api/v1/series/delete?match[]=a").await;
    assert_eq!((status(&get), header(&get, "allow")), (405, Some("POST")));
    assert_eq!(server.bridge.registry().series(), 1);
}
