//! Finds other programs, and files from outside this repository, that a test needs.
//!
//! Without them the test is skipped; with `STATSD_BRIDGE_REQUIRE_PEERS=1`, as in CI, it fails.

use std::env;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::runner;

/// The environment variable that makes a missing program a failure.
pub const REQUIRE: &str = "STATSD_BRIDGE_REQUIRE_PEERS";

/// The versions of Prometheus that tests run. A test that runs one version has a comment with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 2.42, of Debian 12: no UTF-8 names, and native histograms by a flag.
    Two,
    /// 3.16, built from tests/go/prometheus.
    Three,
}

impl Version {
    /// Both versions.
    pub const BOTH: [Self; 2] = [Self::Two, Self::Three];

    /// Skips the test if the server of one of them is absent.
    pub fn need_both() {
        for version in Self::BOTH {
            version.prometheus();
        }
    }

    /// The server.
    pub fn prometheus(self) -> PathBuf {
        self.program("prometheus")
    }

    /// The checker of expositions, configurations and rules.
    pub fn promtool(self) -> PathBuf {
        self.program("promtool")
    }

    fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Two => need(&format!("`{name}` (Debian package prometheus)"), on_path(name)),
            Self::Three => built("prometheus", name),
        }
    }

    /// The version that this repository pins, for programs that are built without one. The module v0.316.0 is Prometheus 3.16.0.
    pub fn pinned(self) -> Option<String> {
        let pin = (self == Self::Three).then(|| module_version("prometheus", "github.com/prometheus/prometheus"))?;
        let (minor, patch) = pin.strip_prefix("0.3")?.split_once('.')?;
        Some(format!("3.{minor}.{patch}"))
    }
}

/// A program that `tests/build-peers PEER` builds from the module `tests/go/PEER`.
pub fn built(peer: &str, program: &str) -> PathBuf {
    let path = repository().join("target/peers/go").join(peer).join(program);
    need(&format!("`{program}` of the module tests/go/{peer} (`tests/build-peers {peer}`)"), Some(path).filter(|path| path.is_file()))
}

/// The version, without `v`, of a Go module that `tests/go/PEER/go.mod` requires.
pub fn module_version(peer: &str, module: &str) -> String {
    let path = repository().join("tests/go").join(peer).join("go.mod");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let required = text.lines().find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module)?.strip_prefix(" v"));
    required.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{} does not require {module}", path.display())).to_owned()
}

/// A Python with the packages of tests/requirements.txt.
pub fn python_with_clients() -> PathBuf {
    let python = test_python();
    let imports = "import datadog, gunicorn, psutil, statsd, prometheus_client";
    let found = runs(Command::new(&python).args(["-c", imports])).then_some(python);
    need("a Python with tests/requirements.txt (`STATSD_BRIDGE_PYTHON`, else target/peers/venv/bin/python)", found)
}

/// A Python with the packages for tests/python/check_deploy.py: the schemas of Kubernetes, and Helm as a library.
pub fn python_with_helm() -> PathBuf {
    let found = Some(test_python()).filter(|python| runs(Command::new(python).args(["-c", "import helm_python, kubernetes_validate"])));
    need("a Python with tests/requirements.txt, kubernetes-validate and helm-python-sdk among them", found)
}

/// The library that changes a program's wall clock, in its multi-threaded variant.
pub fn libfaketime() -> PathBuf {
    let folders = ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let files = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    need("`libfaketimeMT.so.1` (Debian package libfaketime)", files.into_iter().find(|file| file.is_file()))
}

/// The checker of systemd units.
pub fn systemd_analyze() -> PathBuf {
    need("`systemd-analyze` (Debian package systemd)", on_path("systemd-analyze"))
}

/// Node with hot-shots installed.
pub fn node_with_hot_shots() -> PathBuf {
    let installed = repository().join("tests/node/node_modules/hot-shots").is_dir();
    need("`node` with hot-shots (`npm ci` in tests/node)", on_path("node").filter(|_| installed))
}

/// A Python that also has the packages of tests/requirements-apps.txt.
pub fn python_with_frameworks() -> PathBuf {
    let python = python_with_clients();
    let imports = "import emmett, fastapi, flask, uvicorn_worker, websockets";
    let found = runs(Command::new(&python).args(["-c", imports])).then_some(python);
    need("a Python with tests/requirements-apps.txt (`STATSD_BRIDGE_PYTHON`, else target/peers/venv/bin/python)", found)
}

/// Node with node-statsd installed.
pub fn node_with_node_statsd() -> PathBuf {
    let installed = repository().join("tests/node/node_modules/node-statsd").is_dir();
    need("`node` with node-statsd (`npm ci` in tests/node)", on_path("node").filter(|_| installed))
}

/// Node with playwright-core and axe-core installed, and Chromium.
pub fn node_with_browser() -> (PathBuf, PathBuf) {
    let modules = repository().join("tests/browser/node_modules");
    let installed = ["playwright-core", "axe-core"].iter().all(|name| modules.join(name).is_dir());
    let node = need("`node` with playwright-core and axe-core (`npm ci` in tests/browser)", on_path("node").filter(|_| installed));
    (node, need("`chromium` (Debian package chromium)", on_path("chromium")))
}

/// The reverse proxy.
pub fn nginx() -> PathBuf {
    let found = on_path("nginx").or_else(|| Some(PathBuf::from("/usr/sbin/nginx")).filter(|path| path.is_file()));
    need("`nginx` (Debian package nginx-light)", found)
}

/// Ruby with the gem statsd-ruby.
pub fn ruby_with_statsd() -> PathBuf {
    let found = on_path("ruby").filter(|ruby| runs(Command::new(ruby).args(["-e", "require 'statsd'"])));
    need("`ruby` with statsd-ruby (Debian packages ruby, ruby-statsd)", found)
}

/// Perl with the module Net::Statsd.
pub fn perl_with_net_statsd() -> PathBuf {
    let found = on_path("perl").filter(|perl| runs(Command::new(perl).args(["-MNet::Statsd", "-e", "1"])));
    need("`perl` with Net::Statsd (Debian packages perl, libnet-statsd-perl)", found)
}

/// Go, and Debian's folder of Go sources with go-statsd-client.
pub fn go_with_cactus() -> (PathBuf, &'static Path) {
    let sources = Path::new("/usr/share/gocode");
    let installed = sources.join("src/github.com/cactus/go-statsd-client/statsd").is_dir();
    let what = "`go` with go-statsd-client (Debian packages golang-go, golang-github-cactus-go-statsd-client-dev)";
    (need(what, on_path("go").filter(|_| installed)), sources)
}

/// The Python of a virtual environment that `tests/build-peers NAME` creates.
pub fn python_of(name: &str) -> PathBuf {
    let python = repository().join("target/peers").join(name).join("bin/python");
    need(&format!("target/peers/{name} (`tests/build-peers {name}`)"), Some(python).filter(|path| path.is_file()))
}

/// The version of a package that a Python has.
pub fn python_version(python: &Path, package: &str) -> String {
    let script = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
    let output = Command::new(python).args(["-c", script, package]).output().expect("Python runs");
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Java with a program of tests/java and the libraries that it uses.
pub fn java_program(class: &str) -> Command {
    let built = repository().join("target/peers/java");
    let is_built = built.join(format!("classes/{class}.class")).is_file();
    let java = need("`java` with target/peers/java (`tests/build-peers java`)", on_path("java").filter(|_| is_built));
    let mut command = Command::new(java);
    // A small program: without the second compiler and threads for collection, it costs half the processor time.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(format!("{0}/classes:{0}/jars/*", built.display()));
    command.arg(class);
    command
}

/// The version of a library in tests/java/pom.xml.
pub fn java_version(artifact: &str) -> String {
    let pom = std::fs::read_to_string(repository().join("tests/java/pom.xml")).expect("the pom is in the repository");
    let after = pom.split_once(&format!("<artifactId>{artifact}</artifactId>")).map(|(_, after)| after);
    let version = after.and_then(|after| after.split_once("<version>")?.1.split_once("</version>")).map(|(version, _)| version);
    version.unwrap_or_else(|| panic!("{artifact} has no version in the pom")).to_owned()
}

/// Cargo with all locked crates of this manifest in its cache, so that it builds without a network.
pub fn cargo_with_crates_of(manifest: &Path) -> PathBuf {
    let cargo = env::var_os("CARGO").map(PathBuf::from).or_else(|| on_path("cargo"));
    let found = cargo
        .filter(|cargo| runs(Command::new(cargo).args(["fetch", "--offline", "--locked", "--quiet", "--manifest-path"]).arg(manifest)));
    let manifest = manifest.strip_prefix(repository()).unwrap_or(manifest);
    need(&format!("`cargo` with the crates of {} (`cargo fetch --locked`)", manifest.display()), found)
}

/// A program on the `PATH`.
pub fn program(name: &str) -> PathBuf {
    need(&format!("`{name}`"), on_path(name))
}

/// The mapping file that another project maintains for an application. Not part of this repository.
pub fn shared_mapping(name: &str) -> PathBuf {
    let named = env::var_os("STATSD_BRIDGE_SHARED_MAPPINGS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository().join("../shared/mappings"));
    let what = format!("`{name}` among mapping files of applications (`STATSD_BRIDGE_SHARED_MAPPINGS`, else ../shared/mappings)");
    need(&what, Some(folder.join(name)).filter(|path| path.is_file()))
}

/// The folder with the web configuration files of exporter-toolkit's own tests. Not part of this repository.
pub fn shared_web_configs() -> PathBuf {
    let named = env::var_os("STATSD_BRIDGE_SHARED_WEB_CONFIG").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository().join("../shared/web-config"));
    let what = "exporter-toolkit's web configuration files (`STATSD_BRIDGE_SHARED_WEB_CONFIG`, else ../shared/web-config)";
    need(what, Some(folder).filter(|folder| folder.is_dir()))
}

/// The loopback address of IPv6. Containers often have none.
pub fn ipv6_loopback() -> IpAddr {
    let address = IpAddr::from(Ipv6Addr::LOCALHOST);
    need("the loopback address of IPv6, ::1", UdpSocket::bind((address, 0)).is_ok().then_some(address))
}

/// The path of the Python for the tests, which may not exist.
fn test_python() -> PathBuf {
    let named = env::var_os("STATSD_BRIDGE_PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| repository().join("target/peers/venv/bin/python"))
}

/// A file with published test cases of other projects, or with results of other programs. Not part of this repository.
pub fn shared_corpus(name: &str) -> serde_json::Value {
    let named = env::var_os("STATSD_BRIDGE_SHARED_CORPUS").map(PathBuf::from);
    let path = named.unwrap_or_else(|| repository().join("../shared/corpus")).join(name);
    let what = format!("`{name}` among published cases (`STATSD_BRIDGE_SHARED_CORPUS`, else ../shared/corpus)");
    let text = need(&what, std::fs::read_to_string(&path).ok());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns what was found. Otherwise the test fails if peers are required, and is skipped if not.
fn need<T>(what: &str, found: Option<T>) -> T {
    found.unwrap_or_else(|| {
        let is_required = env::var_os(REQUIRE).is_some_and(|value| value == "1");
        assert!(!is_required, "{what} is absent, and {REQUIRE}=1");
        runner::skip(what)
    })
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file())
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[apply(test)]
fn the_pinned_version_is_read_from_the_module() {
    assert!(Version::Three.pinned().is_some_and(|version| version.starts_with("3.")), "{:?}", Version::Three.pinned());
    assert_eq!(Version::Two.pinned(), None);
}

#[apply(test)]
fn programs_are_found_on_the_path() {
    assert!(on_path("sh").is_some_and(|p| p.is_absolute()));
    assert_eq!(on_path("no-such-program-as-this"), None);
}
