//! Properties of an item from `syn`: attributes, names, and whether only tests compile it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token};

/// A name without `r#`.
pub fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Whether only tests compile an item with these attributes.
pub fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && syn::parse2(list.tokens.clone()).is_ok_and(|meta| needs_tests(&meta)),
        Meta::NameValue(_) => false,
    })
}

fn needs_tests(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()).unwrap_or_default();
            list.path.is_ident("all") && parts.iter().any(needs_tests)
                || list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(needs_tests)
        }
        Meta::NameValue(_) => false,
    }
}

/// The file that `#[path = ".."]` names.
pub fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

pub fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names that an item defines in its module, except for `use` and `mod` items.
pub fn names_of(item: &Item) -> Vec<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) if item.ident.is_some() => return item.ident.iter().map(plain).collect(),
        Item::ForeignMod(block) => {
            let name = |item: &syn::ForeignItem| match item {
                syn::ForeignItem::Fn(item) => Some(plain(&item.sig.ident)),
                syn::ForeignItem::Static(item) => Some(plain(&item.ident)),
                syn::ForeignItem::Type(item) => Some(plain(&item.ident)),
                _ => None,
            };
            return block.items.iter().filter_map(name).collect();
        }
        // `thread_local! { static NAME: .. }` and similar macros.
        Item::Macro(item) => return statics_in(item.mac.tokens.clone()),
        _ => return Vec::new(),
    };
    vec![plain(ident)]
}

fn statics_in(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_keyword = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if after_keyword => found.push(plain(&ident)),
            TokenTree::Ident(ident) if ident == "static" || ident == "const" => {
                after_keyword = true;
                continue;
            }
            _ => (),
        }
        after_keyword = false;
    }
    found
}
