//! Reads a crate's sources into modules, each with its definitions, imports and paths. Code that only tests compile is left out.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Stmt, UseTree, Visibility};

use super::syntax::{attributes_of, is_of_tests, names_of, path_attribute, plain};

/// Sources by path, such as `src/lib.rs`.
pub type Tree = BTreeMap<String, String>;

/// The modules of the library (module 0 is its root) and of the program.
#[derive(Default)]
pub struct Sources {
    pub modules: Vec<Module>,
    pub written: Vec<Written>,
    /// Sources that cannot be read. Must be empty.
    pub faults: Vec<String>,
}

/// One module, of a file or inline.
pub struct Module {
    pub parent: Option<usize>,
    pub file: String,
    pub names: BTreeMap<String, Vec<Binding>>,
    pub globs: Vec<Vec<String>>,
}

/// The meaning of a name in a module.
pub enum Binding {
    Module(usize),
    Item,
    Import { path: Vec<String>, public: bool },
}

/// A path in the source.
pub struct Written {
    pub module: usize,
    pub path: Vec<String>,
    pub line: usize,
    pub how: How,
    /// Whether `::*` follows.
    pub glob: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A private `use`.
    Use,
    /// A `use` with visibility: `pub`, `pub(crate)` and so on.
    ReExport,
    /// In an expression, a type, a pattern or the tokens of a macro.
    Inline,
}

impl Sources {
    /// Reads the modules of `src/lib.rs` and `src/main.rs`.
    pub fn read(tree: &Tree) -> Self {
        let mut sources = Self::default();
        for root in ["src/lib.rs", "src/main.rs"] {
            if tree.contains_key(root) {
                let module = sources.add_module(None, root);
                sources.read_file(tree, module, folder(root));
            }
        }
        sources
    }

    pub fn root_of(&self, mut module: usize) -> usize {
        while let Some(parent) = self.modules[module].parent {
            module = parent;
        }
        module
    }

    fn add_module(&mut self, parent: Option<usize>, file: &str) -> usize {
        self.modules.push(Module { parent, file: file.to_owned(), names: BTreeMap::new(), globs: Vec::new() });
        self.modules.len() - 1
    }

    /// `below` is the folder for the files of this module's `mod` lines.
    fn read_file(&mut self, tree: &Tree, module: usize, below: &str) {
        let file = self.modules[module].file.clone();
        match syn::parse_file(&tree[&file]) {
            Ok(parsed) if is_of_tests(&parsed.attrs) => (),
            Ok(parsed) => self.read_items(tree, module, &parsed.items, below),
            Err(error) => self.faults.push(format!("{file}:{}: {error}", error.span().start().line)),
        }
    }

    fn read_items(&mut self, tree: &Tree, module: usize, items: &[Item], below: &str) {
        for item in items.iter().filter(|item| !is_of_tests(attributes_of(item))) {
            for name in names_of(item) {
                self.bind(module, &name, Binding::Item);
            }
            match item {
                Item::Mod(declared) => self.read_module(tree, module, declared, below),
                _ => Reader { sources: self, module }.visit_item(item),
            }
        }
    }

    fn read_module(&mut self, tree: &Tree, parent: usize, declared: &ItemMod, below: &str) {
        let name = plain(&declared.ident);
        let within = format!("{below}/{name}");
        let file = self.modules[parent].file.clone();
        if let Some((_, items)) = &declared.content {
            let module = self.add_module(Some(parent), &file);
            self.bind(parent, &name, Binding::Module(module));
            return self.read_items(tree, module, items, &within);
        }
        let (candidates, within) = match path_attribute(&declared.attrs) {
            Some(path) => {
                let is_inline = self.modules[parent].parent.is_some_and(|above| self.modules[above].file == file);
                let found = join(if is_inline { below } else { folder(&file) }, &path);
                let within = folder(&found).to_owned();
                (vec![found], within)
            }
            None => (vec![format!("{within}.rs"), format!("{within}/mod.rs")], within),
        };
        match candidates.iter().find(|file| tree.contains_key(*file)) {
            Some(found) => {
                let module = self.add_module(Some(parent), found);
                self.bind(parent, &name, Binding::Module(module));
                self.read_file(tree, module, &within);
            }
            None => self.faults.push(format!("{file}:{}: no file for `mod {name};`: {candidates:?}", line_of(&declared.ident))),
        }
    }

    fn bind(&mut self, module: usize, name: &str, binding: Binding) {
        self.modules[module].names.entry(name.to_owned()).or_default().push(binding);
    }
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn line_of(ident: &Ident) -> usize {
    ident.span().start().line
}

/// Collects paths from an item, and `use` items inside functions.
struct Reader<'a> {
    sources: &'a mut Sources,
    module: usize,
}

impl Reader<'_> {
    fn write(&mut self, path: Vec<String>, line: usize, how: How) {
        self.sources.written.push(Written { module: self.module, path, line, how, glob: false });
    }

    fn read_use(&mut self, tree: &UseTree, mut path: Vec<String>, how: How) {
        match tree {
            UseTree::Path(part) => {
                path.push(plain(&part.ident));
                self.read_use(&part.tree, path, how);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.read_use(tree, path.clone(), how)),
            UseTree::Glob(glob) => {
                self.sources.modules[self.module].globs.push(path.clone());
                let line = glob.star_token.spans[0].start().line;
                self.sources.written.push(Written { module: self.module, path, line, how, glob: true });
            }
            UseTree::Name(name) => self.import(path, &name.ident, None, how),
            UseTree::Rename(name) => self.import(path, &name.ident, Some(plain(&name.rename)), how),
        }
    }

    fn import(&mut self, mut path: Vec<String>, ident: &Ident, rename: Option<String>, how: How) {
        if ident != "self" || path.is_empty() {
            path.push(plain(ident));
        }
        let name = rename.or_else(|| path.last().cloned()).unwrap_or_default();
        if name != "_" {
            self.sources.bind(self.module, &name, Binding::Import { path: path.clone(), public: how == How::ReExport });
        }
        self.write(path, line_of(ident), how);
    }

    /// Reads paths from the tokens of a macro, because `syn` does not parse these.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: Option<usize>, wanted: char| {
            let token = at.and_then(|at| tokens.get(at));
            matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
        };
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            at += 1;
            match &tokens[start] {
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![plain(first)];
                    while is(Some(at), ':') && is(Some(at + 1), ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 2) else { break };
                        path.push(plain(next));
                        at += 3;
                    }
                    let (before, further) = (start.checked_sub(1), start.checked_sub(2));
                    let continues = is(before, '.') && !is(further, '.') || is(before, ':') && is(further, ':') || is(before, '\'');
                    let is_variable = is(before, '$') && path[0] != "crate";
                    if !continues && !is_variable {
                        self.write(path, line_of(first), How::Inline);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => (),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_of_tests(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let how = match &item.vis {
            Visibility::Inherited => How::Use,
            Visibility::Restricted(restricted) if restricted.path.is_ident("self") => How::Use,
            _ => How::ReExport,
        };
        // `use ::name` imports from another crate.
        if item.leading_colon.is_none() {
            self.read_use(&item.tree, Vec::new(), how);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let (None, Some(first)) = (&path.leading_colon, path.segments.first()) {
            let names = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
            self.write(names, line_of(&first.ident), How::Inline);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        visit::visit_macro(self, called);
        self.read_tokens(called.tokens.clone());
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Macro(called) => &called.attrs,
            Stmt::Expr(syn::Expr::Block(block), _) => &block.attrs,
            _ => &[],
        };
        if !is_of_tests(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs[..],
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_of_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_of_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !is_of_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_of_tests(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    /// Attributes and `pub(in path)` import nothing.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}
