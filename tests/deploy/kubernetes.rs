//! deploy/kubernetes and deploy/helm: schemas, flags, probes, rules, dashboards.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{read, said};
use crate::harness::{Process, bridge_command, free_port, request, until};
use crate::peers::{self, Version};

/// A web configuration with a user, so that the bridge rejects a GET without a password.
const WEB_CONFIG: &str = "basic_auth_users: {ann: \"$2y$04$Nmu6lGqkW2WdUd0rgqyqNu3k2kxEWe8j0Mt9Vfh7Ik.k3gK6N9vF6\"}\n";

#[apply(test)]
fn versions_of_chart_and_manifests_are_the_bridges() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("helm/statsd-bridge/Chart.yaml").contains(&format!("\nappVersion: {version}\n")));
    for file in ["kubernetes/daemonset.yaml", "kubernetes/sidecar.yaml"] {
        assert!(read(file).contains(&format!("image: statsd-bridge:{version}\n")), "{file}");
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("texts").to_owned()).collect()
}

/// The replacement of a container on this machine: a folder with its files, and an address of its web server.
struct Place {
    folder: TempDir,
    web: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("web.yml"), WEB_CONFIG).expect("a temporary file");
        fs::copy(peers::repository().join("config.example.yml"), folder.path().join("mapping.yml")).expect("a temporary file");
        let host = IpAddr::from(Ipv4Addr::LOCALHOST);
        Self { folder, web: (host, free_port(host)).into() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// An argument of the container, adapted to this machine.
    fn argument(&self, argument: &str) -> String {
        let file = |flag: &str, name: &str| format!("{flag}={}", self.path(name));
        match argument.split_once('=').map_or(argument, |(flag, _)| flag) {
            flag @ "--web.config.file" => file(flag, "web.yml"),
            flag @ "--state.file" => file(flag, "state"),
            // The rules of the ConfigMap are not available here. Any other rules show that the bridge accepts the flag.
            flag @ "--statsd.mapping-config" => file(flag, "mapping.yml"),
            "--web.listen-address" => format!("--web.listen-address={}", self.web),
            flag @ ("--statsd.listen-udp" | "--statsd.listen-tcp") if !argument.ends_with('=') => format!("{flag}=127.0.0.1:0"),
            "--shutdown.linger" => "--shutdown.linger=0s".to_owned(),
            _ => argument.to_owned(),
        }
    }

    fn command(&self, arguments: &[String], bridge: &Value) -> Command {
        let mut command = bridge_command();
        command.args(arguments.iter().map(|argument| self.argument(argument)));
        // Addresses for flags that the manifests do not set.
        let any = "127.0.0.1:0".to_owned();
        for (flag, address) in [("web.listen-address", &self.web.to_string()), ("statsd.listen-udp", &any), ("statsd.listen-tcp", &any)] {
            if !arguments.iter().any(|argument| argument.starts_with(&format!("--{flag}="))) {
                command.arg(format!("--{flag}={address}"));
            }
        }
        for (name, value) in bridge["env"].as_object().into_iter().flatten() {
            let value = value.as_str().expect("a text");
            command.env(name, if name.ends_with("_WEB_CONFIG_FILE") { self.path("web.yml") } else { value.to_owned() });
        }
        command
    }

    fn probe_passes(&self, command: &[String], bridge: &Value) -> bool {
        // The first word is the program's path in the image.
        self.command(&command[1..], bridge).output().expect("the bridge runs").status.success()
    }
}

/// Checks that the bridge accepts its flags, that its probes fail before it runs, and that they pass when it is ready. With a
/// password, a GET without it is rejected.
fn try_bridge(bridge: &Value) {
    let place = Place::new();
    let (args, gets) = (texts(&bridge["args"]), texts(&bridge["gets"]));
    let commands: Vec<Vec<String>> = bridge["commands"].as_array().expect("a list").iter().map(texts).collect();
    let checked = place.command(&args, bridge).arg("--check-config").output().expect("the bridge runs");
    assert!(checked.status.success(), "{bridge}: {}", said(&checked));
    for command in &commands {
        assert!(!place.probe_passes(command, bridge), "{bridge}: passes without a bridge");
    }
    let mut process = Process::start(place.command(&args, bridge));
    let status = |path: &str| request(place.web, "GET", path, &[]).ok().map(|response| response.status);
    until("the probes pass", || {
        let ended = process.try_wait();
        assert!(ended.is_none(), "{bridge}: {ended:?}\n{}", process.log());
        let passed = gets.iter().all(|path| status(path) == Some(200));
        (passed && commands.iter().all(|command| place.probe_passes(command, bridge))).then_some(())
    });
    let guarded = commands.iter().flatten().any(|argument| argument.contains("web.config.file"));
    // Probes of /health, as in the community's chart, pass before the bridge is ready.
    let expected = Some(if guarded { 401 } else { 200 });
    until("it is ready, or wants a password", || (status("/-/ready") == expected).then_some(()));
    process.signal(rustix::process::Signal::TERM);
    assert!(process.wait().success(), "{bridge}: {}", process.log());
    assert_eq!(place.folder.path().join("state").exists(), args.iter().any(|argument| argument.starts_with("--state.file=")), "{bridge}");
}

/// Every manifest and every rendering of the chart is valid by the schemas of Kubernetes. Each bridge in them accepts its flags,
/// and its probes pass.
#[apply(test)]
fn manifests_and_chart_fit_and_their_probes_pass() {
    let found = checked();
    let bridges = found["bridges"].as_array().expect("a list");
    assert!(bridges.len() > 12, "{found}");
    for bridge in bridges {
        try_bridge(bridge);
    }
}

#[apply(each_prometheus)]
fn promtool_reads_the_rules_of_the_chart(version: Version) {
    let (promtool, found) = (version.promtool(), checked());
    let rules = found["rules"].as_object().expect("by name");
    assert_eq!(rules.len(), 3, "{found}");
    for (name, spec) in rules {
        // JSON is YAML.
        let file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
        fs::write(file.path(), spec.to_string()).expect("a temporary file");
        let output = Command::new(&promtool).args(["check", "rules"]).arg(file.path()).output().expect("promtool runs");
        let expected: usize = spec["groups"].as_array().expect("groups").iter().map(|g| g["rules"].as_array().map_or(0, Vec::len)).sum();
        assert!(output.status.success() && said(&output).contains(&format!("{expected} rules found")), "{name}: {}", said(&output));
    }
}

/// The output of the checker of the manifests and the chart.
fn checked() -> Value {
    let python = peers::python_with_helm();
    let script = peers::repository().join("tests/python/check_deploy.py");
    let output = Command::new(python).arg("-B").arg(script).output().expect("Python runs");
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
