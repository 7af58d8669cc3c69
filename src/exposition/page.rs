//! A page being made, a part at a time, so that memory does not grow with it. The order of families and series is settled here;
//! what they look like is the format's affair.

use std::sync::Arc;

use super::{Format, Style, own_families, text};
use crate::registry::{Family, Series};
use crate::telemetry::OwnFamily;
use crate::{Bridge, Timestamp};

/// How much is appended in one step, about. A family's head, or a series, is never cut.
const STEP_BYTES: usize = 64 << 10;

/// Series between two looks at how much there is, and how far ahead memory is asked for.
const STEP_SERIES: usize = 16;

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
    series: Arc<Vec<Arc<Series>>>,
    done: usize,
}

impl Page {
    /// A page of what the bridge has now; values are those of the moment in which they are written.
    pub(crate) fn new(bridge: &Bridge, format: Format, now: Timestamp) -> Self {
        Self {
            format,
            style: Style::of(bridge.options()),
            now,
            families: bridge.registry().families().into_iter(),
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
            // Series lie anywhere: their memory is asked for while those before them are written.
            rest.iter().skip(2 * STEP_SERIES).take(STEP_SERIES).for_each(|series| series.prefetch());
            rest.iter().skip(STEP_SERIES).take(STEP_SERIES).for_each(|series| series.prefetch_values());
            match self.format {
                Format::Text => text::series(&current.family, some, (&self.style, self.now), out),
            }
            current.done += some.len();
            if current.done >= current.series.len() {
                self.current = None;
            }
        } else if let Some(family) = self.families.next() {
            let series = family.series();
            // A family whose first series was refused has none, and then no head.
            if !series.is_empty() {
                match self.format {
                    Format::Text => text::head(&family, &self.style, out),
                }
                self.current = Some(Current { family, series, done: 0 });
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
