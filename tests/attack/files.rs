//! Pipes, devices, folders, huge and empty files in place of files that the bridge reads. The bridge does not block, keeps the
//! earlier content in force, and logs the reason.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, bridge_command, free_port, own, until};
use crate::web_config::authority::Authority;

const RULES: &str = "mappings:\n- match: \"app.*\"\n  name: \"mapped\"\n";

/// Creates something at a path.
type Put = fn(&Path);

/// Replacements of the mapping file, and the reason that the bridge logs for each.
const IN_THE_WAY: [(&str, Put, &str); 6] = [
    ("a pipe", pipe, "it is a pipe, not a regular file"),
    ("an endless device", |path| symlink("/dev/zero", path).expect("linked"), "it is a device, not a regular file"),
    (
        "a large file",
        |path| fs::File::create(path).and_then(|file| file.set_len(1 << 32)).expect("created"),
        "the file is larger than 16 MiB",
    ),
    ("a folder", |path| fs::create_dir(path).expect("created"), "the mapping file no longer exists"),
    ("an empty file", |path| fs::write(path, "").expect("written"), "the file has become empty"),
    ("a blank file", |path| fs::write(path, "\n \n").expect("written"), "the file has become empty"),
];

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }.expect("removed");
}

fn is_mapped(bridge: &Running) {
    let before = bridge.page().value("mapped").unwrap_or(0.0);
    bridge.send("app.x:1|c");
    bridge.page_when("the rules are in force", |page| page.value("mapped") == Some(before + 1.0));
}

#[apply(test)]
fn rules_stay_in_force_when_their_file_becomes_unreadable() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("rules.yml");
    fs::write(&path, RULES).expect("written");
    let launch = Launch::new().arg(format!("--statsd.mapping-config={}", path.display()));
    let bridge = launch.arg("--mapping.watch-interval=100ms").start();
    is_mapped(&bridge);
    for (what, put, says) in IN_THE_WAY {
        remove(&path);
        put(&path);
        bridge.page_when(&format!("the reload after {what} fails"), |page| own(page, "config_last_reload_successful") == 0.0);
        until("the reason is logged", || bridge.process.log().contains(says).then_some(()));
        is_mapped(&bridge);
        let resident = own_process(&bridge);
        assert!(resident < 300e6, "{what}: {resident} bytes");
        remove(&path);
        fs::write(&path, RULES).expect("written");
        bridge.page_when(&format!("the rules are back after {what}"), |page| own(page, "config_last_reload_successful") == 1.0);
        is_mapped(&bridge);
    }
    // A file with an empty list removes all rules.
    fs::write(&path, "mappings: []\n").expect("written");
    bridge.page_when("there are no rules", |page| own(page, "loaded_mappings") == 0.0);
    assert_eq!(own(&bridge.page(), "config_last_reload_successful"), 1.0);
    bridge.stop();
}

fn own_process(bridge: &Running) -> f64 {
    bridge.page().value("process_resident_memory_bytes").expect("the process is on the page")
}

#[apply(test)]
fn rules_stay_in_force_when_their_folder_becomes_empty() {
    let folder = TempDir::new().expect("a temporary directory");
    let inside = folder.path().join("rules");
    fs::create_dir(&inside).expect("created");
    fs::write(inside.join("a.yml"), RULES).expect("written");
    fs::write(inside.join("b.yml"), "").expect("written");
    let launch = Launch::new().arg(format!("--statsd.mapping-config={}", inside.display()));
    let bridge = launch.arg("--mapping.watch-interval=100ms").start();
    is_mapped(&bridge);
    fs::rename(inside.join("a.yml"), folder.path().join("kept.yml")).expect("moved away");
    bridge.page_when("the reload fails", |page| own(page, "config_last_reload_successful") == 0.0);
    is_mapped(&bridge);
    // The file's name does not matter.
    fs::rename(folder.path().join("kept.yml"), inside.join("c.yml")).expect("moved back");
    bridge.page_when("the reload succeeds", |page| own(page, "config_last_reload_successful") == 1.0);
    is_mapped(&bridge);
    bridge.stop();
}

#[apply(test)]
fn at_start_they_are_errors_that_name_the_path() {
    let folder = TempDir::new().expect("a temporary directory");
    let at = |name: &str| folder.path().join(name);
    pipe(&at("pipe"));
    symlink("/dev/zero", at("zero")).expect("linked");
    for flag in ["--statsd.mapping-config", "--web.config.file", "--state.file"] {
        for name in ["pipe", "zero"] {
            let mut command = bridge_command();
            command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"]);
            command.arg(format!("{flag}={}", at(name).display()));
            let mut process = Process::start(command);
            assert_eq!(process.wait().code(), Some(1), "{flag} {name}");
            assert!(process.log().contains(&*at(name).to_string_lossy()), "{flag}: {}", process.log());
        }
    }
    // An empty mapping file has no rules, as in statsd_exporter.
    fs::write(at("empty.yml"), "").expect("written");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", at("empty.yml").display())).start();
    bridge.send("a:1|c");
    bridge.page_at(1);
    bridge.stop();
}

/// A program that serves TLS with the certificate in this folder.
struct WithCertificate {
    folder: TempDir,
    process: Process,
}

impl WithCertificate {
    fn start() -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        write_certificate(folder.path());
        let config = folder.path().join("web.yml");
        fs::write(&config, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n").expect("written");
        let mut command = bridge_command();
        let port = free_port([127, 0, 0, 1].into());
        command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--shutdown.linger=0"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg(format!("--web.config.file={}", config.display()));
        let process = Process::start(command);
        until("it is ready", || process.log().contains("message=ready").then_some(()));
        Self { folder, process }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn says(&self, what: &str, times: usize) {
        until(what, || (self.process.log().matches(what).count() >= times).then_some(()));
    }
}

fn write_certificate(folder: &Path) {
    Authority::new("of a test").itself().write(&folder.join("cert.pem"), &folder.join("key.pem"));
}

#[apply(test)]
fn a_certificate_that_becomes_a_pipe_or_device_is_reloaded_when_it_is_a_file_again() {
    let mut bridge = WithCertificate::start();
    let mut good = 0;
    for (name, put) in
        [("cert.pem", pipe as Put), ("key.pem", pipe), ("web.yml", pipe), ("cert.pem", |path| symlink("/dev/zero", path).expect("linked"))]
    {
        let (path, aside) = (bridge.path(name), bridge.path("aside"));
        fs::rename(&path, &aside).expect("moved away");
        put(&path);
        bridge.says(&format!("{name}: it is a {}", if good < 3 { "pipe" } else { "device" }), 1);
        remove(&path);
        fs::rename(&aside, &path).expect("moved back");
        write_certificate(bridge.folder.path());
        good += 1;
        bridge.says("web configuration reloaded", good);
    }
    bridge.process.signal(rustix::process::Signal::TERM);
    assert!(bridge.process.wait().success());
}
