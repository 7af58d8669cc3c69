//! The package that `cargo publish` would upload.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The files outside src/, examples/ and presets/. Cargo creates four of them.
const OTHERS: [&str; 8] =
    [".cargo_vcs_info.json", "CHANGELOG.md", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig", "LICENSE", "README.md", "config.example.yml"];

fn files() -> Vec<String> {
    let mut list = Command::new(env!("CARGO"));
    list.args(["package", "--list", "--allow-dirty", "--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = list.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(|line| line.replace('\\', "/")).collect()
}

#[apply(test)]
fn the_package_has_what_a_build_needs_and_little_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files();
    let is_part = |file: &String| ["src/", "examples/", "presets/"].iter().any(|folder| file.starts_with(folder));
    let others: Vec<&String> = files.iter().filter(|file| !is_part(file) && !OTHERS.contains(&&***file)).collect();
    assert!(others.is_empty(), "not needed: {others:?}");
    for needed in ["src/lib.rs", "src/main.rs", "README.md", "LICENSE", "CHANGELOG.md", "config.example.yml", "examples/embed.rs"] {
        assert!(files.iter().any(|file| file == needed), "{needed} is missing");
    }
    let bytes: u64 = files.iter().filter_map(|file| Some(fs::metadata(root.join(file)).ok()?.len())).sum();
    assert!(bytes < 5 << 20, "the package has {bytes} bytes");
}

/// These are files in `include_str!` or `include_bytes!` outside of tests.
#[apply(test)]
fn every_file_that_the_source_includes_is_in_the_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files();
    let mut included = 0;
    for file in files.iter().filter(|file| file.starts_with("src/") && file.ends_with(".rs") && !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(root.join(file)).expect("a file of the package");
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for piece in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|macro_| text.split(macro_).skip(1)) {
            let path = piece.split('"').next().unwrap_or_default();
            let path = root.join(file).parent().expect("a folder").join(path).canonicalize().expect("an included file");
            let name = path.strip_prefix(root.canonicalize().expect("a folder")).expect("within the repository").display().to_string();
            assert!(files.contains(&name), "{file} includes {name}");
            included += 1;
        }
    }
    assert!(included >= 10, "the source includes presets and a page");
}
