//! Counts one case: runs this executable as a child under callgrind, which counts the instructions of [`counted_part`] and its
//! callees. Unlike hardware counters, these counts do not depend on the machine or its load.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::cases::Case;

/// Printed by the child before the number of its lines.
const LINES: &str = "lines: ";

/// Written by callgrind before its sum.
const COLLECTED: &str = "Collected : ";

/// The child: prepares the case, runs it in the counted part, and prints the number of lines.
pub(crate) fn run(case: &Case) {
    let mut ready = case.prepare();
    counted_part(&mut *ready.run);
    println!("{LINES}{}", ready.lines);
}

/// Callgrind counts from entry to exit of this function, so it must stay a function with its symbol.
#[inline(never)]
fn counted_part(run: &mut dyn FnMut()) {
    run();
    // Without this, the last call becomes a jump, and callgrind sees no return.
    std::hint::black_box(());
}

/// The parent: instructions per line.
///
/// # Errors
/// The reason why it could not be counted.
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

/// The architecture, and the vectors that code can use under valgrind, which has no AVX-512.
pub(crate) fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = if std::arch::is_x86_feature_detected!("avx2") { " with AVX2" } else { " without AVX2" };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    format!("{}{vectors}", std::env::consts::ARCH)
}

/// Output of `rustc --version`, which built this unless `RUSTC` has changed.
pub(crate) fn rustc() -> Result<String, String> {
    let program = std::env::var_os("RUSTC");
    let program = program.as_deref().unwrap_or(OsStr::new("rustc"));
    let output = Command::new(program).arg("--version").output().map_err(|e| format!("cannot ask rustc for its version: {e}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
