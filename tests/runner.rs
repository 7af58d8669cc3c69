//! Finds and runs every test of this binary. Its flags, its exit code and its last line are those of the standard runner.
//!
//! The standard runner can ignore a test only if that was known when the test was compiled. Whether Prometheus is installed
//! is known when the test runs. So a test declares itself by `#[apply(test)]` in place of `#[test]`, calls [`skip`] if it
//! cannot run, and the runner counts it as ignored and says why. Output of a test is kept back and shown if the test fails.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fmt::{self, Write as _};
use std::panic::{PanicHookInfo, catch_unwind, resume_unwind, set_hook};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, FormatSetting, Trial};

use crate::compatibility;
use crate::harness::number_of;
use crate::peers;
use crate::structure::{Tree, read_folder};

/// A test that runs longer than this is named while it runs.
const LONG: Duration = Duration::from_secs(60);

/// One test: its path in this binary, and its function.
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
}

inventory::collect!(Test);

/// `#[apply(test)]` above a function without arguments makes it a test.
macro_rules! test {
    ($(#[$attribute:meta])* fn $name:ident() $body:block) => {
        $(#[$attribute])*
        fn $name() $body

        ::inventory::submit! {
            $crate::runner::Test { name: concat!(module_path!(), "::", stringify!($name)), run: $name }
        }
    };
}

/// `#[apply(each_prometheus)]` above a function of a `Version` makes it two tests, `NAME::v2` and `NAME::v3`.
macro_rules! each_prometheus {
    ($(#[$attribute:meta])* fn $name:ident($version:ident: $type:ty) $body:block) => {
        $(#[$attribute])*
        fn $name($version: $type) $body

        ::inventory::submit! {
            $crate::runner::Test {
                name: concat!(module_path!(), "::", stringify!($name), "::v2"),
                run: || $name(<$type>::Two),
            }
        }
        ::inventory::submit! {
            $crate::runner::Test {
                name: concat!(module_path!(), "::", stringify!($name), "::v3"),
                run: || $name(<$type>::Three),
            }
        }
    };
}

/// Replaces the standard macro, whose output would appear between the lines of the runner.
macro_rules! eprintln {
    ($($argument:tt)*) => { $crate::runner::print(format_args!($($argument)*)) };
}

/// Ends the test as skipped, because something is absent.
pub fn skip(absent: &str) -> ! {
    // Not `panic_any`: a skipped test is no fault, so the hook must not report it.
    resume_unwind(Box::new(Skip(absent.to_owned())))
}

/// Unwinds a skipped test. Holds what is absent.
struct Skip(String);

thread_local! {
    /// The output of this thread's test so far; `None` if output is not captured.
    static OUTPUT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prints a line: with the test's output if a test runs in this thread, else to stderr.
pub fn print(line: fmt::Arguments<'_>) {
    OUTPUT.with_borrow_mut(|output| match output {
        Some(output) => {
            let _ = writeln!(output, "{line}");
        }
        None => std::eprintln!("{line}"),
    });
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    print(format_args!("thread '{}' {panic}", thread.name().unwrap_or("<unnamed>")));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        // The frames from the panic to the test. The others are the same for all tests.
        let text = backtrace.to_string();
        let frames = text.lines().skip_while(|line| !line.contains("begin_unwind")).take_while(|line| !line.contains("short_backtrace"));
        print(format_args!("{}", frames.collect::<Vec<_>>().join("\n")));
    }
}

/// The running tests, each with its start time; for each absent thing, the number of skipped tests.
static RUNNING: Mutex<BTreeMap<&'static str, Instant>> = Mutex::new(BTreeMap::new());
static SKIPPED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

fn run(test: &Test, keeps_output: bool) -> Result<Completion, Failed> {
    locked(&RUNNING).insert(test.name, Instant::now());
    let function = test.run;
    let in_thread = move || {
        OUTPUT.set(keeps_output.then(String::new));
        (catch_unwind(function), OUTPUT.take().unwrap_or_default())
    };
    // A thread of this name, so that a panic names the test.
    let thread = thread::Builder::new().name(test.name.to_owned()).spawn(in_thread).expect("a thread can be started");
    let (result, output) = thread.join().expect("panics of the test are caught");
    locked(&RUNNING).remove(test.name);
    result.map(|()| Completion::Completed).or_else(|payload| skipped(payload).ok_or_else(|| output.into()))
}

/// Counts the test as skipped if this is the payload of [`Skip`].
fn skipped(payload: Box<dyn Any + Send>) -> Option<Completion> {
    let Skip(absent) = *payload.downcast().ok()?;
    let completion = Completion::ignored_with(format!("absent: {absent}"));
    *locked(&SKIPPED).entry(absent).or_default() += 1;
    Some(completion)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this")
}

/// Names each test once when it has run for [`LONG`].
fn name_long_tests() {
    let mut named: Vec<&str> = Vec::new();
    while !HAS_ENDED.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(200));
        for (name, began) in &*locked(&RUNNING) {
            if began.elapsed() >= LONG && !named.contains(name) {
                std::eprintln!("test {name} has been running for over {} seconds", LONG.as_secs());
                named.push(name);
            }
        }
    }
}

/// Flags whose value may be the next argument.
const WITH_VALUE: [&str; 6] = ["--test-threads", "--logfile", "--skip", "--color", "--format", "-Z"];

/// The flags, and the names of the tests to run. The standard runner accepts several names.
fn arguments(all: impl IntoIterator<Item = String>) -> (Arguments, Vec<String>) {
    let (mut flags, mut names) = (Vec::new(), Vec::new());
    let mut all = all.into_iter();
    flags.extend(all.next());
    while let Some(argument) = all.next() {
        if WITH_VALUE.contains(&&*argument) {
            flags.extend([argument].into_iter().chain(all.next()));
        } else if argument == "--no-capture" {
            flags.push("--nocapture".to_owned());
        } else if argument.starts_with('-') {
            flags.push(argument);
        } else {
            names.push(argument);
        }
    }
    (Arguments::from_iter(flags), names)
}

/// Selects the tests that match one of these names.
fn choose(names: Vec<String>, trials: &[Trial], arguments: &mut Arguments) {
    let mut rest: Vec<&Trial> = trials.iter().collect();
    for name in names {
        arguments.filter = Some(name);
        rest.retain(|trial| arguments.is_filtered_out(trial));
    }
    arguments.filter = None;
    arguments.exact = true;
    arguments.skip = rest.into_iter().map(|trial| trial.name().to_owned()).collect();
}

/// Every test by its name without the name of this binary, in order.
fn tests() -> Vec<Test> {
    let name = |test: &Test| test.name.split_once("::").map_or(test.name, |(_, name)| name);
    let mut tests: Vec<Test> = inventory::iter::<Test>().map(|test| Test { name: name(test), run: test.run }).collect();
    tests.sort_unstable_by_key(|test| test.name);
    tests
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let (mut arguments, names) = arguments(env::args());
    arguments.test_threads = arguments.test_threads.or_else(|| number_of("RUST_TEST_THREADS").map(|threads| threads as usize));
    let keeps_output = !arguments.nocapture && env::var_os("RUST_TEST_NOCAPTURE").is_none_or(|value| value == "0");
    let trials: Vec<Trial> = tests().into_iter().map(|test| Trial::ignorable_test(test.name, move || run(&test, keeps_output))).collect();
    if !names.is_empty() {
        choose(names, &trials, &mut arguments);
    }
    set_hook(Box::new(report_panic));
    let watch = thread::spawn(name_long_tests);
    let conclusion = libtest_mimic::run(&arguments, trials);
    HAS_ENDED.store(true, Ordering::Relaxed);
    watch.join().expect("it only prints");
    if arguments.format != Some(FormatSetting::Json) {
        print_skipped(&locked(&SKIPPED));
    }
    // Only a complete run can find that a row of the table has no test.
    let is_complete = conclusion.num_failed + conclusion.num_ignored + conclusion.num_filtered_out == 0;
    let unseen = if is_complete && !arguments.list { compatibility::unseen() } else { Vec::new() };
    if !unseen.is_empty() {
        println!("docs/compatibility.md has rows that no test stated:\n{}", unseen.join("\n"));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn print_skipped(absent: &BTreeMap<String, usize>) {
    let mut absent: Vec<_> = absent.iter().collect();
    absent.sort_by_key(|(_, tests)| std::cmp::Reverse(**tests));
    let sum: usize = absent.iter().map(|(_, tests)| **tests).sum();
    if sum > 0 {
        println!("skipped: {sum}, by what is absent ({}=1 makes each of them a failure):", peers::REQUIRE);
        absent.iter().for_each(|(what, tests)| println!("{tests:>5}  {what}"));
        println!();
    }
}

// ---- tests of the runner ----

/// A function with the standard attribute would be left out of this binary without a warning.
#[apply(test)]
fn every_test_is_in_the_list() {
    let mut declared = 0;
    let mut files = Tree::new();
    read_folder(peers::repository(), "tests", &mut files);
    for (file, text) in files {
        assert!(text.lines().all(|line| line.trim() != "#[test]"), "{file}: #[apply(test)] in place of #[test]");
        let with = |attribute: &str| text.lines().filter(|line| line.trim() == attribute).count();
        declared += with("#[apply(test)]") + 2 * with("#[apply(each_prometheus)]");
    }
    let listed: Vec<&str> = inventory::iter::<Test>().map(|test| test.name).collect();
    assert_eq!(listed.len(), declared, "a file that no module names? {listed:#?}");
}

#[apply(test)]
fn a_skipped_test_is_no_failure_and_a_panic_is_one_with_its_output() {
    let ends = |run| self::run(&Test { name: "a test of the runner", run }, true);
    assert!(matches!(ends(|| ()), Ok(Completion::Completed)));
    let Err(failed) = ends(|| {
        eprintln!("printed {}", 1);
        panic!("what went wrong");
    }) else {
        panic!("a panic is a failure")
    };
    let output = failed.message().unwrap_or_default();
    assert!(output.starts_with("printed 1\n") && output.contains("runner.rs:") && output.contains("what went wrong"), "{output}");
    let payload = catch_unwind(|| skip("a peer")).expect_err("it does not return");
    assert!(payload.downcast::<Skip>().is_ok_and(|skip| skip.0 == "a peer"));
}

#[apply(test)]
fn flags_and_names_are_told_apart() {
    let given = |all: &[&str]| arguments(std::iter::once(&"it").chain(all).map(|argument| (*argument).to_owned()));
    let (flags, names) = given(&["a::", "--test-threads", "3", "--skip", "b", "--exact", "c::d", "--no-capture", "--format=terse"]);
    assert_eq!((flags.test_threads, flags.skip, flags.filter), (Some(3), vec!["b".to_owned()], None));
    assert!(flags.exact && flags.nocapture && flags.format == Some(FormatSetting::Terse));
    assert_eq!(names, ["a::", "c::d"]);

    let trials = || ["a::one", "a::two", "b::one", "c::d", "c::d_too"].map(|name| Trial::test(name, || Ok(())));
    let chosen = |all: &[&str]| {
        let ((mut flags, names), trials) = (given(all), trials());
        choose(names, &trials, &mut flags);
        let chosen = trials.iter().filter(|trial| !flags.is_filtered_out(trial));
        chosen.map(|trial| trial.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["a::", "d"]), ["a::one", "a::two", "c::d", "c::d_too"]);
    assert_eq!(chosen(&["a::", "c::d", "--skip", "one"]), ["a::two", "c::d", "c::d_too"]);
    assert_eq!(chosen(&["a::", "c::d", "--exact"]), ["c::d"]);
}
