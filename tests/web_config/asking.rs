//! `top` reads from a bridge that uses TLS and requires a certificate and a password.

use std::fs;

use serde_json::Value;

use super::{CLIENTS, Guarded, RIGHT, TLS, run};
use crate::harness::bridge_command;
use crate::top::pty::Pty;

/// Exit code and output.
fn top(url: &str, args: &[&str]) -> (Option<i32>, String) {
    let mut command = bridge_command();
    command.args(["top", "--format=json", "--url", url]).args(args);
    run(command)
}

fn is_good((code, output): &(Option<i32>, String)) -> bool {
    *code == Some(0) && serde_json::from_str::<Value>(output).is_ok_and(|answer| answer["cardinality"]["totals"].is_object())
}

#[apply(test)]
fn top_asks_over_tls_with_a_certificate_and_a_password() {
    let bridge = Guarded::start(&format!("{TLS}{CLIENTS}basic_auth_users: {{ann: \"{RIGHT}\"}}\n"));
    bridge.authority.issue("client", &["a"]).write(&bridge.path("client.crt"), &bridge.path("client.key"));
    fs::write(bridge.path("right"), "right\n").expect("written");
    fs::write(bridge.path("wrong"), "wrong").expect("written");
    let file = |name: &str| bridge.path(name).display().to_string();
    let (ca, certificate, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
    let (right, wrong) = (file("right"), file("wrong"));
    let url = format!("https://{}", bridge.web);
    let shown = ["--cert-file", &certificate, "--key-file", &key];
    let user = ["--user", "ann", "--password-file", &right];
    for trust in [&["--ca-file", &ca][..], &["--insecure"]] {
        let answer = top(&url, &[trust, &shown, &user].concat());
        assert!(is_good(&answer), "{trust:?}: {answer:?}");
    }
    let trust = ["--ca-file", &ca];
    for (args, says) in [
        (vec![], "https requires --ca-file or --insecure"),
        ([&["--ca-file", &certificate][..], &shown, &user].concat(), "set --ca-file to a certificate of its issuer"),
        ([&trust[..], &user].concat(), "set --cert-file and --key-file"),
        ([&trust[..], &shown].concat(), "requires a password; set --user and --password-file"),
        ([&trust[..], &shown, &["--user", "ann", "--password-file", &wrong]].concat(), "rejected the user or the password"),
        (vec!["--ca-file", &key], "cannot be used: the file contains no certificate"),
        (vec!["--ca-file", "/no/such/file"], "/no/such/file cannot be used"),
        ([&trust[..], &["--cert-file", &certificate, "--key-file", &ca]].concat(), "ca.crt cannot be used"),
        (vec!["--insecure", "--user", "ann", "--password-file", "/no/such/file"], "/no/such/file: No such file"),
        (vec!["--insecure", "--user", "ann", "--password-file", "/dev/null"], "/dev/null: the file is empty"),
    ] {
        let (code, output) = top(&url, &args);
        assert!(code == Some(1) && output.contains(says), "{args:?}: {code:?} {output}");
    }
    let (code, output) = top(&format!("http://{}", bridge.web), &[]);
    assert!(code == Some(1) && !output.is_empty(), "plain HTTP: {output}");
    bridge.stop();
}

/// The display asks over TLS too.
#[apply(test)]
fn the_display_of_top_asks_over_tls_with_a_password() {
    let config = format!("{TLS}basic_auth_users: {{ann: \"{RIGHT}\"}}\n");
    let bridge = Guarded::start(&config);
    fs::write(bridge.path("right"), "right\n").expect("written");
    let file = |name: &str| bridge.path(name).display().to_string();
    let mut command = bridge_command();
    command.args(["top", "--url", &format!("https://{}", bridge.web), "--ca-file", &file("ca.crt")]);
    command.args(["--user=ann", "--password-file", &file("right")]);
    let mut top = Pty::start(&command, (80, 24));
    top.shows(&["Kernel", &format!("https://{}", bridge.web)]);
    top.press("6");
    top.shows(&["[6 Send]", "Nothing arrived."]);
    top.press("q");
    assert_eq!(top.ends().code(), Some(0));
    bridge.stop();
}

#[apply(test)]
fn top_gives_a_password_over_plain_http() {
    let bridge = Guarded::start(&format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\n"));
    fs::write(bridge.path("right"), "right").expect("written");
    let right = bridge.path("right").display().to_string();
    let url = format!("http://{}", bridge.web);
    assert!(is_good(&top(&url, &["--user=ann", "--password-file", &right])));
    let (code, output) = top(&url, &[]);
    assert!(code == Some(1) && output.contains("--web.no-auth-paths=/api/v1/cardinality"), "{output}");
    bridge.stop();
}
