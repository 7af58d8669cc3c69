//! A page being made, a part at a time, so that memory does not grow with it. The order of families and series is settled here;
//! what they look like is the format's affair.

use std::sync::Arc;

use super::escape::{Names, without_clashes};
use super::{Format, Style, own_families, text};
use crate::name::Escaping;
use crate::registry::{Family, Series};
use crate::telemetry::OwnFamily;
use crate::{Bridge, Timestamp};

/// How much is appended in one step, about. A family's head, or a series, is never cut.
const STEP_BYTES: usize = 64 << 10;

/// Series between two looks at how much there is.
const STEP_SERIES: usize = 64;

/// A page: all families, each with its series in a stable order, then the bridge's own families.
pub struct Page {
    format: Format,
    style: Style,
    now: Timestamp,
    families: std::vec::IntoIter<Arc<Family>>,
    current: Option<Current>,
    own: std::vec::IntoIter<OwnFamily>,
    is_ended: bool,
}

/// The family at hand, and how many of its series are on the page.
struct Current {
    family: Arc<Family>,
    names: Names,
    series: Arc<Vec<Arc<Series>>>,
    done: usize,
}

impl Page {
    /// A page of what the bridge has now; values are those of the moment in which they are written.
    pub(crate) fn new(bridge: &Bridge, (format, escaping): (Format, Escaping), now: Timestamp) -> Self {
        let style = Style::of(bridge.options(), escaping);
        let (families, left_out) = without_clashes(bridge.registry().families(), style.escaping);
        bridge.telemetry().scrape.families_left_out.increment(left_out.len() as u64);
        left_out.iter().for_each(|(family, kept)| bridge.registry().note_left_out(family, kept, now));
        Self {
            format,
            style,
            now,
            families: families.into_iter(),
            current: None,
            own: own_families(bridge.registry(), bridge.telemetry()).into_iter(),
            is_ended: false,
        }
    }

    /// Appends the next part, about 64 KiB. False if there is nothing more.
    pub fn more(&mut self, out: &mut Vec<u8>) -> bool {
        let full = out.len() + STEP_BYTES;
        while out.len() < full && !self.is_ended {
            self.step(out);
        }
        !self.is_ended
    }

    fn step(&mut self, out: &mut Vec<u8>) {
        if let Some(current) = &mut self.current {
            let rest = current.series.get(current.done..).unwrap_or_default();
            let some = rest.get(..STEP_SERIES).unwrap_or(rest);
            match self.format {
                Format::Text => text::series((&current.family, &current.names), some, (&self.style, self.now), out),
            }
            current.done += some.len();
            if current.done >= current.series.len() {
                self.current = None;
            }
        } else if let Some(family) = self.families.next() {
            let series = family.series();
            // A family whose first series was refused has none, and then no head.
            if !series.is_empty() {
                let names = Names::of(&family, &series, self.style.escaping);
                match self.format {
                    Format::Text => text::head((&family, &names), &self.style, out),
                }
                self.current = Some(Current { family, names, series, done: 0 });
            }
        } else if let Some(own) = self.own.next() {
            match self.format {
                Format::Text => text::own(&own, out),
            }
        } else {
            self.is_ended = true;
        }
    }
}
