//! Reloads of mapping files: by signal, by HTTP request, and when files change; bad files; reloads under load.

use std::fs;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Launch, Running, own, request, until};
use crate::page::Page;

/// A bridge with a mapping file in a temporary folder.
struct Mapped {
    folder: TempDir,
    bridge: Running,
}

/// Rules that map `app.*` to this name.
fn named(name: &str) -> String {
    format!("mappings:\n- match: \"app.*\"\n  name: \"{name}\"\n")
}

fn reloads(page: &Page, outcome: &str) -> f64 {
    own(page, &format!("config_reloads_total{{outcome=\"{outcome}\"}}"))
}

/// Replaces a file atomically, as editors do.
fn rename_over(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(&new, path).expect("renamed");
}

impl Mapped {
    /// `watch` is the interval at which the bridge checks the file; "0" means never.
    fn start(rules: &str, watch: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let path = folder.path().join("rules.yml");
        fs::write(&path, rules).expect("written");
        let bridge = launch(&path, watch).start();
        Self { folder, bridge }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rules.yml")
    }

    /// Writes the file, sends SIGHUP and waits until the reload is counted.
    fn reload(&self, rules: &str, outcome: &str) -> Page {
        let before = reloads(&self.bridge.page(), outcome);
        fs::write(self.path(), rules).expect("written");
        self.bridge.process.signal(Signal::HUP);
        self.bridge.page_when("the reload is counted", |page| reloads(page, outcome) == before + 1.0)
    }

    /// Sends a datagram of one sample and waits until it is counted.
    fn send(&self, datagram: &str) -> Page {
        let before = self.bridge.page().sum("statsd_bridge_samples_total");
        self.bridge.send(datagram);
        self.bridge.page_when("the sample is counted", |page| page.sum("statsd_bridge_samples_total") == before + 1.0)
    }

    fn api(&self, path: &str) -> Value {
        let answer = self.bridge.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}");
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}\n{}", answer.text()))
    }
}

fn launch(path: &Path, watch: &str) -> Launch {
    Launch::new()
        .arg(format!("--statsd.mapping-config={}", path.display()))
        .arg(format!("--mapping.watch-interval={watch}"))
        .arg("--web.enable-lifecycle")
}

#[apply(test)]
fn rules_are_reloaded_by_signal_and_by_request() {
    let mapped = Mapped::start(&named("one"), "0");
    let page = mapped.send("app.x:1|c");
    assert_eq!((page.value("one"), own(&page, "loaded_mappings"), reloads(&page, "success")), (Some(1.0), 1.0, 0.0));
    let hash = own(&page, "config_hash");

    let page = mapped.reload(&format!("{}- match: other\n  name: other\n", named("two")), "success");
    assert_eq!(own(&page, "loaded_mappings"), 2.0);
    assert_ne!(own(&page, "config_hash"), hash);
    let page = mapped.send("app.x:1|c");
    assert_eq!((page.value("one"), page.value("two")), (Some(1.0), Some(1.0)));

    for (number, method) in [(2.0, "POST"), (3.0, "PUT")] {
        fs::write(mapped.path(), named(&format!("by_{method}"))).expect("written");
        assert_eq!(request(mapped.bridge.web, method, "/-/reload", &[]).expect("an answer").status, 200);
        mapped.bridge.page_when("the reload is counted", |page| reloads(page, "success") == number);
        assert_eq!(mapped.send("app.x:1|c").value(&format!("by_{method}")), Some(1.0));
    }
    let page = mapped.reload(&named("one"), "success");
    assert_eq!(own(&page, "config_hash"), hash, "the same text has the same hash");
    assert_eq!(mapped.send("app.x:1|c").value("one"), Some(2.0), "the counter keeps its value");
    mapped.bridge.stop();
}

#[apply(test)]
fn without_its_flag_reloads_over_http_are_rejected() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("rules.yml");
    fs::write(&path, named("one")).expect("written");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", path.display())).start();
    assert_eq!(request(bridge.web, "POST", "/-/reload", &[]).expect("an answer").status, 403);
    assert_eq!(reloads(&bridge.page(), "success"), 0.0);
    bridge.stop();
}

#[apply(test)]
fn each_way_to_change_a_file_is_noticed() {
    let mapped = Mapped::start(&named("start"), "100ms");
    let path = mapped.path();
    let changes: [(&str, &dyn Fn()); 3] = [
        ("in_place", &|| fs::write(&path, named("in_place")).expect("written")),
        ("renamed_over", &|| rename_over(&path, &named("renamed_over"))),
        ("by_link", &|| {
            let other = path.with_file_name("other.yml");
            fs::write(&other, named("by_link")).expect("written");
            fs::remove_file(&path).expect("removed");
            symlink(&other, &path).expect("linked");
        }),
    ];
    for (number, (name, change)) in (1..).zip(changes) {
        change();
        // If the bridge reads the file while it is written or missing, a failed reload comes before the successful one.
        let hash = own(&mapped.bridge.page(), "config_hash");
        mapped.bridge.page_when(&format!("{name} is in force"), |page| {
            reloads(page, "success") >= f64::from(number) && own(page, "config_last_reload_successful") == 1.0
        });
        let page = mapped.send("app.x:1|c");
        assert_eq!(page.value(name), Some(1.0), "{name}, the hash was {hash}");
    }
    mapped.bridge.stop();
}

#[apply(test)]
fn a_kubernetes_config_map_is_followed() {
    // Kubernetes links rules.yml to ..data/rules.yml and ..data to a folder with a time in its name, and swaps the link ..data.
    let folder = TempDir::new().expect("a temporary directory");
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, rules: &str| {
        fs::create_dir(at(name)).expect("a folder");
        fs::write(at(name).join("rules.yml"), rules).expect("written");
        symlink(name, at("..data_tmp")).expect("linked");
        fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    };
    version("..2026_01", &named("one"));
    symlink("..data/rules.yml", at("rules.yml")).expect("linked");
    let bridge = launch(&at("rules.yml"), "100ms").start();
    let mapped = Mapped { folder, bridge };
    assert_eq!(mapped.send("app.x:1|c").value("one"), Some(1.0));

    let at = |name: &str| mapped.folder.path().join(name);
    fs::create_dir(at("..2026_02")).expect("a folder");
    fs::write(at("..2026_02").join("rules.yml"), named("two")).expect("written");
    symlink("..2026_02", at("..data_tmp")).expect("linked");
    fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    fs::remove_dir_all(at("..2026_01")).expect("removed");
    let page = mapped.bridge.page_when("the swap is noticed", |page| reloads(page, "success") == 1.0);
    assert_eq!(reloads(&page, "failure"), 0.0, "the swap is atomic");
    assert_eq!(mapped.send("app.x:1|c").value("two"), Some(1.0));
    mapped.bridge.stop();
}

/// Reports when the bridge reads a file.
struct WatchedFile(OwnedFd);

impl WatchedFile {
    fn new(path: &Path) -> Self {
        let events = inotify::init(CreateFlags::NONBLOCK).expect("the kernel has inotify");
        inotify::add_watch(&events, path, WatchFlags::CLOSE_NOWRITE).expect("the file is there");
        Self(events)
    }

    /// Waits until the bridge has read the file this many times more.
    fn is_read(&self, times: usize) {
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        (0..times).for_each(|_| until("the file is read", || events.next().ok().map(drop)));
    }
}

#[apply(test)]
fn a_file_that_is_replaced_by_the_same_text_is_not_reloaded() {
    let mapped = Mapped::start(&named("one"), "20ms");
    rename_over(&mapped.path(), &named("one"));
    // The bridge reads the new file a second time only after it has compared the first text.
    WatchedFile::new(&mapped.path()).is_read(2);
    assert_eq!(reloads(&mapped.bridge.page(), "success"), 0.0);
    rename_over(&mapped.path(), &named("two"));
    mapped.bridge.page_when("another text is reloaded", |page| reloads(page, "success") >= 1.0);
    assert_eq!(mapped.send("app.x:1|c").value("two"), Some(1.0));
    assert_eq!(reloads(&mapped.bridge.page(), "success"), 1.0, "the same text was not reloaded");
    mapped.bridge.stop();
}

#[apply(test)]
fn a_broken_file_changes_nothing_and_its_mistake_is_logged() {
    let mapped = Mapped::start(&named("one"), "50ms");
    mapped.send("app.x:1|c");
    let hash = own(&mapped.bridge.page(), "config_hash");
    rename_over(&mapped.path(), "mappings:\n- match: \"app.*\"\n  name: two\n  labls: {a: b}\n");
    let page = mapped.bridge.page_when("the mistake is counted", |page| reloads(page, "failure") == 1.0);
    assert_eq!(own(&page, "config_last_reload_successful"), 0.0);
    assert_eq!((own(&page, "loaded_mappings"), own(&page, "config_hash")), (1.0, hash), "metrics of the rules in force");
    let page = mapped.send("app.x:1|c");
    assert_eq!((page.value("one"), page.value("two")), (Some(2.0), None), "the old rules are in force");
    mapped.bridge.process.logs("rules.yml:4:3");
    let log = mapped.bridge.process.log();
    assert!(log.contains("rules.yml:4:3") && log.contains("labls") && log.contains("labels"), "position and nearest key:\n{log}");

    // One attempt for each text, not one for each check.
    WatchedFile::new(&mapped.path()).is_read(4);
    assert_eq!(reloads(&mapped.bridge.page(), "failure"), 1.0);

    rename_over(&mapped.path(), &named("two"));
    let page = mapped.bridge.page_when("the repaired file is reloaded", |page| reloads(page, "success") == 1.0);
    assert_eq!(own(&page, "config_last_reload_successful"), 1.0);
    assert_eq!(mapped.send("app.x:1|c").value("two"), Some(1.0));

    fs::remove_file(mapped.path()).expect("removed");
    let page = mapped.bridge.page_when("the missing file is a failed reload", |page| reloads(page, "failure") >= 2.0);
    assert_eq!(own(&page, "config_last_reload_successful"), 0.0);
    assert_eq!(mapped.send("app.x:1|c").value("two"), Some(2.0));
    mapped.bridge.stop();
}

#[apply(test)]
fn a_reload_over_http_returns_the_mistakes() {
    let mapped = Mapped::start(&named("one"), "0");
    fs::write(mapped.path(), "mappings:\n- match: a\n  nmae: b\n").expect("written");
    let answer = request(mapped.bridge.web, "POST", "/-/reload", &[]).expect("an answer");
    assert_eq!(answer.status, 500);
    let text = answer.text();
    assert!(text.contains("rules.yml:3") && text.contains("nmae"), "{text}");
    assert_eq!(reloads(&mapped.bridge.page(), "failure"), 1.0, "the reload came before the response");
    fs::write(mapped.path(), named("two")).expect("written");
    assert_eq!(request(mapped.bridge.web, "POST", "/-/reload", &[]).expect("an answer").status, 200);
    assert_eq!(mapped.send("app.x:1|c").value("two"), Some(1.0), "the rules were in force at the response");
    mapped.bridge.stop();
}

#[apply(test)]
fn a_broken_file_at_start_ends_the_program() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("rules.yml");
    fs::write(&path, "mappings:\n- match: \"a.*\"\n").expect("written");
    let mut command = crate::harness::bridge_command();
    command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"]);
    command.arg(format!("--statsd.mapping-config={}", path.display()));
    let mut process = crate::harness::Process::start(command);
    let status = process.wait();
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(process.log().contains("rules.yml:2:"), "{}", process.log());
}

#[apply(test)]
fn the_api_shows_what_rules_do() {
    let rules = format!(
        "{}  match_metric_type: counter\n- match: never.*\n  name: never\n- match: noise.*\n  action: drop\n  name: x\n",
        named("one")
    );
    let mapped = Mapped::start(&rules, "0");
    mapped.bridge.send("app.x:1|c\napp.y:1|c\nnoise.a:1|c\nplain:1|c\nplain:1|c\napp.x:1|g");
    mapped.bridge.page_at(6);
    let answer = mapped.api("/api/v1/rules");
    assert_eq!((&answer["status"], &answer["data"]["never_matched"]), (&Value::from("success"), &Value::from(1)));
    let rules = answer["data"]["rules"].as_array().expect("a list");
    let seen: Vec<_> = rules.iter().map(|rule| (rule["match"].as_str().unwrap_or(""), rule["samples"].as_u64().unwrap_or(99))).collect();
    assert_eq!(seen, [("app.*", 2), ("never.*", 0), ("noise.*", 1)]);
    assert!(rules[1]["position"].as_str().is_some_and(|at| at.ends_with("rules.yml:5:10")), "{}", rules[1]);
    let answer = mapped.api("/api/v1/unmapped");
    let names: Vec<_> =
        answer["data"]["names"].as_array().expect("a list").iter().map(|one| (one["name"].as_str(), one["samples"].as_u64())).collect();
    assert_eq!(names, [(Some("plain"), Some(2)), (Some("app.x"), Some(1))]);

    // The list is limited. JSON escapes quotes and control characters.
    for chunk in 0..50 {
        let lines: Vec<String> = (0..100).map(|i| format!("n\"\\\u{1}{chunk}_{i}:1|c")).collect();
        mapped.bridge.send(lines.join("\n"));
        mapped.bridge.page_at(6 + 100 * (chunk + 1));
    }
    let answer = mapped.api("/api/v1/unmapped");
    let listed = answer["data"]["names"].as_array().expect("a list");
    let sum: u64 = listed.iter().filter_map(|one| one["samples"].as_u64()).sum();
    assert_eq!((listed.len(), answer["data"]["names_known"].as_u64()), (100, Some(1000)));
    assert_eq!(Some(5003 - sum), answer["data"]["samples_of_other_names"].as_u64());

    // New rules start to count at zero.
    mapped.reload(&named("two"), "success");
    assert_eq!(mapped.api("/api/v1/rules")["data"]["rules"][0]["samples"], 0);
    mapped.bridge.stop();
}

#[apply(test)]
fn reloads_under_load_lose_no_sample_and_count_none_twice() {
    const LOAD: Duration = Duration::from_secs(3);
    const RELOADS_AT_LEAST: u64 = 12;
    let rules = |moved: &str, ttl: &str| {
        format!(
            "defaults: {{ttl: {ttl}}}\nmappings:\n- match: steady.*\n  name: steady_total\n  labels: {{job: $1}}\n- match: moved.*\n  name: {moved}\n  help: In {moved}.\n\
             - match: took\n  name: took_seconds\n  observer_type: histogram\n  histogram_options: {{buckets: [0.1, 1]}}\n"
        )
    };
    let mapped = Mapped::start(&rules("moved_a", "1h"), "0");
    let (path, web, is_over) = (mapped.path(), mapped.bridge.web, AtomicBool::new(false));
    let block = "steady.a:1|c\nsteady.b:2|c\nmoved.x:1|c|#k:v\ntook:50|ms\nplain:1|c\n".repeat(20);
    let (mut blocks, requests) = (0_u64, AtomicU64::new(0));
    std::thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let text = if requests.load(Ordering::Relaxed) % 2 == 0 { rules("moved_b", "2h") } else { rules("moved_a", "1h") };
                rename_over(&path, &text);
                assert_eq!(request(web, "POST", "/-/reload", &[]).expect("an answer").status, 200);
                requests.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let (start, mut stream) = (Instant::now(), mapped.bridge.tcp());
        // On a busy machine a reload takes long. Continue until there were enough reloads.
        while start.elapsed() < LOAD || requests.load(Ordering::Relaxed) < RELOADS_AT_LEAST && !reloading.is_finished() {
            stream.write_all(block.as_bytes()).expect("sent");
            blocks += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        reloading.join().expect("no panic");
    });
    let (times, requests) = ((blocks * 20) as f64, requests.into_inner());
    let page = mapped.bridge.page_at(blocks * 100);
    assert!(
        reloads(&page, "success") > 10.0 && reloads(&page, "success") <= requests as f64,
        "{} of {requests}",
        reloads(&page, "success")
    );
    assert_eq!(reloads(&page, "failure"), 0.0);
    assert_eq!(page.value("steady_total{job=\"a\"}"), Some(times));
    assert_eq!(page.value("steady_total{job=\"b\"}"), Some(2.0 * times));
    assert_eq!(page.value("moved_a{k=\"v\"}").unwrap_or(0.0) + page.value("moved_b{k=\"v\"}").unwrap_or(0.0), times);
    assert_eq!((page.value("took_seconds_count"), page.value("plain")), (Some(times), Some(times)));
    assert_eq!(page.sum("statsd_bridge_events_unmapped_total"), times);
    mapped.bridge.stop();
}
