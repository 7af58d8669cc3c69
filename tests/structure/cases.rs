//! Small trees, each of which breaks one rule of the checker, with the message; each way to import; a clean tree.

use super::graph::{Graph, Pair};
use super::resolve::Import;
use super::sources::Tree;
use super::{by_root, facade_named, from_program, lost, read};

/// A tree that breaks no rule and uses every way to import.
const CLEAN: &[(&str, &str)] = &[
    (
        "src/lib.rs",
        "mod bridge; mod engine; pub mod options; pub mod program; mod registry; pub use self::bridge::Bridge; pub use options::Options;",
    ),
    ("src/main.rs", "use statsd_bridge::{Bridge, program}; fn main() { program::run(&Bridge::new()) }"),
    ("src/bridge.rs", "use crate::engine::Engine; pub struct Bridge(Engine);"),
    ("src/engine.rs", "use crate::registry::Registry; pub struct Engine { registry: Registry, options: crate::options::Options }"),
    ("src/options.rs", "pub struct Options;"),
    ("src/program/mod.rs", "mod web; use crate::bridge::Bridge; pub fn run(_: &Bridge) { web::serve() }"),
    ("src/program/web.rs", "use crate::options as settings; pub fn serve() { let _ = settings::Options; }"),
    ("src/registry/mod.rs", "mod own; mod series; pub(crate) use self::own::Registry; pub use series::*;"),
    ("src/registry/own.rs", "use super::{Label, Series}; pub struct Registry(Vec<Series>, Label);"),
    ("src/registry/series.rs", "pub struct Series; pub enum Label { One }"),
];

fn imports(files: &[(&str, &str)]) -> Vec<Import> {
    let tree: Tree = files.iter().map(|(path, source)| ((*path).to_owned(), (*source).to_owned())).collect();
    let (sources, imports) = read(&tree);
    assert_eq!(sources.faults, [""; 0]);
    imports
}

/// The imports of the clean tree with these files added or replaced.
fn clean_but(files: &[(&str, &str)]) -> Vec<Import> {
    let kept = CLEAN.iter().filter(|(path, _)| files.iter().all(|(other, _)| path != other));
    imports(&kept.chain(files).copied().collect::<Vec<_>>())
}

/// The imports of a library with these modules, each a file under `src/`.
fn modules(files: &[(&str, &str)]) -> Vec<Import> {
    let root: String =
        files.iter().filter(|(path, _)| !path.contains('/')).map(|(path, _)| format!("mod {};\n", &path[..path.len() - 3])).collect();
    let paths: Vec<String> = files.iter().map(|(path, _)| format!("src/{path}")).collect();
    let files = paths.iter().zip(files).map(|(path, (_, source))| (path.as_str(), *source));
    imports(&files.chain([("src/lib.rs", root.as_str())]).collect::<Vec<_>>())
}

/// The text of the first fault up to its list of files: the shortest cycle.
fn shortest(imports: &[Import], allowed: &[Pair<'_>]) -> String {
    let faults = Graph::new(imports).faults(allowed);
    faults.first().and_then(|fault| fault.split("  files:").next()).unwrap_or_default().to_owned()
}

/// Every edge, as `from -> to`, without `src/`.
fn edges(imports: &[Import]) -> Vec<String> {
    let short = |line: String| {
        let (from, to) = (line.split(':').next().unwrap(), line.rsplit(" -> ").next().unwrap());
        format!("{} -> {}", &from[4..], &to[4..])
    };
    Graph::new(imports).lines().into_iter().map(short).collect()
}

#[apply(test)]
fn a_clean_tree_passes() {
    let imports = clean_but(&[]);
    assert_eq!([lost(&imports), from_program(&imports), facade_named(&imports), by_root(&imports)].concat(), [""; 0]);
    assert_eq!(Graph::new(&imports).faults(&[]), [""; 0]);
    assert_eq!(
        edges(&imports),
        [
            "bridge.rs -> engine.rs",
            "engine.rs -> options.rs",
            "engine.rs -> registry/own.rs",
            "main.rs -> bridge.rs",
            "main.rs -> program/mod.rs",
            "program/mod.rs -> bridge.rs",
            "program/mod.rs -> program/web.rs",
            "program/web.rs -> options.rs",
            "registry/own.rs -> registry/series.rs",
        ]
    );
}

#[apply(test)]
fn the_core_is_caught_at_the_program() {
    let engine = "use crate::{\n    options::Options,\n    program::run,\n};\npub struct Engine;\n\
        fn f() { assert!(crate::program::run().is_ok(), \"{}\", 1); }";
    let found = from_program(&clean_but(&[("src/engine.rs", engine)]));
    let expected = [
        "src/engine.rs:3 imports crate::program::run -> src/program/mod.rs",
        "src/engine.rs:6 imports crate::program::run -> src/program/mod.rs",
    ];
    assert_eq!(found, expected);
}

#[apply(test)]
fn the_facade_is_no_way_for_the_core_to_the_program_either() {
    let bridge = "use crate::program;\npub struct Bridge;\npub use crate::program::run as start;";
    let found = from_program(&clean_but(&[("src/bridge.rs", bridge)]));
    let expected = [
        "src/bridge.rs:1 imports crate::program -> src/program/mod.rs",
        "src/bridge.rs:3 re-exports crate::program::run -> src/program/mod.rs",
    ];
    assert_eq!(found, expected);
}

#[apply(test)]
fn the_core_is_caught_at_the_facade() {
    let engine = "pub struct Engine;\nimpl From<crate::Bridge> for Engine {}\nuse super::bridge as facade;";
    let found = facade_named(&clean_but(&[("src/engine.rs", engine)]));
    let expected = ["src/engine.rs:2 imports crate::Bridge -> src/bridge.rs", "src/engine.rs:3 imports super::bridge -> src/bridge.rs"];
    assert_eq!(found, expected);
}

#[apply(test)]
fn a_facade_in_the_root_is_the_facade() {
    let root = ("src/lib.rs", "mod engine; pub struct Bridge; pub struct Count;");
    let found = facade_named(&imports(&[root, ("src/engine.rs", "use crate::{Bridge, Count};\nuse super::*;\nfn f() -> Count {}")]));
    assert_eq!(found, ["src/engine.rs:1 imports crate::Bridge -> src/lib.rs"]);
}

#[apply(test)]
fn the_re_exports_of_the_root_are_for_others() {
    let web =
        "use crate::Options;\nuse crate::Bridge as B;\nuse super::super::*;\npub fn serve(_: Options) {}\nfn f() { vec![crate::Options] }";
    let found = by_root(&clean_but(&[("src/program/web.rs", web)]));
    let expected = [
        "src/program/web.rs:1 imports crate::Options -> src/options.rs",
        "src/program/web.rs:2 imports crate::Bridge -> src/bridge.rs",
        "src/program/web.rs:3 imports super::super::* -> src/lib.rs",
        "src/program/web.rs:5 imports crate::Options -> src/options.rs",
    ];
    assert_eq!(found, expected);
}

#[apply(test)]
fn a_cycle_is_shown_with_the_shortest_way_round_and_all_of_it() {
    let found = modules(&[
        ("a.rs", "\nuse crate::b::B;\npub struct A;"),
        ("b.rs", "pub struct B;\nfn f(_: crate::c::C) {}\nfn g() -> crate::c::C {}"),
        ("c.rs", "use crate::{a, d::D};\npub struct C;\nfn f() { a::A }"),
        ("d.rs", "use super::e::E;\npub struct D;"),
        ("e.rs", "use super::a::A;\npub struct E;"),
        ("f.rs", "use crate::a::A;\npub struct F;"),
    ]);
    let expected = "\
cycle of 5 files, 6 imports between them; the shortest way round:
    src/a.rs:2 imports crate::b::B -> src/b.rs
    src/b.rs:2 imports crate::c::C (2 lines) -> src/c.rs
    src/c.rs:3 imports a::A -> src/a.rs
  files:
    src/a.rs
    src/b.rs
    src/c.rs
    src/d.rs
    src/e.rs
  all imports between them:
    src/a.rs:2 imports crate::b::B -> src/b.rs
    src/b.rs:2 imports crate::c::C (2 lines) -> src/c.rs
    src/c.rs:3 imports a::A -> src/a.rs
    src/c.rs:1 imports crate::d::D -> src/d.rs
    src/d.rs:1 imports super::e::E -> src/e.rs
    src/e.rs:1 imports super::a::A -> src/a.rs
";
    assert_eq!(Graph::new(&found).faults(&[]), [expected]);
}

#[apply(test)]
fn every_cycle_is_shown_the_largest_first() {
    let found = modules(&[
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::a::A; pub struct B;"),
        ("x.rs", "use crate::y::Y; pub struct X;"),
        ("y.rs", "use crate::z::Z; pub struct Y;"),
        ("z.rs", "use crate::x::X; use crate::a::A; pub struct Z;"),
    ]);
    let faults = Graph::new(&found).faults(&[]);
    let starts: Vec<&str> = faults.iter().map(|fault| fault.split(',').next().unwrap()).collect();
    assert_eq!(starts, ["cycle of 3 files", "cycle of 2 files"]);
}

#[apply(test)]
fn an_allowed_pair_may_be_a_cycle_and_hides_no_other() {
    let pair = [("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "use crate::a::A;\npub struct B;")];
    let allowed = [("src/b.rs", "src/a.rs", "one subject")];
    assert_eq!(Graph::new(&modules(&pair)).faults(&allowed), [""; 0]);

    let by_third =
        modules(&[pair[0], ("b.rs", "use crate::a::A;\nuse crate::c::C;\npub struct B;"), ("c.rs", "use crate::a::A; pub struct C;")]);
    let expected = "\
cycle of 3 files, 4 imports between them; the shortest way round:
    src/b.rs:2 imports crate::c::C -> src/c.rs
    src/c.rs:1 imports crate::a::A -> src/a.rs
    src/a.rs:1 imports crate::b::B -> src/b.rs
";
    assert_eq!(shortest(&by_third, &allowed), expected);
}

#[apply(test)]
fn an_allowed_pair_is_a_cycle_has_a_reason_and_is_of_one_folder() {
    let graph = Graph::new(&modules(&[
        ("a.rs", "pub mod c; use crate::b::B; pub struct A;"),
        ("b.rs", "pub struct B; fn f() -> crate::a::c::C {}"),
        ("a/c.rs", "use super::A; pub struct C; fn f(_: crate::b::B) {}"),
    ]));
    let allowed = [("src/a.rs", "src/b.rs", "why"), ("src/b.rs", "src/a/c.rs", "why"), ("src/a.rs", "src/gone.rs", " ")];
    let faults = graph.faults(&allowed);
    let expected = [
        "allowed pair src/a.rs and src/b.rs: is no cycle: take it off the list",
        "allowed pair src/b.rs and src/a/c.rs: is of two folders",
        "allowed pair src/a.rs and src/gone.rs: has no reason",
    ];
    assert_eq!(faults[..3], expected);
}

#[apply(test)]
fn a_path_leads_through_re_exports_to_the_file_that_defines() {
    let found = modules(&[
        ("a.rs", "use crate::many::{Deep, Kind, Other as Named, inner::Two};\nuse Kind::*;\nfn f() { Named::new(); Deep; Two }"),
        (
            "many.rs",
            "mod deep; mod kind; pub mod inner { pub use super::deep::two::*; } \
             pub use self::deep::Deep; pub(crate) use kind::{Kind, Renamed as Other};",
        ),
        ("many/deep/mod.rs", "pub mod two; mod one; pub use one::*;"),
        ("many/deep/one.rs", "pub struct Deep;"),
        ("many/deep/two.rs", "pub struct Two;"),
        ("many/kind.rs", "pub enum Kind { A } pub struct Renamed;"),
    ]);
    assert_eq!(lost(&found), [""; 0]);
    assert_eq!(edges(&found), ["a.rs -> many/deep/one.rs", "a.rs -> many/deep/two.rs", "a.rs -> many/kind.rs"]);
}

#[apply(test)]
fn what_a_module_takes_of_its_own_children_is_an_import() {
    let used = modules(&[
        ("a.rs", "mod b; mod c; use self::b::B; pub use self::c::C; fn f(_: B, _: C) {}"),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "pub struct C;"),
    ]);
    assert_eq!(edges(&used), ["a.rs -> a/b.rs", "a.rs -> a/c.rs"]);
    let passed_on = modules(&[("a.rs", "mod b; pub(super) use self::b::B;"), ("a/b.rs", "pub struct B;")]);
    assert_eq!(edges(&passed_on), [""; 0]);
}

#[apply(test)]
fn paths_are_seen_wherever_code_stands() {
    let forms = [
        "use crate::b::B;",
        "use crate::b::{self, B};",
        "use crate::b::B as _;",
        "pub(self) use super::b::B;",
        "use crate::b::*; fn f(_: B) {}",
        "fn f() { use super::b::B; }",
        "fn f() { crate::b::f() }",
        "fn f(_: &[super::b::B]) {}",
        "struct S<T: crate::b::T>(T);",
        "fn f() { match 1 { crate::b::ONE => (), _ => () } }",
        "impl crate::b::T for u8 {}",
        "fn f() { <u8 as crate::b::T>::f() }",
        "fn f() { Vec::<crate::b::B>::new() }",
        "fn f() { assert!(1 == 2, \"{}\", [(crate::b::f())]) }",
        "fn f() { tracing::warn!(a = super::b::ONE, \"text\") }",
        "fn f() { vec![0..crate::b::ONE] }",
        "macro_rules! m { ($a:expr) => { $crate::b::f($a) } }",
        "mod inner { fn f() { super::super::b::f() } }",
        "use crate as all; fn f() { all::b::f() }",
        "use super::b; fn f() { b::f() }",
        "thread_local! { static B: crate::b::B = const { 1 }; }",
    ];
    for form in forms {
        let found = modules(&[("a.rs", form), ("b.rs", "pub struct B; pub trait T {} pub const ONE: u8 = 1; pub fn f() {}")]);
        assert_eq!((lost(&found), edges(&found)), (vec![], vec!["a.rs -> b.rs".to_owned()]), "{form}");
    }
}

#[apply(test)]
fn what_is_no_import_is_left_out() {
    let forms = [
        "//! crate::b::B\n/// [`crate::b::B`]\nstruct S;",
        "#[doc = \"crate::b::B\"] struct S;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(all(test, unix))] use crate::b::B;",
        "#[test] fn f() { crate::b::f() }",
        "struct S; impl S { #[cfg(test)] fn f() { crate::b::f() } }",
        "struct S { #[cfg(test)] b: crate::b::B }",
        "fn f() { #[cfg(test)] let b = crate::b::f(); }",
        "#[cfg(test)] mod apart;",
        "use crate::b;",
        "pub(in crate::a) fn f() {}",
        "pub use crate::b::B;",
        "fn f(x: X) { x.b(); ::b::f(); Self::f(); std::b::f(); format!(\"crate::b::B {}\", x.f()) }",
    ];
    for form in forms {
        let found = modules(&[("a.rs", form), ("a/apart.rs", "use crate::b::B;"), ("b.rs", "pub struct B; pub fn f() {}")]);
        assert_eq!((lost(&found), edges(&found)), (vec![], vec![]), "{form}");
    }
    let kept = modules(&[("a.rs", "#[cfg(not(test))] use crate::b::B;"), ("b.rs", "pub struct B;")]);
    assert_eq!(edges(&kept), ["a.rs -> b.rs"]);
}

#[apply(test)]
fn modules_with_a_path_of_their_own_are_found() {
    let found = modules(&[
        ("a.rs", "#[path = \"elsewhere/c.rs\"] mod b; mod inner { #[path = \"d.rs\"] pub mod d; } fn f() { b::f(); inner::d::f() }"),
        ("elsewhere/c.rs", "mod e; pub fn f() { e::f() }"),
        ("elsewhere/e.rs", "pub fn f() {}"),
        ("a/inner/d.rs", "pub fn f() {}"),
    ]);
    assert_eq!(edges(&found), ["a.rs -> a/inner/d.rs", "a.rs -> elsewhere/c.rs", "elsewhere/c.rs -> elsewhere/e.rs"]);
}

#[apply(test)]
fn what_the_checker_cannot_read_is_a_fault() {
    let found = modules(&[("a.rs", "use crate::b::Absent;\nfn f() { super::absent::f() }"), ("b.rs", "")]);
    let expected = [
        "src/a.rs:1 imports crate::b::Absent -> nothing that the checker finds",
        "src/a.rs:2 imports super::absent::f -> nothing that the checker finds",
    ];
    assert_eq!(lost(&found), expected);

    let tree = [("src/lib.rs", "mod a;\nmod gone;"), ("src/a.rs", "fn f() {\n    let = 1;\n}")];
    let (sources, _) = read(&tree.map(|(path, source)| (path.to_owned(), source.to_owned())).into());
    assert_eq!(sources.faults.len(), 2);
    assert!(sources.faults[0].starts_with("src/a.rs:2: "), "{}", sources.faults[0]);
    assert_eq!(sources.faults[1], "src/lib.rs:2: no file for `mod gone;`: [\"src/gone.rs\", \"src/gone/mod.rs\"]");
}
