//! The files in deploy/. The checker of its format checks each file, and the bridge checks the settings in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use statsd_bridge::options::Limits;

use crate::harness::bridge_command;
use crate::peers;

/// The manifests of Kubernetes and the Helm chart.
mod kubernetes;

fn deploy(file: &str) -> PathBuf {
    peers::repository().join("deploy").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap_or_else(|e| panic!("deploy/{file}: {e}"))
}

fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

// ---- memory ----

/// The number of bytes of a size such as `512Mi` or `1G`.
fn bytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "Mi" | "M" => 20,
        "Gi" | "G" => 30,
        unit => panic!("{text}: {unit:?} is no unit"),
    };
    digits.parse::<u64>().expect("a number") << shift
}

/// The most resident memory that docs/limits.md promises for the default limit fits into every memory limit in deploy/.
#[apply(test)]
fn the_caps_are_above_what_the_default_limit_may_take() {
    let budget = Limits::default().series_bytes as u64;
    let most = budget + budget / 2 + (48 << 20);
    let unit = read("systemd/statsd-bridge.service");
    let mut caps = vec![("the unit", unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).expect("a cap").to_owned())];
    for file in ["kubernetes/daemonset.yaml", "kubernetes/sidecar.yaml", "helm/statsd-bridge/values.yaml"] {
        let text = read(file);
        let mut lines = text.lines().skip_while(|line| line.trim() != "limits:");
        let cap = lines.nth(1).and_then(|line| line.trim().strip_prefix("memory: ")).expect("a cap");
        caps.push((file, cap.to_owned()));
        assert!(!text.contains("limits.series-bytes="), "{file}: its limit is not the default one");
    }
    for (of, cap) in caps {
        assert!(bytes(&cap) >= most, "{of}: {cap} is below {most} bytes");
    }
}

// ---- systemd ----

/// Writes the unit to a temporary folder, with the path of the program under test, because systemd checks that the program exists.
fn unit() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("statsd-bridge.service");
    let text = read("systemd/statsd-bridge.service");
    assert_eq!(text.matches("/usr/bin/statsd-bridge").count(), 2);
    fs::write(&path, text.replace("/usr/bin/statsd-bridge", env!("CARGO_BIN_EXE_statsd-bridge"))).expect("a temporary file");
    (folder, path)
}

#[apply(test)]
fn the_unit_is_verified() {
    let analyze = peers::systemd_analyze();
    let (_folder, unit) = unit();
    let output = Command::new(analyze).arg("verify").arg(&unit).output().expect("systemd-analyze runs");
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{}", said(&output));
}

#[apply(test)]
fn the_socket_units_are_verified() {
    let analyze = peers::systemd_analyze();
    for name in ["statsd-bridge.socket", "statsd-bridge-statsd.socket"] {
        let (folder, _) = unit();
        let socket = folder.path().join(name);
        fs::write(&socket, read(&format!("systemd/with-socket/{name}"))).expect("a temporary file");
        let output = Command::new(&analyze).arg("verify").arg(&socket).output().expect("systemd-analyze runs");
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{}", said(&output));
    }
}

#[apply(test)]
fn the_unit_is_little_exposed() {
    let analyze = peers::systemd_analyze();
    let (_folder, unit) = unit();
    // The threshold is in tenths. The exposure level was 1.1 when this test was written. Above 1.5, the unit permits more.
    let mut command = Command::new(analyze);
    command.args(["security", "--offline=true", "--no-pager", "--threshold=15"]).arg(&unit);
    let output = command.output().expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", said(&output));
}

#[apply(test)]
fn the_unit_waits_for_the_end_of_the_bridge() {
    let help = String::from_utf8(bridge_command().arg("--help").output().expect("the bridge runs").stdout).expect("help in UTF-8");
    let default = |flag: &str| -> u32 {
        let text = help.split_once(&format!("--{flag} ")).expect("a flag").1.split_once("[default: ").expect("a default").1;
        text.split_once("s]").and_then(|(seconds, _)| seconds.parse().ok()).expect("whole seconds")
    };
    // The bridge drains lines, lingers, and drains responses. The timeout must be twice that and 10 s, because the state file may
    // be on a slow disk.
    let ended = 2 * default("shutdown.drain") + default("shutdown.linger");
    let unit = read("systemd/statsd-bridge.service");
    let waits = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s')?.parse::<u32>().ok());
    assert!(waits.is_some_and(|waits| waits >= 2 * ended + 10), "{ended} s, {waits:?}");
}

/// The environment variables of all flags.
fn variables() -> BTreeSet<String> {
    let output = bridge_command().arg("--help").output().expect("the bridge runs");
    let help = String::from_utf8(output.stdout).expect("help in UTF-8");
    let long = help.lines().filter_map(|line| line.trim_start().strip_prefix("-").map(|rest| rest.trim_start_matches("h, ")));
    let flags = long.filter_map(|line| line.strip_prefix("-").and_then(|rest| rest.split(['=', ' ', '[']).next()));
    flags.map(|flag| format!("STATSD_BRIDGE_{}", flag.to_uppercase().replace(['.', '-'], "_"))).collect()
}

#[apply(test)]
fn the_settings_of_the_unit_are_flags_of_the_bridge() {
    let known = variables();
    assert!(known.contains("STATSD_BRIDGE_WEB_LISTEN_ADDRESS"), "{known:?}");
    let mut command = bridge_command();
    command.arg("--check-config");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut set = 0;
    for line in read("systemd/statsd-bridge.default").lines() {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=').filter(|(name, _)| name.starts_with("STATSD_BRIDGE_"))
        else {
            continue;
        };
        assert!(known.contains(name), "{name} is no flag");
        if !value.starts_with("/etc/statsd-bridge/") {
            // The folders that systemd creates do not exist here.
            let here = |path: &str| folder.path().join(path).display().to_string();
            let path = value.strip_prefix("/var/lib/statsd-bridge/").or_else(|| value.strip_prefix("/run/statsd-bridge/"));
            command.env(name, path.map_or_else(|| value.to_owned(), here));
            set += 1;
        }
    }
    assert!(set > 4, "{set} settings");
    let output = command.output().expect("the bridge runs");
    assert!(output.status.success(), "{}", said(&output));
}

/// A path under /var/lib or /run in a setting is in a folder that the unit creates, and that purging the package removes.
#[apply(test)]
fn the_folders_of_the_settings_are_those_of_the_unit() {
    let (unit, settings) = (read("systemd/statsd-bridge.service"), read("systemd/statsd-bridge.default"));
    for (above, key) in [("/var/lib/", "StateDirectory"), ("/run/", "RuntimeDirectory")] {
        let named = settings.lines().filter_map(|line| line.split_once('=')?.1.strip_prefix(above)?.split_once('/'));
        let folders: BTreeSet<_> = named.map(|(folder, _)| folder).collect();
        assert_eq!(folders.len(), 1, "{key}: {folders:?}");
        for folder in folders {
            assert!(unit.contains(&format!("\n{key}={folder}\n")), "{key}={folder}");
        }
    }
    assert!(unit.contains("\nStateDirectoryMode=0700\n"));
    assert!(read("debian/postrm").contains("rm -rf /var/lib/statsd-bridge\n"));
    let documented = fs::read_to_string(peers::repository().join("docs/restarts.md")).expect("a document");
    let setting = settings.lines().find_map(|line| line.strip_prefix("#STATSD_BRIDGE_STATE_FILE=")).expect("a setting");
    assert!(documented.contains(&format!("\nSTATSD_BRIDGE_STATE_FILE={setting}\n")), "docs/restarts.md");
}

// ---- the Debian package ----

#[apply(test)]
fn what_the_package_holds_is_there() {
    let manifest = fs::read_to_string(peers::repository().join("Cargo.toml")).expect("the manifest");
    let section = manifest.split("[package.metadata.deb]").nth(1).expect("the section of cargo-deb");
    let section = section.split("\n[").next().unwrap_or_default();
    let assets: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("  [\"")?.split('"').next()).collect();
    assert!(assets.contains(&"target/release/statsd-bridge"), "{assets:?}");
    for asset in assets.iter().filter(|path| !path.starts_with("target/")) {
        let path = asset.strip_suffix("/*.md").unwrap_or(asset);
        assert!(peers::repository().join(path).exists(), "{asset}");
    }
    // cargo-deb finds these files by their names.
    for file in ["systemd/statsd-bridge.sysusers", "debian/postinst", "debian/postrm", "debian/license", "debian/changelog"] {
        assert!(!read(file).is_empty());
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("debian/changelog").starts_with(&format!("statsd-bridge ({version}-")), "the changelog begins with {version}");
    for script in ["debian/postinst", "debian/postrm"] {
        let output = Command::new("sh").arg("-n").arg(deploy(script)).output().expect("a shell");
        assert!(output.status.success() && read(script).contains("#DEBHELPER#"), "{script}: {}", said(&output));
    }
}
