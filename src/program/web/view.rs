//! The views of the page. Does not depend on what they show.

/// One view: a URL of its own, and its data as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    Tail,
    Ask,
    Series,
    Rejected,
    Rules,
    Cardinality,
    Senders,
    Scrapes,
    Push,
    Events,
    Configuration,
    Actions,
}

impl View {
    /// All views, in the order of the navigation.
    pub(super) const ALL: [Self; 13] = [
        Self::Overview,
        Self::Ask,
        Self::Tail,
        Self::Series,
        Self::Rejected,
        Self::Rules,
        Self::Cardinality,
        Self::Senders,
        Self::Scrapes,
        Self::Push,
        Self::Events,
        Self::Configuration,
        Self::Actions,
    ];

    /// The last part of its path, `/ui/NAME`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Tail => "tail",
            Self::Ask => "ask",
            Self::Series => "series",
            Self::Rejected => "rejected",
            Self::Rules => "rules",
            Self::Cardinality => "cardinality",
            Self::Senders => "senders",
            Self::Scrapes => "scrapes",
            Self::Push => "push",
            Self::Events => "events",
            Self::Configuration => "configuration",
            Self::Actions => "actions",
        }
    }

    /// Its title, and its name in the navigation.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Tail => "Tail",
            Self::Ask => "Ask",
            Self::Series => "Series",
            Self::Rejected => "Rejected",
            Self::Rules => "Rules",
            Self::Cardinality => "Cardinality",
            Self::Senders => "Senders",
            Self::Scrapes => "Scrapes",
            Self::Push => "Push targets",
            Self::Events => "Events",
            Self::Configuration => "Configuration",
            Self::Actions => "Actions",
        }
    }

    /// The path of its data below `/api/v1/`; `None` for a view without data.
    pub(super) const fn api(self) -> Option<&'static str> {
        match self {
            Self::Overview => Some("overview"),
            Self::Ask => Some("ask"),
            Self::Series => Some("series"),
            Self::Rejected => Some("rejections"),
            Self::Rules => Some("rules"),
            Self::Cardinality => Some("cardinality"),
            Self::Senders => Some("sources"),
            Self::Scrapes => Some("scrapes"),
            Self::Push => Some("push"),
            Self::Events => Some("events"),
            Self::Configuration => Some("configuration"),
            // `/api/v1/tail` is a stream.
            Self::Tail | Self::Actions => None,
        }
    }

    /// The view at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let name = if path == "/" { "overview" } else { path.strip_prefix("/ui/")? };
        Self::ALL.into_iter().find(|view| view.name() == name)
    }
}
