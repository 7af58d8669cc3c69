//! Counting one case: this executable again, as a child under callgrind, which counts what [`counted_part`] and all that it calls
//! execute. Counts of a processor would depend on the machine and on what else it does; these do not.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::cases::Case;

/// What the child prints before the number of its lines.
const LINES: &str = "lines: ";

/// What callgrind writes before its sum.
const COLLECTED: &str = "Collected : ";

/// The child's side: makes the case ready, runs it in the counted part, prints how many lines that were.
pub(crate) fn run(case: &Case) {
    let mut ready = case.prepare();
    counted_part(&mut *ready.run);
    println!("{LINES}{}", ready.lines);
}

/// Callgrind is told to count from entry to exit of the function of this name: it must stay a function, and have its symbol.
#[inline(never)]
fn counted_part(run: &mut dyn FnMut()) {
    run();
    // Else the call is the last thing, and becomes a jump that callgrind sees no return of.
    std::hint::black_box(());
}

/// The parent's side: instructions a line.
///
/// # Errors
/// What kept it from being counted.
pub(crate) fn count(case: &Case) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|e| format!("cannot find this executable: {e}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no", "--demangle=no"])
        .arg("--toggle-collect=*counted_part*")
        .arg(program)
        .args(["--case", &case.name])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start valgrind, which counts instructions (Debian package valgrind): {e}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines = out.lines().find_map(|line| line.strip_prefix(LINES)?.parse::<f64>().ok());
    let collected = err.lines().find_map(|line| line.split_once(COLLECTED)?.1.trim().parse::<f64>().ok());
    match (lines, collected) {
        (Some(lines), Some(collected)) if output.status.success() && lines > 0.0 && collected > lines => Ok(collected / lines),
        _ => Err(format!("{}: not counted: {}\n{out}{err}", case.name, output.status)),
    }
}

/// The architecture, and the vectors that code can find at run time under valgrind, whose processor has no AVX-512.
pub(crate) fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = if std::arch::is_x86_feature_detected!("avx2") { " with AVX2" } else { " without AVX2" };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    format!("{}{vectors}", std::env::consts::ARCH)
}

/// What `rustc --version` says here, which is what cargo built this with unless `RUSTC` was changed since.
pub(crate) fn rustc() -> Result<String, String> {
    let program = std::env::var_os("RUSTC");
    let program = program.as_deref().unwrap_or(OsStr::new("rustc"));
    let output = Command::new(program).arg("--version").output().map_err(|e| format!("cannot ask rustc for its version: {e}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
