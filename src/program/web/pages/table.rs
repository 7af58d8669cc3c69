//! A table with a caption and heads.

use maud::{Markup, html};

/// The form of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// A name of a sender's choice.
    Name,
    Text,
    Number,
}

impl Column {
    const fn class(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Text => "text",
            Self::Number => "number",
        }
    }
}

/// A table. The first cell of each row is its head. Without rows, `empty` is shown in its place.
pub(super) fn table(caption: &str, columns: &[(Column, &str)], rows: Vec<Vec<Markup>>, empty: &str) -> Markup {
    if rows.is_empty() {
        return html! { p.soft { (empty) } };
    }
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for (column, head) in columns { th scope="col" class=(column.class()) { (head) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.into_iter().enumerate() {
                                @let class = columns.get(at).map_or("text", |(column, _)| column.class());
                                @if at == 0 { th scope="row" class=(class) { (cell) } } @else { td class=(class) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
