//! Finds the file that defines the item of a path, through every re-export.
//!
//! Scopes within a function are not distinguished: a `use` inside a function counts for its whole module. An item from a glob
//! import counts where it is named. A trait that a glob imports only for its methods is not found.

use std::collections::BTreeSet;

use super::sources::{Binding, How, Sources, Written};

/// The name by which the program imports the library.
const LIBRARY: &str = "statsd_bridge";

/// A path in a file, and its resolution.
pub struct Import {
    pub from: String,
    pub line: usize,
    pub path: String,
    pub how: How,
    /// Each file that defines the named item, with the item's name. Modules are excluded, because the name of a module imports
    /// nothing.
    pub targets: BTreeSet<(String, String)>,
    /// The file of each module that the path passes.
    pub passes: BTreeSet<String>,
    /// Whether the path uses a name that the library's root only re-exports.
    pub by_root: bool,
    /// True for a path within the crate that cannot be resolved.
    pub lost: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Module(usize),
    Item(usize, String),
    /// An item of another crate, or no item: a local variable, a type parameter.
    Outside,
}

/// Every path that leads into the crate.
pub fn imports(sources: &Sources) -> Vec<Import> {
    sources.written.iter().filter_map(|written| import(sources, written)).collect()
}

fn import(sources: &Sources, written: &Written) -> Option<Import> {
    let module = &sources.modules[written.module];
    let mut walk = Walk { sources, passes: BTreeSet::new(), by_root: false, open: BTreeSet::new(), lost: false };
    if written.how == How::Inline && walk.is_item_imported_here(written) {
        return None;
    }
    let meanings = walk.path(written.module, &written.path, true);
    if !walk.lost && meanings.iter().all(|meaning| *meaning == Meaning::Outside) {
        return None;
    }
    let is_outside = module.file != "src/lib.rs" && module.file != "src/main.rs";
    let globs_root = written.glob && meanings.contains(&Meaning::Module(0));
    let targets = meanings.iter().filter_map(|meaning| match meaning {
        Meaning::Item(module, name) => Some((sources.modules[*module].file.clone(), name.clone())),
        Meaning::Module(_) | Meaning::Outside => None,
    });
    let glob = if written.glob { "::*" } else { "" };
    Some(Import {
        from: module.file.clone(),
        line: written.line,
        path: format!("{}{glob}", written.path.join("::")),
        how: written.how,
        targets: targets.collect(),
        passes: walk.passes.iter().map(|module| sources.modules[*module].file.clone()).collect(),
        by_root: is_outside && (walk.by_root || globs_root),
        lost: walk.lost,
    })
}

struct Walk<'a> {
    sources: &'a Sources,
    passes: BTreeSet<usize>,
    by_root: bool,
    /// Names under resolution. A re-export can lead back to itself.
    open: BTreeSet<(usize, String)>,
    lost: bool,
}

impl Walk<'_> {
    /// Whether a private `use` of this module imports the path's first name as an item. Then that line is the import.
    fn is_item_imported_here(&mut self, written: &Written) -> bool {
        let bindings = self.sources.modules[written.module].names.get(&written.path[0]);
        let imported = bindings.is_some_and(|found| found.iter().all(|one| matches!(one, Binding::Import { public: false, .. })));
        imported && !self.lookup(written.module, &written.path[0]).iter().any(|one| matches!(one, Meaning::Module(_)))
    }

    /// The meanings of a path in a module. `direct` is true for a path in the source, and false for the target of a re-export.
    fn path(&mut self, module: usize, path: &[String], direct: bool) -> BTreeSet<Meaning> {
        let mut rest = path;
        let mut at = module;
        let mut within = true;
        let mut taken = 0;
        while let Some(first) = rest.first() {
            at = match first.as_str() {
                "crate" => self.sources.root_of(module),
                "self" => at,
                "super" => match self.sources.modules[at].parent {
                    Some(parent) => parent,
                    None => break,
                },
                LIBRARY if taken == 0 && self.sources.root_of(module) != 0 => 0,
                _ => {
                    within = taken > 0;
                    break;
                }
            };
            rest = &rest[1..];
            taken += 1;
        }
        let mut meanings = BTreeSet::from([Meaning::Module(at)]);
        for (index, name) in rest.iter().enumerate() {
            let modules: Vec<usize> = meanings.iter().filter_map(module_of).collect();
            let mut next = BTreeSet::new();
            for module in modules {
                next.extend(self.lookup(module, name));
                if direct {
                    self.note(module, name, &next);
                }
            }
            // A name after a type is a member of the type: a variant, a function, a constant.
            let items = meanings.iter().filter(|one| module_of(one).is_none()).cloned();
            if next.is_empty() {
                let items: BTreeSet<Meaning> = items.collect();
                if items.is_empty() && index == 0 && !within {
                    return BTreeSet::from([Meaning::Outside]);
                }
                self.lost |= direct && items.is_empty();
                return items;
            }
            meanings = next;
        }
        meanings
    }

    fn note(&mut self, module: usize, name: &str, found: &BTreeSet<Meaning>) {
        self.passes.extend(found.iter().filter_map(module_of));
        let names = &self.sources.modules[module].names;
        self.by_root |=
            module == 0 && names.get(name).is_some_and(|bindings| bindings.iter().all(|one| matches!(one, Binding::Import { .. })));
    }

    fn lookup(&mut self, module: usize, name: &str) -> BTreeSet<Meaning> {
        let key = (module, name.to_owned());
        if !self.open.insert(key.clone()) {
            return BTreeSet::new();
        }
        let sources = self.sources;
        let mut found = BTreeSet::new();
        for binding in sources.modules[module].names.get(name).into_iter().flatten() {
            match binding {
                Binding::Module(module) => drop(found.insert(Meaning::Module(*module))),
                Binding::Item => drop(found.insert(Meaning::Item(module, name.to_owned()))),
                Binding::Import { path, .. } => found.extend(self.path(module, path, false)),
            }
        }
        if found.is_empty() {
            for glob in &sources.modules[module].globs {
                let modules: Vec<usize> = self.path(module, glob, false).iter().filter_map(module_of).collect();
                for module in modules {
                    found.extend(self.lookup(module, name));
                }
            }
        }
        self.open.remove(&key);
        found
    }
}

fn module_of(meaning: &Meaning) -> Option<usize> {
    match meaning {
        Meaning::Module(module) => Some(*module),
        Meaning::Item(..) | Meaning::Outside => None,
    }
}
