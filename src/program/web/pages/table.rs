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

/// Columns from which a table becomes a list of cards on a phone, so that no column is beside the screen.
const STACKED_COLUMNS: usize = 4;

/// A table. The first cell of each row is its head. Without rows, `empty` is shown in its place.
pub(super) fn table(caption: &str, columns: &[(Column, &str)], rows: Vec<Vec<Markup>>, empty: &str) -> Markup {
    if rows.is_empty() {
        return html! { p.soft { (empty) } };
    }
    let is_stacked = columns.len() >= STACKED_COLUMNS;
    // A browser forgets what is a table where the style makes blocks of rows and cells; the roles still say it.
    let role = |name| is_stacked.then_some(name);
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table.stack[is_stacked] role=[role("table")] {
                caption { (caption) }
                thead role=[role("rowgroup")] {
                    tr role=[role("row")] {
                        @for (column, head) in columns { th scope="col" class=(column.class()) role=[role("columnheader")] { (head) } }
                    }
                }
                tbody role=[role("rowgroup")] {
                    @for row in rows {
                        tr role=[role("row")] {
                            @for (at, cell) in row.into_iter().enumerate() {
                                @let (class, head) = columns.get(at).map_or(("text", ""), |(column, head)| (column.class(), *head));
                                @if at == 0 { th scope="row" class=(class) role=[role("rowheader")] { (cell) } }
                                @else { td class=(class) role=[role("cell")] data-head=[is_stacked.then_some(head)] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
