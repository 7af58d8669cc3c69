//! The tabs: one file each, which turns answers of the API into notes and rows. A new tab is a file and a line in `TABS`.
//!
//! ```text
//! overview series rejected rules cardinality senders scrapes push events configuration   the tabs
//! ask      an answer to a question
//! family   a family with its labels, their values and its series
//! ```

mod ask;
mod cardinality;
mod configuration;
mod events;
mod family;
mod overview;
mod push;
mod rejected;
mod rules;
mod scrapes;
mod senders;
mod series;

#[cfg(test)]
pub(super) mod examples;

use super::page::Page;

pub(super) use self::ask::page as ask;

/// A tab.
pub(super) struct Tab {
    /// As `--tab` has it.
    pub(super) name: &'static str,
    /// For a narrow screen.
    pub(super) short: &'static str,
    /// The page; the argument is how many entries to ask for.
    pub(super) page: fn(u16) -> Page,
}

/// All tabs, in the order of their numbers. The tenth has the number 0.
pub(super) const TABS: [Tab; 10] = [
    Tab { name: "overview", short: "Over", page: overview::page },
    Tab { name: "series", short: "Ser", page: series::page },
    Tab { name: "rejected", short: "Rej", page: rejected::page },
    Tab { name: "rules", short: "Rule", page: rules::page },
    Tab { name: "cardinality", short: "Card", page: cardinality::page },
    Tab { name: "senders", short: "Send", page: senders::page },
    Tab { name: "scrapes", short: "Scr", page: scrapes::page },
    Tab { name: "push", short: "Push", page: push::page },
    Tab { name: "events", short: "Ev", page: events::page },
    Tab { name: "configuration", short: "Conf", page: configuration::page },
];

/// The place of a tab, by its name.
pub(super) fn place_of(name: &str) -> Option<usize> {
    TABS.iter().position(|tab| tab.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::cli::TABS as NAMES;

    #[test]
    fn the_flag_has_all_tabs() {
        assert_eq!(TABS.iter().map(|tab| tab.name).collect::<Vec<_>>(), NAMES);
    }
}
