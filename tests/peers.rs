//! Finding programs of others that a test needs.
//!
//! Absent ones are named on stderr and the test passes; with `STATSD_BRIDGE_REQUIRE_PEERS=1`, as CI sets it, absence is a failure.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prometheus of any version that knows `--web.listen-address`.
pub fn prometheus() -> Option<PathBuf> {
    need("`prometheus` (Debian package prometheus)", on_path("prometheus"))
}

/// The checker that comes with Prometheus.
pub fn promtool() -> Option<PathBuf> {
    need("`promtool` (Debian package prometheus)", on_path("promtool"))
}

/// A Python that has the packages of tests/requirements.txt.
pub fn python_with_clients() -> Option<PathBuf> {
    let python = test_python();
    let imports = "import datadog, gunicorn, psutil, statsd, prometheus_client";
    let found = runs(Command::new(&python).args(["-c", imports])).then_some(python);
    need("a Python with tests/requirements.txt (`STATSD_BRIDGE_PYTHON`, else target/peers/venv/bin/python)", found)
}

/// A Python that has what tests/python/check_deploy.py needs: the schemas of Kubernetes, and Helm as a library.
pub fn python_with_helm() -> Option<PathBuf> {
    let found = Some(test_python()).filter(|python| runs(Command::new(python).args(["-c", "import helm_python, kubernetes_validate"])));
    need("a Python with tests/requirements.txt, kubernetes-validate and helm-python-sdk among them", found)
}

/// The library that gives a program another wall clock, in its form for programs with threads.
pub fn libfaketime() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let files = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    need("`libfaketimeMT.so.1` (Debian package libfaketime)", files.into_iter().find(|file| file.is_file()))
}

/// The checker of units that comes with systemd.
pub fn systemd_analyze() -> Option<PathBuf> {
    need("`systemd-analyze` (Debian package systemd)", on_path("systemd-analyze"))
}

/// Node with hot-shots installed.
pub fn node_with_hot_shots() -> Option<PathBuf> {
    let installed = repository().join("tests/node/node_modules/hot-shots").is_dir();
    need("`node` with hot-shots (`npm ci` in tests/node)", on_path("node").filter(|_| installed))
}

/// A Python that also has the packages of tests/requirements-apps.txt.
pub fn python_with_frameworks() -> Option<PathBuf> {
    let python = python_with_clients()?;
    let imports = "import emmett, fastapi, flask, uvicorn_worker, websockets";
    let found = runs(Command::new(&python).args(["-c", imports])).then_some(python);
    need("a Python with tests/requirements-apps.txt (`STATSD_BRIDGE_PYTHON`, else target/peers/venv/bin/python)", found)
}

/// Node with node-statsd installed.
pub fn node_with_node_statsd() -> Option<PathBuf> {
    let installed = repository().join("tests/node/node_modules/node-statsd").is_dir();
    need("`node` with node-statsd (`npm ci` in tests/node)", on_path("node").filter(|_| installed))
}

/// Ruby with the gem statsd-ruby.
pub fn ruby_with_statsd() -> Option<PathBuf> {
    let found = on_path("ruby").filter(|ruby| runs(Command::new(ruby).args(["-e", "require 'statsd'"])));
    need("`ruby` with statsd-ruby (Debian packages ruby, ruby-statsd)", found)
}

/// Perl with the module Net::Statsd.
pub fn perl_with_net_statsd() -> Option<PathBuf> {
    let found = on_path("perl").filter(|perl| runs(Command::new(perl).args(["-MNet::Statsd", "-e", "1"])));
    need("`perl` with Net::Statsd (Debian packages perl, libnet-statsd-perl)", found)
}

/// Go, and where Debian puts the source of its libraries, which has go-statsd-client.
pub fn go_with_cactus() -> Option<(PathBuf, &'static Path)> {
    let sources = Path::new("/usr/share/gocode");
    let installed = sources.join("src/github.com/cactus/go-statsd-client/statsd").is_dir();
    let what = "`go` with go-statsd-client (Debian packages golang-go, golang-github-cactus-go-statsd-client-dev)";
    Some((need(what, on_path("go").filter(|_| installed))?, sources))
}

/// Cargo with all that this manifest locks in its cache, so that it builds without a network.
pub fn cargo_with_crates_of(manifest: &Path) -> Option<PathBuf> {
    let cargo = env::var_os("CARGO").map(PathBuf::from).or_else(|| on_path("cargo"));
    let found = cargo
        .filter(|cargo| runs(Command::new(cargo).args(["fetch", "--offline", "--locked", "--quiet", "--manifest-path"]).arg(manifest)));
    need(&format!("`cargo` with the crates of {} (`cargo fetch --locked`)", manifest.display()), found)
}

/// A program by its name, for the sender programs: `bash`, `cc`, `go`, `java`, `node`, `perl`, `php`, `python3`, `ruby`, `rustc`.
pub fn program(name: &str) -> Option<PathBuf> {
    need(&format!("`{name}`"), on_path(name))
}

/// Whether the mapping file of an application is there by this name.
pub fn has_shared_mapping(name: &str) -> bool {
    let path = shared_mappings().join(name);
    need(
        &format!("`{name}` in the folder of applications' own mapping files ({})", shared_mappings().display()),
        path.is_file().then_some(()),
    )
    .is_some()
}

/// Where mapping files of applications stand, which are theirs and not part of this repository.
pub fn shared_mappings() -> PathBuf {
    let named = env::var_os("STATSD_BRIDGE_SHARED_MAPPINGS").map(PathBuf::from);
    named.unwrap_or_else(|| repository().join("../shared/mappings"))
}

/// The Python whose packages are those of tests/requirements.txt, if it is there.
fn test_python() -> PathBuf {
    let named = env::var_os("STATSD_BRIDGE_PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| repository().join("target/peers/venv/bin/python"))
}

/// A file of cases that others published or whose answers their programs gave; not part of this repository.
pub fn shared_corpus(name: &str) -> Option<serde_json::Value> {
    let named = env::var_os("STATSD_BRIDGE_SHARED_CORPUS").map(PathBuf::from);
    let path = named.unwrap_or_else(|| repository().join("../shared/corpus")).join(name);
    let what = format!("`{name}` in the folder of published cases (`STATSD_BRIDGE_SHARED_CORPUS`, else {})", path.display());
    let text = need(&what, std::fs::read_to_string(&path).ok())?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn need<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let required = env::var_os("STATSD_BRIDGE_REQUIRE_PEERS").is_some_and(|v| v == "1");
        assert!(!required, "needs {what}, which is absent, and STATSD_BRIDGE_REQUIRE_PEERS=1");
        // Not `eprintln!`: the test harness would swallow what a passing test prints.
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr(), "skipped: {test} needs {what}");
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file())
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
fn a_program_is_found_by_its_name_or_not_at_all() {
    assert!(on_path("sh").is_some_and(|p| p.is_absolute()));
    assert_eq!(on_path("no-such-program-as-this"), None);
}
