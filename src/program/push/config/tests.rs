use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::program::push::dialect::Coding;
use crate::program::push::options::{Credentials, Proxy, QueueLimits};
use crate::program::push::secret::Secret;
use crate::program::push::url::PushUrl;

fn defaults() -> PushTarget {
    let labels = [("instance", "host"), ("job", "statsd-bridge")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    PushTarget { labels: labels.to_vec(), ..PushTarget::new(PushUrl::unused()) }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// The targets of a file, or its errors without its path.
fn targets(folder: &TempDir, text: &str) -> Result<Vec<PushTarget>, Vec<String>> {
    let path = folder.path().join("push.yml");
    write(folder.path(), "push.yml", text);
    let prefix = format!("{}:", path.display());
    let short = |line: String| line.strip_prefix(&prefix).map_or(line.clone(), str::to_owned);
    read(&path, Defaults { target: &defaults(), otel: &OtelVariables::default() }, &[])
        .map(|loaded| loaded.config)
        .map_err(|error| error.lines.into_iter().map(short).collect())
}

#[test]
fn a_target_has_the_defaults_of_the_flags() {
    let folder = TempDir::new().unwrap();
    let found = targets(&folder, "targets:\n- url: http://h:9090/api/v1/write\n").unwrap();
    assert_eq!(found, [defaults().with_url(PushUrl::parse("http://h:9090/api/v1/write").unwrap())]);
    assert_eq!(found[0].name, "http://h:9090/api/v1/write");
    assert_eq!(targets(&folder, "targets: []").unwrap(), []);
}

#[test]
fn two_targets_that_send_the_same_series_have_a_warning() {
    let folder = TempDir::new().unwrap();
    let warnings = |second: &str| {
        let text = format!("targets:\n- url: http://h/w\n- name: b\n  url: http://h/w\n{second}");
        write(folder.path(), "push.yml", &text);
        let defaults = Defaults { target: &defaults(), otel: &OtelVariables::default() };
        read(&folder.path().join("push.yml"), defaults, &[]).unwrap().warnings
    };
    for same in ["", "  interval: 5s\n", "  protocol: 1.0\n"] {
        if let [warning] = &warnings(same)[..] {
            assert!(
                warning.contains("push.yml:3:3: ") && warning.contains("the same series") && warning.contains("\"http://h/w\""),
                "{warning}"
            );
        } else {
            panic!("{same}: {:?}", warnings(same));
        }
    }
    for other in [
        "  labels: {replica: b}\n",
        "  headers: {X-Scope-OrgID: b}\n",
        "  include: [a]\n",
        "  exclude: [a]\n",
        "  authorization: {credentials: b}\n",
    ] {
        let has = |target: &str| target.contains("the same series");
        assert!(!warnings(other).iter().any(|warning| has(warning)), "{other}");
    }
}

#[test]
fn every_key_is_read() {
    let folder = TempDir::new().unwrap();
    for name in ["ca.pem", "cert.pem", "key.pem", "password"] {
        write(folder.path(), name, "x");
    }
    let text = "targets:
- name: mimir
  url: https://mimir/api/v1/push?a=b
  protocol: 2.0
  interval: 1m
  timeout: 5s
  labels: {cluster: c, __replica__: r, job: mine}
  headers: {X-Scope-OrgID: tenant}
  basic_auth: {username: u, password_file: password}
  tls_config: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, server_name: other, insecure_skip_verify: true}
  proxy_url: http://user:s3cret@proxy:3128
  histograms: nhcb
  include: ['{__name__=~\"a.*\"}', b]
  exclude: [c]
  exemplars: false
  self_metrics: false
  zero_samples: false
  stale_at_end: true
  legacy_created: true
  batch_samples: 500
  queue_bytes: 1048576
  queue_age: 10m
- url: http://h/x
  authorization: {credentials: s3cret}
  proxy_from_environment: false
";
    let found = targets(&folder, text).unwrap();
    let path = |name| folder.path().join(name);
    let expected = PushTarget {
        name: "mimir".to_owned(),
        protocol: Protocol::V2,
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(5),
        labels: [("__replica__", "r"), ("cluster", "c"), ("instance", "host"), ("job", "mine")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        resource: Vec::new(),
        compression: Coding::Gzip,
        headers: vec![header("X-Scope-OrgID", "tenant").unwrap()],
        credentials: Credentials::Basic { user: "u".to_owned(), password: Secret::File(path("password")) },
        tls: crate::program::push::options::PushTls {
            ca_file: Some(path("ca.pem")),
            certificate: Some((path("cert.pem"), path("key.pem"))),
            server_name: Some("other".to_owned()),
            accept_any: true,
        },
        proxy: Proxy::Url(PushUrl::parse_proxy("http://user:s3cret@proxy:3128").unwrap()),
        histograms: HistogramForm::Nhcb,
        include: vec!["{__name__=~\"a.*\"}".to_owned(), "b".to_owned()],
        exclude: vec!["c".to_owned()],
        exemplars: false,
        self_metrics: false,
        zero_samples: false,
        stale_at_end: true,
        legacy_created: true,
        batch_samples: 500,
        queue: QueueLimits { bytes: 1 << 20, age: Duration::from_secs(600) },
        url: PushUrl::parse("https://mimir/api/v1/push?a=b").unwrap(),
    };
    assert_eq!(found[0], expected);
    let token = Credentials::Token { scheme: "Bearer".to_owned(), token: Secret::Value("s3cret".to_owned()) };
    assert_eq!((&found[1].credentials, &found[1].proxy), (&token, &Proxy::None));
    assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
}

/// Each mistake, the place of its error, and a part of its text.
const MISTAKES: [(&str, &str, &str); 40] = [
    ("", "1:1", "write `targets: []` for none"),
    ("{}", "1:1", "write `targets: []` for none"),
    ("[]", "1:1", "must be a map"),
    ("target: []", "1:1", "did you mean `targets`?"),
    ("targets: {url: http://h/x}", "1:10", "with each target after `- `"),
    ("targets:\n- x", "2:3", "must be a map"),
    ("targets:\n- name: x", "2:3", "needs a `url`"),
    ("targets:\n- url: h:9090/x", "2:8", "http://"),
    ("targets:\n- url: http://u:s3cret@h/x", "2:8", "`basic_auth`"),
    ("targets:\n- url: http://h/x\n  intervall: 15s", "3:3", "did you mean `interval`?"),
    ("targets:\n- url: http://h/x\n  interval: 15", "3:13", "250ms"),
    ("targets:\n- url: http://h/x\n  interval: 100ms", "3:13", "from 1s to"),
    ("targets:\n- url: http://h/x\n  timeout: 0s", "3:12", "from 100ms to"),
    ("targets:\n- url: http://h/x\n  protocol: '3.0'", "3:13", "auto, 1.0, 2.0"),
    ("targets:\n- url: http://h/x\n  histograms: all", "3:15", "classic, native, nhcb"),
    ("targets:\n- url: http://h/x\n  histograms: nhcb\n  protocol: '1.0'", "3:15", "set `protocol: \"2.0\"`"),
    ("targets:\n- url: http://h/x\n  labels: {1a: b}", "3:16", "valid label name"),
    ("targets:\n- url: http://h/x\n  labels: {__name__: b}", "3:22", "valid label name"),
    ("targets:\n- url: http://h/x\n  labels: {job: ''}", "3:17", "has no value"),
    ("targets:\n- url: http://h/x\n  labels: [job]", "3:11", "must be a map"),
    ("targets:\n- url: http://h/x\n  headers: {Authorization: s3cret}", "3:28", "use `authorization`"),
    ("targets:\n- url: http://h/x\n  headers: {Content-Type: a/b}", "3:27", "set by the protocol"),
    ("targets:\n- url: http://h/x\n  headers: {'a b': s3cret}", "3:20", "not a valid header name"),
    ("targets:\n- url: http://h/x\n  headers: {x: \"s3cret\\n\"}", "3:16", "cannot have"),
    ("targets:\n- url: http://h/x\n  basic_auth: {username: u}", "3:15", "set `password` or `password_file`"),
    ("targets:\n- url: http://h/x\n  basic_auth: {username: 'a:b', password: s3cret}", "3:15", "without a colon"),
    ("targets:\n- url: http://h/x\n  basic_auth: {username: u, password: s3cret, password_file: f}", "3:62", "remove one"),
    ("targets:\n- url: http://h/x\n  basic_auth: {username: u, password_file: absent}", "3:44", "No such file"),
    ("targets:\n- url: http://h/x\n  authorization: {type: Basic, credentials: s3cret}", "3:18", "use `basic_auth`"),
    ("targets:\n- url: http://h/x\n  authorization: {credentials: ['s3cret']}", "3:32", "must be a string"),
    ("targets:\n- url: https://h/x\n  tls_config: {cert_file: absent}", "3:27", "No such file"),
    ("targets:\n- url: https://h/x\n  tls_config: {key: absent}", "3:16", "`tls_config` has no key `key`"),
    ("targets:\n- url: http://h/x\n  tls_config: {server_name: h}", "3:15", "no effect on an http URL"),
    ("targets:\n- url: http://h/x\n  proxy_url: https://proxy", "3:14", "only http proxies"),
    ("targets:\n- url: http://h/x\n  proxy_url: http://p\n  proxy_from_environment: true", "3:14", "remove one"),
    ("targets:\n- url: http://h/x\n  include: ['a{']", "3:13", "`include`"),
    ("targets:\n- url: http://h/x\n  exemplars: 'yes'", "3:14", "true or false"),
    ("targets:\n- url: http://h/x\n  batch_samples: 1", "3:18", "from 2 to 100000"),
    ("targets:\n- url: http://h/x\n  queue_bytes: 64MB", "3:16", "from 65536 to"),
    ("targets:\n- url: http://h/x\n- url: http://h/x", "3:3", "set `name`"),
];

#[test]
fn every_mistake_has_its_place_and_its_remedy() {
    let folder = TempDir::new().unwrap();
    for (text, place, part) in MISTAKES {
        let lines = targets(&folder, text).expect_err(text);
        let is_found = lines.iter().any(|line| line.starts_with(&format!("{place}: ")) && line.contains(part));
        assert!(is_found, "{text:?}: expected {place} and {part:?}, got {lines:#?}");
        assert!(!lines.concat().contains("s3cret"), "{lines:?}");
    }
}

#[test]
fn all_mistakes_are_reported_in_order() {
    let folder = TempDir::new().unwrap();
    let lines = targets(&folder, "targets:\n- url: x\n- url: http://h/x\n  interval: 1\n- url: http://g/x\n  protocol: 3\n").unwrap_err();
    let places: Vec<&str> = lines.iter().filter_map(|line| line.split_once(": ").map(|(place, _)| place)).collect();
    assert_eq!(places, ["2:8", "4:13", "6:13"], "{lines:#?}");
}
