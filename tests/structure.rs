//! Which file under `src/` may import which. The checker reads the sources with `syn`. A path counts for the file that defines the
//! named item.
//!
//! Code that only tests compile does not count. `mod x;` and re-exports (`pub use`, `pub(crate) use`) are not imports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use self::graph::{Graph, Pair};
use self::resolve::Import;
pub use self::sources::Tree;
use self::sources::{How, Sources};

/// The checker on trees of a few lines.
mod cases;
/// The graph of files and imports, and its cycles.
mod graph;
/// Resolves a path to the file that defines the named item.
mod resolve;
/// Reads modules, their names, and the paths in them.
mod sources;
/// Attributes and names of items.
mod syntax;

/// Pairs of files in one folder that are one subject and may import each other; each with the reason.
const ALLOWED: &[Pair<'_>] = &[];

/// The sources under `src/` and their imports.
static SRC: LazyLock<(Sources, Vec<Import>)> = LazyLock::new(|| {
    let mut tree = Tree::new();
    read_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "src", &mut tree);
    read(&tree)
});

#[apply(test)]
fn every_path_within_the_crate_leads_to_a_file() {
    let (sources, imports) = &*SRC;
    none(&sources.faults);
    none(&lost(imports));
    assert!(sources.modules.len() > 50 && Graph::new(imports).lines().len() > 100, "src/ has modules and imports");
}

#[apply(test)]
fn the_core_imports_nothing_from_the_program() {
    none(&from_program(&SRC.1));
}

#[apply(test)]
fn the_core_does_not_name_the_facade() {
    none(&facade_named(&SRC.1));
}

#[apply(test)]
fn files_do_not_import_each_other_in_circles() {
    none(&Graph::new(&SRC.1).faults(ALLOWED));
}

#[apply(test)]
fn no_file_imports_by_the_re_exports_of_the_root() {
    none(&by_root(&SRC.1));
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The Rust files below a folder of `root`, by path relative to `root`.
pub fn read_folder(root: &Path, folder: &str, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_folder(root, &path, tree);
        } else if path.ends_with(".rs") {
            tree.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn read(tree: &Tree) -> (Sources, Vec<Import>) {
    let sources = Sources::read(tree);
    let imports = resolve::imports(&sources);
    (sources, imports)
}

fn lost(imports: &[Import]) -> Vec<String> {
    imports.iter().filter(|import| import.lost).map(|import| show(import, "nothing that the checker finds")).collect()
}

/// Imports of `crate::program` by files outside of it.
fn from_program(imports: &[Import]) -> Vec<String> {
    let outside = imports.iter().filter(|import| is_core(&import.from) || import.from == "src/bridge.rs");
    listed(outside, |import| leads_to(import, is_program))
}

/// Imports, by the core, of `Bridge` and other items of its file.
fn facade_named(imports: &[Import]) -> Vec<String> {
    let core = imports.iter().filter(|import| is_core(&import.from));
    listed(core, |import| {
        let bridge = import.targets.iter().find(|(file, name)| file == "src/lib.rs" && name == "Bridge").map(|(file, _)| file.clone());
        bridge.or_else(|| leads_to(import, is_facade))
    })
}

/// Paths such as `crate::Options` in place of `crate::options::Options`.
fn by_root(imports: &[Import]) -> Vec<String> {
    listed(imports.iter(), |import| import.by_root.then(|| leads_to(import, |_| true).unwrap_or_else(|| "src/lib.rs".to_owned())))
}

/// All files except the facade, the crate roots and the program.
fn is_core(file: &str) -> bool {
    !is_program(file) && !is_facade(file) && file != "src/lib.rs" && file != "src/main.rs"
}

fn is_program(file: &str) -> bool {
    file == "src/program.rs" || file.starts_with("src/program/")
}

fn is_facade(file: &str) -> bool {
    file == "src/bridge.rs" || file.starts_with("src/bridge/")
}

fn leads_to(import: &Import, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let defining = import.targets.iter().map(|(file, _)| file);
    defining.chain(&import.passes).find(|file| wanted(file)).cloned()
}

fn listed<'a>(imports: impl Iterator<Item = &'a Import>, fault: impl Fn(&Import) -> Option<String>) -> Vec<String> {
    let lines: BTreeSet<(String, usize, String)> =
        imports.filter_map(|import| fault(import).map(|to| (import.from.clone(), import.line, show(import, &to)))).collect();
    lines.into_iter().map(|(_, _, line)| line).collect()
}

fn show(import: &Import, to: &str) -> String {
    let verb = if import.how == How::ReExport { "re-exports" } else { "imports" };
    format!("{}:{} {verb} {} -> {to}", import.from, import.line, import.path)
}
